/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lifting.h"
#include "adapt/lowering.h"
#include "base/number.h"
#include "domain/options.h"

/*
 * vSMMUs in <qemu:commandline>. QEMU creates devices in legacy syntax before those of libvirt, which are in
 * JSON, so a pcie-expander-bus must be there too, and its ports, which libvirt has on pcie-root, have the bus in an
 * override. Devices in JSON come after those of libvirt, which is too late for a vSMMU.
 */

/* libvirt takes 1 to 254 for busNr. */
#define BUS_NR_MAX 254

typedef struct {
  VsmmuOption *expander; /* (nullable): %NULL for pcie-root */
  VsmmuOption *smmu;
  VsmmuIommu iommu;
  VsmmuPciAddress address; /* of the pcie-expander-bus */
  int bus_nr;              /* -1 when not given, as is the next */
  int node;
  GPtrArray *ports; /* (element-type VsmmuDevice) */
} Tree;

static void
tree_free (gpointer data)
{
  Tree *tree = data;

  g_ptr_array_unref (tree->ports);
  g_free (tree);
}

static gboolean
is_device (const VsmmuOption *option, const char *driver)
{
  return strcmp (option->name->value, "-device") == 0 && g_strcmp0 (vsmmu_option_get (option, ""), driver) == 0;
}

/* "0x1e", or with the function "1e.1"; QEMU always reads it as hexadecimal. */
static gboolean
parse_address (const char *text, VsmmuPciAddress *address)
{
  g_auto (GStrv) parts = g_strsplit (text, ".", 3);
  guint64 numbers[2] = { 0, 0 };

  if (parts[0] == NULL || (parts[1] != NULL && parts[2] != NULL))
    return FALSE;
  for (guint i = 0; parts[i] != NULL; i++) {
    g_autofree char *number = g_strconcat ("0x", parts[i] + (g_str_has_prefix (parts[i], "0x") ? 2 : 0), NULL);

    if (!vsmmu_number_parse (number, 0, &numbers[i]))
      return FALSE;
  }
  address->slot = (guint8) MIN (numbers[0], G_MAXUINT8);
  address->function = (guint8) MIN (numbers[1], G_MAXUINT8);
  return numbers[0] < VSMMU_PCI_SLOTS_MAX && numbers[1] < VSMMU_PCI_FUNCTIONS_MAX;
}

static gboolean
parse_number (const char *text, guint64 min, guint64 max, int *value)
{
  guint64 number;

  *value = -1;
  if (text == NULL)
    return TRUE;
  if (!vsmmu_number_parse (text, 0, &number) || number < min || number > max)
    return FALSE;
  *value = (int) number;
  return TRUE;
}

/* Whether a pcie-expander-bus of libvirt can express all of it. */
static gboolean
read_expander (Tree *tree)
{
  static const char *const known[] = { "", "driver", "id", "bus", "addr", "bus_nr", "numa_node", NULL };
  const char *address = vsmmu_option_get (tree->expander, "addr");
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, tree->expander->values);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (!g_strv_contains (known, name))
      return FALSE;
  return g_strcmp0 (vsmmu_option_get (tree->expander, "bus"), "pcie.0") == 0 && address != NULL &&
         parse_address (address, &tree->address) &&
         parse_number (vsmmu_option_get (tree->expander, "bus_nr"), 1, BUS_NR_MAX, &tree->bus_nr) &&
         parse_number (vsmmu_option_get (tree->expander, "numa_node"), 0, G_MAXUINT8, &tree->node);
}

static gboolean
read_smmu (Tree *tree)
{
  static const char *const known[] = { "", "driver", "id", "primary-bus", NULL };
  GHashTableIter iter;
  gpointer name;
  gpointer value;

  vsmmu_options_init (&tree->iommu);
  g_hash_table_iter_init (&iter, tree->smmu->values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (!g_strv_contains (known, name) && !vsmmu_options_set (&tree->iommu, name, value))
      return FALSE;
  return TRUE;
}

/* (transfer full): bus in QEMU → ports that libvirt has elsewhere, each with an address that domain XML can express */
static GHashTable *
find_moved_ports (const VsmmuLifting *lifting)
{
  GHashTable *ports = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; i < lifting->domain->controllers->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (lifting->domain->controllers, i);
    const VsmmuProperty *bus = vsmmu_passthrough_index_property (&lifting->passthroughs, device->id, "bus");
    const VsmmuProperty *address = vsmmu_passthrough_index_property (&lifting->passthroughs, device->id, "addr");
    VsmmuPciAddress parsed;
    GPtrArray *same;

    if (device->node == NULL || bus == NULL || bus->from->value == NULL || address == NULL ||
        address->from->value == NULL || !parse_address (address->from->value, &parsed))
      continue;
    same = g_hash_table_lookup (ports, bus->from->value);
    if (same == NULL) {
      same = g_ptr_array_new ();
      g_hash_table_insert (ports, (gpointer) bus->from->value, same);
    }
    g_ptr_array_add (same, device);
  }
  return ports;
}

/* The bus can be renamed only if everything that refers to it is understood. */
static gboolean
take_ports (const VsmmuLifting *lifting, Tree *tree, GHashTable *ports)
{
  const char *id = vsmmu_option_get (tree->expander, "id");
  GPtrArray *moved = g_hash_table_lookup (ports, id);

  if (moved != NULL) {
    g_ptr_array_unref (tree->ports);
    tree->ports = g_ptr_array_ref (moved);
  }
  return vsmmu_passthrough_index_count (&lifting->passthroughs, id) == tree->ports->len + 2;
}

/* (transfer full) (nullable): the root bus of @smmu, when domain XML can express it */
static Tree *
read_tree (const VsmmuLifting *lifting, VsmmuOption *smmu, GHashTable *expanders, GHashTable *ports)
{
  Tree *tree = g_new0 (Tree, 1);
  const char *bus = vsmmu_option_get (smmu, "primary-bus");
  gboolean is_known = bus != NULL;

  tree->smmu = smmu;
  tree->ports = g_ptr_array_new ();
  is_known = is_known && read_smmu (tree);
  if (is_known && strcmp (bus, "pcie.0") != 0) {
    tree->expander = g_hash_table_lookup (expanders, bus);
    is_known = tree->expander != NULL && read_expander (tree) && take_ports (lifting, tree, ports);
  }
  if (is_known)
    return tree;
  vsmmu_lowering_note (lifting->notes,
                       _ ("%s:%u: domain XML cannot express all of this arm-smmuv3 and its bus; it stays in "
                          "<qemu:commandline>"),
                       lifting->domain->file, smmu->value->line);
  tree_free (tree);
  return NULL;
}

static void
write_expander (VsmmuLifting *lifting, const Tree *tree, guint index)
{
  g_string_append_printf (lifting->devices, "<controller type='pci' index='%u' model='pcie-expander-bus'>\n", index);
  if (tree->bus_nr >= 0 && tree->node >= 0)
    g_string_append_printf (lifting->devices, "  <target busNr='%d'>\n    <node>%d</node>\n  </target>\n", tree->bus_nr,
                            tree->node);
  else if (tree->bus_nr >= 0)
    g_string_append_printf (lifting->devices, "  <target busNr='%d'/>\n", tree->bus_nr);
  else if (tree->node >= 0)
    g_string_append_printf (lifting->devices, "  <target>\n    <node>%d</node>\n  </target>\n", tree->node);
  g_string_append_printf (lifting->devices,
                          "  <address type='pci' domain='0x0000' bus='0x00' slot='0x%02x' function='0x%x'/>\n"
                          "</controller>\n",
                          tree->address.slot, tree->address.function);
}

static void
set_address (VsmmuEdit *edit, const VsmmuDevice *port, const VsmmuPciAddress *address)
{
  const xmlNode *old = vsmmu_xml_child (port->node, "address");
  g_autofree char *bus = g_strdup_printf ("0x%02x", address->bus);
  g_autofree char *slot = g_strdup_printf ("0x%02x", address->slot);
  g_autofree char *function = g_strdup_printf ("0x%x", address->function);

  if (old != NULL) {
    vsmmu_edit_set_attribute (edit, old, "bus", bus);
    vsmmu_edit_set_attribute (edit, old, "slot", slot);
    vsmmu_edit_set_attribute (edit, old, "function", function);
  } else {
    g_autofree char *xml = g_strdup_printf ("<address type='pci' domain='0x0000' bus='%s' slot='%s' function='%s'/>\n",
                                            bus, slot, function);

    vsmmu_edit_append (edit, port->node, xml);
  }
}

static void
move_port (VsmmuLifting *lifting, const VsmmuDevice *port, guint index)
{
  const VsmmuProperty *slot = vsmmu_passthrough_index_take (&lifting->passthroughs, port->id, "addr");
  VsmmuPciAddress address = { .bus = (guint8) index };

  if (parse_address (slot->from->value, &address))
    set_address (lifting->edit, port, &address);
  vsmmu_passthrough_index_take (&lifting->passthroughs, port->id, "bus");
}

static void
put_tree (VsmmuLifting *lifting, Tree *tree, guint *index)
{
  g_autofree char *iommu = NULL;

  if (tree->expander != NULL) {
    tree->iommu.pci_bus = (*index)++;
    write_expander (lifting, tree, tree->iommu.pci_bus);
    for (guint i = 0; i < tree->ports->len; i++)
      move_port (lifting, g_ptr_array_index (tree->ports, i), tree->iommu.pci_bus);
    tree->expander->is_taken = TRUE;
  }
  iommu = vsmmu_lift_write_iommu (&tree->iommu, NULL);
  g_string_append_printf (lifting->devices, "%s\n", iommu);
  tree->smmu->is_taken = TRUE;
  lifting->has_vsmmu = TRUE;
  lifting->is_accelerated = lifting->is_accelerated || tree->iommu.accel == VSMMU_SWITCH_ON;
  lifting->is_changed = TRUE;
}

void
vsmmu_lift_arguments (VsmmuLifting *lifting)
{
  const GPtrArray *options = lifting->passthroughs.options;
  g_autoptr (GHashTable) expanders = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) ports = find_moved_ports (lifting);
  guint index = MAX (lifting->domain->n_buses, 1);

  for (guint i = 0; i < options->len; i++) {
    VsmmuOption *option = g_ptr_array_index (options, i);
    const char *id = vsmmu_option_get (option, "id");

    if (is_device (option, "pxb-pcie") && id != NULL)
      g_hash_table_insert (expanders, (gpointer) id, option);
  }
  for (guint i = 0; i < options->len && index < VSMMU_PCI_BUSES_MAX; i++) {
    VsmmuOption *option = g_ptr_array_index (options, i);
    Tree *tree = is_device (option, "arm-smmuv3") ? read_tree (lifting, option, expanders, ports) : NULL;

    if (tree == NULL)
      continue;
    put_tree (lifting, tree, &index);
    tree_free (tree);
  }
}
