/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/read.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "base/number.h"
#include "base/text.h"

static char *
path_of (const VsmmuReader *reader, const char *suffix)
{
  return reader->device != NULL ? vsmmu_device_path (reader->device, suffix) : g_strconcat ("/domain", suffix, NULL);
}

void
vsmmu_read_problem (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                    const char *value, const char *expected)
{
  VsmmuValueProblem problem = {
    .line = vsmmu_xml_line (node),
    .attribute = attribute,
    .value = value,
    .element = path_of (reader, suffix),
    .expected = g_strdup (expected),
  };

  g_array_append_val (reader->domain->problems, problem);
}

void
vsmmu_read_unclear (const VsmmuReader *reader, const xmlNode *node, char *element, const char *name, const char *hint,
                    const char *format, ...)
{
  VsmmuValueProblem problem = {
    .line = vsmmu_xml_line (node),
    .value = name,
    .element = element,
    .expected = g_strdup (hint),
  };
  va_list arguments;

  va_start (arguments, format);
  problem.unclear = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_array_append_val (reader->domain->problems, problem);
}

const xmlNode *
vsmmu_read_child (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *name)
{
  const xmlNode *child = vsmmu_xml_child (node, name);

  for (const xmlNode *next = child != NULL ? child->next : NULL; next != NULL; next = next->next) {
    g_autofree char *parent = NULL;

    if (!vsmmu_xml_is (next, name))
      continue;
    parent = path_of (reader, suffix);
    vsmmu_read_unclear (reader, next, g_strdup_printf ("%s/%s[2]", parent, name), name,
                        _ ("remove all but one of the elements"),
                        _ ("duplicate <%s>; which one is used depends on the libvirt version"), name);
    break;
  }
  return child;
}

const char *
vsmmu_read_text (const VsmmuReader *reader, const xmlNode *node, const char *suffix)
{
  const xmlNode *child = vsmmu_xml_element (node->children);

  if (child != NULL) {
    g_autofree char *shown = vsmmu_text_shorten ((const char *) child->name);

    vsmmu_read_unclear (reader, node, path_of (reader, suffix), (const char *) node->name,
                        _ ("remove the elements from the text"), _ ("<%s> inside the text of <%s>"), shown,
                        (const char *) node->name);
  }
  return vsmmu_xml_text (node);
}

/* Nobody reads a longer list. */
#define FOREIGN_MAX 20

static gboolean
is_same_name (const xmlNode *a, const xmlNode *b)
{
  return b->type == XML_ELEMENT_NODE && xmlStrEqual (a->name, b->name) &&
         xmlStrEqual (a->ns != NULL ? a->ns->prefix : NULL, b->ns != NULL ? b->ns->prefix : NULL);
}

static void
prepend_step (GString *path, const xmlNode *node)
{
  const char *prefix = node->ns != NULL ? (const char *) node->ns->prefix : NULL;
  g_autofree char *step = NULL;
  guint n_before = 0;

  for (const xmlNode *sibling = node->prev; sibling != NULL; sibling = sibling->prev)
    n_before += is_same_name (node, sibling);
  step = n_before > 0
             ? g_strdup_printf ("/%s%s%s[%u]", prefix ?: "", prefix != NULL ? ":" : "", node->name, n_before + 1)
             : g_strdup_printf ("/%s%s%s", prefix ?: "", prefix != NULL ? ":" : "", node->name);
  g_string_prepend (path, step);
}

/* (transfer full): the XPath of @node, with the names that the document has */
static char *
path_below (const xmlNode *root, const xmlNode *node)
{
  GString *path = g_string_new (NULL);

  for (; node != root; node = node->parent)
    prepend_step (path, node);
  prepend_step (path, root);
  return g_string_free (path, FALSE);
}

static void
report_foreign (const VsmmuReader *reader, const xmlNode *root, const xmlNode *node, const xmlNs *ns,
                const xmlChar *name)
{
  const char *prefix = ns->prefix != NULL ? (const char *) ns->prefix : "";
  g_autofree char *whole = g_strconcat (prefix, *prefix != '\0' ? ":" : "", (const char *) name, NULL);
  g_autofree char *shown = vsmmu_text_shorten (whole);
  g_autofree char *uri = vsmmu_text_shorten ((const char *) ns->href);

  vsmmu_read_unclear (reader, node, path_below (root, node), (const char *) name,
                      _ ("remove the namespace, or move the content to <metadata>"),
                      _ ("'%s' is in namespace '%s'; libvirt may ignore it or read it as its own '%s'"), shown, uri,
                      (const char *) name);
}

/* <qemu:commandline> and the like are children of <domain>, and only have elements of the same namespace in them. */
static gboolean
is_of_libvirt (const xmlNode *root, const xmlNode *node)
{
  static const char uris[] = "http://libvirt.org/schemas/domain/";

  return node != root && strncmp ((const char *) node->ns->href, uris, strlen (uris)) == 0 &&
         (node->parent == root || (node->parent->ns != NULL && xmlStrEqual (node->parent->ns->href, node->ns->href)));
}

void
vsmmu_read_namespaces (const VsmmuReader *reader, const xmlNode *root)
{
  guint n_before = reader->domain->problems->len;
  gboolean is_metadata = FALSE;

  for (const xmlNode *node = root; node != NULL && reader->domain->problems->len - n_before < FOREIGN_MAX;
       node = vsmmu_xml_next (root, node, !is_metadata)) {
    if (node->ns != NULL && !is_of_libvirt (root, node))
      report_foreign (reader, root, node, node->ns, node->name);
    for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
      if (attribute->ns != NULL)
        report_foreign (reader, root, node, attribute->ns, attribute->name);
    is_metadata = node->parent == root && vsmmu_xml_is (node, "metadata");
  }
}

VsmmuSwitch
vsmmu_read_switch (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                   VsmmuSwitchWords words)
{
  const char *value = vsmmu_xml_attribute (node, attribute);

  if (value == NULL)
    return VSMMU_SWITCH_ABSENT;
  if (strcmp (value, words == VSMMU_READ_ON_OFF ? "on" : "yes") == 0)
    return VSMMU_SWITCH_ON;
  if (strcmp (value, words == VSMMU_READ_ON_OFF ? "off" : "no") == 0)
    return VSMMU_SWITCH_OFF;
  vsmmu_read_problem (reader, node, suffix, attribute, value,
                      words == VSMMU_READ_ON_OFF ? _ ("'on' or 'off'") : _ ("'yes' or 'no'"));
  return VSMMU_SWITCH_INVALID;
}

gint64
vsmmu_read_integer (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                    guint base, gint64 min, gint64 max, gint64 fallback)
{
  const char *text = vsmmu_xml_attribute (node, attribute);
  g_autofree char *expected = NULL;
  guint64 value;

  if (text == NULL)
    return fallback;
  if (vsmmu_number_parse (text, base, &value) && value <= (guint64) max && (gint64) value >= min)
    return (gint64) value;
  expected = g_strdup_printf (_ ("a whole number from %" PRId64 " to %" PRId64), min, max);
  vsmmu_read_problem (reader, node, suffix, attribute, text, expected);
  return fallback;
}

guint64
vsmmu_read_size (const char *text, const char *unit)
{
  guint64 size;

  return text != NULL && vsmmu_number_parse (text, 10, &size) && vsmmu_number_scale (&size, unit) ? size / 1024 : 0;
}
