/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/host.h"
#include "check/check.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

/* Names that a message lists before it says how many more there are. */
#define NAMES_MAX 3

void
vsmmu_rule_host_device_missing (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len && check->host->has_devices; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    g_autofree char *address = vsmmu_pci_address_to_string (&hostdev->hostdev.host);

    if (!hostdev->hostdev.is_pci)
      continue;
    if (device == NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("correct <source><address>, or bring the device up on the host: a virtual "
                                       "function exists only after sriov_numvfs was set")),
                          _ ("the host has no PCI function %s"), address);
    else if (vsmmu_host_device_is_bridge (device))
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("name the function behind it in <source><address>")),
                          _ ("%s is a bridge or port of the host, which no guest can have"), address);
  }
}

void
vsmmu_rule_host_device_without_smmu (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len && check->host->smmus->len > 0; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && device->smmu == NULL && vsmmu_domain_accelerated_over (check->domain, hostdev) != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use a device that 'virt-vsmmu host' lists behind an SMMU")),
                          _ ("%s is behind no SMMUv3 of the host, so no accelerated SMMUv3 can be over it"),
                          device->name);
  }
}

void
vsmmu_rule_host_smmu_mismatch (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (check->domain, hostdev);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    const VsmmuBinding *binding = vsmmu != NULL ? &check->bindings[vsmmu->iommu.pci_bus] : NULL;
    g_autofree char *first = NULL;

    /* Of one to be attached, hotplug-smmu-mismatch speaks. */
    if (hostdev->is_plug || binding == NULL || binding->smmu == NULL || device == NULL || device->smmu == NULL ||
        device->smmu == binding->smmu)
      continue;
    first = vsmmu_device_describe (binding->hostdev);
    vsmmu_check_report (
        check, hostdev->line, vsmmu_device_path (hostdev, ""),
        g_strdup (_ ("give it a pcie-expander-bus and an accelerated SMMUv3 of its own, one for each SMMU of "
                     "the host")),
        _ ("%s is behind %s of the host, but %s (line %u) behind the same SMMUv3 is behind %s; QEMU does "
           "not notice, and its DMA goes astray"),
        device->name, device->smmu->name, first, binding->hostdev->line, binding->smmu->name);
  }
}

void
vsmmu_rule_host_smmu_shared (VsmmuCheck *check)
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
                          g_strdup (_ ("put the devices behind one SMMUv3, unless they are kept apart on purpose")),
                          _ ("this SMMUv3 and the one of line %u both stand over %s of the host"), owner->line,
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

void
vsmmu_rule_host_group_shared (VsmmuCheck *check)
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
                        g_strdup (_ ("use a device that is alone in its group, or one in a slot whose ports have ACS")),
                        _ ("%s shares IOMMU group %u of the host with %s; behind an accelerated SMMUv3 a device must "
                           "be alone in its group"),
                        device->name, device->group->number, others);
  }
}

void
vsmmu_rule_host_no_iommufd (VsmmuCheck *check)
{
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);
  const VsmmuHost *host = check->host;

  if (iommu == NULL)
    return;
  if (vsmmu_fact_is_false (host->dev_iommu))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (vsmmu_fact_is_false (host->options[VSMMU_HOST_OPTION_IOMMUFD])
                                      ? _ ("use a kernel with CONFIG_IOMMUFD; that of the host is built without it")
                                      : _ ("load the module iommufd, or use a kernel with CONFIG_IOMMUFD")),
                        _ ("the host has no /dev/iommu, which an accelerated SMMUv3 needs"));
  if (vsmmu_fact_is_false (host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD]))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("use a kernel with CONFIG_ARM_SMMU_V3_IOMMUFD")),
                        _ ("the host's kernel is built without CONFIG_ARM_SMMU_V3_IOMMUFD, so it has no accelerated "
                           "SMMUv3 to give"));
}

void
vsmmu_rule_host_no_vfio_cdev (VsmmuCheck *check)
{
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);

  if (iommu != NULL && vsmmu_fact_is_false (check->host->options[VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV])) {
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("use a kernel with CONFIG_VFIO_DEVICE_CDEV")),
                        _ ("the host's kernel is built without CONFIG_VFIO_DEVICE_CDEV, so VFIO devices cannot be "
                           "used through iommufd"));
    return;
  }
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && device->vfio == NULL && device->driver != NULL && strstr (device->driver, "vfio") != NULL &&
        vsmmu_domain_accelerated_over (check->domain, hostdev) != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use a kernel with CONFIG_VFIO_DEVICE_CDEV, and a driver that supports it")),
                          _ ("%s is bound to '%s' on the host and has no device in /dev/vfio/devices"), device->name,
                          device->driver);
  }
}

void
vsmmu_rule_host_no_kvm (VsmmuCheck *check)
{
  if (vsmmu_fact_is_false (check->host->dev_kvm) && vsmmu_domain_first_accelerated (check->domain) != NULL)
    vsmmu_check_report (check, check->domain->line, g_strdup ("/domain"),
                        g_strdup (_ ("use a host with KVM: a kernel with CONFIG_KVM that was started at EL2")),
                        _ ("the host has no /dev/kvm, and an accelerated SMMUv3 needs KVM"));
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

    if (is_msi (region) && region->start == VSMMU_MSI_WINDOW_START && region->end == VSMMU_MSI_WINDOW_END)
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

    if (is_msi (region))
      g_string_append_printf (text, "%s0x%" PRIx64 "-0x%" PRIx64, text->len > 0 ? ", " : "", region->start,
                              region->end);
  }
  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : g_strdup (_ ("none"));
}

void
vsmmu_rule_host_msi_window (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);
    g_autofree char *windows = NULL;

    if (device == NULL || device->group == NULL || !vsmmu_host_group_has_other_window (device->group) ||
        vsmmu_domain_accelerated_over (check->domain, hostdev) == NULL)
      continue;
    windows = vsmmu_host_group_describe_windows (device->group);
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                        g_strdup (_ ("use a host whose kernel has the MSI window 0x8000000-0x80fffff")),
                        _ ("the MSI window of %s on the host is %s, and QEMU tells the guest 0x8000000-0x80fffff: "
                           "interrupts would be lost"),
                        device->name, windows);
  }
}

static gboolean
has_node (const VsmmuMemoryNodes *memory, gint64 node)
{
  return node < VSMMU_HOST_NODES_MAX && (memory->nodes.bits[node / 64] >> node % 64 & 1) != 0;
}

/* Where the memory of guest node @cell is, or that of the whole guest; %NULL when the document does not say. */
static const VsmmuMemoryNodes *
memory_of (const VsmmuDomain *domain, int cell)
{
  const VsmmuMemoryNodes *whole = NULL;

  for (guint i = 0; i < domain->memory_nodes->len; i++) {
    const VsmmuMemoryNodes *memory = &g_array_index (domain->memory_nodes, VsmmuMemoryNodes, i);

    if (memory->cell == cell && cell >= 0)
      return memory;
    if (memory->cell < 0)
      whole = memory;
  }
  return whole;
}

/* The NUMA node of the host that the devices of @binding are on, -1 for none or not known. */
static gint64
node_of (const VsmmuCheck *check, const VsmmuBinding *binding)
{
  VsmmuFact node = binding->smmu->numa_node;

  /* The firmware may give a node to the root complex only. */
  if (!vsmmu_fact_is_known (node) || node.value < 0)
    node = vsmmu_host_device_of (check->host, binding->hostdev)->numa_node;
  return vsmmu_fact_is_known (node) ? node.value : -1;
}

void
vsmmu_rule_host_numa (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    const VsmmuDevice *bus = check->domain->buses[i].controller;
    const VsmmuMemoryNodes *memory;
    const VsmmuDevice *place;
    gint64 node = binding->smmu != NULL ? node_of (check, binding) : -1;

    if (node < 0)
      continue;
    memory = memory_of (check->domain, bus->controller.numa_node);
    place = bus->ordinal != 0 ? bus : binding->iommu;
    if (memory != NULL && !has_node (memory, node))
      vsmmu_check_report (
          check, place->line, vsmmu_device_path (place, ""),
          g_strdup_printf (_ ("put it on a guest NUMA node whose memory is on host node %d"), (int) node),
          _ ("the devices below bus %u are on NUMA node %d of the host, and the guest memory near them "
             "is elsewhere (line %u)"),
          i, (int) node, memory->line);
    else if (i > 0 && bus->controller.numa_node < 0 && check->domain->n_cells > 1)
      vsmmu_check_report (
          check, place->line, vsmmu_device_path (place, ""),
          g_strdup (_ ("add <target><node>N</node></target>, N being the guest node on that host node")),
          _ ("the guest has NUMA nodes, but is not told that the devices below bus %u are on node %d "
             "of the host"),
          i, (int) node);
  }
}

void
vsmmu_rule_host_driver_busy (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device == NULL || vsmmu_host_device_is_bridge (device) ||
        (device->driver != NULL && strstr (device->driver, "vfio") != NULL))
      continue;
    if (device->driver != NULL && hostdev->hostdev.is_managed)
      vsmmu_check_report_as (check, VSMMU_SEVERITY_NOTE, hostdev->line, vsmmu_device_path (hostdev, ""),
                             g_strdup (_ ("see that nothing on the host uses it: a mounted disk, an interface that is "
                                          "up")),
                             _ ("libvirt will take %s from the driver '%s' of the host at start"), device->name,
                             device->driver);
    else if (device->driver != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("bind it to vfio-pci on the host, or use managed='yes'")),
                          _ ("%s is bound to the driver '%s' of the host, and libvirt is not to change that"),
                          device->name, device->driver);
    else if (!hostdev->hostdev.is_managed)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("bind it to vfio-pci on the host, or use managed='yes'")),
                          _ ("%s is bound to no driver on the host, and libvirt is not to change that"), device->name);
  }
}

/* The best pool for the domain: of the size it names, or any. */
static const VsmmuHostPages *
choose_pool (const VsmmuCheck *check)
{
  const VsmmuHostPages *best = NULL;

  for (guint i = 0; i < check->host->pages->len; i++) {
    const VsmmuHostPages *pool = &g_array_index (check->host->pages, VsmmuHostPages, i);

    if (check->domain->huge_page != 0 && pool->size != check->domain->huge_page)
      continue;
    if (best == NULL || pool->free * pool->size > best->free * best->size)
      best = pool;
  }
  return best;
}

void
vsmmu_rule_host_hugepages (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const VsmmuHostPages *pool = choose_pool (check);
  guint64 needed;

  if (!domain->has_hugepages || !check->host->has_pages || domain->memory == 0)
    return;
  if (pool == NULL) {
    vsmmu_check_report (check, domain->hugepages_line, g_strdup ("/domain/memoryBacking/hugepages"),
                        g_strdup (_ ("use a size that the host has, as in /sys/kernel/mm/hugepages")),
                        _ ("the host has no huge pages of %" PRIu64 " KiB"), domain->huge_page);
    return;
  }
  needed = (domain->memory + pool->size - 1) / pool->size;
  if (pool->total < needed)
    vsmmu_check_report (check, domain->hugepages_line, g_strdup ("/domain/memoryBacking/hugepages"),
                        g_strdup_printf (_ ("reserve at least %" PRIu64 " pages: "
                                            "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages"),
                                         needed, pool->size),
                        _ ("the guest needs %" PRIu64 " huge pages of %" PRIu64 " KiB, and the host has %" PRIu64),
                        needed, pool->size, pool->total);
  else if (pool->free < needed)
    vsmmu_check_report_as (
        check, VSMMU_SEVERITY_WARNING, domain->hugepages_line, g_strdup ("/domain/memoryBacking/hugepages"),
        g_strdup (_ ("stop another guest first, or reserve more")),
        _ ("the guest needs %" PRIu64 " huge pages of %" PRIu64 " KiB, and only %" PRIu64 " of the host's are free"),
        needed, pool->size, pool->free);
}
