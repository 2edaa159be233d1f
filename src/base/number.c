/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/number.h"

#include <string.h>

#include <errno.h>
#include <stdlib.h>

gboolean
vsmmu_number_parse (const char *text, guint base, guint64 *value)
{
  const char *digits = text;
  char *end = NULL;

  while (g_ascii_isspace (*digits))
    digits++;
  /* strtoull() would take "-1" and wrap it around. */
  if (*digits == '-')
    return FALSE;

  errno = 0;
  *value = strtoull (digits, &end, (int) base);
  return errno == 0 && end != digits && *end == '\0';
}

static void
skip_spaces (const char **text)
{
  while (g_ascii_isspace (**text))
    (*text)++;
}

/* A number below @max, and the spaces after it. */
static gboolean
take_number (const char **text, guint64 *value, guint max)
{
  char *end = NULL;

  *value = g_ascii_strtoull (*text, &end, 10);
  if (end == *text || *value >= max || memchr (*text, '-', (gsize) (end - *text)) != NULL)
    return FALSE;
  *text = end;
  skip_spaces (text);
  return TRUE;
}

/* Whole words at a time, so that a long list of wide ranges costs no more than reading it. */
static void
change_bits (guint64 *bits, guint64 first, guint64 last, gboolean is_set)
{
  for (guint64 word = first / 64; word <= last / 64; word++) {
    guint64 mask = G_MAXUINT64;

    if (word == first / 64)
      mask &= G_MAXUINT64 << first % 64;
    if (word == last / 64)
      mask &= G_MAXUINT64 >> (63 - last % 64);
    bits[word] = is_set ? bits[word] | mask : bits[word] & ~mask;
  }
}

/* One of "4", "2-9" and "^4", and the spaces after it. */
static gboolean
take_range (const char **text, guint64 *bits, guint max)
{
  gboolean removes = **text == '^';
  guint64 first;
  guint64 last;

  *text += removes;
  if (!g_ascii_isdigit (**text) || !take_number (text, &first, max))
    return FALSE;
  last = first;
  if (**text == '-') {
    (*text)++;
    if (removes || !take_number (text, &last, max) || last < first)
      return FALSE;
  }
  change_bits (bits, first, last, !removes);
  return TRUE;
}

gboolean
vsmmu_number_parse_set (const char *text, guint64 *bits, guint max)
{
  skip_spaces (&text);
  if (*text == '\0')
    return FALSE;
  while (*text != '\0') {
    if (!take_range (&text, bits, max))
      return FALSE;
    if (*text == '\0')
      break;
    /* One comma may end the list. */
    if (*text++ != ',')
      return FALSE;
    skip_spaces (&text);
  }
  return TRUE;
}

gboolean
vsmmu_number_parse_nodes (const char *text, guint64 *nodes, guint max)
{
  if (!vsmmu_number_parse_set (text, nodes, max))
    return FALSE;
  for (guint word = 0; word < max / 64; word++)
    if (nodes[word] != 0)
      return TRUE;
  return FALSE;
}

gboolean
vsmmu_number_scale (guint64 *value, const char *unit)
{
  static const char prefixes[] = "kmgtpe";
  const char *prefix;
  guint64 step = 1024;
  guint64 factor = 1;

  if (unit == NULL || *unit == '\0')
    unit = "KiB";
  if (g_ascii_strcasecmp (unit, "b") == 0 || g_ascii_strcasecmp (unit, "byte") == 0 ||
      g_ascii_strcasecmp (unit, "bytes") == 0)
    return TRUE;

  prefix = strchr (prefixes, g_ascii_tolower (*unit));
  if (prefix == NULL)
    return FALSE;
  if (g_ascii_strcasecmp (unit + 1, "b") == 0)
    step = 1000;
  else if (unit[1] != '\0' && g_ascii_strcasecmp (unit + 1, "ib") != 0)
    return FALSE;

  for (const char *p = prefixes; p <= prefix; p++)
    factor *= step;
  return g_uint64_checked_mul (value, *value, factor);
}
