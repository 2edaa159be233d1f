/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "check/check.h"
#include "domain/virt-machine.h"
#include "domain/vsmmu.h"
#include "host/binding.h"
#include "host/device-model.h"
#include "host/pci-hole.h"

/* The next <hostdev> from @i on whose device has a model, with that, or %NULL; @i is moved behind it. */
static const VsmmuDevice *
next_with_model (const VsmmuCheck *check, guint *i, const VsmmuHostDevice **device, const VsmmuDeviceModel **model)
{
  while (*i < check->domain->hostdevs->len) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, (*i)++);

    *device = vsmmu_host_device_of (check->host, hostdev);
    *model = *device != NULL ? vsmmu_device_model_of (*device) : NULL;
    if (*model != NULL)
      return hostdev;
  }
  return NULL;
}

static guint
count_nodes (const VsmmuDevice *hostdev)
{
  guint count = 0;

  for (guint node = 0; node < VSMMU_NODES_MAX; node++)
    count += vsmmu_nodes_contain (hostdev->hostdev.acpi_nodes, node);
  return count;
}

static void
check_host_memory_nodes (VsmmuCheck *check)
{
  guint next = MAX (check->domain->n_cells, 1);
  const VsmmuHostDevice *device;
  const VsmmuDeviceModel *model;
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_model (check, &i, &device, &model)) != NULL;) {
    guint count = count_nodes (hostdev);

    /* A node set that is wrong is reported as such. */
    if (count >= model->memory_nodes || (hostdev->hostdev.acpi_line != 0 && !hostdev->hostdev.has_acpi_nodes))
      continue;
    if (count == 0) {
      vsmmu_check_report (
          check, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup_printf (
              _ ("add cells %u to %u with memory='0' to <numa> in <cpu>, and <acpi nodeset='%u-%u'/> to the "
                 "<hostdev>"),
              next, next + model->memory_nodes - 1, next, next + model->memory_nodes - 1),
          _ ("%s (%s) has memory of its own, but the guest has no NUMA nodes for it"), device->name, model->name);
      next += model->memory_nodes;
      continue;
    }
    vsmmu_check_report_as (
        check, VSMMU_SEVERITY_WARNING, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
        g_strdup_printf (_ ("name %u cells in nodeset, one for each partition of the GPU"), model->memory_nodes),
        g_dngettext (GETTEXT_PACKAGE, "%s (%s) has only %u NUMA node for its memory",
                     "%s (%s) has only %u NUMA nodes for its memory", count),
        device->name, model->name, count);
  }
}

static void
check_host_pci_hole (VsmmuCheck *check)
{
  const VsmmuDevice *root = check->domain->buses[0].controller;
  guint64 given = vsmmu_virt_hole_of (check->domain);
  VsmmuPciHole hole = { 0 };
  guint64 size;
  gboolean has_hole;

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, vsmmu_domain_hostdev_at (check->domain, i));

    if (device != NULL)
      vsmmu_pci_hole_add (&hole, device);
  }
  if (root == NULL || hole.need <= given)
    return;
  size = vsmmu_pci_hole_size (&hole, VSMMU_PCI_HOLE_RESERVE);
  has_hole = root->controller.pcihole64_line != 0;
  vsmmu_check_report (
      check, has_hole ? root->controller.pcihole64_line : MAX (root->line, check->domain->line),
      has_hole ? vsmmu_device_path (root, "/pcihole64")
               : (root->line != 0 ? vsmmu_device_path (root, "") : g_strdup ("/domain")),
      size != 0 ? g_strdup_printf (has_hole ? _ ("set <pcihole64 unit='GiB'>%" PRIu64 "</pcihole64>")
                                            : _ ("add <pcihole64 unit='GiB'>%" PRIu64 "</pcihole64> to the pcie-root "
                                                 "controller"),
                                   size / VSMMU_KIB_PER_GIB)
                : g_strdup (_ ("remove some of the devices")),
      _ ("the BARs of the VFIO devices need %" PRIu64 " GiB of the 64-bit PCI hole, which has %" PRIu64
         " GiB; the guest cannot use all of the devices"),
      hole.need / VSMMU_KIB_PER_GIB + (hole.need % VSMMU_KIB_PER_GIB != 0), given / VSMMU_KIB_PER_GIB);
}

static void
check_host_vfio_driver (VsmmuCheck *check)
{
  const VsmmuHostDevice *device;
  const VsmmuDeviceModel *model;
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_model (check, &i, &device, &model)) != NULL;)
    if (vsmmu_host_device_has_vfio_driver (device) && strcmp (device->driver, model->driver) != 0)
      vsmmu_check_report (
          check, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup_printf (_ ("on the host, write %s to /sys/bus/pci/devices/%s/driver_override, unbind "
                              "the device from '%s', and bind it again"),
                           model->driver, device->name, device->driver),
          _ ("%s (%s) is bound to '%s', which does not give the memory of the GPU to the guest; it needs "
             "'%s'"),
          device->name, model->name, device->driver, model->driver);
}

static void
check_host_gpu_in_use (VsmmuCheck *check)
{
  const VsmmuHostDevice *device;
  const VsmmuDeviceModel *model;
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_model (check, &i, &device, &model)) != NULL;)
    if (device->driver != NULL && !vsmmu_host_device_is_for_vfio (device))
      vsmmu_check_report (
          check, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup_printf (
              _ ("in this order: stop what uses the GPU, such as nvidia-persistenced and nvidia-dcgm; write "
                 "'offline' to /sys/devices/system/node/nodeN/memory*/state of its NUMA nodes; unload the "
                 "module '%s'; bind the device to '%s'; set managed='no'"),
              device->driver, model->driver),
          _ ("%s (%s) is in use by the host driver '%s', and its memory is part of the host's memory; it cannot be "
             "given to a guest before that is offline"),
          device->name, model->name, device->driver);
}

static void
check_host_gpu_options (VsmmuCheck *check)
{
  const VsmmuHostDevice *device;
  const VsmmuDeviceModel *model;
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_model (check, &i, &device, &model)) != NULL;) {
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (check->domain, hostdev);

    if (vsmmu == NULL)
      continue;
    if (vsmmu->iommu.ats == VSMMU_SWITCH_OFF)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup_printf (_ ("set ats='on' on line %u"), vsmmu->iommu.driver_line),
                          _ ("%s (%s) is behind an SMMUv3 with ats='off'; CUDA does not start in the guest"),
                          device->name, model->name);
    else if (vsmmu->iommu.ssidsize == 0)
      vsmmu_check_report (
          check, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup_printf (_ ("remove ssidsize on line %u, so that it is that of the host"), vsmmu->iommu.driver_line),
          _ ("%s (%s) is behind an SMMUv3 with ssidsize='0'; CUDA does not start in the guest"), device->name,
          model->name);
  }
}

/* The <hostdev> with alias @alias, or %NULL. */
static const VsmmuDevice *
find_by_alias (const VsmmuDomain *domain, const char *alias)
{
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (g_strcmp0 (hostdev->alias, alias) == 0 || g_strcmp0 (hostdev->id, alias) == 0)
      return hostdev;
  }
  return NULL;
}

/* A GPU on the same socket as @device that the guest does not have, or %NULL. */
static const VsmmuHostDevice *
find_left_behind (const VsmmuCheck *check, const VsmmuHostDevice *device)
{
  for (guint i = 0; i < check->host->devices->len; i++) {
    const VsmmuHostDevice *other = g_ptr_array_index (check->host->devices, i);

    if (vsmmu_host_device_memory_nodes (other) == 0 || !vsmmu_fact_is_known (other->numa_node) ||
        !vsmmu_fact_is_known (device->numa_node) || other->numa_node.value != device->numa_node.value)
      continue;
    if (vsmmu_host_hostdev_of (check->host, check->domain, other) == NULL)
      return other;
  }
  return NULL;
}

static void
check_host_egm (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->devices->len; i++) {
    const VsmmuDevice *memory = g_ptr_array_index (check->domain->devices, i);
    const VsmmuDevice *hostdev =
        vsmmu_device_is_egm (memory) ? find_by_alias (check->domain, memory->memory.pci_device) : NULL;
    const VsmmuHostDevice *device = hostdev != NULL ? vsmmu_host_device_of (check->host, hostdev) : NULL;
    const VsmmuHostDevice *other = device != NULL ? find_left_behind (check, device) : NULL;

    if (other != NULL)
      vsmmu_check_report (
          check, memory->line, vsmmu_device_path (memory, ""),
          g_strdup_printf (_ ("add a <hostdev> for %s, or do without <memory model='egm'>"), other->name),
          _ ("the extended GPU memory of %s belongs to all GPUs of its socket, but the guest does not "
             "have %s"),
          device->name, other->name);
  }
}

const VsmmuRuleRow vsmmu_host_gpu_rules[] = {
  { { "host-memory-nodes", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("The guest has no NUMA nodes for the memory of a GPU"),
      N_ ("A GPU of NVIDIA Grace has memory that processors use like their own, and the guest's driver adds it as NUMA "
          "nodes. QEMU describes these as Generic Initiators, by <acpi nodeset=...> of the <hostdev>: eight cells "
          "without CPUs and memory for each GPU, because it can have eight partitions (MIG). Without any, the driver "
          "cannot add the memory; with fewer, not all partitions have memory."),
      "QEMU acpi-generic-initiator; NVIDIA Grace I/O virtualization guide; KubeVirt grace.go: graceGINodesPerGPU" },
    check_host_memory_nodes },
  { { "host-pci-hole", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The 64-bit PCI hole is too small for the devices"),
      N_ ("The firmware of the guest places the 64-bit BARs of all devices in one hole, which <pcihole64> of the "
          "pcie-root sizes; its default is 512 GiB. What does not fit has no address, and its driver fails. VFIO "
          "shows other BARs of a Grace GPU than sysfs: its memory is in BAR 4, and of GH200 a part is in BAR 2. "
          "The window of each port is aligned to its largest BAR."),
      "Linux drivers/vfio/pci/nvgrace-gpu/main.c: nvgrace_gpu_init_nvdev_struct(); QEMU virt: highmem-mmio-size" },
    check_host_pci_hole },
  { { "host-vfio-driver", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("A GPU is bound to vfio-pci instead of its own driver"),
      N_ ("The VFIO driver nvgrace_gpu_vfio_pci gives the memory of a Grace GPU to the guest. With vfio-pci, the guest "
          "sees a GPU without memory, and its driver does not start."),
      "Linux nvgrace_gpu_vfio_pci_table[]" },
    check_host_vfio_driver },
  { { "host-gpu-in-use", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING, N_ ("The memory of a GPU belongs to the host"),
      N_ ("The host's driver of a Grace GPU adds its memory to that of the host, where any program may use it. "
          "Unbinding the driver before that memory is offline hangs or stops the host, and libvirt does not "
          "take care of that with managed='yes'."),
      "OpenNebula's guide to GB200: offline the memory first, unload the module after" },
    check_host_gpu_in_use },
  { { "host-gpu-options", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR, N_ ("A GPU without ATS or PASIDs"),
      N_ ("CUDA on a Grace GPU uses the page tables of the process, which requires ATS and PASIDs. Without ats and "
          "ssidsize, QEMU 11.1 takes both from the host."),
      "Linux iommu_sva_bind_device(), arm_smmu_ats_supported(); siderolabs/talos issue 14087" },
    check_host_gpu_options },
  { { "host-egm", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("Extended GPU memory without all GPUs of the socket"),
      N_ ("Extended GPU memory (EGM) is a part of the host's memory, one for each socket, that all GPUs of the socket "
          "can use. Whoever has it can reach the memory of all of them, so a guest gets all of these GPUs or none."),
      "NVIDIA's EGM series for Linux: /dev/egmN; libvirt RFC: <memory model='egm'>" },
    check_host_egm },
  { { NULL }, NULL },
};
