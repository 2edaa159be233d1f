/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/version.h"

#include "base/number.h"
#include "base/target.h"

gboolean
vsmmu_version_parse (const char *text, guint *version)
{
  g_auto (GStrv) parts = g_strsplit (text, ".", -1);
  guint count = g_strv_length (parts);
  guint64 numbers[3] = { 0 };

  if (count < 1 || count > 3)
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (!g_ascii_isdigit (parts[i][0]) || !vsmmu_number_parse (parts[i], 10, &numbers[i]) || numbers[i] > 999)
      return FALSE;
  *version = VSMMU_VERSION_ENCODE ((guint) numbers[0], (guint) numbers[1], (guint) numbers[2]);
  return *version > 0;
}

char *
vsmmu_version_to_string (guint version)
{
  return g_strdup_printf ("%u.%u.%u", version / 1000000, version / 1000 % 1000, version % 1000);
}
