/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/version.h"

#include <string.h>

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

/* Whether @build is what a packager may write behind a version; '' is. */
static gboolean
is_build (const char *build)
{
  static const char marks[] = "+-~";
  static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~_";

  return build[0] == '\0' || (strchr (marks, build[0]) != NULL && g_ascii_isalnum (build[1]) &&
                              strlen (build) < VSMMU_BUILD_SIZE && strspn (build, characters) == strlen (build));
}

/* Behind the epoch, if @text begins with one. */
static const char *
skip_epoch (const char *text)
{
  gsize digits = strspn (text, "0123456789");

  return digits > 0 && digits <= 3 && text[digits] == ':' ? text + digits + 1 : text;
}

gboolean
vsmmu_version_parse_package (const char *text, guint *version, char build[VSMMU_BUILD_SIZE])
{
  const char *start = skip_epoch (text);
  gsize length = strspn (start, "0123456789.");
  g_autofree char *numbers = g_strndup (start, length);

  if (!is_build (start + length) || !vsmmu_version_parse (numbers, version))
    return FALSE;
  g_strlcpy (build, start + length, VSMMU_BUILD_SIZE);
  return TRUE;
}

char *
vsmmu_version_to_string (guint version)
{
  return g_strdup_printf ("%u.%u.%u", version / 1000000, version / 1000 % 1000, version % 1000);
}
