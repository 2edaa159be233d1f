/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "host-cache.h"

/* A host as its file of facts says it, and as root once found out. */
typedef struct {
  char *directory;
  char *path;
  char *saved;
  char *whole; /* all that is known of the host */
  guint n_changes;
} Fixture;

/* (transfer full): @whole without what only root sees */
static char *
leave_out_rids (const char *whole)
{
  g_autoptr (GRegex) regex = g_regex_new ("\"idr1\"\\s*:\\s*\"0x[0-9a-f]+\"", 0, 0, NULL);

  return g_regex_replace_literal (regex, whole, -1, 0, "\"idr1\": null", 0, NULL);
}

static void
write_text (const char *path, const char *text)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *grace = g_test_build_filename (G_TEST_DIST, "examples", "grace-host.json", NULL);

  fixture->directory = g_dir_make_tmp ("facts-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "host.json", NULL);
  fixture->saved = g_build_filename (fixture->directory, "saved.json", NULL);
  g_assert_true (g_file_get_contents (grace, &fixture->whole, NULL, NULL));
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_unlink (fixture->path);
  g_unlink (fixture->saved);
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
  g_free (fixture->saved);
  g_free (fixture->whole);
}
