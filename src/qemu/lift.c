/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "model/read.h"
#include "qemu/lifting.h"
#include "qemu/lowering.h"

static void
lifting_clear (VsmmuLifting *lifting)
{
  vsmmu_domain_free (lifting->domain);
  vsmmu_originals_clear (&lifting->originals);
  vsmmu_passthroughs_clear (&lifting->passthroughs);
  g_hash_table_unref (lifting->buses);
  g_string_free (lifting->devices, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuLifting, lifting_clear)

static void
find_buses (VsmmuLifting *lifting)
{
  for (guint i = 0; i < lifting->domain->controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (lifting->domain->controllers, i);

    if (controller->controller.index >= 0)
      g_hash_table_insert (lifting->buses, controller->id, GUINT_TO_POINTER (controller->controller.index + 1));
  }
}

/* Controllers that libvirt would have added: in a document that libvirt has seen they have children, and stay. */
static void
remove_implied_controllers (VsmmuLifting *lifting)
{
  for (guint i = 0; i < lifting->domain->controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (lifting->domain->controllers, i);
    g_autofree char *of = g_strdup_printf ("controller%d", controller->controller.index);

    if (controller->node != NULL && controller->node->children == NULL &&
        g_hash_table_contains (lifting->originals.by_name, of))
      vsmmu_edit_remove (lifting->edit, controller->node);
  }
}

static guint
count_elements (const xmlNode *parent)
{
  guint count = 0;

  for (const xmlNode *node = vsmmu_xml_element (parent->children); node != NULL; node = vsmmu_xml_element (node->next))
    count++;
  return count;
}

/* An element that lowering made, or put something into that was empty; the latter libvirt does not keep. */
static void
remove_container (VsmmuLifting *lifting, const xmlNode *node, GHashTable *removed)
{
  g_autofree char *text = vsmmu_originals_get (&lifting->originals, (const char *) node->name, NULL);
  gboolean is_as_lowered = node->ns == NULL || node->nsDef != NULL;
  g_autoptr (xmlDoc) document =
      text != NULL && is_as_lowered ? vsmmu_originals_parse (&lifting->originals, text, NULL) : NULL;

  g_hash_table_add (removed, (gpointer) node);
  if (document != NULL)
    vsmmu_edit_restore (lifting->edit, node, text);
  else
    vsmmu_edit_remove (lifting->edit, node);
}

/* Elements of which nothing is left; @removed: nodes that are no longer there. */
static void
remove_containers (VsmmuLifting *lifting, GHashTable *removed)
{
  for (const xmlNode *node = vsmmu_xml_element (lifting->root->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    guint left = 0;

    if (!vsmmu_xml_is (node, "metadata") && !vsmmu_xml_is_ns (node, "commandline", VSMMU_QEMU_NAMESPACE) &&
        !vsmmu_xml_is_ns (node, "override", VSMMU_QEMU_NAMESPACE))
      continue;
    for (const xmlNode *child = vsmmu_xml_element (node->children); child != NULL;
         child = vsmmu_xml_element (child->next))
      left += !g_hash_table_contains (removed, child);
    if (left == 0 && count_elements (node) > 0)
      remove_container (lifting, node, removed);
  }
}

/* The next element in the order of start tags that is below @root, passing over what is in @removed. */
static const xmlNode *
next_element (const xmlNode *node, const xmlNode *root, GHashTable *removed)
{
  const xmlNode *next = g_hash_table_contains (removed, node) ? NULL : vsmmu_xml_element (node->children);

  while (next == NULL && node != root) {
    next = vsmmu_xml_element (node->next);
    node = node->parent;
  }
  return next;
}

static gboolean
is_used (const xmlNode *root, const xmlNs *namespace, GHashTable *removed)
{
  for (const xmlNode *node = root; node != NULL; node = next_element (node, root, removed)) {
    if (node->ns == namespace && !g_hash_table_contains (removed, node))
      return TRUE;
    for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
      if (attribute->ns == namespace)
        return TRUE;
  }
  return FALSE;
}

/* libvirt declares the namespace on <domain>, but not for a domain that needs it no more. */
static void
remove_declaration (VsmmuLifting *lifting, GHashTable *removed)
{
  for (const xmlNs *namespace = lifting->root->nsDef; namespace != NULL; namespace = namespace->next) {
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    guint place;

    if (namespace->prefix == NULL || strcmp ((const char *) namespace->href, VSMMU_QEMU_NAMESPACE) != 0 ||
        is_used (lifting->root, namespace, removed))
      continue;
    name = g_strconcat ("xmlns:", (const char *) namespace->prefix, NULL);
    text = vsmmu_edit_cut_attribute (lifting->edit, lifting->root, name, &place);
  }
}

/* What lowering added besides, and what is empty without it. */
static void
clean_up (VsmmuLifting *lifting)
{
  g_autoptr (GHashTable) removed = g_hash_table_new (NULL, NULL);
  gboolean is_declared_outside = FALSE;

  vsmmu_passthroughs_remove_taken (&lifting->passthroughs, lifting->edit, removed);
  remove_implied_controllers (lifting);
  if (lifting->originals.node != NULL) {
    vsmmu_edit_remove (lifting->edit, lifting->originals.node);
    g_hash_table_add (removed, (gpointer) lifting->originals.node);
  }
  remove_containers (lifting, removed);
  for (const xmlNode *node = lifting->root->children; node != NULL; node = node->next)
    is_declared_outside =
        is_declared_outside || (g_hash_table_contains (removed, node) && node->ns != NULL && node->nsDef == NULL);
  if (is_declared_outside)
    remove_declaration (lifting, removed);
}

static void
add_devices (VsmmuLifting *lifting)
{
  const xmlNode *devices = vsmmu_xml_child (lifting->root, "devices");

  if (lifting->devices->len > 0 && devices != NULL)
    vsmmu_edit_append (lifting->edit, devices, lifting->devices->str);
}

/* libvirt has no domain with more, and lifting one would cost too much. */
static gboolean
is_sane (const VsmmuDomain *domain)
{
  return domain->controllers->len <= VSMMU_PCI_BUSES_MAX && domain->iommus->len <= VSMMU_PCI_BUSES_MAX;
}

/* Returns whether anything is lowered. */
static gboolean
lift_domain (const xmlNode *root, const char *name, VsmmuEdit *edit, GPtrArray *notes)
{
  g_auto (VsmmuLifting) lifting = { .domain = vsmmu_domain_new_from_node (root, name),
                                    .root = root,
                                    .edit = edit,
                                    .notes = notes,
                                    .buses = g_hash_table_new (g_str_hash, g_str_equal),
                                    .devices = g_string_new (NULL) };

  vsmmu_originals_init (&lifting.originals, root);
  vsmmu_passthroughs_init (&lifting.passthroughs, lifting.domain);
  if (!is_sane (lifting.domain))
    return FALSE;
  find_buses (&lifting);
  /* Lowering makes no devices of arguments, so those in a domain that was lowered are the user's own. */
  if (lifting.originals.node == NULL)
    vsmmu_lift_arguments (&lifting);
  vsmmu_lift_vsmmus (&lifting);
  if (lifting.n_lifted == 0 && lifting.originals.node == NULL)
    return FALSE;
  vsmmu_lift_iommufd (&lifting);
  vsmmu_lift_initiators (&lifting);
  vsmmu_lift_hole (&lifting);
  if (!lifting.is_changed && lifting.originals.node == NULL)
    return FALSE;
  add_devices (&lifting);
  clean_up (&lifting);
  return TRUE;
}

/* Namespaces in the text of everything that is lowered. */
static gboolean
may_be_lowered (const char *xml, gsize length)
{
  return memmem (xml, length, VSMMU_QEMU_NAMESPACE, strlen (VSMMU_QEMU_NAMESPACE)) != NULL ||
         memmem (xml, length, VSMMU_LOWERED_NAMESPACE, strlen (VSMMU_LOWERED_NAMESPACE)) != NULL;
}

/* A domain by itself, or the one and, for a snapshot of a running guest, the other one inside. */
static gboolean
lift_document (const xmlNode *root, const char *name, VsmmuEdit *edit, GPtrArray *notes)
{
  static const char *const names[] = { "domain", "inactiveDomain" };
  gboolean is_lowered = FALSE;

  if (vsmmu_xml_is (root, "domain"))
    return lift_domain (root, name, edit, notes);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const xmlNode *domain = vsmmu_xml_child (root, names[i]);

    if (domain != NULL && lift_domain (domain, name, edit, notes))
      is_lowered = TRUE;
  }
  return is_lowered;
}

char *
vsmmu_lift (const char *xml, gsize length, const char *name, GPtrArray *notes, gsize *out_length, GError **error)
{
  g_autoptr (xmlDoc) document = NULL;
  g_autoptr (VsmmuEdit) edit = NULL;
  guint line;

  if (!may_be_lowered (xml, length))
    return vsmmu_lowering_keep (xml, length, out_length);
  document = vsmmu_xml_parse (xml, length, name, &line, error);
  edit = document != NULL ? vsmmu_edit_new (xml, length, document, name, error) : NULL;
  if (edit == NULL)
    return NULL;
  if (!lift_document (xmlDocGetRootElement (document), name, edit, notes))
    return vsmmu_lowering_keep (xml, length, out_length);
  return vsmmu_edit_finish (edit, out_length);
}

char *
vsmmu_lift_file (const char *path, GPtrArray *notes, gsize *out_length, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autofree char *xml = NULL;
  gsize length = 0;

  if (!vsmmu_read_document (path, &xml, &length, error))
    return NULL;
  return vsmmu_lift (xml, length, name, notes, out_length, error);
}
