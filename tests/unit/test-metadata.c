/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "golden.h"
#include "xml/edit.h"
#include "xml/metadata-filter.h"
#include "xml/metadata.h"
#include "xml/tags.h"

#define OURS "xmlns:v='urn:libvirt-vsmmu:policy:1'"
#define OTHER "<o:a xmlns:o='urn:o'>"

/* Documents, and what is read of them. */
static const struct {
  const char *name;
  const char *document;
  const char *ours;
  const char *none;
} rows[] = {
  { "no-metadata", "<domain><a/></domain>", "<domain><a/></domain>", "<domain><a/></domain>" },
  { "empty", "<domain><metadata/><a/></domain>", "<domain><metadata/><a/></domain>",
    "<domain><metadata/><a/></domain>" },
  { "text", "<domain><metadata> x </metadata></domain>", "<domain><metadata> x </metadata></domain>",
    "<domain><metadata> x </metadata></domain>" },
  { "other", "<domain><metadata>" OTHER "<b/></o:a></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>", "<domain><metadata><unread/></metadata></domain>" },
  { "lines", "<domain><metadata>\n" OTHER "\n<b\n/></o:a>\n</metadata><c/></domain>",
    "<domain><metadata>\n<unread/>\n\n\n</metadata><c/></domain>",
    "<domain><metadata>\n<unread/>\n\n\n</metadata><c/></domain>" },
  { "several", "<domain><metadata> <a/> <!-- < --> <b/> </metadata></domain>",
    "<domain><metadata> <unread/> </metadata></domain>", "<domain><metadata> <unread/> </metadata></domain>" },
  { "ours", "<domain><metadata><a/><v:h " OURS "/><b/><c/></metadata></domain>",
    "<domain><metadata><unread/><v:h " OURS "/><unread/></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>" },
  { "ours-around", "<domain " OURS "><metadata><v:h/><b/></metadata></domain>",
    "<domain " OURS "><metadata><v:h/><b/></metadata></domain>",
    "<domain " OURS "><metadata><unread/></metadata></domain>" },
  { "ours-after", "<domain><metadata><v:h/></metadata><v:h " OURS "/></domain>",
    "<domain><metadata><unread/></metadata><v:h " OURS "/></domain>",
    "<domain><metadata><unread/></metadata><v:h " OURS "/></domain>" },
  { "inside", "<domain><metadata><metadata><metadata/></metadata></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>", "<domain><metadata><unread/></metadata></domain>" },
  { "twice", "<domain><metadata><a/></metadata><b/><metadata><c/></metadata></domain>",
    "<domain><metadata><unread/></metadata><b/><metadata><unread/></metadata></domain>",
    "<domain><metadata><unread/></metadata><b/><metadata><unread/></metadata></domain>" },
  { "end-in-comment", "<domain><metadata><a><!-- </a></metadata> --></a></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>", "<domain><metadata><unread/></metadata></domain>" },
  { "end-in-cdata", "<domain><metadata><a><![CDATA[</a></metadata>]]></a></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>", "<domain><metadata><unread/></metadata></domain>" },
  { "end-in-instruction", "<domain><metadata><a><?p </a></metadata>?></a></metadata></domain>",
    "<domain><metadata><unread/></metadata></domain>", "<domain><metadata><unread/></metadata></domain>" },
  { "end-in-value", "<domain><metadata><a b='/>' c=\"'/>\"></a></metadata><d/></domain>",
    "<domain><metadata><unread/></metadata><d/></domain>", "<domain><metadata><unread/></metadata><d/></domain>" },
  { "in-comment", "<domain><!-- <metadata><a/></metadata> --><b/></domain>",
    "<domain><!-- <metadata><a/></metadata> --><b/></domain>",
    "<domain><!-- <metadata><a/></metadata> --><b/></domain>" },
  { "elsewhere", "<domain><devices><metadata><a/></metadata></devices></domain>",
    "<domain><devices><metadata><a/></metadata></devices></domain>",
    "<domain><devices><metadata><a/></metadata></devices></domain>" },
  { "snapshot",
    "<s><domain><metadata><a/></metadata></domain><inactiveDomain><metadata><a/></metadata></inactiveDomain></s>",
    "<s><domain><metadata><unread/></metadata></domain><inactiveDomain><metadata><unread/></metadata></"
    "inactiveDomain></s>",
    "<s><domain><metadata><unread/></metadata></domain><inactiveDomain><metadata><unread/></metadata></"
    "inactiveDomain></s>" },
  { "domain-in-domain", "<domain><domain><metadata><a/></metadata></domain></domain>",
    "<domain><domain><metadata><a/></metadata></domain></domain>",
    "<domain><domain><metadata><a/></metadata></domain></domain>" },
  { "domain-in-prefixed-domain", "<x:domain><domain><metadata><a/></metadata></domain></x:domain>",
    "<x:domain><domain><metadata><a/></metadata></domain></x:domain>",
    "<x:domain><domain><metadata><a/></metadata></domain></x:domain>" },
  { "other-name", "<domain><metadatas><a/></metadatas><x:metadata><a/></x:metadata></domain>",
    "<domain><metadatas><a/></metadatas><x:metadata><a/></x:metadata></domain>",
    "<domain><metadatas><a/></metadatas><x:metadata><a/></x:metadata></domain>" },
  { "unclosed", "<domain><metadata><a><b></a></metadata></domain>", "<domain><metadata><unread/></domain>",
    "<domain><metadata><unread/></domain>" },
  { "too-many-ends", "</a></b><domain><metadata><a/></metadata></domain>",
    "</a></b><domain><metadata><a/></metadata></domain>", "</a></b><domain><metadata><a/></metadata></domain>" },
  { "doctype", "<!DOCTYPE d [<!ENTITY e '<metadata>'>]><d><metadata><a/></metadata></d>",
    "<!DOCTYPE d [<!ENTITY e '<metadata>'>]><d><metadata><a/></metadata></d>",
    "<!DOCTYPE d [<!ENTITY e '<metadata>'>]><d><metadata><a/></metadata></d>" },
};

static void
assert_read (const char *document, VsmmuMetadata read, const char *expected)
{
  /* No terminator: reading past the end is for the sanitizer to see. */
  gsize length = strlen (document);
  g_autofree char *exact = g_memdup2 (document, length);
  g_autoptr (GArray) unread = vsmmu_metadata_find (exact, length, read);
  g_autofree char *rest = vsmmu_metadata_remove (exact, length, unread, &length);

  g_assert_cmpstr (rest, ==, expected);
  g_assert_cmpuint (length, ==, strlen (rest));
}

static void
test_what_is_read_of_metadata (gconstpointer data)
{
  const typeof (rows[0]) *row = data;

  assert_read (row->document, VSMMU_METADATA_WHOLE, row->document);
  assert_read (row->document, VSMMU_METADATA_OURS, row->ours);
  assert_read (row->document, VSMMU_METADATA_NONE, row->none);
}

/* (transfer full): @text as often as that */
static char *
repeat (const char *text, guint count)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < count; i++)
    g_string_append (all, text);
  return g_string_free (all, FALSE);
}

static xmlDocPtr
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  guint line = 0;
  xmlDocPtr document = vsmmu_xml_parse (text, strlen (text), "guest.xml", &line, &error);

  g_assert_no_error (error);
  return document;
}

/* What libvirt takes in <metadata>, and does not count for our limits. */
static void
test_metadata_does_not_count_for_the_limits (void)
{
  static const struct {
    const char *before;
    const char *element;
    guint count;
    const char *after;
    VsmmuMetadata read;
  } cases[] = {
    { OTHER, "<b/>", 10, "</o:a>", VSMMU_METADATA_WHOLE },
    { OTHER, "<b/>", 100000, "</o:a>", VSMMU_METADATA_OURS },
    { "", "<v:a " OURS "/>", 10000, "", VSMMU_METADATA_NONE },
    { OTHER "<b", " a='1'", 1, "/></o:a>", VSMMU_METADATA_WHOLE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *inner = repeat (cases[i].element, cases[i].count);
    g_autofree char *text = g_strdup_printf ("<domain><metadata>%s%s%s</metadata><b c='1'/>\n<d/></domain>",
                                             cases[i].before, inner, cases[i].after);
    g_autoptr (xmlDoc) document = parse (text);
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (text, strlen (text), document, "guest.xml", &error);
    xmlNode *root = xmlDocGetRootElement (document);
    g_autofree char *expected = NULL;
    g_autofree char *edited = NULL;
    gsize length;

    g_assert_no_error (error);
    g_assert_cmpint (vsmmu_xml_get_metadata (document), ==, cases[i].read);
    g_assert_cmpuint (vsmmu_xml_line (vsmmu_xml_child (root, "d")), ==, 2);
    vsmmu_edit_set_attribute (edit, vsmmu_xml_child (root, "b"), "c", "2");
    edited = vsmmu_edit_finish (edit, &length);
    expected = g_strdup_printf ("<domain><metadata>%s%s%s</metadata><b c='2'/>\n<d/></domain>", cases[i].before, inner,
                                cases[i].after);
    g_assert_cmpstr (edited, ==, expected);
  }
}

/* Limits that are broken in <metadata> by little, so that it would be read whole. */
static void
test_a_limit_that_only_metadata_breaks_does_not_count (void)
{
  g_autofree char *deep = repeat ("<a>", 200);
  g_autofree char *end = repeat ("</a>", 200);
  g_autofree char *namespaces = repeat ("<a xmlns:n='urn:n'/>", 100);
  g_autofree char *deep_document = g_strdup_printf ("<domain><metadata>%s%s</metadata><b/></domain>", deep, end);
  g_autofree char *wide_document = g_strdup_printf ("<domain><metadata>%s</metadata><b/></domain>", namespaces);
  g_autofree char *outside = g_strdup_printf ("<domain><metadata><a/></metadata>%s</domain>", namespaces);
  g_autoptr (xmlDoc) first = parse (deep_document);
  g_autoptr (xmlDoc) second = parse (wide_document);
  g_autoptr (GError) error = NULL;
  guint line = 0;

  g_assert_cmpint (vsmmu_xml_get_metadata (first), ==, VSMMU_METADATA_OURS);
  g_assert_cmpint (vsmmu_xml_get_metadata (second), ==, VSMMU_METADATA_OURS);
  g_assert_null (vsmmu_xml_parse (outside, strlen (outside), "guest.xml", &line, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_XML);
}

/* Documents that no parser reads, and others that only we do not. */
static const struct {
  const char *text;
  gboolean is_malformed;
} unreadable[] = {
  { "", TRUE },
  { " \n", TRUE },
  { "text", TRUE },
  { "<domain", TRUE },
  { "<domain><a></b></domain>", TRUE },
  { "<domain>&nosuch;</domain>", TRUE },
  { "<domain/><domain/>", TRUE },
  { "<domain a='1' a='2'/>", TRUE },
  { " <?xml version='1.0'?><domain/>", TRUE },
  { "<domain/>", FALSE },
  { "<!DOCTYPE domain><domain/>", FALSE },
  { "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>", FALSE },
  { "<?xml version='1.0' encoding='KOI8-R'?><domain/>", FALSE },
  { "<?xml version='1.0' encoding='UTF-8x'?><domain/>", FALSE },
  { "<?xml version='1.0' encoding='ISO-8859-17'?><domain/>", FALSE },
  { "<?xml version='1.0' encoding='UTF-16'?><domain/>", FALSE },
  { "\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><domain/>", FALSE },
  { "<?xml version='2.0'?><domain/>", FALSE },
  { "<domain>\xff</domain>", FALSE },
  { "\x4c\x6f\xa7\x94\x93\x40", FALSE }, /* EBCDIC */
  { "\xfe\xff", FALSE },
};

static void
test_what_no_parser_reads_is_told_from_what_we_do_not_read (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (unreadable); i++) {
    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_cmpint (vsmmu_xml_is_malformed (unreadable[i].text, strlen (unreadable[i].text)), ==,
                     unreadable[i].is_malformed);
  }
}

/* Besides the rows above. */
static const char *const streams[] = {
  "<?xml version='1.0'?>\n<domain a='>' b=\"'<metadata>'\">\n<metadata\n>\n<a "
  "b='</metadata>'/>\n</metadata\n>\n<b/>\n</domain>",
  "<domain><metadata a='/'>x</metadata><b/></domain>",
  "<domain><metadata a=\"/>\"/><b/></domain>",
  "<domain><metadata/>text<b/></domain>",
  "<domain><!--><metadata>--><metadata>a</metadata><!---><metadata>--><b/></domain>",
  "<domain><![CDATA[<metadata>]]]]><metadata>a<![CDATA[</metadata>]> ]] >]]>b</metadata><b/></domain>",
  "<domain><?a <metadata>?><metadata>a<?</metadata> ? >?>b</metadata><b/></domain>",
  "<domain><metadata><a><metadata/></a><a/></metadata><b><metadata>kept</metadata></b></domain>",
  "<domain><metadatametadata>kept</metadatametadata><metadat>kept</metadat><b/></domain>",
  "<metadata><a>kept</a></metadata>",
  "</domain></domain><domain><metadata>a</metadata><b/></domain>",
  "<domain><metadata>never closed",
  "<domain><metadata",
  "<domain><",
  "<domain>a > b < c</domain><d><metadata>a</metadata></d>",
};

/* (transfer full): @xml through the filter, @size bytes at a time */
static char *
filter_in_parts (const char *xml, gsize size)
{
  VsmmuMetadataFilter filter = { 0 };
  GString *out = g_string_new (NULL);

  for (gsize at = 0; at < strlen (xml); at += size)
    vsmmu_metadata_filter_feed (&filter, xml + at, MIN (size, strlen (xml) - at), out);
  return g_string_free (out, FALSE);
}

static void
add_filtered (GString *text, const char *xml)
{
  g_autofree char *whole = filter_in_parts (xml, G_MAXINT);
  g_autofree char *bytes = filter_in_parts (xml, 1);
  g_autofree char *parts = filter_in_parts (xml, 7);

  g_assert_cmpstr (bytes, ==, whole);
  g_assert_cmpstr (parts, ==, whole);
  g_string_append_printf (text, "%s\n=>\n%s\n\n", xml, whole);
}

static void
test_a_stream_is_left_without_metadata_as_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    add_filtered (text, rows[i].document);
  for (gsize i = 0; i < G_N_ELEMENTS (streams); i++)
    add_filtered (text, streams[i]);
  golden_compare ("metadata-filtered.txt", text->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/metadata/read/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_what_is_read_of_metadata);
  }
  g_test_add_func ("/metadata/limits/are-not-for-it", test_metadata_does_not_count_for_the_limits);
  g_test_add_func ("/metadata/limits/are-for-the-rest", test_a_limit_that_only_metadata_breaks_does_not_count);
  g_test_add_func ("/metadata/malformed/is-told-from-unreadable",
                   test_what_no_parser_reads_is_told_from_what_we_do_not_read);
  g_test_add_func ("/metadata/filter/found-right", test_a_stream_is_left_without_metadata_as_was_found_right);
  return g_test_run ();
}
