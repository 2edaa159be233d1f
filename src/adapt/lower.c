/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapt/lower.h"

#include <glib/gi18n-lib.h>

#include "adapt/lowering.h"
#include "base/input.h"
#include "base/text.h"
#include "domain/domain-read.h"
#include "domain/hotplug.h"
#include "domain/options.h"
#include "domain/reach.h"
#include "domain/releases.h"

static void
lowering_clear (VsmmuLowering *lowering)
{
  g_clear_pointer (&lowering->edit, vsmmu_edit_free);
  g_string_free (lowering->arguments, TRUE);
  g_string_free (lowering->overrides, TRUE);
  g_string_free (lowering->controllers, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuLowering, lowering_clear)

/* The first vSMMU, or %NULL. */
static const VsmmuDevice *
find_vsmmu (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->iommus->len; i++)
    if (vsmmu_lowering_is_vsmmu (vsmmu_domain_iommu_at (domain, i)))
      return vsmmu_domain_iommu_at (domain, i);
  return NULL;
}

/* Whether there is anything that a libvirt without accelerated SMMUv3s would lose. */
static gboolean
has_anything_new (const VsmmuDomain *domain, const VsmmuTarget *target, VsmmuStrategy strategy)
{
  gboolean stands_in = strategy == VSMMU_STRATEGY_STAND_IN;

  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (vsmmu_lowering_is_vsmmu (iommu) && (stands_in || vsmmu_options_any (&iommu->iommu)))
      return TRUE;
  }
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
    const xmlNode *acpi = vsmmu_xml_child (hostdev->node, "acpi");

    if ((hostdev->hostdev.iommufd != VSMMU_SWITCH_ABSENT && !vsmmu_target_has (target, VSMMU_FEATURE_IOMMUFD)) ||
        (stands_in && acpi != NULL && vsmmu_xml_attribute (acpi, "nodeset") != NULL))
      return TRUE;
  }
  return (domain->iommufd_line != 0 && !vsmmu_target_has (target, VSMMU_FEATURE_DOMAIN_IOMMUFD)) ||
         (stands_in && domain->buses[0].controller != NULL && domain->buses[0].controller->controller.has_pcihole64);
}

/* Left over from a lowered domain that was edited afterwards. */
static gboolean
has_no_leftovers (const VsmmuDomain *domain, GError **error)
{
  static const char *const names[] = { VSMMU_IOMMUFD_ID, VSMMU_INITIATOR_ID };

  for (guint i = 0; i < domain->arguments->len; i++) {
    const VsmmuPassthrough *argument = &g_array_index (domain->arguments, VsmmuPassthrough, i);

    for (guint n = 0; n < G_N_ELEMENTS (names); n++)
      if (strstr (argument->value, names[n]) != NULL)
        return vsmmu_lowering_refuse (
            error, _ ("%s:%u: '%s' in <qemu:arg> is a name that the adapted domain needs; remove it"), domain->file,
            argument->line, names[n]);
  }
  return TRUE;
}

/* What lifting did not understand of the iommufd of a device conflicts with what lowering writes for it. */
static gboolean
has_no_own_iommufd (const VsmmuDomain *domain, GError **error)
{
  g_autoptr (GHashTable) hostdevs = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < domain->hostdevs->len; i++)
    g_hash_table_add (hostdevs, ((const VsmmuDevice *) g_ptr_array_index (domain->hostdevs, i))->id);
  for (guint i = 0; i < domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (domain->overrides, VsmmuPassthrough, i);
    g_autofree char *alias = NULL;

    if (strcmp (override->property, "iommufd") != 0 || !g_hash_table_contains (hostdevs, override->alias))
      continue;
    alias = vsmmu_text_shorten (override->alias);
    return vsmmu_lowering_refuse (
        error,
        _ ("%s:%u: this <qemu:override> changes the iommufd of '%s'; remove it, and set iommufd on the <driver> of "
           "the device"),
        domain->file, override->line, alias);
  }
  return TRUE;
}

/* The same for an argument that applies to all of them. */
static gboolean
has_no_iommufd_for_all (const VsmmuDomain *domain, GError **error)
{
  for (guint i = 0; i < domain->reaches->len; i++) {
    const VsmmuReach *reach = &g_array_index (domain->reaches, VsmmuReach, i);

    if ((reach->way == VSMMU_REACH_BY_GLOBAL || reach->way == VSMMU_REACH_BY_SET) &&
        strstr (reach->from->value, "iommufd") != NULL)
      return vsmmu_lowering_refuse (error,
                                    _ ("%s:%u: this <qemu:arg> changes the iommufd of VFIO devices; remove it, and "
                                       "set iommufd on the <driver> of each device"),
                                    domain->file, reach->from->line);
  }
  return TRUE;
}

/* Overrides refer to devices by alias; libvirt rejects duplicates as well. */
static gboolean
has_own_aliases (const VsmmuDomain *domain, GError **error)
{
  g_autoptr (GHashTable) aliases = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->alias != NULL && g_str_has_prefix (device->alias, "ua-") &&
        !g_hash_table_add (aliases, (gpointer) device->alias)) {
      g_autofree char *alias = vsmmu_text_shorten (device->alias);

      return vsmmu_lowering_refuse (error,
                                    _ ("%s:%u: alias '%s' is also used by another device; use a different "
                                       "alias for each device"),
                                    domain->file, device->line, alias);
    }
  }
  return TRUE;
}

/* Values that libvirt 12.8 rejects must not get lost here, and all places must be known. */
static gboolean
is_possible (const VsmmuDomain *domain, GError **error)
{
  if (!vsmmu_domain_is_virt (domain))
    return vsmmu_lowering_refuse (error,
                                  _ ("%s:%u: SMMUv3 is supported only by the arm64 machine 'virt'; set <type "
                                     "arch='aarch64' machine='virt'> in <os>"),
                                  domain->file, MAX (domain->machine_line, domain->line));
  if (domain->problems->len > 0) {
    const VsmmuValueProblem *problem = &g_array_index (domain->problems, VsmmuValueProblem, 0);
    g_autofree char *value = vsmmu_text_shorten (problem->value);

    if (problem->unclear != NULL)
      return vsmmu_lowering_refuse (error, "%s:%u: %s: %s", domain->file, problem->line, problem->unclear,
                                    problem->expected);
    if (problem->value == NULL)
      return vsmmu_lowering_refuse (error, _ ("%s:%u: attribute '%s' is missing; set it to %s"), domain->file,
                                    problem->line, problem->attribute, problem->expected);
    return vsmmu_lowering_refuse (error, _ ("%s:%u: libvirt does not accept the value '%s' (expected %s); correct it"),
                                  domain->file, problem->line, value, problem->expected);
  }
  if (domain->address_error != NULL)
    return vsmmu_lowering_refuse (error, _ ("%s: libvirt would reject the PCI addresses: %s"), domain->file,
                                  domain->address_error);
  return has_own_aliases (domain, error) && has_no_leftovers (domain, error) && has_no_own_iommufd (domain, error) &&
         has_no_iommufd_for_all (domain, error);
}

static const VsmmuDevice *
next_user_device (const VsmmuDomain *domain, guint *at, guint n_buses)
{
  while (*at < domain->devices->len) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, (*at)++);
    gboolean is_ours = device->ordinal == 0 || vsmmu_device_is_iommu (device) ||
                       (vsmmu_device_is_pci_controller (device) && device->controller.index >= (int) n_buses);

    if (!is_ours)
      return device;
  }
  return NULL;
}

static gboolean
is_same_place (const VsmmuDevice *before, const VsmmuDevice *after)
{
  return strcmp (before->element, after->element) == 0 && before->address_kind == after->address_kind &&
         before->address.bus == after->address.bus && before->address.slot == after->address.slot &&
         before->address.function == after->address.function &&
         (!vsmmu_device_is_pci_controller (before) || before->controller.bus_nr == after->controller.bus_nr);
}

/* libvirt must choose the same addresses as without the stand-ins. */
static gboolean
stays_in_place (const VsmmuDomain *domain, const char *xml, gsize length, GError **error)
{
  g_autoptr (VsmmuDomain) lowered = vsmmu_domain_new_raw (xml, length, domain->file, error);
  guint before_at = 0;
  guint after_at = 0;
  const VsmmuDevice *before;

  if (lowered == NULL)
    return FALSE;
  while ((before = next_user_device (domain, &before_at, domain->n_buses)) != NULL) {
    const VsmmuDevice *after = next_user_device (lowered, &after_at, domain->n_buses);
    g_autofree char *name = NULL;

    if (after != NULL && is_same_place (before, after))
      continue;
    name = vsmmu_device_describe (before);
    return vsmmu_lowering_refuse (error,
                                  _ ("%s:%u: %s would have a different PCI address than with a newer libvirt; add an "
                                     "<address>"),
                                  domain->file, before->line, name);
  }
  return TRUE;
}

static char *
lower (const VsmmuDomain *domain, const char *xml, gsize length, const VsmmuTarget *target, VsmmuStrategy strategy,
       GPtrArray *notes, gsize *out_length, GError **error)
{
  g_auto (VsmmuLowering) lowering = { .domain = domain,
                                      .root = xmlDocGetRootElement (domain->document),
                                      .devices = find_vsmmu (domain)->node->parent,
                                      .target = target,
                                      .strategy = strategy,
                                      .edit = vsmmu_edit_new (xml, length, domain->document, domain->file, error),
                                      .notes = notes,
                                      .arguments = g_string_new (NULL),
                                      .overrides = g_string_new (NULL),
                                      .controllers = g_string_new (NULL) };
  g_autofree char *lowered = NULL;

  if (lowering.edit == NULL || !vsmmu_lower_vsmmus (&lowering, error))
    return NULL;
  vsmmu_lower_hole (&lowering);
  vsmmu_lower_iommufd (&lowering);
  vsmmu_lower_initiators (&lowering);
  vsmmu_lower_note_lost (&lowering);
  vsmmu_lower_write (&lowering);
  lowered = vsmmu_edit_finish (lowering.edit, out_length);
  return stays_in_place (domain, lowered, *out_length, error) ? g_steal_pointer (&lowered) : NULL;
}

char *
vsmmu_lower_domain (const char *xml, gsize length, const char *name, const VsmmuTarget *target, GPtrArray *notes,
                    gsize *out_length, GError **error)
{
  g_autoptr (VsmmuDomain) given = vsmmu_domain_new_raw (xml, length, name, error);
  g_autoptr (VsmmuDomain) meant = NULL;
  g_autoptr (GPtrArray) lift_notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *lifted = NULL;
  gsize lifted_length = 0;
  VsmmuDomain *domain = given;
  VsmmuStrategy strategy;

  lifted = given != NULL ? vsmmu_lift (xml, length, name, lift_notes, &lifted_length, error) : NULL;
  if (lifted == NULL)
    return NULL;
  if (lifted_length != length || memcmp (lifted, xml, length) != 0) {
    meant = vsmmu_domain_new_raw (lifted, lifted_length, name, error);
    domain = meant;
  }
  if (domain == NULL)
    return NULL;
  if (find_vsmmu (domain) == NULL)
    return vsmmu_lowering_keep (xml, length, out_length);
  if (!vsmmu_strategy_choose (target, &strategy, error))
    return NULL;
  if (strategy == VSMMU_STRATEGY_NATIVE || !has_anything_new (given, target, strategy))
    return vsmmu_lowering_keep (xml, length, out_length);
  if (!is_possible (domain, error))
    return NULL;
  g_ptr_array_extend_and_steal (notes, g_steal_pointer (&lift_notes));
  vsmmu_domain_forget_run (domain);
  return lower (domain, lifted, lifted_length, target, strategy, notes, out_length, error);
}

char *
vsmmu_lower_domain_file (const char *path, const VsmmuTarget *target, GPtrArray *notes, gsize *out_length,
                         GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autofree char *xml = NULL;
  gsize length = 0;

  if (!vsmmu_read_document (path, &xml, &length, error))
    return NULL;
  return vsmmu_lower_domain (xml, length, name, target, notes, out_length, error);
}

/* A lowered guest gives iommufd to every attached device, requested or not. */
static gboolean
lower_device_iommufd (VsmmuEdit *edit, const xmlNode *device, const char *name, GPtrArray *notes, GError **error)
{
  const xmlNode *driver = vsmmu_xml_child (device, "driver");
  const char *iommufd = driver != NULL ? vsmmu_xml_attribute (driver, "iommufd") : NULL;

  if (g_strcmp0 (iommufd, "yes") != 0 && g_strcmp0 (iommufd, "no") != 0 && iommufd != NULL) {
    g_autofree char *shown = vsmmu_text_shorten (iommufd);

    return vsmmu_lowering_refuse (error, _ ("%s:%u: invalid value '%s' for attribute 'iommufd'; use 'yes' or 'no'"),
                                  name, vsmmu_xml_line (driver), shown);
  }
  if (iommufd != NULL)
    vsmmu_edit_remove_attribute (edit, driver, "iommufd");
  if (g_strcmp0 (iommufd, "yes") != 0)
    vsmmu_lowering_note (notes,
                         _ ("%s:%u: the device uses iommufd although it is not requested, like every VFIO device "
                            "attached to this guest with this libvirt version"),
                         name, vsmmu_xml_line (device));
  return TRUE;
}

static void
lower_device_initiators (VsmmuEdit *edit, const xmlNode *device, const char *name, GPtrArray *notes)
{
  const xmlNode *acpi = vsmmu_xml_child (device, "acpi");

  if (acpi == NULL || vsmmu_xml_attribute (acpi, "nodeset") == NULL)
    return;
  if (acpi->properties->next == NULL)
    vsmmu_edit_remove (edit, acpi);
  else
    vsmmu_edit_remove_attribute (edit, acpi, "nodeset");
  vsmmu_lowering_note (notes,
                       _ ("%s:%u: the nodeset of <acpi> is dropped when a device is attached; it must be in the "
                          "domain when the domain is defined"),
                       name, vsmmu_xml_line (acpi));
}

static gboolean
loses_vsmmu (const xmlNode *device, VsmmuStrategy strategy)
{
  const xmlNode *driver = vsmmu_xml_is (device, "iommu") ? vsmmu_xml_child (device, "driver") : NULL;

  return driver != NULL &&
         vsmmu_xml_attribute (driver, strategy == VSMMU_STRATEGY_STAND_IN ? "pciBus" : "accel") != NULL;
}

char *
vsmmu_lower_device (const char *xml, gsize length, const char *name, const VsmmuTarget *target, GPtrArray *notes,
                    gsize *out_length, GError **error)
{
  g_autoptr (VsmmuHotplug) hotplug = vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, xml, length, name, error);
  g_autoptr (VsmmuEdit) edit = NULL;
  const xmlNode *device;
  VsmmuStrategy strategy;

  if (hotplug == NULL || !vsmmu_strategy_choose (target, &strategy, error))
    return NULL;
  device = xmlDocGetRootElement (vsmmu_hotplug_get_document (hotplug));
  if (strategy != VSMMU_STRATEGY_NATIVE && loses_vsmmu (device, strategy)) {
    vsmmu_lowering_refuse (
        error, _ ("%s:%u: an SMMUv3 cannot be added separately with this libvirt version; define the domain with it"),
        name, vsmmu_xml_line (device));
    return NULL;
  }
  if (vsmmu_target_has (target, VSMMU_FEATURE_IOMMUFD) || !vsmmu_hotplug_is_vfio (device))
    return vsmmu_lowering_keep (xml, length, out_length);
  edit = vsmmu_edit_new (xml, length, vsmmu_hotplug_get_document (hotplug), name, error);
  if (edit == NULL || !lower_device_iommufd (edit, device, name, notes, error))
    return NULL;
  if (strategy == VSMMU_STRATEGY_STAND_IN)
    lower_device_initiators (edit, device, name, notes);
  return vsmmu_edit_finish (edit, out_length);
}
