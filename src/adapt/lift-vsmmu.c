/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lifting.h"
#include "adapt/lowering.h"
#include "base/text.h"
#include "domain/options.h"

char *
vsmmu_lift_write_iommu (const VsmmuIommu *iommu, const char *alias)
{
  g_autoptr (GString) xml = g_string_new ("<iommu model='smmuv3'>\n");

  g_string_append_printf (xml, "  <driver pciBus='%u'", iommu->pci_bus);
  vsmmu_options_write_attributes (iommu, xml);
  g_string_append (xml, "/>\n");
  if (alias != NULL) {
    g_autofree char *escaped = vsmmu_text_escape (alias);

    g_string_append_printf (xml, "  <alias name='%s'/>\n", escaped);
  }
  g_string_append (xml, "</iommu>");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}

/* The alias that a stand-in has when the user gave the vSMMU none. */
static gboolean
is_our_alias (const char *alias)
{
  return g_str_has_prefix (alias, VSMMU_STAND_IN_ALIAS) && g_ascii_isdigit (alias[strlen (VSMMU_STAND_IN_ALIAS)]);
}

/* The alias that the user sees for a vSMMU, or %NULL: libvirt shows its own aliases only while a guest runs. */
static const char *
shown_alias (const VsmmuDomain *domain, const char *id)
{
  return domain->is_running || (g_str_has_prefix (id, "ua-") && !is_our_alias (id)) ? id : NULL;
}

/* What libvirt adds to PCI controllers, and is removed where one stands in for an arm-smmuv3. */
static const char *const controller_properties[] = { "bus_nr",  "numa_node",  "bus",  "addr",    "multifunction",
                                                     "chassis", "chassis_nr", "port", "hotplug", NULL };

/* Whether an <iommu> can express @property; if so, @iommu gets it. */
static gboolean
understand (VsmmuLifting *lifting, const VsmmuProperty *property, VsmmuIommu *iommu)
{
  const char *name = property->from->property;
  const char *value = property->from->value;
  gpointer bus;

  /* A removed property has QEMU's default. */
  if (g_strcmp0 (property->type, "remove") == 0)
    return vsmmu_options_unset (iommu, name) || g_strv_contains (controller_properties, name);
  if (strcmp (name, "driver") == 0)
    return g_strcmp0 (value, "arm-smmuv3") == 0;
  if (strcmp (name, "primary-bus") != 0)
    return vsmmu_options_set (iommu, name, value);
  bus = value != NULL ? g_hash_table_lookup (lifting->buses, value) : NULL;
  iommu->has_pci_bus = bus != NULL;
  iommu->pci_bus = GPOINTER_TO_UINT (bus) - 1;
  return bus != NULL;
}

/* Properties that an <iommu> cannot express stay. Returns how many were taken. */
static guint
take_overrides (VsmmuLifting *lifting, const char *id, VsmmuIommu *iommu)
{
  const VsmmuDeviceOverrides *overrides = vsmmu_passthrough_index_find (&lifting->passthroughs, id);
  GHashTableIter iter;
  gpointer name;
  gpointer property;
  guint taken = 0;

  if (overrides == NULL)
    return 0;
  g_hash_table_iter_init (&iter, overrides->last);
  while (g_hash_table_iter_next (&iter, &name, &property))
    taken += understand (lifting, property, iommu) &&
             vsmmu_passthrough_index_take (&lifting->passthroughs, id, name) != NULL;
  return taken;
}

/* The remaining overrides belong to a device that is renamed. */
static void
rename_overrides (VsmmuLifting *lifting, const VsmmuDeviceOverrides *overrides, const char *from, const char *to)
{
  for (guint i = 0; i < overrides->list->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (overrides->list, i);

    if (!vsmmu_override_is_taken (override) && strcmp (from, to) != 0)
      vsmmu_edit_set_attribute (lifting->edit, override->node, "alias", to);
  }
}

static void
put_iommu (VsmmuLifting *lifting, const VsmmuDevice *device, const VsmmuIommu *iommu)
{
  g_autofree char *xml = vsmmu_lift_write_iommu (iommu, shown_alias (lifting->domain, device->id));

  vsmmu_edit_replace (lifting->edit, device->node, xml);
  lifting->is_changed = TRUE;
  lifting->is_accelerated = lifting->is_accelerated || iommu->accel == VSMMU_SWITCH_ON;
}

static gboolean
is_stand_in (const VsmmuLifting *lifting, const VsmmuDevice *device)
{
  const VsmmuProperty *driver;

  if (!vsmmu_device_is_pci_controller (device) || device->node == NULL)
    return FALSE;
  driver = vsmmu_passthrough_index_property (&lifting->passthroughs, device->id, "driver");
  return driver != NULL && g_strcmp0 (driver->from->value, "arm-smmuv3") == 0;
}

/* @number: of the vSMMU among the <iommu> of the lifted domain */
static void
lift_stand_in (VsmmuLifting *lifting, const VsmmuDevice *device, guint number)
{
  const VsmmuDeviceOverrides *overrides = vsmmu_passthrough_index_find (&lifting->passthroughs, device->id);
  const VsmmuProperty *bus = g_hash_table_lookup (overrides->last, "primary-bus");
  g_autofree char *id = NULL;
  VsmmuIommu iommu;

  vsmmu_options_init (&iommu);
  if (bus == NULL || !understand (lifting, bus, &iommu) || !iommu.has_pci_bus) {
    g_autofree char *shown = vsmmu_text_shorten (device->id);

    vsmmu_lowering_note (lifting->notes,
                         _ ("%s:%u: primary-bus of the arm-smmuv3 '%s' is not a bus of this domain; it stays as it is"),
                         lifting->domain->file, device->line, shown);
    return;
  }
  take_overrides (lifting, device->id, &iommu);
  put_iommu (lifting, device, &iommu);
  id = shown_alias (lifting->domain, device->id) != NULL ? g_strdup (device->id) : g_strdup_printf ("iommu%u", number);
  rename_overrides (lifting, overrides, device->id, id);
  lifting->has_vsmmu = TRUE;
}

/* A vSMMU that libvirt supports. An override takes precedence over an option, whether libvirt supports that option or
 * not. */
static void
lift_options (VsmmuLifting *lifting, const VsmmuDevice *device)
{
  VsmmuIommu iommu = device->iommu;

  lifting->has_vsmmu = TRUE;
  if (take_overrides (lifting, device->id, &iommu) > 0)
    put_iommu (lifting, device, &iommu);
  lifting->is_accelerated = lifting->is_accelerated || iommu.accel == VSMMU_SWITCH_ON;
}

void
vsmmu_lift_vsmmus (VsmmuLifting *lifting)
{
  guint number = 0;

  for (guint i = 0; i < lifting->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (lifting->domain->devices, i);
    gboolean stands_in = is_stand_in (lifting, device);

    if (!stands_in && !vsmmu_device_is_iommu (device))
      continue;
    if (stands_in)
      lift_stand_in (lifting, device, number);
    else if (vsmmu_lowering_is_vsmmu (device) && device->iommu.has_pci_bus)
      lift_options (lifting, device);
    number++;
  }
}
