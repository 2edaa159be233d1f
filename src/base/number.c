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

gboolean
vsmmu_number_parse_nodes (const char *text, guint64 *nodes, guint max)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  for (guint i = 0; parts[i] != NULL; i++) {
    char *part = g_strstrip (parts[i]);
    gboolean removes = *part == '^';
    char *dash = strchr (part, '-');
    guint64 first;
    guint64 last;

    if (dash != NULL)
      *dash++ = '\0';
    if (!vsmmu_number_parse (part + removes, 10, &first) ||
        !vsmmu_number_parse (dash != NULL ? dash : part + removes, 10, &last) || first > last || last >= max)
      return FALSE;
    /* Whole words at a time, so that a long list of wide ranges costs no more than reading it. */
    for (guint64 word = first / 64; word <= last / 64; word++) {
      guint64 mask = G_MAXUINT64;

      if (word == first / 64)
        mask &= G_MAXUINT64 << first % 64;
      if (word == last / 64)
        mask &= G_MAXUINT64 >> (63 - last % 64);
      nodes[word] = removes ? nodes[word] & ~mask : nodes[word] | mask;
    }
  }
  return TRUE;
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
