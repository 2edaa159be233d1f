/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "xml/limits.h"

#define MAX_PLUS_ONE (VSMMU_ATTRIBUTES_MAX + 1)

/* (transfer full): @count times a="" after each other */
static char *
attributes (guint count)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < count; i++)
    g_string_append_printf (text, " a%u=\"\"", i);
  return g_string_free (text, FALSE);
}

static gboolean
check (const char *text, guint *line)
{
  /* No terminator: reading past the end is for the sanitizer to see. */
  gsize length = strlen (text);
  g_autofree char *exact = g_memdup2 (text, length);

  return vsmmu_limits_check (exact, length, line);
}

static void
test_as_many_as_allowed_are_fine (void)
{
  g_autofree char *many = attributes (VSMMU_ATTRIBUTES_MAX);
  g_autofree char *document = g_strdup_printf ("<a%s/><b%s></b>", many, many);
  guint line = 0;

  g_assert_true (check (document, &line));
}

static void
test_one_more_is_refused_with_its_line (void)
{
  g_autofree char *many = attributes (MAX_PLUS_ONE);
  g_autofree char *document = g_strdup_printf ("<?xml version='1.0'?>\n<a>\n\n<b%s/></a>", many);
  guint line = 0;

  g_assert_false (check (document, &line));
  g_assert_cmpuint (line, ==, 4);
}

/* Texts around one tag with too many attributes that must not hide it, and texts that only look like such a tag. */
static const struct {
  const char *before;
  const char *after;
  gboolean is_fine;
} islands[] = {
  { "<a>'\"</a>", "", FALSE },    { "<!-- ' -->", "", FALSE },
  { "<!-- <!-- -->", "", FALSE }, { "<![CDATA[ ' < ]]>", "", FALSE },
  { "<?x ' ?>", "", FALSE },      { "<a b='>'>", "", FALSE },
  { "<a b=\"'\">", "", FALSE },   { "<a b='\"'>", "", FALSE },
  { "<!-->-->", "", FALSE },      { "<!--", "-->", TRUE },
  { "<![CDATA[", "]]>", TRUE },   { "<?x", "?>", TRUE },
  { "<a b='", "'/>", TRUE },
};

static void
test_comments_and_quotes_neither_hide_nor_feign_attributes (void)
{
  g_autofree char *many = attributes (MAX_PLUS_ONE);

  for (gsize i = 0; i < G_N_ELEMENTS (islands); i++) {
    g_autofree char *document = g_strdup_printf ("%s<x%s/>%s", islands[i].before, many, islands[i].after);
    guint line = 0;

    g_test_message ("%s...%s", islands[i].before, islands[i].after);
    g_assert_cmpint (check (document, &line), ==, islands[i].is_fine);
  }
}

static void
test_broken_ends_are_left_to_the_parser (void)
{
  static const char *const ends[] = { "",   "<",       "<!",   "<!-",  "<!--",         "<!--->", "<![CDATA[",
                                      "<?", "<?x",     "<a",   "<a b", "<a b=",        "<a b='", "<a b=\"'",
                                      "</", "<a b='>", "text", "<<<<", "<a =========", ">" };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
    guint line = 0;

    g_test_message ("%s", ends[i]);
    g_assert_true (check (ends[i], &line));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/limits/as-many-as-allowed-are-fine", test_as_many_as_allowed_are_fine);
  g_test_add_func ("/limits/one-more-is-refused-with-its-line", test_one_more_is_refused_with_its_line);
  g_test_add_func ("/limits/comments-and-quotes-neither-hide-nor-feign-attributes",
                   test_comments_and_quotes_neither_hide_nor_feign_attributes);
  g_test_add_func ("/limits/broken-ends-are-left-to-the-parser", test_broken_ends_are_left_to_the_parser);
  return g_test_run ();
}
