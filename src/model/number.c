/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/number.h"

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
