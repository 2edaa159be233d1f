/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "check/check.h"
#include "domain/vsmmu.h"
#include "host/binding.h"
#include "host/kernel.h"

static void
check_host_no_iommufd (VsmmuCheck *check)
{
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);
  const VsmmuHost *host = check->host;

  if (iommu == NULL)
    return;
  if (vsmmu_host_needs_iommufd_module (host))
    vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, iommu->iommu.driver_line,
                           vsmmu_device_path (iommu, "/driver"),
                           g_strdup (_ ("run 'modprobe iommufd' on the host, and add iommufd to /etc/modules-load.d")),
                           _ ("the host has no /dev/iommu because the module iommufd is not loaded"));
  else if (vsmmu_fact_is_false (host->dev_iommu))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (vsmmu_fact_is_false (host->options[VSMMU_HOST_OPTION_IOMMUFD])
                                      ? _ ("use a kernel with CONFIG_IOMMUFD; the host kernel was built without it")
                                      : _ ("load the module iommufd, or use a kernel with CONFIG_IOMMUFD")),
                        _ ("the host has no /dev/iommu, which an accelerated SMMUv3 requires"));
  if (vsmmu_fact_is_false (host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD]))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("use a kernel with CONFIG_ARM_SMMU_V3_IOMMUFD")),
                        _ ("the host kernel was built without CONFIG_ARM_SMMU_V3_IOMMUFD and does not support "
                           "accelerated SMMUv3s"));
}

static void
check_host_kernel (VsmmuCheck *check)
{
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);
  const char *since = vsmmu_kernel_feature_since (VSMMU_KERNEL_ACCEL);
  VsmmuKernelAnswer answer = vsmmu_kernel_has (check->host->kernel, VSMMU_KERNEL_ACCEL);

  if (iommu == NULL)
    return;
  if (answer == VSMMU_KERNEL_NO)
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup_printf (_ ("use Linux %s or newer on the host"), since),
                        _ ("the host kernel %s is too old for accelerated SMMUv3s; QEMU stops with 'Failed to set "
                           "vIOMMU: ... No such file or directory'"),
                        check->host->kernel);
  else if (answer == VSMMU_KERNEL_MAYBE)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, iommu->iommu.driver_line,
                           vsmmu_device_path (iommu, "/driver"),
                           g_strdup (_ ("start the guest to find out: with a kernel that lacks it, QEMU stops with "
                                        "'Failed to set vIOMMU'")),
                           _ ("Linux supports accelerated SMMUv3s from %s, and only some older kernels of this vendor "
                              "do; the host kernel is %s"),
                           since, check->host->kernel);
}

/* Whether a guest may switch between bypass and translation for a device of @binding that has ATS. */
static gboolean
may_use_ats (const VsmmuCheck *check, const VsmmuBinding *binding)
{
  if (binding->smmu == NULL || binding->iommu->iommu.ats == VSMMU_SWITCH_OFF ||
      vsmmu_fact_is_false (binding->smmu->capabilities[VSMMU_SMMU_ATS]))
    return FALSE;
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && vsmmu_domain_accelerated_over (check->domain, hostdev) == binding->iommu &&
        vsmmu_fact_is_true (device->ats) && !vsmmu_host_device_loses_ats (device))
      return TRUE;
  }
  return FALSE;
}

static void
check_host_ste_update (VsmmuCheck *check)
{
  const char *since = vsmmu_kernel_feature_since (VSMMU_KERNEL_HITLESS_STE);
  VsmmuKernelAnswer answer = vsmmu_kernel_has (check->host->kernel, VSMMU_KERNEL_HITLESS_STE);

  /* A kernel without accelerated SMMUv3s starts no guest at all; see host-kernel. */
  if ((answer != VSMMU_KERNEL_NO && answer != VSMMU_KERNEL_MAYBE) ||
      vsmmu_kernel_has (check->host->kernel, VSMMU_KERNEL_ACCEL) == VSMMU_KERNEL_NO)
    return;
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++)
    if (may_use_ats (check, &check->bindings[i]))
      vsmmu_check_report_vsmmu (
          check, &check->bindings[i],
          g_strdup_printf (_ ("do not boot the guest with iommu.passthrough=1, use Linux %s or newer on the host, or "
                              "set ats='off'"),
                           since),
          g_strdup_printf (
              _ ("with iommu.passthrough=1 in the guest, devices that use ATS may have translation faults, "
                 "which Linux %s repaired; the host kernel is %s"),
              since, check->host->kernel));
}

static void
check_host_no_vfio_cdev (VsmmuCheck *check)
{
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);

  if (iommu != NULL && vsmmu_fact_is_false (check->host->options[VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV])) {
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("use a kernel with CONFIG_VFIO_DEVICE_CDEV")),
                        _ ("the host kernel was built without CONFIG_VFIO_DEVICE_CDEV; VFIO devices cannot use "
                           "iommufd"));
    return;
  }
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && device->vfio == NULL && vsmmu_host_device_has_vfio_driver (device) &&
        vsmmu_domain_accelerated_over (check->domain, hostdev) != NULL)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("use a kernel with CONFIG_VFIO_DEVICE_CDEV, and a driver that supports it")),
                          _ ("%s is bound to '%s' on the host, but has no device in /dev/vfio/devices"), device->name,
                          device->driver);
  }
}

static void
check_host_no_kvm (VsmmuCheck *check)
{
  if (vsmmu_fact_is_false (check->host->dev_kvm) && vsmmu_domain_first_accelerated (check->domain) != NULL)
    vsmmu_check_report (check, check->domain->line, g_strdup ("/domain"),
                        g_strdup (_ ("use a host with KVM: a kernel with CONFIG_KVM that is started at EL2")),
                        _ ("the host has no /dev/kvm; an accelerated SMMUv3 requires KVM"));
}

static gboolean
has_node (const VsmmuMemoryNodes *memory, gint64 node)
{
  return node < VSMMU_HOST_NODES_MAX && vsmmu_nodes_contain (memory->nodes.bits, (guint) node);
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

/* A guest NUMA node whose memory is on host node @node, -1 when the document names none. */
static int
cell_on (const VsmmuDomain *domain, gint64 node)
{
  const VsmmuMemoryNodes *first = memory_of (domain, 0);

  for (guint i = 0; i < domain->memory_nodes->len; i++) {
    const VsmmuMemoryNodes *memory = &g_array_index (domain->memory_nodes, VsmmuMemoryNodes, i);

    if (memory->cell >= 0 && memory->cell < (int) domain->n_cells && has_node (memory, node))
      return memory->cell;
  }
  return first != NULL && has_node (first, node) ? 0 : -1;
}

/* (transfer full): what to do when the memory near the devices of @bus is on another node of the host than they are */
static char *
hint_for_wrong_node (const VsmmuCheck *check, const VsmmuDevice *bus, const VsmmuMemoryNodes *memory, int node)
{
  int cell = bus->ordinal != 0 && bus->controller.index > 0 ? cell_on (check->domain, node) : -1;

  if (cell >= 0 && bus->controller.numa_node >= 0)
    return g_strdup_printf (_ ("set <node> to %d, the guest NUMA node whose memory is on host node %d"), cell, node);
  return g_strdup_printf (_ ("set nodeset='%d' on line %u to bind the guest memory to host node %d"), node,
                          memory->line, node);
}

/* (transfer full): what to do when the guest does not know the node of @bus */
static char *
hint_for_no_node (const VsmmuCheck *check, const VsmmuDevice *bus, int node)
{
  gboolean has_target = bus->node != NULL && vsmmu_xml_child (bus->node, "target") != NULL;
  int cell = cell_on (check->domain, node);

  if (cell >= 0)
    return g_strdup_printf (
        has_target ? _ ("add <node>%d</node> to <target>") : _ ("add <target><node>%d</node></target>"), cell);
  return g_strdup_printf (has_target ? _ ("add <node>0</node> to <target>, and bind the memory of guest node 0 to host "
                                          "node %d in <numatune>")
                                     : _ ("add <target><node>0</node></target>, and bind the memory of guest node 0 to "
                                          "host node %d in <numatune>"),
                          node);
}

static void
check_host_numa (VsmmuCheck *check)
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
          check, place->line, vsmmu_device_path (place, ""), hint_for_wrong_node (check, bus, memory, (int) node),
          _ ("the devices below bus %u are on NUMA node %d of the host, but the guest memory near them is on another "
             "node (line %u)"),
          i, (int) node, memory->line);
    else if (i > 0 && bus->controller.numa_node < 0 && check->domain->n_cells > 1)
      vsmmu_check_report (
          check, place->line, vsmmu_device_path (place, ""), hint_for_no_node (check, bus, (int) node),
          _ ("the guest has NUMA nodes, but does not know that the devices below bus %u are on NUMA node %d of the "
             "host"),
          i, (int) node);
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
    if (best == NULL || (double) pool->free * pool->size > (double) best->free * best->size)
      best = pool;
  }
  return best;
}

/* (transfer full): the sizes of huge pages that @host has, in KiB */
static char *
list_pools (const VsmmuHost *host)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < host->pages->len; i++)
    g_string_append_printf (list, "%s%" G_GUINT64_FORMAT, list->len > 0 ? ", " : "",
                            g_array_index (host->pages, VsmmuHostPages, i).size);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static void
report_no_pool (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  char *path = g_strdup ("/domain/memoryBacking/hugepages");
  g_autofree char *sizes = list_pools (check->host);

  if (*sizes == '\0')
    vsmmu_check_report (check, domain->hugepages_line, path,
                        g_strdup (_ ("boot the host with a kernel that supports huge pages, or remove <hugepages>")),
                        _ ("the host has no huge pages of any size"));
  else
    vsmmu_check_report (check, domain->hugepages_line, path,
                        g_strdup_printf (_ ("set size on <page> to a size that the host has: %s KiB"), sizes),
                        _ ("the host has no huge pages of %" PRIu64 " KiB"), domain->huge_page);
}

static void
check_host_hugepages (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const VsmmuHostPages *pool = choose_pool (check);
  gint64 needed;

  if (!domain->has_hugepages || !check->host->has_pages || domain->memory == 0)
    return;
  if (pool == NULL) {
    report_no_pool (check);
    return;
  }
  needed = (gint64) ((domain->memory + pool->size - 1) / pool->size);
  if (pool->total >= 0 && pool->total < needed)
    vsmmu_check_report (check, domain->hugepages_line, g_strdup ("/domain/memoryBacking/hugepages"),
                        g_strdup_printf (_ ("reserve at least %" PRId64 " pages in "
                                            "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages"),
                                         needed, pool->size),
                        _ ("the guest needs %" PRId64 " huge pages of %" PRIu64 " KiB, but the host has only %" PRId64),
                        needed, pool->size, pool->total);
  else if (pool->free >= 0 && pool->free < needed)
    vsmmu_check_report_as (
        check, VSMMU_SEVERITY_WARNING, domain->hugepages_line, g_strdup ("/domain/memoryBacking/hugepages"),
        g_strdup (_ ("stop another guest first, or reserve more pages")),
        _ ("the guest needs %" PRId64 " huge pages of %" PRIu64 " KiB, but only %" PRId64 " are free on the host"),
        needed, pool->size, pool->free);
}

const VsmmuRuleRow vsmmu_host_kernel_rules[] = {
  { { "host-no-iommufd", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The host kernel does not support iommufd for SMMUv3"),
      N_ ("An accelerated SMMUv3 requires /dev/iommu, and a kernel built with CONFIG_IOMMUFD and "
          "CONFIG_ARM_SMMU_V3_IOMMUFD. Debian's kernels enable neither."),
      "Linux drivers/iommu/iommufd, drivers/iommu/arm/arm-smmu-v3/Kconfig; libvirt qemu_validate.c: IOMMUFD is "
      "not supported by host kernel" },
    check_host_no_iommufd },
  { { "host-kernel", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The host kernel is too old for accelerated SMMUv3s"),
      N_ ("QEMU attaches the tables for bypass and abort before it makes a vDEVICE. Linux before 6.19 refuses this, "
          "and QEMU stops: 'error attach 0000:21:00.0 (24) pasid 0 to id=6: No such file or directory', 'Failed to set "
          "vIOMMU'. Vendors add later changes to older kernels, NVIDIA to 6.17 and 6.18, so for theirs this is a "
          "warning."),
      "Linux arm_smmu_attach_prepare_vmaster(), iommufd_viommu_get_vdev_id(): ENOENT; QEMU smmuv3_accel_alloc_viommu(); "
      "tested with 6.18.15 and 7.2.13; NVIDIA/NV-Kernels pull request 305" },
    check_host_kernel },
  { { "host-ste-update", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_NOTE,
      N_ ("The host kernel makes stream table entries invalid for a moment"),
      N_ ("A guest that boots with iommu.passthrough=1 switches devices between bypass and translation. The kernel "
          "changes the stream table entry of the device for that, which older kernels make invalid for a moment. A "
          "device under load that uses ATS has translation faults then. Repaired in Linux 6.19.14; vendors "
          "have added it to older kernels, NVIDIA to its own."),
      "Linux arm_smmu_write_entry(): EATS and MEV; NVIDIA/NV-Kernels pull request 338; not tried on hardware" },
    check_host_ste_update },
  { { "host-no-vfio-cdev", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("The host has no VFIO character devices"),
      N_ ("With iommufd, a VFIO device is opened as /dev/vfio/devices/vfioN, which exists only if the kernel was "
          "built with CONFIG_VFIO_DEVICE_CDEV. Without it, libvirt cannot start a guest that uses iommufd."),
      "Linux drivers/vfio/Kconfig; seen by KubeVirt users: no /dev/vfio/devices/vfioN, no passthrough" },
    check_host_no_vfio_cdev },
  { { "host-no-kvm", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("The host has no KVM"),
      N_ ("An accelerated SMMUv3 requires KVM with an in-kernel interrupt controller. /dev/kvm is missing if the "
          "kernel was built without KVM or started at EL1, as in a virtual machine without nested virtualization."),
      "QEMU virt_machine_device_pre_plug_cb(): SMMUv3 accel=on requires KVM with kernel-irqchip=on support" },
    check_host_no_kvm },
  { { "host-numa", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("The guest does not know the NUMA node of its devices"),
      N_ ("A guest with NUMA nodes places memory and interrupts near a device if the pcie-expander-bus has a <node>. "
          "That is a node of the guest; <numatune> determines the node of the host that it corresponds to. With a "
          "wrong node or none, the guest works, but slower."),
      "libvirt formatdomain: <target><node> of pcie-expander-bus, <numatune><memnode>; "
      "/sys/class/iommu/*/device/numa_node" },
    check_host_numa },
  { { "host-hugepages", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("The host does not have enough huge pages"),
      N_ ("With <hugepages>, all memory of the guest comes from the pool of that page size, and QEMU does not start "
          "if the pool is too small. Other guests may have used up the free pages."),
      "Linux hugetlbpage; QEMU: unable to map backing store for guest RAM" },
    check_host_hugepages },
  { { NULL }, NULL },
};
