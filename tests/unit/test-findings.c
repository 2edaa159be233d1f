/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <string.h>

#include "check/finding.h"
#include "check/run.h"
#include "render/text.h"

static GPtrArray *
findings_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
}

static void
add (GPtrArray *findings, VsmmuSeverity severity, const char *file, guint line, const char *message)
{
  g_ptr_array_add (findings, vsmmu_finding_new (vsmmu_rules_find ("needs-kvm"), severity, file, line,
                                                g_strdup ("/domain"), g_strdup (message), g_strdup ("do it")));
}

static void
test_severities_are_counted_apart (void)
{
  g_autoptr (GPtrArray) findings = findings_new ();

  g_assert_cmpuint (vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR), ==, 0);
  add (findings, VSMMU_SEVERITY_ERROR, "a", 1, "m");
  add (findings, VSMMU_SEVERITY_NOTE, "a", 1, "m");
  add (findings, VSMMU_SEVERITY_ERROR, "a", 1, "m");
  g_assert_cmpuint (vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR), ==, 2);
  g_assert_cmpuint (vsmmu_findings_count (findings, VSMMU_SEVERITY_WARNING), ==, 0);
  g_assert_cmpuint (vsmmu_findings_count (findings, VSMMU_SEVERITY_NOTE), ==, 1);
}

static void
test_text_is_a_line_and_a_hint (void)
{
  g_autoptr (GPtrArray) findings = findings_new ();
  g_autofree char *none = vsmmu_render_text (findings, TRUE);
  g_autofree char *plain = NULL;

  g_assert_cmpstr (none, ==, "");
  add (findings, VSMMU_SEVERITY_WARNING, "guest.xml", 7, "it is so");
  plain = vsmmu_render_text (findings, FALSE);
  g_assert_cmpstr (plain, ==, "guest.xml:7: warning: it is so [needs-kvm]\n    hint: do it\n");
}

static void
test_a_refusal_is_the_first_error_and_the_rules_of_the_others (void)
{
  g_autoptr (GPtrArray) findings = findings_new ();
  g_autofree char *one = NULL;
  g_autofree char *three = NULL;

  add (findings, VSMMU_SEVERITY_WARNING, "guest.xml", 3, "it is so");
  add (findings, VSMMU_SEVERITY_ERROR, "guest.xml", 7, "it is\033so");
  one = vsmmu_render_refusal (findings);
  g_assert_cmpstr (one, ==, "it is\\u001bso [needs-kvm]\n    hint: do it");
  add (findings, VSMMU_SEVERITY_ERROR, "guest.xml", 8, "and so");
  add (findings, VSMMU_SEVERITY_ERROR, "guest.xml", 9, "and so");
  three = vsmmu_render_refusal (findings);
  g_assert_cmpstr (three, ==, "it is\\u001bso [needs-kvm]\n    hint: do it\n    and 2 more errors: needs-kvm");
}

static void
test_colours_add_only_escape_sequences (void)
{
  g_autoptr (GPtrArray) findings = findings_new ();
  g_autoptr (GRegex) sequence = g_regex_new ("\033\\[[0-9;]*m", 0, 0, NULL);
  g_autofree char *coloured = NULL;
  g_autofree char *stripped = NULL;
  g_autofree char *plain = NULL;

  for (VsmmuSeverity severity = VSMMU_SEVERITY_NOTE; severity <= VSMMU_SEVERITY_ERROR; severity++)
    add (findings, severity, "guest.xml", 7, "it is so");
  coloured = vsmmu_render_text (findings, TRUE);
  plain = vsmmu_render_text (findings, FALSE);
  stripped = g_regex_replace_literal (sequence, coloured, -1, 0, "", 0, NULL);
  g_assert_cmpstr (stripped, ==, plain);
  g_assert_cmpstr (coloured, !=, plain);
}

/* Text from a document or a file name, and how it is shown; bytes that are no UTF-8 included. */
static const struct {
  const char *raw;
  const char *shown;
} texts[] = {
  { "plain", "plain" },
  { "", "" },
  { "\u00fc \u4e2d \U0001f600", "\u00fc \u4e2d \U0001f600" },
  { "\033[31m", "\\u001b[31m" },
  { "a\nb\tc\rd", "a\\u000ab\\u0009c\\u000dd" },
  { "\x7f", "\\u007f" },
  { "\xc2\x9b"
    "1m",
    "\\u009b1m" },
  { "\u202e", "\\u202e" },
  { "\u2028\u2029", "\\u2028\\u2029" },
  { "\ufeff", "\\ufeff" },
  { "\U000e0041", "\\ue0041" },
  { "a\xff"
    "b",
    "a\ufffd"
    "b" },
  { "\xc3", "\ufffd" },
};

static void
test_what_is_not_printable_is_written_out (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *shown = vsmmu_render_printable (texts[i].raw);

    g_assert_cmpstr (shown, ==, texts[i].shown);
  }
}

/* The string in the only finding of what vsmmu_render_json() made. */
static char *
read_back (const char *json, const char *member)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *findings;

  json_parser_load_from_data (parser, json, -1, &error);
  g_assert_no_error (error);
  findings = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "findings");
  g_assert_cmpuint (json_array_get_length (findings), ==, 1);
  return g_strdup (json_object_get_string_member (json_array_get_object_element (findings, 0), member));
}

static void
test_json_keeps_text_and_is_ascii_where_terminals_care (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GPtrArray) findings = findings_new ();
    g_autofree char *json = NULL;
    g_autofree char *message = NULL;
    g_autofree char *file = NULL;
    g_autofree char *valid = g_utf8_make_valid (texts[i].raw, -1);
    g_autofree char *printable = NULL;

    add (findings, VSMMU_SEVERITY_ERROR, texts[i].raw, 1, texts[i].raw);
    json = vsmmu_render_json (findings, 1);
    g_assert_true (g_utf8_validate (json, -1, NULL));
    message = read_back (json, "message");
    file = read_back (json, "file");
    g_assert_cmpstr (message, ==, valid);
    g_assert_cmpstr (file, ==, valid);
    for (char *p = json; *p != '\0'; p++)
      if (*p == '\n')
        *p = ' ';
    printable = vsmmu_render_printable (json);
    g_assert_cmpstr (json, ==, printable);
  }
}

/* The address of a file in SARIF is a relative or absolute reference (RFC 3986). */
static const struct {
  const char *file;
  const char *uri;
} uris[] = {
  { "guest.xml", "guest.xml" }, { "dir/guest.xml", "dir/guest.xml" }, { "a b.xml", "a%20b.xml" },
  { "50%.xml", "50%25.xml" },   { "a#b?c.xml", "a%23b%3Fc.xml" },     { "\u00fc.xml", "%C3%BC.xml" },
  { "a:b.xml", "./a:b.xml" },   { "<stdin>", "%3Cstdin%3E" },         { "/srv/guest.xml", "file:///srv/guest.xml" },
};

static void
test_sarif_names_files_by_uri (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (uris); i++) {
    g_autoptr (GPtrArray) findings = findings_new ();
    g_autofree char *sarif = NULL;
    g_autofree char *expected = g_strdup_printf ("\"uri\" : \"%s\"", uris[i].uri);

    g_test_message ("%s", uris[i].file);
    add (findings, VSMMU_SEVERITY_ERROR, uris[i].file, 0, "m");
    sarif = vsmmu_render_sarif (findings);
    g_assert_nonnull (strstr (sarif, expected));
    g_assert_nonnull (strstr (sarif, "\"startLine\" : 1\n"));
  }
}

static void
test_the_table_of_rules_is_complete (void)
{
  guint n_rules = 0;

  for (const VsmmuRule *rule; (rule = vsmmu_rules_get (n_rules)) != NULL; n_rules++) {
    g_assert_true (vsmmu_rules_find (rule->id) == rule);
    g_assert_true (rule->title[0] != '\0' && rule->explanation[0] != '\0' && rule->source[0] != '\0');
    g_assert_nonnull (vsmmu_severity_to_string (rule->severity));
    g_assert_nonnull (vsmmu_rule_group_to_string (rule->group));
  }
  g_assert_cmpuint (n_rules, >, 30);
  g_assert_null (vsmmu_rules_get (n_rules));
  g_assert_null (vsmmu_rules_get (G_MAXUINT));
  g_assert_null (vsmmu_rules_find (""));
  g_assert_null (vsmmu_rules_find ("needs-kv"));
}

static void
test_a_document_that_is_no_domain_is_a_finding_unless_only_domains_are_wanted (void)
{
  static const char text[] = "<network/>";
  const VsmmuCheckOptions domains_only = { .domains_only = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) findings = vsmmu_check_data (text, strlen (text), "net.xml", NULL, &error);
  const VsmmuFinding *finding = g_ptr_array_index (findings, 0);

  g_assert_no_error (error);
  g_assert_cmpuint (findings->len, ==, 1);
  g_assert_cmpstr (finding->rule->id, ==, "xml-malformed");
  g_assert_cmpstr (finding->file, ==, "net.xml");
  g_assert_null (strstr (finding->message, "net.xml"));
  g_assert_null (vsmmu_check_data (text, strlen (text), "net.xml", &domains_only, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_NOT_DOMAIN);
}

static void
test_a_file_that_cannot_be_read_is_no_finding (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_check_file ("/nonexistent/guest.xml", NULL, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/findings/refusal", test_a_refusal_is_the_first_error_and_the_rules_of_the_others);
  g_test_add_func ("/findings/count/severities-apart", test_severities_are_counted_apart);
  g_test_add_func ("/findings/text/is-a-line-and-a-hint", test_text_is_a_line_and_a_hint);
  g_test_add_func ("/findings/text/colours-add-only-escape-sequences", test_colours_add_only_escape_sequences);
  g_test_add_func ("/findings/text/what-is-not-printable-is-written-out", test_what_is_not_printable_is_written_out);
  g_test_add_func ("/findings/json/keeps-text-and-is-ascii-where-terminals-care",
                   test_json_keeps_text_and_is_ascii_where_terminals_care);
  g_test_add_func ("/findings/sarif/names-files-by-uri", test_sarif_names_files_by_uri);
  g_test_add_func ("/findings/rules/table-is-complete", test_the_table_of_rules_is_complete);
  g_test_add_func ("/findings/check/no-domain-is-a-finding-unless-only-domains-are-wanted",
                   test_a_document_that_is_no_domain_is_a_finding_unless_only_domains_are_wanted);
  g_test_add_func ("/findings/check/an-unreadable-file-is-no-finding", test_a_file_that_cannot_be_read_is_no_finding);
  return g_test_run ();
}
