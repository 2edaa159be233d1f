/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/originals.h"

#include "model/number.h"
#include "model/text.h"

/* Byte by byte, whatever the encoding. A line break would be indented, or changed to another. */
static void
escape_bytes (GString *xml, const char *text)
{
  static const char *const entities[] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['\r'] = "&#13;", ['\n'] = "&#10;",
  };

  for (; *text != '\0'; text++) {
    guchar c = (guchar) *text;

    if (c < G_N_ELEMENTS (entities) && entities[c] != NULL)
      g_string_append (xml, entities[c]);
    else
      g_string_append_c (xml, *text);
  }
}

void
vsmmu_originals_add (GString *xml, const char *of, guint place, const char *text)
{
  g_autofree char *name = vsmmu_text_escape (of);

  g_string_append_printf (xml, "  <vsmmu:original of='%s'", name);
  if (place > 0)
    g_string_append_printf (xml, " place='%u'", place);
  g_string_append_c (xml, '>');
  escape_bytes (xml, text);
  g_string_append (xml, "</vsmmu:original>\n");
}

char *
vsmmu_originals_wrap (const char *lines)
{
  if (*lines == '\0')
    return g_strdup ("");
  return g_strconcat ("<vsmmu:lowered xmlns:vsmmu='" VSMMU_LOWERED_NAMESPACE "'>\n", lines, "</vsmmu:lowered>\n", NULL);
}

static const xmlNode *
find_lowered (const xmlNode *domain)
{
  const xmlNode *metadata = vsmmu_xml_child (domain, "metadata");

  for (const xmlNode *node = metadata != NULL ? metadata->children : NULL; node != NULL; node = node->next)
    if (vsmmu_xml_is_ns (node, "lowered", VSMMU_LOWERED_NAMESPACE))
      return node;
  return NULL;
}

void
vsmmu_originals_init (VsmmuOriginals *originals, const xmlNode *domain)
{
  originals->node = find_lowered (domain);
  originals->encoding = (const char *) domain->doc->encoding;
  originals->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  if (originals->node == NULL)
    return;
  for (const xmlNode *node = originals->node->children; node != NULL; node = node->next) {
    const char *of;

    if (!vsmmu_xml_is_ns (node, "original", VSMMU_LOWERED_NAMESPACE))
      continue;
    of = vsmmu_xml_attribute (node, "of");
    if (of != NULL)
      g_hash_table_insert (originals->by_name, (gpointer) of, (gpointer) node);
  }
}

void
vsmmu_originals_clear (VsmmuOriginals *originals)
{
  g_clear_pointer (&originals->by_name, g_hash_table_unref);
}

char *
vsmmu_originals_get (const VsmmuOriginals *originals, const char *of, guint *place)
{
  const xmlNode *node = g_hash_table_lookup (originals->by_name, of);
  const char *text;
  const char *place_text;
  guint64 number = 0;

  if (node == NULL)
    return NULL;
  text = node->children != NULL ? vsmmu_xml_text (node) : "";
  place_text = vsmmu_xml_attribute (node, "place");
  if (text == NULL || (place_text != NULL && (!vsmmu_number_parse (place_text, 10, &number) || number > G_MAXINT)))
    return NULL;
  if (place != NULL)
    *place = (guint) number;
  /* libxml2 has it in UTF-8. */
  return originals->encoding != NULL ? g_convert (text, -1, originals->encoding, "UTF-8", NULL, NULL, NULL)
                                     : g_strdup (text);
}

/* @text between @before and @after, in the encoding of the document. */
static xmlDocPtr
parse_between (const VsmmuOriginals *originals, const char *before, const char *text, const char *after)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *whole =
      g_strconcat ("<?xml version='1.0' encoding='", originals->encoding != NULL ? originals->encoding : "UTF-8", "'?>",
                   before, text, after, NULL);
  guint line;

  return vsmmu_xml_parse (whole, strlen (whole), "original", &line, &error);
}

xmlDocPtr
vsmmu_originals_parse (const VsmmuOriginals *originals, const char *text, const char *name)
{
  g_autoptr (xmlDoc) document = parse_between (originals, "<original>", text, "</original>");
  const xmlNode *element = document != NULL ? vsmmu_xml_element (xmlDocGetRootElement (document)->children) : NULL;

  if (element == NULL || (name != NULL && !vsmmu_xml_is (element, name)) || vsmmu_xml_element (element->next) != NULL)
    return NULL;
  return g_steal_pointer (&document);
}

char *
vsmmu_originals_parse_attribute (const VsmmuOriginals *originals, const char *text, const char *name)
{
  g_autoptr (xmlDoc) document = parse_between (originals, "<original", text, "/>");
  const xmlNode *root = document != NULL ? xmlDocGetRootElement (document) : NULL;

  /* One attribute and no more. */
  if (root == NULL || root->properties == NULL || root->properties->next != NULL || root->children != NULL)
    return NULL;
  return g_strdup (vsmmu_xml_attribute (root, name));
}
