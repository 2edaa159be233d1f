/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lifting.h"
#include "adapt/lowering.h"
#include "base/input.h"
#include "base/text.h"
#include "domain/domain-read.h"

static void
lifting_clear (VsmmuLifting *lifting)
{
  vsmmu_domain_unref (lifting->domain);
  vsmmu_passthrough_index_clear (&lifting->passthroughs);
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

/* Elements that have become empty, which libvirt does not keep; @removed: nodes that are no longer there. */
static void
remove_containers (VsmmuLifting *lifting, GHashTable *removed)
{
  for (const xmlNode *node = vsmmu_xml_element (lifting->root->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    guint left = 0;

    if (!vsmmu_xml_is_ns (node, "commandline", VSMMU_QEMU_NAMESPACE) &&
        !vsmmu_xml_is_ns (node, "override", VSMMU_QEMU_NAMESPACE))
      continue;
    for (const xmlNode *child = vsmmu_xml_element (node->children); child != NULL;
         child = vsmmu_xml_element (child->next))
      left += !g_hash_table_contains (removed, child);
    if (left == 0 && vsmmu_xml_element (node->children) != NULL)
      vsmmu_edit_remove (lifting->edit, node);
  }
}

/* What else lowering added, and what is empty without it. */
static void
clean_up (VsmmuLifting *lifting)
{
  g_autoptr (GHashTable) removed = g_hash_table_new (NULL, NULL);

  vsmmu_passthrough_index_remove_taken (&lifting->passthroughs, lifting->edit, removed);
  remove_containers (lifting, removed);
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

/*
 * Overrides and arguments name devices by their ids in QEMU. libvirt rejects a domain with duplicate names, and their
 * meaning would be ambiguous.
 */
static gboolean
has_unique_ids (const VsmmuDomain *domain, GError **error)
{
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    g_autofree char *shown = NULL;

    if (device->id == NULL || g_hash_table_add (ids, device->id))
      continue;
    shown = vsmmu_text_shorten (device->id);
    return vsmmu_lowering_refuse (error,
                                  _ ("%s:%u: alias '%s' is also used by another device; use a different alias "
                                     "for each device"),
                                  domain->file, device->line, shown);
  }
  return TRUE;
}

/* @is_changed: (inout): set when there was anything to lift. */
static gboolean
lift_domain (const xmlNode *root, const char *name, VsmmuEdit *edit, GPtrArray *notes, gboolean *is_changed,
             GError **error)
{
  g_auto (VsmmuLifting) lifting = { .domain = vsmmu_domain_new_from_node (root, name),
                                    .root = root,
                                    .edit = edit,
                                    .notes = notes,
                                    .buses = g_hash_table_new (g_str_hash, g_str_equal),
                                    .devices = g_string_new (NULL) };

  vsmmu_passthrough_index_init (&lifting.passthroughs, lifting.domain);
  if (!is_sane (lifting.domain))
    return TRUE;
  if (!has_unique_ids (lifting.domain, error))
    return FALSE;
  find_buses (&lifting);
  vsmmu_lift_arguments (&lifting);
  vsmmu_lift_vsmmus (&lifting);
  if (!lifting.has_vsmmu)
    return TRUE;
  vsmmu_lift_iommufd (&lifting);
  vsmmu_lift_initiators (&lifting);
  vsmmu_lift_hole (&lifting);
  if (!lifting.is_changed)
    return TRUE;
  add_devices (&lifting);
  clean_up (&lifting);
  *is_changed = TRUE;
  return TRUE;
}

/* All of them have something in this namespace. Its name may be written with references, or in UTF-16. */
static gboolean
may_be_lowered (const char *xml, gsize length)
{
  return memmem (xml, length, VSMMU_QEMU_NAMESPACE, strlen (VSMMU_QEMU_NAMESPACE)) != NULL ||
         memchr (xml, '&', length) != NULL || memchr (xml, '\0', length) != NULL;
}

/* A domain by itself, or the one or two domains in a snapshot. */
static gboolean
lift_document (const xmlNode *root, const char *name, VsmmuEdit *edit, GPtrArray *notes, gboolean *is_changed,
               GError **error)
{
  static const char *const names[] = { "domain", "inactiveDomain" };

  if (vsmmu_xml_is (root, "domain"))
    return lift_domain (root, name, edit, notes, is_changed, error);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const xmlNode *domain = vsmmu_xml_child (root, names[i]);

    if (domain != NULL && !lift_domain (domain, name, edit, notes, is_changed, error))
      return FALSE;
  }
  return TRUE;
}

/* @lines: (out) (optional) (nullable): vsmmu_edit_map_lines(), when there was anything to lift */
static char *
lift (const char *xml, gsize length, const char *name, GPtrArray *notes, gsize *out_length, GArray **lines,
      GError **error)
{
  g_autoptr (xmlDoc) document = NULL;
  g_autoptr (VsmmuEdit) edit = NULL;
  gboolean is_changed = FALSE;
  guint line;
  char *lifted;

  if (!may_be_lowered (xml, length))
    return vsmmu_lowering_keep (xml, length, out_length);
  document = vsmmu_xml_parse (xml, length, name, &line, error);
  edit = document != NULL ? vsmmu_edit_new (xml, length, document, name, error) : NULL;
  if (edit == NULL || !lift_document (xmlDocGetRootElement (document), name, edit, notes, &is_changed, error))
    return NULL;
  if (!is_changed)
    return vsmmu_lowering_keep (xml, length, out_length);
  lifted = vsmmu_edit_finish (edit, out_length);
  if (lines != NULL)
    *lines = vsmmu_edit_map_lines (edit);
  return lifted;
}

char *
vsmmu_lift (const char *xml, gsize length, const char *name, GPtrArray *notes, gsize *out_length, GError **error)
{
  return lift (xml, length, name, notes, out_length, NULL, error);
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

static gboolean
has_passthrough (const VsmmuDomain *domain)
{
  return domain->arguments->len > 0 || domain->overrides->len > 0;
}

VsmmuDomain *
vsmmu_domain_new_at (const char *data, gsize length, const char *name, guint *line, GError **error)
{
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_mapped (data, length, name, NULL, line, error);
  g_autoptr (GPtrArray) notes = NULL;
  g_autoptr (GArray) lines = NULL;
  g_autofree char *lifted = NULL;
  gsize lifted_length = 0;

  if (domain == NULL || !has_passthrough (domain))
    return g_steal_pointer (&domain);
  notes = g_ptr_array_new_with_free_func (g_free);
  /* What cannot be lifted is judged as it is. */
  lifted = lift (data, length, name, notes, &lifted_length, &lines, NULL);
  return lines != NULL ? vsmmu_domain_new_mapped (lifted, lifted_length, name, lines, line, error)
                       : g_steal_pointer (&domain);
}

VsmmuDomain *
vsmmu_domain_new_from_data (const char *data, gsize length, const char *name, GError **error)
{
  guint line = 0;

  return vsmmu_domain_new_at (data, length, name, &line, error);
}

VsmmuDomain *
vsmmu_domain_new_from_file (const char *path, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autofree char *data = NULL;
  gsize length = 0;

  if (!vsmmu_read_document (path, &data, &length, error))
    return NULL;
  return vsmmu_domain_new_from_data (data, length, name, error);
}
