/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "domain/releases.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

/* (transfer full): why QEMU does not use the command queues of @smmu; only when it is known that it does not */
static char *
describe_lack_of_queues (const VsmmuHostSmmu *smmu)
{
  const VsmmuFact *has = smmu->capabilities;

  if (!vsmmu_fact_is_true (has[VSMMU_SMMU_CMDQV]))
    return g_strdup_printf (_ ("cmdqv='on', but %s does not support command queue virtualization; QEMU rejects the "
                               "device"),
                            smmu->name);
  if (vsmmu_fact_is_known (has[VSMMU_SMMU_CMDQV_VERSION]) && has[VSMMU_SMMU_CMDQV_VERSION].value != VSMMU_CMDQV_VERSION)
    return g_strdup_printf (_ ("cmdqv='on', but %s has version %d of command queue virtualization, and QEMU supports "
                               "version %d only"),
                            smmu->name, (int) has[VSMMU_SMMU_CMDQV_VERSION].value, VSMMU_CMDQV_VERSION);
  if (vsmmu_fact_is_known (has[VSMMU_SMMU_CMDQV_QUEUES]) && has[VSMMU_SMMU_CMDQV_QUEUES].value < VSMMU_CMDQV_QUEUES_MIN)
    return g_strdup_printf (_ ("cmdqv='on', but %s has fewer command queues for a guest (%d) than QEMU requires (%d)"),
                            smmu->name, 1 << has[VSMMU_SMMU_CMDQV_QUEUES].value, 1 << VSMMU_CMDQV_QUEUES_MIN);
  return g_strdup_printf (_ ("cmdqv='on', but the command queues of %s can be used for fewer devices (%d) than QEMU "
                             "requires (%d)"),
                          smmu->name, 1 << has[VSMMU_SMMU_CMDQV_SIDS].value, 1 << VSMMU_CMDQV_SIDS_MIN);
}

static void
check_host_cmdqv (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];

    if (binding->smmu != NULL && binding->iommu->iommu.cmdqv == VSMMU_SWITCH_ON &&
        vsmmu_fact_is_false (vsmmu_host_smmu_supports_cmdqv (binding->smmu)))
      vsmmu_check_report_vsmmu (check, binding, g_strdup (_ ("set cmdqv='off', or remove cmdqv")),
                                describe_lack_of_queues (binding->smmu));
  }
}

/* Whether the guest gets command queues of the physical SMMU: QEMU's default is to use them where they are. */
static gboolean
uses_queues (const VsmmuCheck *check, const VsmmuBinding *binding)
{
  VsmmuFact supported = vsmmu_host_smmu_supports_cmdqv (binding->smmu);
  gboolean is_too_old = check->target != NULL ? vsmmu_target_lacks (check->target, VSMMU_FEATURE_QEMU_CMDQV)
                                              : vsmmu_fact_is_false (check->host->qemu_cmdqv);

  if (binding->iommu->iommu.cmdqv == VSMMU_SWITCH_ON)
    return !vsmmu_fact_is_false (supported);
  return binding->iommu->iommu.cmdqv == VSMMU_SWITCH_ABSENT && vsmmu_fact_is_true (supported) && !is_too_old;
}

/* The devices behind the vSMMU of @binding are more than the room for them: at @hostdev, the first that has none. */
static void
report_no_room (VsmmuCheck *check, const VsmmuBinding *binding, const VsmmuDevice *hostdev, guint room)
{
  gboolean is_known = vsmmu_fact_is_known (binding->smmu->capabilities[VSMMU_SMMU_CMDQV_SIDS]);

  vsmmu_check_report_as (
      check, is_known ? VSMMU_SEVERITY_ERROR : VSMMU_SEVERITY_WARNING, hostdev->line, vsmmu_device_path (hostdev, ""),
      g_strdup_printf (_ ("set cmdqv='off' on the SMMUv3 on line %u, or place at most %u devices behind it"),
                       binding->iommu->line, room),
      is_known
          ? _ ("%u devices are already behind this SMMUv3, which is as many as %s supports with command queues; "
               "QEMU rejects this one")
          : _ ("%u devices are already behind this SMMUv3, and it is unknown whether %s supports more with command "
               "queues; if not, QEMU rejects this one"),
      room, binding->smmu->name);
}

static void
check_host_cmdqv_devices (VsmmuCheck *check)
{
  guint counts[VSMMU_PCI_BUSES_MAX] = { 0 };

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (check->domain, hostdev);
    const VsmmuBinding *binding = vsmmu != NULL ? &check->bindings[vsmmu->iommu.pci_bus] : NULL;

    if (binding == NULL || binding->smmu == NULL || binding->iommu != vsmmu || !uses_queues (check, binding))
      continue;
    if (counts[vsmmu->iommu.pci_bus]++ == vsmmu_host_smmu_cmdqv_devices (binding->smmu))
      report_no_room (check, binding, hostdev, vsmmu_host_smmu_cmdqv_devices (binding->smmu));
  }
}

const VsmmuRuleRow vsmmu_host_cmdqv_rules[] = {
  { { "host-cmdqv", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("cmdqv='on', but the physical SMMU does not support command queue virtualization"),
      N_ ("Only the SMMUs of Tegra241 (NVIDIA Grace) and, in newer kernels, Tegra264 (NVIDIA Thor) have command "
          "queues that a guest can use directly, and the kernel must be built with CONFIG_TEGRA241_CMDQV. The kernel "
          "may give them up at boot, when it has no memory for them: 'Falling back to standard SMMU CMDQ'. Elsewhere, "
          "QEMU rejects cmdqv='on'. It also does if their version is not 1, if a guest can have fewer than 2 of them, "
          "or if they can be used for fewer than 16 devices. Without cmdqv, QEMU uses the command queues if the host "
          "has them."),
      "QEMU tegra241_cmdqv_probe(): CMDQV requested but not supported, Host CMDQV: unsupported version, insufficient "
      "vCMDQs, insufficient SIDs; Linux IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, tegra_cmdqv_dt_probe()" },
    check_host_cmdqv },
  { { "host-cmdqv-devices", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("More devices behind an SMMUv3 than its command queues can be used for"),
      N_ ("The hardware translates the StreamIDs of a guest's command queues in a table of fixed size, 16 on NVIDIA "
          "Grace. Each device behind the SMMUv3 takes an entry, and the kernel refuses one more: QEMU stops, or the "
          "hotplug fails, with 'IOMMU_VDEVICE_ALLOC failed'. Without cmdqv, QEMU uses the command queues if the host "
          "has them, so this also happens then."),
      "Linux tegra241_vintf_init_vsid(): num_sids_per_vintf; struct iommu_hw_info_tegra241_cmdqv: log2vsids; not "
      "tried on hardware" },
    check_host_cmdqv_devices },
  { { NULL }, NULL },
};
