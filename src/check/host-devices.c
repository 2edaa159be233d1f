/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "check/check.h"
#include "check/host.h"
#include "check/port.h"
#include "domain/virt-machine.h"
#include "domain/vsmmu.h"
#include "host/binding.h"
#include "host/kernel.h"

/* Names that a message lists before it says how many more there are. */
#define NAMES_MAX 3

static void
check_host_device_missing (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len && check->host->has_devices; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    g_autofree char *address = vsmmu_pci_address_to_string (&hostdev->hostdev.host);

    if (!hostdev->hostdev.is_pci)
      continue;
    if (device == NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("correct the <address> in <source>, or make the device available on the host; "
                                       "virtual functions exist only after sriov_numvfs has been set")),
                          _ ("the host has no PCI function %s"), address);
    else if (vsmmu_host_device_is_bridge (device))
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use the address of a function behind it in <source>")),
                          _ ("%s is a bridge or port of the host and cannot be assigned to a guest"), address);
  }
}

static void
check_host_device_without_smmu (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len && check->host->smmus->len > 0; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && device->smmu == NULL && vsmmu_domain_accelerated_over (check->domain, hostdev) != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use a device that 'virt-vsmmu host --devices' lists with an SMMU")),
                          _ ("%s has no SMMUv3 on the host and cannot be placed behind an accelerated SMMUv3"),
                          device->name);
  }
}

/* (transfer full): where @hostdev belongs, which is behind @smmu on the host */
static char *
hint_for_mismatch (const VsmmuCheck *check, const VsmmuDevice *hostdev, const VsmmuHostSmmu *smmu)
{
  char *hint = NULL;

  for (guint i = 0; i < check->domain->n_buses && hint == NULL; i++)
    if (check->bindings[i].smmu == smmu)
      hint = vsmmu_check_hint_below (check->room, i, hostdev);
  return hint != NULL ? hint
                      : g_strdup_printf (_ ("add a pcie-expander-bus with an accelerated SMMUv3 for the devices of %s, "
                                            "and move the device below it"),
                                         smmu->name);
}

static void
check_host_smmu_mismatch (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (check->domain, hostdev);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    const VsmmuBinding *binding = vsmmu != NULL ? &check->bindings[vsmmu->iommu.pci_bus] : NULL;
    g_autofree char *first = NULL;

    /* For a device to be attached, hotplug-smmu-mismatch reports this. */
    if (hostdev->is_plug || binding == NULL || binding->smmu == NULL || device == NULL || device->smmu == NULL ||
        device->smmu == binding->smmu)
      continue;
    first = vsmmu_device_describe (binding->hostdev);
    vsmmu_check_report (
        check, hostdev->line, vsmmu_device_path (hostdev, ""), hint_for_mismatch (check, hostdev, device->smmu),
        _ ("%s is behind %s on the host, but %s (line %u) behind the same SMMUv3 is behind %s; QEMU does not notice, "
           "and the DMA of the device is translated with the wrong tables"),
        device->name, device->smmu->name, first, binding->hostdev->line, binding->smmu->name);
  }
}

static void
check_host_smmu_shared (VsmmuCheck *check)
{
  g_autoptr (GHashTable) owners = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    const VsmmuDevice *owner = binding->smmu != NULL ? g_hash_table_lookup (owners, binding->smmu) : NULL;

    if (binding->smmu == NULL)
      continue;
    if (owner == NULL)
      g_hash_table_insert (owners, (gpointer) binding->smmu, (gpointer) binding->iommu);
    else
      vsmmu_check_report (check, binding->iommu->line, vsmmu_device_path (binding->iommu, ""),
                          g_strdup (_ ("move the devices behind one SMMUv3, unless they are separate on purpose")),
                          _ ("this SMMUv3 and that on line %u use the same physical SMMU %s"), owner->line,
                          binding->smmu->name);
  }
}

/* (transfer full): the others in the group of @device, shortened */
static char *
list_others (const VsmmuHostDevice *device)
{
  const GPtrArray *devices = device->group->devices;
  g_autoptr (GString) list = g_string_new (NULL);
  guint n_listed = 0;

  for (guint i = 0; i < devices->len && n_listed < NAMES_MAX; i++) {
    const VsmmuHostDevice *other = g_ptr_array_index (devices, i);

    if (other == device)
      continue;
    g_string_append_printf (list, "%s%s", n_listed > 0 ? ", " : "", other->name);
    n_listed++;
  }
  if (devices->len - 1 > n_listed)
    g_string_append (list, ", ...");
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static void
check_host_group_shared (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    g_autofree char *others = NULL;

    if (device == NULL || device->group == NULL || device->group->devices->len < 2 ||
        vsmmu_domain_accelerated_over (check->domain, hostdev) == NULL)
      continue;
    others = list_others (device);
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                        g_strdup (_ ("use a device that is alone in its IOMMU group, or a slot whose ports support "
                                     "ACS")),
                        _ ("%s shares IOMMU group %u of the host with %s; a device behind an accelerated SMMUv3 must "
                           "be alone in its group"),
                        device->name, device->group->number, others);
  }
}

static gboolean
is_msi (const VsmmuHostRegion *region)
{
  return strcmp (region->type, "msi") == 0;
}

gboolean
vsmmu_host_group_has_other_window (const VsmmuHostGroup *group)
{
  for (guint i = 0; i < group->regions->len; i++) {
    const VsmmuHostRegion *region = g_ptr_array_index (group->regions, i);

    if (is_msi (region) && region->start == VSMMU_VIRT_MSI_WINDOW_START && region->end == VSMMU_VIRT_MSI_WINDOW_END)
      return FALSE;
  }
  return group->has_regions;
}

char *
vsmmu_host_group_describe_windows (const VsmmuHostGroup *group)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < group->regions->len; i++) {
    const VsmmuHostRegion *region = g_ptr_array_index (group->regions, i);
    g_autofree char *window = vsmmu_virt_window_to_string (region->start, region->end);

    if (is_msi (region))
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", window);
  }
  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

static void
check_host_msi_window (VsmmuCheck *check)
{
  g_autofree char *wanted = vsmmu_virt_window_to_string (VSMMU_VIRT_MSI_WINDOW_START, VSMMU_VIRT_MSI_WINDOW_END);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    g_autofree char *windows = NULL;

    if (device == NULL || device->group == NULL || !vsmmu_host_group_has_other_window (device->group) ||
        vsmmu_domain_accelerated_over (check->domain, hostdev) == NULL)
      continue;
    windows = vsmmu_host_group_describe_windows (device->group);
    if (windows == NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup_printf (_ ("use a host whose kernel uses the MSI window %s"), wanted),
                          _ ("the host kernel has no MSI window for %s, but QEMU reports %s to the guest; interrupts "
                             "will be lost"),
                          device->name, wanted);
    else
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup_printf (_ ("use a host whose kernel uses the MSI window %s"), wanted),
                          _ ("for %s, the host kernel uses the MSI window %s, but QEMU reports %s to the guest; "
                             "interrupts will be lost"),
                          device->name, windows, wanted);
  }
}

static void
check_host_driver_busy (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device == NULL || vsmmu_host_device_is_bridge (device))
      continue;
    if (vsmmu_host_device_is_for_vfio (device)) {
      if (hostdev->hostdev.is_managed && device->driver != NULL && !vsmmu_host_device_has_vfio_driver (device))
        vsmmu_check_report_as (
            check, VSMMU_SEVERITY_WARNING, hostdev->line, vsmmu_device_path (hostdev, ""),
            g_strdup (_ ("set managed='no'")),
            _ ("the host driver '%s' itself gives %s to VFIO; with managed='yes', libvirt unbinds it "
               "at start"),
            device->driver, device->name);
      continue;
    }
    if (device->driver != NULL && hostdev->hostdev.is_managed)
      vsmmu_check_report_as (check, VSMMU_SEVERITY_NOTE, hostdev->line, vsmmu_device_path (hostdev, ""),
                             g_strdup (_ ("make sure that nothing on the host uses it, such as a mounted disk or an "
                                          "active network interface")),
                             _ ("libvirt will unbind %s from the host driver '%s' at start"), device->name,
                             device->driver);
    else if (device->driver != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("bind it to vfio-pci on the host, or set managed='yes'")),
                          _ ("%s is bound to the host driver '%s'; without managed='yes', libvirt does not unbind it"),
                          device->name, device->driver);
    else if (!hostdev->hostdev.is_managed)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("bind it to vfio-pci on the host, or set managed='yes'")),
                          _ ("%s is not bound to a driver on the host; without managed='yes', libvirt does not bind "
                             "it"),
                          device->name);
  }
}

static void
check_host_stream_ids (VsmmuCheck *check)
{
  const char *since = vsmmu_kernel_feature_since (VSMMU_KERNEL_ONE_STREAM_ID);
  gboolean is_refused = vsmmu_kernel_has (check->host->kernel, VSMMU_KERNEL_ONE_STREAM_ID) == VSMMU_KERNEL_YES;

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device == NULL || !vsmmu_host_device_has_dma_alias (device) ||
        vsmmu_domain_accelerated_over (check->domain, hostdev) == NULL)
      continue;
    if (is_refused)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use another device, or place it outside the SMMUv3")),
                          _ ("%s uses more than one StreamID, and the host kernel rejects such a device behind an "
                             "accelerated SMMUv3"),
                          device->name);
    else
      vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, hostdev->line, vsmmu_device_path (hostdev, ""),
                             g_strdup (_ ("use another device, or place it outside the SMMUv3")),
                             _ ("%s uses more than one StreamID, but invalidations of the guest reach only one of "
                                "them; Linux %s and newer reject such a device"),
                             device->name, since);
  }
}

static void
check_host_direct_mapping (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    const VsmmuHostRegion *region =
        device != NULL && device->group != NULL ? vsmmu_host_group_direct_region (device->group) : NULL;

    if (region != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use another device, or firmware that does not require the mapping")),
                          _ ("the firmware requires that %s has 0x%" PRIx64 "-0x%" PRIx64 " mapped one to one; the "
                             "host kernel does not assign such a device"),
                          device->name, region->start, region->end);
  }
}

/* The <hostdev> of the guest that is a virtual function of @physical, or %NULL. */
static const VsmmuDevice *
find_virtual_function (const VsmmuCheck *check, const VsmmuHostDevice *physical)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && device->physical_function == physical)
      return hostdev;
  }
  return NULL;
}

static void
check_host_physical_function (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    const VsmmuDevice *virtual;

    if (device == NULL || !vsmmu_fact_is_true (device->vfs) || vsmmu_host_device_is_for_vfio (device))
      continue;
    virtual = find_virtual_function (check, device);
    if (virtual != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("remove this <hostdev>, or that of the virtual function")),
                          _ ("%s is the physical function of %s (line %u); its virtual functions disappear when it is "
                             "unbound from its driver"),
                          device->name, vsmmu_host_device_of (check->host, virtual)->name, virtual->line);
    else
      vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, hostdev->line, vsmmu_device_path (hostdev, ""),
                             g_strdup_printf (_ ("use a virtual function, or write 0 to "
                                                 "/sys/bus/pci/devices/%s/sriov_numvfs when nothing uses them"),
                                              device->name),
                             g_dngettext (GETTEXT_PACKAGE,
                                          "%s has %d virtual function, which disappears when it is unbound from its "
                                          "driver",
                                          "%s has %d virtual functions, which disappear when it is unbound from its "
                                          "driver",
                                          (gulong) device->vfs.value),
                             device->name, (int) device->vfs.value);
  }
}

const VsmmuRuleRow vsmmu_host_device_rules[] = {
  { { "host-device-missing", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("The host does not have this device"),
      N_ ("The <source> of a <hostdev> is a PCI function that the host does not have, or a bridge or port, which "
          "cannot be assigned. libvirt does not start the guest. A virtual function exists only after sriov_numvfs "
          "of its physical function has been set."),
      "/sys/bus/pci/devices; libvirt virHostdevPreparePCIDevices()" },
    check_host_device_missing },
  { { "host-device-without-smmu", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("A device that has no SMMU on the host"),
      N_ ("An accelerated SMMUv3 passes the guest's tables to the physical SMMU that translates for the device. Not "
          "every root complex has one. A function without the link 'iommu' in /sys has no SMMU that the kernel uses, "
          "and VFIO cannot assign it to a guest either."),
      "Linux iommu_device_link(): /sys/bus/pci/devices/*/iommu; seen on a machine with two SMMUs, where functions "
      "on the bus without one do not have this link" },
    check_host_device_without_smmu },
  { { "host-smmu-mismatch", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("Devices of different physical SMMUs behind one SMMUv3"),
      N_ ("An accelerated SMMUv3 belongs to the physical SMMU of its first device. QEMU and libvirt silently accept "
          "a device of another one. The guest's tables never reach that SMMU, and the device's DMA addresses are "
          "used as guest physical addresses. Seen with QEMU 11.1: the device does not work and corrupts guest "
          "memory. If both devices are present at start, the guest's command queue stops and the device of the right "
          "SMMU fails as well. Use one pcie-expander-bus and one SMMUv3 for each physical SMMU."),
      "QEMU smmuv3_accel_set_iommu_device(), which does not compare SMMUs; Linux arm_vsmmu_init(), iommufd/viommu.c: "
      "EINVAL; tested with two SMMUs" },
    check_host_smmu_mismatch },
  { { "host-smmu-shared", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_NOTE, N_ ("Two SMMUv3s for one physical SMMU"),
      N_ ("QEMU allows this. It is useful for a guest whose devices are to be on different root buses, and costs a "
          "second set of tables and command queues. With cmdqv, each SMMUv3 uses one of the virtual interfaces of "
          "the physical SMMU."),
      "QEMU smmuv3_accel_set_iommu_device(), which makes one vIOMMU for each arm-smmuv3" },
    check_host_smmu_shared },
  { { "host-group-shared", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("A device that shares its IOMMU group"),
      N_ ("An SMMU cannot tell the devices of one IOMMU group apart. The kernel attaches the guest's nested tables "
          "to the whole group, and this fails for every other member, whether that is a function of the same device "
          "or a device behind a switch without ACS. Seen with QEMU 11.1: it does not start, or the guest's first "
          "command for the device fails and the device does not work."),
      "Linux iommufd: attach of a nested domain needs a vDEVICE for each member (ENOENT); tested with a "
      "multifunction device and with a switch port" },
    check_host_group_shared },
  { { "host-msi-window", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The MSI window of the host differs from what QEMU reports"),
      N_ ("The host kernel maps the doorbell of its interrupt controller for VFIO devices into a window of I/O "
          "addresses. QEMU reports this window to the guest as 0x08000000-0x080fffff, in a reserved memory range of "
          "the IORT, without asking the kernel. If the kernel uses another window, the guest may use these addresses "
          "for itself, and interrupts are lost."),
      "QEMU build_iort_rmr_nodes(); Linux arm_smmu_get_resv_regions(): MSI_IOVA_BASE, MSI_IOVA_LENGTH; "
      "/sys/kernel/iommu_groups/*/reserved_regions" },
    check_host_msi_window },
  { { "host-direct-mapping", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The firmware requires a one-to-one mapping for the device"),
      N_ ("The firmware can name memory that a device uses by itself, in an RMR node of the IORT, and the kernel maps "
          "it one to one for as long as the machine runs. A region of type 'direct' in the device's IOMMU group says "
          "so. Such a device cannot be given to VFIO: 'Firmware has requested this device have a 1:1 IOMMU mapping, "
          "rejecting configuring the device without a 1:1 mapping'. A region of type 'direct-relaxable' does not "
          "matter. Seen with the GPU of NVIDIA GB10."),
      "Linux iommu_create_device_direct_mappings(), __iommu_device_set_domain(): require_direct; "
      "/sys/kernel/iommu_groups/*/reserved_regions" },
    check_host_direct_mapping },
  { { "host-physical-function", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("A physical function whose virtual functions are in use"),
      N_ ("The driver of a physical function makes its virtual functions, and they disappear when the function is "
          "unbound from it, which libvirt does with managed='yes'. A guest cannot have both, and other guests lose "
          "theirs."),
      "Linux pci_disable_sriov() in the remove functions of drivers; /sys/bus/pci/devices/*/sriov_numvfs" },
    check_host_physical_function },
  { { "host-stream-ids", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("A device with more than one StreamID"),
      N_ ("Some devices send requests in the name of a function that is not theirs, or does not exist, such as SATA "
          "controllers of Marvell. The kernel knows them by their ids and gives them two StreamIDs. A guest's SMMUv3 "
          "knows only one: from Linux 7.1 on, the kernel rejects the device, and QEMU stops with 'IOMMU_VDEVICE_ALLOC "
          "failed: Operation not supported'. Before, it passes invalidations on for one of them. Devices below a "
          "PCIe-to-PCI bridge share their IOMMU group with it; see host-group-shared."),
      "Linux quirk_dma_func0_alias(), quirk_dma_func1_alias(), arm_vsmmu_vdevice_init(), arm_vsmmu_vsid_to_sid(); not "
      "tried on hardware" },
    check_host_stream_ids },
  { { "host-driver-busy", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The device is bound to a driver of the host"),
      N_ ("For VFIO, the device must be bound to vfio-pci, a variant of it, or another driver that gives it to VFIO, "
          "such as nvidia for a virtual GPU. With managed='yes', libvirt unbinds the device from its driver when the "
          "guest starts, whether or not it is in use. With managed='no', libvirt leaves the binding alone, and a guest "
          "whose device is bound to an ordinary driver does not start."),
      "libvirt virHostdevPreparePCIDevices(): not bound to vfio-pci" },
    check_host_driver_busy },
  { { NULL }, NULL },
};
