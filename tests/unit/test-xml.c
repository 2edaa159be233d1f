/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "xml/xml.h"

static xmlDocPtr
parse (const char *text, guint *line, GError **error)
{
  return vsmmu_xml_parse (text, strlen (text), "guest.xml", line, error);
}

static xmlDocPtr
parse_valid (const char *text)
{
  g_autoptr (GError) error = NULL;
  guint line = 0;
  xmlDocPtr document = parse (text, &line, &error);

  g_assert_no_error (error);
  g_assert_nonnull (document);
  return document;
}

/* A document that is refused, and the line of the error. */
static const struct {
  const char *text;
  guint line;
} malformed[] = {
  { "", 1 },
  { " ", 1 },
  { "\n\n", 0 },
  { "text", 1 },
  { "<a>", 0 },
  { "<a>\n</b>", 2 },
  { "<a>\n<b></a>", 2 },
  { "<a\nb=''\nb=''/>", 3 },
  { "<a>\n\n&nbsp;</a>", 3 },
  { "<a/>\n<b/>", 2 },
  { "<!DOCTYPE a>\n<a/>", 1 },
  { "\n<?xml version='1.0'?><a/>", 2 },
  { "<a>\n&#0;</a>", 2 },
  { "<a>\n\x01</a>", 2 },
  { "<a>\n\xff</a>", 2 },
};

static void
test_an_error_tells_file_and_line (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *place = NULL;
    guint line = 0;

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_null (parse (malformed[i].text, &line, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_XML);
    g_assert_cmpuint (line, >=, 1);
    if (malformed[i].line != 0)
      g_assert_cmpuint (line, ==, malformed[i].line);
    place = g_strdup_printf ("guest.xml:%u: ", line);
    g_assert_true (g_str_has_prefix (error->message, place));
    g_assert_null (strchr (error->message, '\n'));
  }
}

static void
test_a_document_that_is_too_large_is_not_parsed (void)
{
  gsize length = VSMMU_DOCUMENT_MAX_BYTES + 1;
  g_autofree char *text = g_strnfill (length, ' ');
  g_autoptr (GError) error = NULL;
  guint line = 0;

  memcpy (text, "<a/>", 4);
  g_assert_null (vsmmu_xml_parse (text, length, "guest.xml", &line, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
}

static void
test_a_document_in_utf16_that_is_too_large_is_not_converted (void)
{
  gsize length = VSMMU_DOCUMENT_MAX_BYTES + 2;
  g_autofree char *text = g_malloc0 (length);
  g_autoptr (GError) error = NULL;
  guint line = 0;

  for (gsize i = 0; i < length; i += 2)
    text[i] = ' ';
  memcpy (text, "<\0a\0/\0>\0", 8);
  g_assert_null (vsmmu_xml_parse (text, length, "guest.xml", &line, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
}

static void
test_lines_are_those_of_the_start_tags (void)
{
  g_autoptr (xmlDoc) document =
      parse_valid ("<?xml version='1.0'?>\n<!--\n-->\n<a>\n  <b/>\n  <c\n    d='\n'\n  />\n  <e>\n  </e></a>");
  const xmlNode *root = xmlDocGetRootElement (document);

  g_assert_cmpuint (vsmmu_xml_line (root), ==, 4);
  g_assert_cmpuint (vsmmu_xml_line (vsmmu_xml_child (root, "b")), ==, 5);
  g_assert_cmpuint (vsmmu_xml_line (vsmmu_xml_child (root, "c")), ==, 6);
  g_assert_cmpuint (vsmmu_xml_line (vsmmu_xml_child (root, "e")), ==, 10);
}

/* Elements of every shape around and past the 16 bits that libxml2 has for a line. */
static void
test_lines_are_right_past_65535 (void)
{
  static const char *const shapes[] = { "<x/>",        "<x></x>",         "<x>text</x>",         "<x>\n\n</x>",
                                        "<x><y/></x>", "<x>\n<y/>\n</x>", "<x>\n<y><z/></y></x>" };
  GString *text = g_string_new ("<a>");
  g_autofree guint *expected = g_new (guint, 500000);
  guint n_elements = 0;
  guint line = 1;

  while (line < 140000) {
    const char *shape = shapes[n_elements % G_N_ELEMENTS (shapes)];

    /* Sparse at first, and then the same with a line for each and several on one line. */
    for (guint n = line < 65000 ? 9973 : n_elements % 3; n > 0; n--, line++)
      g_string_append_c (text, '\n');
    expected[n_elements++] = line;
    g_string_append (text, shape);
    for (const char *p = shape; *p != '\0'; p++)
      line += *p == '\n';
  }
  g_string_append (text, "</a>");

  {
    g_autoptr (xmlDoc) document = parse_valid (text->str);
    guint i = 0;

    for (const xmlNode *node = vsmmu_xml_child (xmlDocGetRootElement (document), "x"); node != NULL;
         node = vsmmu_xml_element (node->next), i++)
      g_assert_cmpuint (vsmmu_xml_line (node), ==, expected[i]);
    g_assert_cmpuint (i, ==, n_elements);
  }
  g_string_free (text, TRUE);
}

static void
test_the_line_of_an_error_is_right_past_65535 (void)
{
  GString *text = g_string_new ("<a>");
  g_autoptr (GError) error = NULL;
  guint line = 0;

  for (guint i = 0; i < 99999; i++)
    g_string_append_c (text, '\n');
  g_string_append (text, "</b>");
  g_assert_null (parse (text->str, &line, &error));
  g_assert_cmpuint (line, ==, 100000);
  g_string_free (text, TRUE);
}

static void
test_attributes_are_looked_up_by_local_name (void)
{
  g_autoptr (xmlDoc) document = parse_valid ("<a xmlns:n='u' n:b='1' b='2' xml:f='4' c='' d='&lt;&#10;&amp;' B='3'/>");
  const xmlNode *root = xmlDocGetRootElement (document);

  g_assert_cmpstr (vsmmu_xml_attribute (root, "b"), ==, "1");
  g_assert_cmpstr (vsmmu_xml_attribute (root, "f"), ==, "4");
  g_assert_cmpstr (vsmmu_xml_attribute (root, "c"), ==, "");
  g_assert_cmpstr (vsmmu_xml_attribute (root, "d"), ==, "<\n&");
  g_assert_null (vsmmu_xml_attribute (root, "e"));
  g_assert_null (vsmmu_xml_attribute (root, "n:b"));
}

/* Texts as libvirt sees them. */
static const struct {
  const char *xml;
  const char *text;
} texts[] = {
  { "<a>text</a>", "text" },           { "<a> text\n</a>", " text\n" },
  { "<a>a&amp;b&#99;</a>", "a&bc" },   { "<a><![CDATA[<b/>]]></a>", "<b/>" },
  { "<a>a<![CDATA[b]]>c</a>", "abc" }, { "<a><!-- c -->text</a>", "text" },
  { "<a>te<!-- c -->xt</a>", "text" }, { "<a>te<?p i?>xt</a>", "text" },
  { "<a>text<!-- c --></a>", "text" },
};

static void
test_text_is_whole_with_comments_and_cdata_in_it (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (xmlDoc) document = parse_valid (texts[i].xml);

    g_test_message ("%s", texts[i].xml);
    g_assert_cmpstr (vsmmu_xml_text (xmlDocGetRootElement (document)), ==, texts[i].text);
  }
}

static void
test_an_element_with_elements_has_no_text (void)
{
  g_autoptr (xmlDoc) document = parse_valid ("<a>text<b/></a>");

  g_assert_null (vsmmu_xml_text (xmlDocGetRootElement (document)));
}

static void
test_children_are_found_by_name_and_namespace (void)
{
  g_autoptr (xmlDoc) document = parse_valid ("<a>x<!-- b --><n:b xmlns:n='u' i='1'/><b i='2'/><b i='3'/></a>");
  const xmlNode *root = xmlDocGetRootElement (document);
  xmlNode *first = vsmmu_xml_element (root->children);

  g_assert_cmpstr (vsmmu_xml_attribute (vsmmu_xml_child (root, "b"), "i"), ==, "2");
  g_assert_null (vsmmu_xml_child (root, "c"));
  g_assert_true (vsmmu_xml_is_ns (first, "b", "u"));
  g_assert_false (vsmmu_xml_is_ns (first, "b", "v"));
  g_assert_false (vsmmu_xml_is (first, "b"));
  g_assert_false (vsmmu_xml_is_ns (first->next, "b", "u"));
  g_assert_true (vsmmu_xml_is (first->next, "b"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xml/error/tells-file-and-line", test_an_error_tells_file_and_line);
  g_test_add_func ("/xml/error/line-is-right-past-65535", test_the_line_of_an_error_is_right_past_65535);
  g_test_add_func ("/xml/size/too-large-is-not-parsed", test_a_document_that_is_too_large_is_not_parsed);
  g_test_add_func ("/xml/size/too-large-is-not-converted", test_a_document_in_utf16_that_is_too_large_is_not_converted);
  g_test_add_func ("/xml/line/is-that-of-the-start-tag", test_lines_are_those_of_the_start_tags);
  g_test_add_func ("/xml/line/is-right-past-65535", test_lines_are_right_past_65535);
  g_test_add_func ("/xml/attribute/is-looked-up-by-local-name", test_attributes_are_looked_up_by_local_name);
  g_test_add_func ("/xml/text/is-whole-with-comments-and-cdata-in-it",
                   test_text_is_whole_with_comments_and_cdata_in_it);
  g_test_add_func ("/xml/text/is-not-that-of-an-element-with-elements", test_an_element_with_elements_has_no_text);
  g_test_add_func ("/xml/child/is-found-by-name-and-namespace", test_children_are_found_by_name_and_namespace);
  return g_test_run ();
}
