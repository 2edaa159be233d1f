/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

/*
 * Compares @text with tests/data/@name, which has it as it was last looked at and found right. With VSMMU_REGENERATE in
 * the environment the file is written anew and the test fails.
 */
static inline void
golden_compare (const char *name, const char *text)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "tests", "data", name, NULL);
  g_autofree char *expected = NULL;
  g_auto (GStrv) was = NULL;
  g_auto (GStrv) is = g_strsplit (text, "\n", -1);
  guint line = 0;

  if (g_getenv ("VSMMU_REGENERATE") != NULL) {
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    g_error ("%s is regenerated; look at the difference and run the test without VSMMU_REGENERATE", path);
  }
  if (!g_file_get_contents (path, &expected, NULL, NULL))
    g_error ("%s is missing; run the test with VSMMU_REGENERATE=1 to make it", path);
  was = g_strsplit (expected, "\n", -1);
  while (was[line] != NULL && g_strcmp0 (was[line], is[line]) == 0)
    line++;
  if (strcmp (text, expected) != 0)
    g_error ("%s, line %u: '%s' was expected, and is '%s'; VSMMU_REGENERATE=1 writes the file anew", path, line + 1,
             was[line], is[line]);
}
