/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapt/lowering.h"

void
vsmmu_lowering_add_argument (VsmmuLowering *lowering, const char *option, const char *value)
{
  g_string_append_printf (lowering->arguments, "<qemu:arg value='%s'/>\n<qemu:arg value='%s'/>\n", option, value);
}

/* (transfer full): @lines with another prefix; they are ours, so "qemu:" precedes names only */
static char *
change_prefix (const char *lines, const char *prefix)
{
  g_autofree char *start = g_strconcat ("<", prefix, NULL);
  g_autofree char *end = g_strconcat ("</", prefix, NULL);
  g_autoptr (GString) text = g_string_new (lines);

  g_string_replace (text, "</qemu:", end, 0);
  g_string_replace (text, "<qemu:", start, 0);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* (transfer full): what precedes the name of @node in the document, with the colon */
static char *
prefix_of (const xmlNode *node)
{
  return node->ns->prefix != NULL ? g_strconcat ((const char *) node->ns->prefix, ":", NULL) : g_strdup ("");
}

static char *
indent (const char *lines)
{
  g_autoptr (GString) text = g_string_new (lines);

  g_string_replace (text, "\n", "\n  ", 0);
  g_string_prepend (text, "  ");
  /* After the last line there is none. */
  g_string_truncate (text, text->len - 2);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const xmlNode *
find_container (const xmlNode *root, const char *name)
{
  for (const xmlNode *node = root->children; node != NULL; node = node->next)
    if (vsmmu_xml_is_ns (node, name, VSMMU_QEMU_NAMESPACE))
      return node;
  return NULL;
}

/*
 * Puts lines into an element below <domain>: libvirt accepts only one of each when it validates. A missing one is added
 * to @added.
 */
static void
write_container (VsmmuLowering *lowering, const char *name, const char *lines, GString *added)
{
  const xmlNode *node = find_container (lowering->root, name);
  g_autofree char *inner = NULL;
  g_autofree char *whole = NULL;

  if (*lines == '\0')
    return;
  if (node != NULL && vsmmu_xml_element (node->children) != NULL) {
    g_autofree char *prefix = prefix_of (node);
    g_autofree char *prefixed = change_prefix (lines, prefix);

    vsmmu_edit_insert_first (lowering->edit, node, prefixed);
    return;
  }
  inner = indent (lines);
  whole = g_strdup_printf ("<qemu:%s xmlns:qemu='" VSMMU_QEMU_NAMESPACE "'>\n%s</qemu:%s>", name, inner, name);
  if (node != NULL)
    vsmmu_edit_replace (lowering->edit, node, whole);
  else
    g_string_append_printf (added, "%s\n", whole);
}

static const xmlNode *
last_element (const xmlNode *parent)
{
  const xmlNode *node = parent->last;

  while (node != NULL && node->type != XML_ELEMENT_NODE)
    node = node->prev;
  return node;
}

void
vsmmu_lower_write (VsmmuLowering *lowering)
{
  g_autoptr (GString) added = g_string_new (NULL);

  write_container (lowering, "commandline", lowering->arguments->str, added);
  write_container (lowering, "override", lowering->overrides->str, added);
  if (added->len > 0)
    vsmmu_edit_insert_after (lowering->edit, last_element (lowering->root), added->str);
  if (lowering->controllers->len > 0)
    vsmmu_edit_insert_after (lowering->edit, last_element (lowering->devices), lowering->controllers->str);
}
