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

#define REGISTER "\"0x02730520\""

/* (transfer full): @whole without a register that only root can read */
static char *
leave_out_register (const char *whole)
{
  g_autoptr (GRegex) regex = g_regex_new ("\"idr1\"\\s*:\\s*\\{[^}]*\\}", 0, 0, NULL);

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

static void
count_change (gpointer data)
{
  ((Fixture *) data)->n_changes++;
}

static VsmmuHostCache *
cache_new (Fixture *fixture)
{
  const VsmmuHostSources sources = { fixture->path, fixture->saved };

  return vsmmu_host_cache_new (&sources, count_change, fixture);
}

/* Whether the facts have what only root finds out. */
static gboolean
has_register (VsmmuHostCache *cache)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHostSnapshot) snapshot = vsmmu_host_cache_get (cache, &error);

  g_assert_no_error (error);
  return strstr (snapshot->json, REGISTER) != NULL;
}

static void
test_what_was_saved_completes_the_host (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *part = leave_out_register (fixture->whole);
  g_autoptr (VsmmuHostCache) without = NULL;
  g_autoptr (VsmmuHostCache) with = NULL;

  g_assert_nonnull (strstr (fixture->whole, REGISTER));
  g_assert_null (strstr (part, REGISTER));
  write_text (fixture->path, part);
  without = cache_new (fixture);
  g_assert_false (has_register (without));
  write_text (fixture->saved, fixture->whole);
  with = cache_new (fixture);
  g_assert_true (has_register (with));
}

static void
test_what_was_saved_and_is_broken_is_an_error (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const broken[] = { "", "{", "{}", "[]", "{\"version\": 99}" };
  g_autoptr (VsmmuHostCache) cache = NULL;

  write_text (fixture->path, fixture->whole);
  cache = cache_new (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autoptr (GError) error = NULL;

    write_text (fixture->saved, broken[i]);
    g_assert_null (vsmmu_host_cache_get (cache, &error));
    g_assert_nonnull (strstr (error->message, fixture->saved));
  }
  write_text (fixture->saved, fixture->whole);
  g_assert_true (has_register (cache));
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (broken));
}

static void
test_a_host_that_is_broken_is_an_error (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (VsmmuHostCache) cache = NULL;
  g_autoptr (GError) error = NULL;

  write_text (fixture->saved, fixture->whole);
  write_text (fixture->path, "{");
  cache = cache_new (fixture);
  g_assert_null (vsmmu_host_cache_get (cache, &error));
  g_assert_nonnull (strstr (error->message, fixture->path));
}

/* Whichever file it is, and what is read after that is new. */
static void
test_changes_are_signalled_and_used (Fixture *fixture, gconstpointer data)
{
  g_autofree char *part = leave_out_register (fixture->whole);
  gboolean is_saved = GPOINTER_TO_INT (data);
  g_autoptr (VsmmuHostCache) cache = NULL;

  write_text (fixture->path, part);
  write_text (fixture->saved, part);
  cache = cache_new (fixture);
  g_assert_false (has_register (cache));
  write_text (is_saved ? fixture->saved : fixture->path, fixture->whole);
  while (fixture->n_changes == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (has_register (cache));
}

int
main (int argc, char **argv)
{
#define ADD(path, data, test) g_test_add ("/host-cache/" path, Fixture, GINT_TO_POINTER (data), set_up, test, tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("saved", 0, test_what_was_saved_completes_the_host);
  ADD ("saved-broken", 0, test_what_was_saved_and_is_broken_is_an_error);
  ADD ("broken", 0, test_a_host_that_is_broken_is_an_error);
  ADD ("host-changes", FALSE, test_changes_are_signalled_and_used);
  ADD ("saved-changes", TRUE, test_changes_are_signalled_and_used);
  return g_test_run ();
}
