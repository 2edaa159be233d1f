/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "domain/acceleration.h"
#include "host/binding.h"
#include "plan/layout.h"

const VsmmuHostDevice *
vsmmu_layout_find_device (const VsmmuHost *host, const char *name, GError **error)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);
  const char *colon = strchr (lower, ':');
  g_autofree char *full = g_strconcat (colon != NULL && strchr (colon + 1, ':') == NULL ? "0000:" : "", lower, NULL);
  VsmmuPciAddress address;
  const VsmmuHostDevice *device;

  if (!vsmmu_host_parse_address (full, &address)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, _ ("invalid PCI address '%s'; write it as in 0009:01:00.0"),
                 name);
    return NULL;
  }
  device = vsmmu_host_device_at (host, &address);
  if (device == NULL)
    vsmmu_layout_refuse (error, _ ("the host has no PCI function %s; 'virt-vsmmu host --devices' lists the devices"),
                         full);
  return device;
}

gboolean
vsmmu_layout_is_usable (const VsmmuHostDevice *device, GError **error)
{
  if (vsmmu_host_device_is_bridge (device))
    return vsmmu_layout_refuse (error, _ ("%s is a bridge or port of the host and cannot be assigned to a guest"),
                                device->name);
  if (device->smmu == NULL)
    return vsmmu_layout_refuse (
        error, _ ("%s has no SMMUv3 on the host and cannot be placed behind an accelerated SMMUv3"), device->name);
  if (device->group != NULL && device->group->devices->len > 1)
    return vsmmu_layout_refuse (error,
                                g_dngettext (GETTEXT_PACKAGE,
                                             "%s shares IOMMU group %u of the host with %u other function; a device "
                                             "behind an accelerated SMMUv3 must be alone in its group",
                                             "%s shares IOMMU group %u of the host with %u other functions; a device "
                                             "behind an accelerated SMMUv3 must be alone in its group",
                                             device->group->devices->len - 1),
                                device->name, device->group->number, device->group->devices->len - 1);
  if (device->group != NULL && vsmmu_host_group_direct_region (device->group) != NULL)
    return vsmmu_layout_refuse (error,
                                _ ("the firmware requires a one-to-one mapping for %s, and the host kernel does not "
                                   "assign such a device"),
                                device->name);
  if (vsmmu_fact_is_true (device->vfs) && !vsmmu_host_device_is_for_vfio (device))
    return vsmmu_layout_refuse (error,
                                _ ("%s has virtual functions, which disappear when it is unbound from its driver; use "
                                   "one of them, or write 0 to /sys/bus/pci/devices/%s/sriov_numvfs"),
                                device->name, device->name);
  if (vsmmu_fact_is_false (device->smmu->capabilities[VSMMU_SMMU_NESTING]))
    return vsmmu_layout_refuse (error,
                                _ ("%s is behind %s on the host, which does not support nested translation, or the "
                                   "kernel disables it because of an erratum"),
                                device->name, device->smmu->name);
  if (vsmmu_fact_is_false (vsmmu_host_smmu_is_coherent (device->smmu)))
    return vsmmu_layout_refuse (error,
                                _ ("%s is behind %s on the host, which does not support S2FWB, and a root complex in "
                                   "front of it has no CANWBS; guest memory would not stay coherent"),
                                device->name, device->smmu->name);
  return TRUE;
}

/* Whether @device goes into @group; @vsmmu is what it is behind in the guest, or %NULL. */
static gboolean
belongs_to (const VsmmuLayout *layout, const VsmmuPlanGroup *group, const VsmmuHostDevice *device,
            const VsmmuDevice *vsmmu)
{
  if (!layout->options->is_per_device)
    return group->smmu == device->smmu;
  return vsmmu != NULL ? group->vsmmu == vsmmu : group->owner == device;
}

/* (transfer none): the group of @device, which is made when there is none yet */
static VsmmuPlanGroup *
group_of (VsmmuLayout *layout, const VsmmuHostDevice *device, const VsmmuDevice *vsmmu)
{
  VsmmuPlanGroup *group;

  for (guint i = 0; i < layout->groups->len; i++) {
    group = g_ptr_array_index (layout->groups, i);
    if (belongs_to (layout, group, device, vsmmu))
      return group;
  }
  group = g_new0 (VsmmuPlanGroup, 1);
  group->smmu = device->smmu;
  if (layout->options->is_per_device)
    group->owner = device;
  if (layout->options->is_per_device && vsmmu != NULL) {
    group->vsmmu = vsmmu;
    group->root = (guint) vsmmu->iommu.pci_bus;
  }
  group->node = -1;
  group->devices = g_ptr_array_new ();
  group->ports = g_array_new (FALSE, TRUE, sizeof (VsmmuPlanPort));
  g_ptr_array_add (layout->groups, group);
  return group;
}

static gboolean
add_device (VsmmuLayout *layout, const VsmmuHostDevice *device, const VsmmuBinding *bindings, GError **error)
{
  const VsmmuDevice *hostdev = vsmmu_host_hostdev_of (layout->host, layout->domain, device);
  const VsmmuDevice *vsmmu = hostdev != NULL ? vsmmu_domain_vsmmu_of (layout->domain, hostdev) : NULL;
  VsmmuPlanGroup *group = NULL;

  if (hostdev == NULL) {
    group = group_of (layout, device, NULL);
    if (!g_ptr_array_find (group->devices, device, NULL))
      g_ptr_array_add (group->devices, (gpointer) device);
    return TRUE;
  }
  if (vsmmu != NULL && vsmmu_iommu_is_accelerated (vsmmu) && bindings[vsmmu->iommu.pci_bus].smmu == device->smmu) {
    const VsmmuAdopted there = { device, hostdev };

    group_of (layout, device, vsmmu);
    g_array_append_val (layout->in_place, there);
    vsmmu_layout_note (layout, _ ("the guest already has %s behind an accelerated SMMUv3, on line %u"), device->name,
                       hostdev->line);
    return TRUE;
  }
  return vsmmu_layout_refuse (
      error,
      _ ("%s:%u: the guest already has %s, but not behind an accelerated SMMUv3 for its physical SMMU; use "
         "--adopt=%s instead of --device"),
      layout->domain->file, hostdev->line, device->name, device->name);
}

/* Those that the guest has already, but not where they can be used. */
static void
add_adopted (VsmmuLayout *layout)
{
  for (guint i = 0; layout->adoption != NULL && i < layout->adoption->devices->len; i++) {
    const VsmmuAdopted *adopted = &g_array_index (layout->adoption->devices, VsmmuAdopted, i);
    VsmmuPlanGroup *group = group_of (layout, adopted->device, NULL);

    if (!g_ptr_array_find (group->devices, adopted->device, NULL))
      g_ptr_array_add (group->devices, (gpointer) adopted->device);
  }
}

/* (nullable): a group that needs a vSMMU still */
static VsmmuPlanGroup *
find_needy (const VsmmuLayout *layout)
{
  for (guint i = 0; i < layout->groups->len; i++) {
    VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, i);

    if (group->vsmmu == NULL)
      return group;
  }
  return NULL;
}

/* A vSMMU that a generator wrote for the devices it has, and put none of them behind it, goes to any of them. */
static void
take_empty_vsmmus (const VsmmuLayout *layout, const VsmmuBinding *bindings)
{
  VsmmuBehind behind[VSMMU_PCI_BUSES_MAX];
  VsmmuPlanGroup *group;

  vsmmu_host_look_behind_all (layout->domain, layout->host, behind);
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX && (group = find_needy (layout)) != NULL; i++) {
    if (bindings[i].iommu == NULL || behind[i].count > 0)
      continue;
    group->vsmmu = bindings[i].iommu;
    group->root = i;
  }
}

/* Only a device behind a vSMMU says which SMMU of the host it is over. */
static gboolean
reuse_vsmmus (VsmmuLayout *layout, const VsmmuBinding *bindings, GError **error)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &bindings[i];

    if (binding->iommu != NULL && binding->smmu == NULL && layout->adoption == NULL)
      return vsmmu_layout_refuse (error,
                                  _ ("%s:%u: the physical SMMU of an accelerated SMMUv3 is unknown because no device "
                                     "is behind it; add a device, or remove the SMMUv3"),
                                  layout->domain->file, binding->iommu->line);
    for (guint g = 0; g < layout->groups->len && binding->iommu != NULL; g++) {
      VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, g);

      if (group->smmu != binding->smmu || group->vsmmu != NULL || group->owner != NULL)
        continue;
      group->vsmmu = binding->iommu;
      group->root = i;
    }
  }
  return TRUE;
}

gboolean
vsmmu_layout_choose_devices (VsmmuLayout *layout, const char *const *names, GError **error)
{
  VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX];

  vsmmu_bindings_find (layout->domain, layout->host, bindings);
  for (guint i = 0; names[i] != NULL; i++) {
    const VsmmuHostDevice *device = vsmmu_layout_find_device (layout->host, names[i], error);

    if (device == NULL || !vsmmu_layout_is_usable (device, error) || !add_device (layout, device, bindings, error))
      return FALSE;
  }
  add_adopted (layout);
  if (!reuse_vsmmus (layout, bindings, error))
    return FALSE;
  if (layout->adoption != NULL)
    take_empty_vsmmus (layout, bindings);
  return TRUE;
}
