/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "model/read.h"
#include "model/text.h"
#include "qemu/lifting.h"
#include "qemu/lowering.h"
#include "qemu/options.h"

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

/* What the user sees of the id of a vSMMU, or %NULL: libvirt shows ids of its own only while a guest runs. */
static const char *
shown_alias (const VsmmuDomain *domain, const char *id)
{
  return domain->is_running || (g_str_has_prefix (id, "ua-") && !is_our_alias (id)) ? id : NULL;
}

/* Whether an <iommu> says what @property does; @iommu gets it. */
static gboolean
understand (VsmmuLifting *lifting, const VsmmuProperty *property, VsmmuIommu *iommu)
{
  const char *name = property->from->property;
  const char *value = property->from->value;
  gpointer bus;

  if (g_strcmp0 (property->type, "remove") == 0)
    return TRUE;
  if (strcmp (name, "driver") == 0)
    return g_strcmp0 (value, "arm-smmuv3") == 0;
  if (strcmp (name, "primary-bus") != 0)
    return vsmmu_options_set (iommu, name, value);
  bus = value != NULL ? g_hash_table_lookup (lifting->buses, value) : NULL;
  iommu->has_pci_bus = bus != NULL;
  iommu->pci_bus = GPOINTER_TO_UINT (bus) - 1;
  return bus != NULL;
}

/*
 * Whether an override of a vSMMU is not the user's own. Where lowering left no trace, all are taken for what makes the
 * vSMMU; else one is: that which makes it an arm-smmuv3, or the first where libvirt does that.
 */
static gboolean
is_ours (const VsmmuLifting *lifting, const VsmmuOverrides *overrides, guint i)
{
  const VsmmuOverride *override = g_ptr_array_index (overrides->list, i);

  if (!g_hash_table_contains (lifting->originals.by_name, override->alias))
    return TRUE;
  if (!g_hash_table_contains (overrides->last, "driver"))
    return i == 0;
  for (guint p = 0; p < override->properties->len; p++)
    if (strcmp (g_array_index (override->properties, VsmmuProperty, p).from->property, "driver") == 0)
      return TRUE;
  return FALSE;
}

/* What an <iommu> has no words for stays. Returns how many properties were taken. */
static guint
take_overrides (VsmmuLifting *lifting, const VsmmuOverrides *overrides, VsmmuIommu *iommu)
{
  guint taken = 0;

  for (guint i = 0; i < overrides->list->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (overrides->list, i);

    for (guint p = 0; is_ours (lifting, overrides, i) && p < override->properties->len; p++) {
      VsmmuProperty *property = &g_array_index (override->properties, VsmmuProperty, p);

      property->is_taken = understand (lifting, property, iommu);
      taken += property->is_taken;
    }
  }
  return taken;
}

/* What stays of the overrides is about a device that has another name from now on. */
static void
rename_overrides (VsmmuLifting *lifting, const VsmmuOverrides *overrides, const char *from, const char *to)
{
  for (guint i = 0; i < overrides->list->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (overrides->list, i);

    if (!vsmmu_override_is_taken (override) && strcmp (from, to) != 0)
      vsmmu_edit_set_attribute (lifting->edit, override->node, "alias", to);
  }
}

static gboolean
is_same_alias (const char *original, const char *shown)
{
  if (original == NULL || !g_str_has_prefix (original, "ua-") || is_our_alias (original))
    return shown == NULL;
  return g_strcmp0 (original, shown) == 0;
}

/* (transfer full) (nullable): what the user wrote, when it still says the same */
static char *
find_original (VsmmuLifting *lifting, const char *id, const VsmmuIommu *iommu)
{
  g_autofree char *text = vsmmu_originals_get (&lifting->originals, id, NULL);
  g_autoptr (xmlDoc) document = text != NULL ? vsmmu_originals_parse (&lifting->originals, text, "iommu") : NULL;
  VsmmuDevice *original;
  gboolean is_same;

  if (document == NULL)
    return NULL;
  original = vsmmu_read_device (lifting->domain, vsmmu_xml_element (xmlDocGetRootElement (document)->children), 1);
  is_same = original->iommu.is_smmuv3 && original->iommu.has_pci_bus && original->iommu.pci_bus == iommu->pci_bus &&
            vsmmu_options_equal (&original->iommu, iommu) &&
            is_same_alias (original->alias, shown_alias (lifting->domain, id));
  g_free (original);
  return is_same ? g_steal_pointer (&text) : NULL;
}

static void
put_iommu (VsmmuLifting *lifting, const VsmmuDevice *device, const VsmmuIommu *iommu)
{
  g_autofree char *original = find_original (lifting, device->id, iommu);
  g_autofree char *xml = vsmmu_lift_write_iommu (iommu, shown_alias (lifting->domain, device->id));

  if (original != NULL)
    vsmmu_edit_restore (lifting->edit, device->node, original);
  else
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
  driver = vsmmu_passthroughs_property (&lifting->passthroughs, device->id, "driver");
  return driver != NULL && g_strcmp0 (driver->from->value, "arm-smmuv3") == 0;
}

/* @number: of the vSMMU among the <iommu> of the lifted domain */
static void
lift_stand_in (VsmmuLifting *lifting, const VsmmuDevice *device, guint number)
{
  const VsmmuOverrides *overrides = vsmmu_passthroughs_find (&lifting->passthroughs, device->id);
  const VsmmuProperty *bus = g_hash_table_lookup (overrides->last, "primary-bus");
  g_autofree char *id = NULL;
  VsmmuIommu iommu;

  vsmmu_options_init (&iommu);
  if (bus == NULL || !understand (lifting, bus, &iommu) || !iommu.has_pci_bus) {
    g_autofree char *shown = vsmmu_text_shorten (device->id);

    vsmmu_lowering_note (lifting->notes,
                         _ ("%s:%u: the arm-smmuv3 '%s' names no bus of this domain as primary-bus; it stays as it is"),
                         lifting->domain->file, device->line, shown);
    return;
  }
  take_overrides (lifting, overrides, &iommu);
  put_iommu (lifting, device, &iommu);
  id = shown_alias (lifting->domain, device->id) != NULL ? g_strdup (device->id) : g_strdup_printf ("iommu%u", number);
  rename_overrides (lifting, overrides, device->id, id);
  lifting->n_vsmmus++;
}

/*
 * A vSMMU that libvirt knows, with options that it does not know. Where it has options itself, libvirt knows them, and
 * an override is the user's own.
 */
static void
lift_options (VsmmuLifting *lifting, const VsmmuDevice *device)
{
  const VsmmuOverrides *overrides = vsmmu_passthroughs_find (&lifting->passthroughs, device->id);
  VsmmuIommu iommu = device->iommu;

  lifting->n_vsmmus++;
  lifting->is_accelerated = lifting->is_accelerated || iommu.accel == VSMMU_SWITCH_ON;
  if (overrides != NULL && !vsmmu_options_any (&iommu) && take_overrides (lifting, overrides, &iommu) > 0)
    put_iommu (lifting, device, &iommu);
}

void
vsmmu_lift_vsmmus (VsmmuLifting *lifting)
{
  guint number = 0;

  for (guint i = 0; i < lifting->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (lifting->domain->devices, i);

    if (is_stand_in (lifting, device))
      lift_stand_in (lifting, device, number++);
    else if (vsmmu_device_is_iommu (device)) {
      number++;
      if (vsmmu_lowering_is_vsmmu (device) && device->iommu.has_pci_bus)
        lift_options (lifting, device);
    }
  }
}
