/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "check/port.h"
#include "domain/acceleration.h"
#include "domain/options.h"
#include "domain/vsmmu.h"

/* How many VFIO devices are below each root bus when the guest starts. */
static void
count_hostdevs (const VsmmuCheck *check, guint counts[VSMMU_PCI_BUSES_MAX])
{
  memset (counts, 0, sizeof (guint) * VSMMU_PCI_BUSES_MAX);
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);

    if (!hostdev->is_plug && hostdev->address_kind == VSMMU_ADDRESS_PCI &&
        hostdev->address.bus < check->domain->n_buses && check->domain->buses[hostdev->address.bus].root >= 0)
      counts[check->domain->buses[hostdev->address.bus].root]++;
  }
}

/* A device can only be attached to a running guest, which had what it needs at start. */
static gboolean
has_started (const VsmmuCheck *check)
{
  return check->domain->plug != NULL && check->domain->is_running;
}

/* The next accelerated vSMMU, from number @i on, that has no VFIO device at start; %NULL after the last. */
static const VsmmuDevice *
next_empty (const VsmmuCheck *check, const guint counts[VSMMU_PCI_BUSES_MAX], guint *i)
{
  while (!has_started (check) && *i < check->domain->iommus->len) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, (*i)++);

    if (vsmmu_domain_is_effective (check->domain, iommu) && counts[iommu->iommu.pci_bus] == 0)
      return iommu;
  }
  return NULL;
}

static void
check_vsmmu_empty (VsmmuCheck *check)
{
  guint counts[VSMMU_PCI_BUSES_MAX];
  guint i = 0;
  const VsmmuDevice *iommu;

  count_hostdevs (check, counts);
  while ((iommu = next_empty (check, counts, &i)) != NULL) {
    g_autofree char *options = vsmmu_iommu_auto_options (iommu);

    if (options != NULL)
      vsmmu_check_report (
          check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
          g_strdup_printf (_ ("set %s, or add a <hostdev> below bus %u"), options, iommu->iommu.pci_bus),
          _ ("no VFIO device is behind this SMMUv3 at start; QEMU cannot determine %s and exits"), options);
  }
}

static void
check_cmdqv_vsmmu_empty (VsmmuCheck *check)
{
  guint counts[VSMMU_PCI_BUSES_MAX];
  guint i = 0;
  const VsmmuDevice *iommu;

  count_hostdevs (check, counts);
  while ((iommu = next_empty (check, counts, &i)) != NULL)
    if (iommu->iommu.cmdqv == VSMMU_SWITCH_ON)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup_printf (_ ("add a <hostdev> below bus %u, or remove cmdqv"), iommu->iommu.pci_bus),
                          _ ("cmdqv='on' without a VFIO device behind the SMMUv3 at start; QEMU exits, or the guest "
                             "silently gets no command queue"));
}

/* Extended GPU memory is contiguous on the host. */
static gboolean
has_egm (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->devices->len; i++)
    if (vsmmu_device_is_egm (g_ptr_array_index (domain->devices, i)))
      return TRUE;
  return FALSE;
}

static void
check_cmdqv_small_pages (VsmmuCheck *check)
{
  if (has_egm (check->domain))
    return;
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_iommu_is_accelerated (iommu) && iommu->iommu.cmdqv == VSMMU_SWITCH_ON && !check->domain->has_hugepages)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (check->domain->memory_backing_line != 0
                                        ? _ ("add <hugepages/> to <memoryBacking>")
                                        : _ ("add <memoryBacking><hugepages/></memoryBacking> to <domain>")),
                          _ ("cmdqv='on' without huge pages; QEMU limits the command queue to one small page"));
  }
}

static void
check_pasid_without_ats (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_iommu_is_accelerated (iommu) && iommu->iommu.ssidsize > 0 && iommu->iommu.ats == VSMMU_SWITCH_OFF)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (_ ("set ats='on', or ssidsize='0'")),
                          _ ("ssidsize='%d' offers PASIDs, but with ats='off', devices cannot use shared virtual "
                             "addressing"),
                          iommu->iommu.ssidsize);
  }
}

static char *
hint_for_new_port (const VsmmuCheck *check, guint bus)
{
  guint index;
  g_autofree char *port = vsmmu_check_new_port (check->room, bus, &index);

  if (port == NULL)
    return g_strdup (_ ("remove a device or a PCI controller to make room for a pcie-root-port"));
  return g_strdup_printf (_ ("add %s"), port);
}

static void
check_no_free_hotplug_port (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  gboolean has_free[VSMMU_PCI_BUSES_MAX] = { FALSE };

  vsmmu_domain_find_free_ports (check->domain, is_free);
  for (guint i = 0; i < domain->n_buses; i++)
    if (is_free[i])
      has_free[domain->buses[i].root] = TRUE;
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_domain_is_effective (check->domain, iommu) && !has_free[iommu->iommu.pci_bus])
      vsmmu_check_report (
          check, iommu->line, vsmmu_device_path (iommu, ""), hint_for_new_port (check, iommu->iommu.pci_bus),
          _ ("no free port below bus %u; no VFIO device can be hotplugged behind this SMMUv3"), iommu->iommu.pci_bus);
  }
}

const VsmmuRuleRow vsmmu_vsmmu_rules[] = {
  { { "vsmmu-empty", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("No VFIO device at start, and options that QEMU must take from one"),
      N_ ("QEMU takes ats, ril, ssidsize and oas from the physical SMMU of the first VFIO device, unless they are "
          "set. If any of them is not set, at least one device must be present at start: \"arm-smmuv3 accel=on with "
          "'auto' properties requires at least one cold-plugged VFIO device\". Set all four for a vSMMU that is only "
          "used for hotplug."),
      "QEMU smmuv3_accel_machine_done()" },
    check_vsmmu_empty },
  { { "cmdqv-vsmmu-empty", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("cmdqv='on' without a VFIO device at start"),
      N_ ("QEMU sets up the command queue through the first VFIO device, before the guest starts. Without one, QEMU "
          "exits with 'arm-smmuv3 cmdqv=on requires at least one cold-plugged VFIO device'. If ats, ril, ssidsize "
          "and oas are all set, it does not even report that, and the guest has no command queue."),
      "QEMU smmuv3_accel_machine_done(); the notifier is registered only for automatic options" },
    check_cmdqv_vsmmu_empty },
  { { "cmdqv-small-pages", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING, N_ ("cmdqv='on' without huge pages"),
      N_ ("The guest's command queue must be contiguous in host memory, so QEMU limits it to one page of the memory "
          "backend: 256 entries with 4 KiB pages. Huge pages allow the full 8 MiB."),
      "QEMU tegra241_cmdqv_init_regs()" },
    check_cmdqv_small_pages },
  { { "pasid-without-ats", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING, N_ ("PASIDs without ATS"),
      N_ ("An ssidsize above 0 tells the guest that devices may use PASIDs. Drivers use them for shared virtual "
          "addressing, which also requires ATS; with ats='off', they do not enable it."),
      "Linux arm_smmu_enable_pasid(), arm_smmu_ats_supported(); libvirt formatdomain: ssidsize" },
    check_pasid_without_ats },
  { { "no-free-hotplug-port", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_NOTE, N_ ("No free port for hotplug"),
      N_ ("A device is hotplugged into an empty pcie-root-port or pcie-switch-downstream-port, and ports cannot be "
          "added while the guest runs. If the vSMMU has no free port, libvirt uses one elsewhere, without a vSMMU."),
      "libvirt qemuDomainEnsurePCIAddress()" },
    check_no_free_hotplug_port },
  { { NULL }, NULL },
};
