/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lowering.h"
#include "base/text.h"
#include "domain/options.h"
#include "domain/releases.h"

/* Properties of a pcie-expander-bus that an arm-smmuv3 does not have. */
static const char *const expander_properties[] = { "bus_nr", "numa_node", "bus", "addr", "multifunction" };

/* What the stand-ins are put on. */
typedef struct {
  guint index; /* of the next one */
  guint slot;  /* on pcie-root; they share the functions of a slot */
  guint function;
  guint32 used; /* slots on pcie-root, one bit each */
  gboolean needs_bus_nr;
  GHashTable *aliases; /* of the document: devices have them, or overrides name them */
  GHashTable *renamed; /* id with a newer libvirt → id of the stand-in */
} Room;

static void
room_clear (Room *room)
{
  g_clear_pointer (&room->aliases, g_hash_table_unref);
  g_clear_pointer (&room->renamed, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Room, room_clear)

/* libvirt gives each pcie-expander-bus a number 2 below the lowest that is given; %FALSE when that does not last. */
static gboolean
has_bus_numbers (const VsmmuDomain *domain)
{
  int lowest = 256;

  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->controllers, i);

    if (device->controller.bus_nr >= 0)
      lowest = MIN (lowest, device->controller.bus_nr);
  }
  return lowest - 2 * (int) domain->iommus->len > 0;
}

static void
find_room (const VsmmuDomain *domain, Room *room)
{
  room->index = domain->n_buses;
  room->needs_bus_nr = !has_bus_numbers (domain);
  room->aliases = g_hash_table_new (g_str_hash, g_str_equal);
  room->renamed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->alias != NULL)
      g_hash_table_add (room->aliases, (gpointer) device->alias);
    if (device->address_kind == VSMMU_ADDRESS_PCI && device->address.bus == 0)
      room->used |= 1u << device->address.slot;
  }
  for (guint i = 0; i < domain->overrides->len; i++)
    g_hash_table_add (room->aliases, (gpointer) g_array_index (domain->overrides, VsmmuPassthrough, i).alias);
}

static gboolean
take_place (const VsmmuDomain *domain, Room *room, VsmmuPciAddress *address, GError **error)
{
  if (room->slot == 0 || room->function >= VSMMU_PCI_FUNCTIONS_MAX) {
    room->function = 0;
    for (room->slot = VSMMU_PCI_SLOTS_MAX - 1; room->slot > 0 && (room->used & 1u << room->slot); room->slot--)
      ;
    room->used |= 1u << room->slot;
  }
  if (room->slot == 0 || room->index >= VSMMU_PCI_BUSES_MAX)
    return vsmmu_lowering_refuse (error,
                                  _ ("%s: no free slot on pcie-root or no free controller index for the device that "
                                     "replaces an SMMUv3; use libvirt %s or newer, or fewer controllers"),
                                  domain->file, vsmmu_feature_since (VSMMU_FEATURE_PCI_BUS));
  *address = (VsmmuPciAddress){ .slot = (guint8) room->slot, .function = (guint8) room->function++ };
  return TRUE;
}

/* (transfer full): the user's own alias, which libvirt keeps, or a new one with the name of the vSMMU */
static char *
choose_alias (const VsmmuDevice *iommu, guint number, const Room *room)
{
  g_autofree char *alias = NULL;

  if (iommu->alias != NULL && g_str_has_prefix (iommu->alias, "ua-"))
    return g_strdup (iommu->alias);
  alias = g_strdup_printf (VSMMU_STAND_IN_ALIAS "%u", number);
  for (guint i = 2; g_hash_table_contains (room->aliases, alias); i++) {
    g_free (alias);
    alias = g_strdup_printf (VSMMU_STAND_IN_ALIAS "%u-%u", number, i);
  }
  return g_steal_pointer (&alias);
}

static void
write_property (GString *xml, const char *name, const char *type, const char *value)
{
  g_autofree char *escaped = value != NULL ? vsmmu_text_escape (value) : NULL;

  g_string_append_printf (xml, "    <qemu:property name='%s' type='%s'", name, type);
  if (escaped != NULL)
    g_string_append_printf (xml, " value='%s'", escaped);
  g_string_append (xml, "/>\n");
}

static void
write_options (GString *xml, const VsmmuIommu *iommu)
{
  char value[VSMMU_OPTION_VALUE_SIZE];
  const char *name;
  const char *type;
  guint at = 0;

  while (vsmmu_options_next (iommu, &at, &name, &type, value))
    write_property (xml, name, type, value);
}

static void
begin_override (GString *xml, const char *alias)
{
  g_autofree char *escaped = vsmmu_text_escape (alias);

  g_string_append_printf (xml, "<qemu:device alias='%s'>\n  <qemu:frontend>\n", escaped);
}

static void
end_override (GString *xml)
{
  g_string_append (xml, "  </qemu:frontend>\n</qemu:device>\n");
}

/* What libvirt 12.8 rejects or ignores in @iommu, and lowering therefore drops. */
static void
note_unknown (VsmmuLowering *lowering, const VsmmuDevice *iommu)
{
  for (const xmlAttr *attribute = iommu->iommu.driver->properties; attribute != NULL; attribute = attribute->next) {
    g_autofree char *shown = vsmmu_text_shorten ((const char *) attribute->name);

    if (!vsmmu_options_is_attribute ((const char *) attribute->name))
      vsmmu_lowering_note (lowering->notes, _ ("line %u: '%s' is not an attribute of an SMMUv3 and is dropped"),
                           iommu->iommu.driver_line, shown);
  }
  for (const xmlNode *child = vsmmu_xml_element (iommu->node->children); child != NULL;
       child = vsmmu_xml_element (child->next)) {
    g_autofree char *shown = vsmmu_text_shorten ((const char *) child->name);

    if (!vsmmu_xml_is (child, "driver") && !vsmmu_xml_is (child, "alias"))
      vsmmu_lowering_note (lowering->notes, _ ("line %u: <%s> is not part of an SMMUv3 and is dropped"),
                           vsmmu_xml_line (child), shown);
  }
}

static gboolean
stand_in (VsmmuLowering *lowering, const VsmmuDevice *iommu, guint number, Room *room, GError **error)
{
  g_autofree char *alias = choose_alias (iommu, number, room);
  g_autofree char *escaped = vsmmu_text_escape (alias);
  g_autofree char *xml = NULL;
  VsmmuPciAddress address = { 0 };

  if (!take_place (lowering->domain, room, &address, error))
    return FALSE;
  xml = g_strdup_printf ("<controller type='pci' index='%u' model='pcie-expander-bus'>\n"
                         "%s"
                         "  <alias name='%s'/>\n"
                         "  <address type='pci' domain='0x0000' bus='0x00' slot='0x%02x' function='0x%x'/>\n"
                         "</controller>",
                         room->index++, room->needs_bus_nr ? "  <target busNr='254'/>\n" : "", escaped, address.slot,
                         address.function);
  vsmmu_edit_replace (lowering->edit, iommu->node, xml);
  begin_override (lowering->overrides, alias);
  write_property (lowering->overrides, "driver", "string", "arm-smmuv3");
  write_property (lowering->overrides, "primary-bus", "string",
                  lowering->domain->buses[iommu->iommu.pci_bus].controller->id);
  write_options (lowering->overrides, &iommu->iommu);
  for (guint i = 0; i < G_N_ELEMENTS (expander_properties); i++)
    write_property (lowering->overrides, expander_properties[i], "remove", NULL);
  end_override (lowering->overrides);
  if (strcmp (iommu->id, alias) != 0)
    g_hash_table_insert (room->renamed, iommu->id, g_strdup (alias));
  return TRUE;
}

/* libvirt has the vSMMU, and an override its options. */
static void
override_options (VsmmuLowering *lowering, const VsmmuDevice *iommu)
{
  g_autoptr (GString) xml = g_string_new (NULL);

  g_string_append_printf (xml, "<iommu model='smmuv3'>\n  <driver pciBus='%u'/>\n", iommu->iommu.pci_bus);
  if (iommu->alias != NULL && strcmp (iommu->id, iommu->alias) == 0) {
    g_autofree char *escaped = vsmmu_text_escape (iommu->alias);

    g_string_append_printf (xml, "  <alias name='%s'/>\n", escaped);
  }
  g_string_append (xml, "</iommu>");
  vsmmu_edit_replace (lowering->edit, iommu->node, xml->str);
  begin_override (lowering->overrides, iommu->id);
  write_options (lowering->overrides, &iommu->iommu);
  end_override (lowering->overrides);
}

static gboolean
lower_vsmmu (VsmmuLowering *lowering, guint number, Room *room, GError **error)
{
  const VsmmuDevice *iommu = g_ptr_array_index (lowering->domain->iommus, number);

  if (iommu->iommu.pci_bus >= lowering->domain->n_buses ||
      lowering->domain->buses[iommu->iommu.pci_bus].controller == NULL)
    return vsmmu_lowering_refuse (error, _ ("%s:%u: pciBus='%u' is not the index of a PCI controller"),
                                  lowering->domain->file, iommu->iommu.driver_line, iommu->iommu.pci_bus);
  if (lowering->strategy == VSMMU_STRATEGY_OVERRIDE && !vsmmu_options_any (&iommu->iommu))
    return TRUE;
  note_unknown (lowering, iommu);
  if (lowering->strategy == VSMMU_STRATEGY_STAND_IN)
    return stand_in (lowering, iommu, number, room, error);
  override_options (lowering, iommu);
  return TRUE;
}

/* The user's own overrides of vSMMUs use the names that a newer libvirt gives them. */
static void
rename_overrides (VsmmuLowering *lowering, const Room *room)
{
  const xmlNode *last = NULL;

  for (guint i = 0; i < lowering->domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (lowering->domain->overrides, VsmmuPassthrough, i);
    const xmlNode *device = override->node->parent->parent;
    const char *renamed = g_hash_table_lookup (room->renamed, override->alias);

    if (device != last && renamed != NULL)
      vsmmu_edit_set_attribute (lowering->edit, device, "alias", renamed);
    last = device;
  }
}

/* Controllers that libvirt would add after those of the document must come before the stand-ins. */
static void
write_implied_controllers (VsmmuLowering *lowering)
{
  for (guint i = 1; i < lowering->domain->n_buses; i++) {
    const VsmmuDevice *controller = lowering->domain->buses[i].controller;

    if (controller == NULL || controller->node != NULL)
      continue;
    g_string_append_printf (lowering->controllers, "<controller type='pci' index='%u' model='%s'/>\n", i,
                            controller->controller.model);
  }
}

gboolean
vsmmu_lower_vsmmus (VsmmuLowering *lowering, GError **error)
{
  g_auto (Room) room = { 0 };

  find_room (lowering->domain, &room);
  for (guint i = 0; i < lowering->domain->iommus->len; i++)
    if (vsmmu_lowering_is_vsmmu (g_ptr_array_index (lowering->domain->iommus, i)) &&
        !lower_vsmmu (lowering, i, &room, error))
      return FALSE;
  rename_overrides (lowering, &room);
  if (lowering->strategy == VSMMU_STRATEGY_STAND_IN)
    write_implied_controllers (lowering);
  return TRUE;
}
