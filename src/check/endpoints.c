/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "check/port.h"
#include "domain/acceleration.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

/* Devices that QEMU emulates; bridges and ports are allowed anywhere. */
static gboolean
is_emulated_endpoint (const VsmmuDevice *device)
{
  return device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device) &&
         !vsmmu_device_is_hostdev (device);
}

/* (transfer full): how to place the emulated @device of the domain where QEMU allows it */
static char *
hint_for_endpoint (const VsmmuCheck *check, const VsmmuDevice *device, const VsmmuDevice *vsmmu)
{
  const VsmmuDomain *domain = check->domain;
  char *hint = NULL;

  if (device->is_plug)
    return vsmmu_check_hint_for_port (check, device);
  for (guint i = 0; i < domain->n_buses && hint == NULL; i++) {
    const VsmmuBus *bus = &domain->buses[i];

    /* Such a device has its place on bus 0 only. */
    if (device->connect & VSMMU_CONNECT_INTEGRATED)
      break;
    if (bus->model != NULL && bus->model->is_root && (bus->vsmmu == NULL || !vsmmu_iommu_is_accelerated (bus->vsmmu)))
      hint = vsmmu_check_hint_below (check->room, i, device);
  }
  if (hint != NULL)
    return hint;
  if (check->room->next_index >= VSMMU_PCI_BUSES_MAX)
    return g_strdup_printf (_ ("remove the SMMUv3 of bus %u"), vsmmu->iommu.pci_bus);
  return g_strdup_printf (_ ("add <controller type='pci' index='%u' model='pcie-expander-bus'/>, set pciBus='%u' "
                             "instead of '%u', and move the VFIO devices to pcie-root-port controllers below it"),
                          check->room->next_index, check->room->next_index, vsmmu->iommu.pci_bus);
}

static void
report_endpoints (VsmmuCheck *check, gboolean is_given)
{
  for (guint i = 0; i < check->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (check->domain->devices, i);
    const VsmmuDevice *vsmmu;
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (device->address_given != is_given || !is_emulated_endpoint (device) ||
        !vsmmu_domain_is_behind_accelerated (check->domain, device))
      continue;
    vsmmu = vsmmu_domain_vsmmu_of (check->domain, device);
    name = vsmmu_device_describe (device);
    place = vsmmu_check_place (check, device->is_plug, vsmmu);
    if (is_given)
      vsmmu_check_report (
          check, device->address_line, vsmmu_device_path (device, "/address"), hint_for_endpoint (check, device, vsmmu),
          _ ("%s is emulated, but behind the accelerated SMMUv3 on %s; QEMU allows only VFIO devices there"), name,
          place);
    else
      vsmmu_check_report (check, device->ordinal != 0 ? device->line : vsmmu->line, vsmmu_device_path (device, ""),
                          hint_for_endpoint (check, device, vsmmu),
                          _ ("libvirt will place %s at %02x:%02x.%x, behind the accelerated SMMUv3 on %s, where QEMU "
                             "allows only VFIO devices"),
                          name, device->address.bus, device->address.slot, device->address.function, place);
  }
}

static void
check_emulated_endpoint (VsmmuCheck *check)
{
  report_endpoints (check, TRUE);
}

static void
check_endpoint_auto_placed (VsmmuCheck *check)
{
  report_endpoints (check, FALSE);
}

static gboolean
is_disabled_by_domain (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  return check->domain->iommufd == VSMMU_SWITCH_OFF && hostdev->hostdev.iommufd == VSMMU_SWITCH_ABSENT &&
         !hostdev->hostdev.is_mdev;
}

/* (transfer full): how to give @hostdev iommufd, by what it has in the document */
static char *
hint_for_iommufd (const VsmmuDomain *domain, const VsmmuDevice *hostdev)
{
  gboolean has_driver = vsmmu_xml_child (hostdev->node, "driver") != NULL;

  if (hostdev->hostdev.iommufd == VSMMU_SWITCH_OFF)
    return g_strdup (_ ("change iommufd='no' to 'yes' on <driver>, or move the device below a root bus without an "
                        "accelerated SMMUv3"));
  /* It says something else for the domain, or the device is not in the domain yet. */
  if (domain->iommufd_line != 0 || hostdev->is_plug)
    return g_strdup (has_driver ? _ ("add iommufd='yes' to <driver>")
                                : _ ("add <driver iommufd='yes'/> to the device"));
  return g_strdup (has_driver ? _ ("add iommufd='yes' to <driver>, or <iommufd enabled='yes'/> to <domain>")
                              : _ ("add <driver iommufd='yes'/> to the device, or <iommufd enabled='yes'/> to "
                                   "<domain>"));
}

static void
check_hostdev_without_iommufd (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    g_autofree char *name = NULL;

    if (!vsmmu_domain_is_behind_accelerated (check->domain, hostdev) ||
        hostdev->hostdev.iommufd == VSMMU_SWITCH_INVALID || is_disabled_by_domain (check, hostdev))
      continue;
    name = vsmmu_device_describe (hostdev);
    if (hostdev->hostdev.is_mdev)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("move the mediated device below a root bus without an accelerated SMMUv3")),
                          _ ("%s is a mediated device, for which libvirt does not support iommufd"), name);
    else if (!vsmmu_domain_uses_iommufd (check->domain, hostdev))
      vsmmu_check_report (check, hostdev->hostdev.driver_line, vsmmu_device_path (hostdev, ""),
                          hint_for_iommufd (check->domain, hostdev),
                          _ ("%s is behind an accelerated SMMUv3, but does not use iommufd; QEMU rejects it"), name);
  }
}

static void
check_iommufd_disabled (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (!vsmmu_domain_is_behind_accelerated (check->domain, hostdev) || !is_disabled_by_domain (check, hostdev))
      continue;
    name = vsmmu_device_describe (hostdev);
    place = vsmmu_check_place (check, FALSE, hostdev);
    vsmmu_check_report (check, check->domain->iommufd_line, g_strdup ("/domain/iommufd"),
                        g_strdup (_ ("change enabled='no' to 'yes' on <iommufd>, or set iommufd='yes' on the <driver> "
                                     "of the device")),
                        _ ("iommufd is disabled for the domain, but %s (%s) is behind an accelerated SMMUv3 and "
                           "requires it"),
                        name, place);
  }
}

/* (transfer full): what to do about @hostdev behind an SMMUv3 that is not accelerated */
static char *
hint_for_emulated (const VsmmuDomain *domain, const VsmmuDevice *hostdev, const VsmmuDevice *emulated)
{
  int root = domain->buses[hostdev->address.bus].root;

  if (emulated->iommu.names_pci_bus)
    return g_strdup_printf (_ ("set accel='on' on the SMMUv3 on line %u"), emulated->line);
  /* What libvirt puts on bus 0 could not stay there. */
  if (root <= 0)
    return g_strdup_printf (_ ("move the device below a pcie-expander-bus, and set accel='on' and the index of that "
                               "bus as pciBus on the SMMUv3 on line %u"),
                            emulated->line);
  if (emulated->iommu.accel == VSMMU_SWITCH_ON)
    return g_strdup_printf (_ ("set pciBus='%d' on the SMMUv3 on line %u"), root, emulated->line);
  return g_strdup_printf (_ ("set accel='on' and pciBus='%d' on the SMMUv3 on line %u"), root, emulated->line);
}

/* The only root bus below which @hostdev could be behind an accelerated SMMUv3, -1 when there are none or several. */
static int
only_accelerated_root (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  const VsmmuHostSmmu *wanted = vsmmu_host_smmu_of (check->host, hostdev);
  VsmmuBehind behind[VSMMU_PCI_BUSES_MAX];
  int root = -1;

  vsmmu_host_look_behind_all (check->domain, check->host, behind);
  for (guint i = 0; i < check->domain->n_buses; i++) {
    const VsmmuDevice *vsmmu = check->domain->buses[i].vsmmu;

    if (vsmmu == NULL || !vsmmu_domain_is_effective (check->domain, vsmmu) ||
        (wanted != NULL && behind[i].smmu != NULL && behind[i].smmu != wanted))
      continue;
    if (wanted != NULL && behind[i].smmu == wanted)
      return (int) i;
    if (root >= 0)
      return -1;
    root = (int) i;
  }
  return root;
}

/* (transfer full): what to do about @hostdev without an SMMUv3 */
static char *
hint_for_outside (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  int own = check->domain->buses[hostdev->address.bus].root;
  int root = only_accelerated_root (check, hostdev);
  char *hint = NULL;

  if (own > 0 && !check->domain->hides_vsmmu)
    return g_strdup_printf (_ ("add <iommu model='smmuv3'><driver pciBus='%d' accel='on'/></iommu>"), own);
  if (root >= 0)
    hint = vsmmu_check_hint_below (check->room, (guint) root, hostdev);
  return hint != NULL ? hint
                      : g_strdup (_ ("move the device to a port below a root bus that an accelerated SMMUv3 has as "
                                     "pciBus"));
}

static void
check_hostdev_outside_vsmmu (VsmmuCheck *check)
{
  gboolean is_unclear = vsmmu_domain_is_unclear (check->domain);
  const VsmmuDevice *machine_wide = vsmmu_domain_machine_wide (check->domain);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *emulated;
    g_autofree char *name = NULL;

    if (hostdev->address_kind != VSMMU_ADDRESS_PCI || hostdev->address.bus >= check->domain->n_buses || is_unclear ||
        vsmmu_domain_is_behind_accelerated (check->domain, hostdev) || hostdev->is_plug)
      continue;
    name = vsmmu_device_describe (hostdev);
    emulated = vsmmu_domain_vsmmu_of (check->domain, hostdev);
    if (emulated == NULL)
      emulated = machine_wide;
    if (emulated != NULL)
      vsmmu_check_report_as (check, VSMMU_SEVERITY_ERROR, hostdev->line, vsmmu_device_path (hostdev, ""),
                             hint_for_emulated (check->domain, hostdev, emulated),
                             _ ("%s is behind the emulated SMMUv3 on line %u, which cannot translate for VFIO devices"),
                             name, emulated->line);
    else
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""), hint_for_outside (check, hostdev),
                          _ ("%s is on bus %u without an SMMUv3; the guest cannot isolate it"), name,
                          hostdev->address.bus);
  }
}

static void
check_hostdev_duplicate (VsmmuCheck *check)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuPciAddress *host = &hostdev->hostdev.host;
    g_autofree gint64 *key = g_new (gint64, 1);
    const VsmmuDevice *first;
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (!hostdev->hostdev.is_pci)
      continue;
    *key = (gint64) host->domain << 16 | host->bus << 8 | host->slot << 3 | host->function;
    first = g_hash_table_lookup (seen, key);
    if (first == NULL) {
      g_hash_table_insert (seen, g_steal_pointer (&key), (gpointer) hostdev);
      continue;
    }
    name = vsmmu_device_describe (hostdev);
    place = vsmmu_check_place (check, hostdev->is_plug, first);
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                        g_strdup (_ ("assign another host device, or remove one of the two")),
                        _ ("%s is already assigned to the guest on %s"), name, place);
  }
}

const VsmmuRuleRow vsmmu_endpoint_rules[] = {
  { { "emulated-endpoint", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("An emulated device behind an accelerated SMMUv3"),
      N_ ("The physical SMMU uses the guest's translation tables and cannot translate for devices that QEMU "
          "emulates. Behind an accelerated SMMUv3, QEMU allows bridges, ports and VFIO devices with iommufd, and "
          "rejects everything else: 'Emulated endpoint devices are not allowed when using arm-smmuv3,accel=on'."),
      "QEMU smmuv3_accel_supports_as()" },
    check_emulated_endpoint },
  { { "endpoint-auto-placed", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("libvirt will place an emulated device behind an accelerated SMMUv3"),
      N_ ("libvirt gives a device without <address> the first free slot, in the order of the controller indexes. "
          "That slot may be on a port meant for a VFIO device; with pciBus='0', every such device is affected. The "
          "guest then does not start; see emulated-endpoint. virt-vsmmu finds the slot in the same way as libvirt."),
      "libvirt qemuDomainAssignDevicePCISlots(); compared with 12.8 in the test suite" },
    check_endpoint_auto_placed },
  { { "hostdev-without-iommufd", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("A VFIO device behind an accelerated SMMUv3 without iommufd"),
      N_ ("Only iommufd supports nested translation; the legacy VFIO container does not. QEMU rejects the device: "
          "'vfio-pci endpoint devices without an iommufd backend not allowed when using arm-smmuv3,accel=on'."),
      "QEMU smmuv3_accel_supports_as()" },
    check_hostdev_without_iommufd },
  { { "iommufd-disabled", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("iommufd is disabled for the whole domain"),
      N_ ("<iommufd enabled='no'/> is the default for every <hostdev> without an iommufd attribute of its own, and a "
          "device behind an accelerated SMMUv3 requires iommufd."),
      "libvirt formatdomain: Host Device IOMMUFD" },
    check_iommufd_disabled },
  { { "hostdev-outside-vsmmu", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING,
      N_ ("A VFIO device without an accelerated SMMUv3"),
      N_ ("The device works, but the guest has no IOMMU for it: no isolation, no nested guests, no shared virtual "
          "addressing. Behind an SMMUv3 that is not accelerated, it does not work at all: 'requires iommu MAP "
          "notifier which is not currently supported'."),
      "QEMU pci_device_iommu_address_space(); vfio_listener_region_add()" },
    check_hostdev_outside_vsmmu },
  { { "hostdev-duplicate", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("A host device is assigned twice"),
      N_ ("A PCI function of the host can be assigned to a guest only once. libvirt rejects a second <hostdev> with "
          "the same source."),
      "libvirt: Hostdev already exists in the domain configuration" },
    check_hostdev_duplicate },
  { { NULL }, NULL },
};
