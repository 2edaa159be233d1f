/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

/* Calls @report for each device of the host that is behind an accelerated vSMMU. */
static void
for_each_device (VsmmuCheck *check, void (*report) (VsmmuCheck *check, const VsmmuDevice *hostdev,
                                                    const VsmmuDevice *vsmmu, const VsmmuHostDevice *device))
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (check->domain, hostdev);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device != NULL && vsmmu != NULL)
      report (check, hostdev, vsmmu, device);
  }
}

static void
report_root_ats (VsmmuCheck *check, const VsmmuDevice *hostdev, const VsmmuDevice *vsmmu, const VsmmuHostDevice *device)
{
  if (vsmmu->iommu.ats == VSMMU_SWITCH_ON && vsmmu_host_device_loses_ats (device) &&
      vsmmu_fact_is_false (device->root_ats))
    vsmmu_check_report (
        check, hostdev->line, vsmmu_device_path (hostdev, ""),
        g_strdup_printf (_ ("set ats='off' on the SMMUv3 on line %u, or use a device behind another root complex"),
                         vsmmu->line),
        _ ("ats='on', but the firmware reports no ATS for the root complex of %s; the host kernel "
           "leaves ATS of the device off"),
        device->name);
}

static void
check_host_root_ats (VsmmuCheck *check)
{
  for_each_device (check, report_root_ats);
}

/* What other rules say, host-ats and host-root-ats, is the reason. */
static gboolean
has_known_reason (const VsmmuHostDevice *device)
{
  return vsmmu_fact_is_false (device->root_ats) ||
         (device->smmu != NULL && vsmmu_fact_is_false (device->smmu->capabilities[VSMMU_SMMU_ATS]));
}

static void
report_device_ats (VsmmuCheck *check, const VsmmuDevice *hostdev, const VsmmuDevice *vsmmu,
                   const VsmmuHostDevice *device)
{
  if (vsmmu->iommu.ats == VSMMU_SWITCH_ON && vsmmu_host_device_loses_ats (device) && !has_known_reason (device))
    vsmmu_check_report (
        check, hostdev->line, vsmmu_device_path (hostdev, ""),
        g_strdup_printf (_ ("set ats='off' on the SMMUv3 on line %u, or use another device"), vsmmu->line),
        _ ("ats='on', but the host kernel reports that %s cannot use ATS; QEMU hides ATS of the device "
           "from the guest"),
        device->name);
}

static void
check_host_device_ats (VsmmuCheck *check)
{
  for_each_device (check, report_device_ats);
}

static void
report_device_pasid (VsmmuCheck *check, const VsmmuDevice *hostdev, const VsmmuDevice *vsmmu,
                     const VsmmuHostDevice *device)
{
  if (vsmmu->iommu.ssidsize > 0 && vsmmu_fact_is_true (device->pasid) && vsmmu_fact_is_false (device->kernel_pasid))
    vsmmu_check_report (
        check, hostdev->line, vsmmu_device_path (hostdev, ""),
        g_strdup_printf (_ ("set ssidsize='0' on the SMMUv3 on line %u, or use another device"), vsmmu->line),
        _ ("ssidsize='%d', but the host kernel does not let %s use PASIDs; the guest does not see its "
           "PASID capability"),
        vsmmu->iommu.ssidsize, device->name);
}

static void
check_host_device_pasid (VsmmuCheck *check)
{
  for_each_device (check, report_device_pasid);
}

const VsmmuRuleRow vsmmu_host_ats_rules[] = {
  { { "host-root-ats", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("ats='on', but the root complex does not allow ATS"),
      N_ ("ATS needs the device, the SMMU and the root complex between them. The kernel takes the last from the ATS "
          "attribute of the root complex in the IORT, and leaves ATS of the device off without it, whatever the guest "
          "is shown. The guest works, but what needs ATS does not, such as shared virtual addressing of a GPU."),
      "Linux iort_pci_rc_supports_ats(), arm_smmu_ats_supported(); seen in the IORT of NVIDIA GB10" },
    check_host_root_ats },
  { { "host-device-ats", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("ats='on', but the device cannot use ATS on the host"),
      N_ ("From Linux 7.1 on, the kernel reports for each device whether it can use ATS there. For a device that has "
          "the capability and cannot use it, QEMU prints 'vfio-pci: host kernel reports ATS unsupported; ATS "
          "capability will be masked', and the guest does not see it. The guest works, but what needs ATS does not. "
          "With ats=on for vfio-pci itself, QEMU stops: 'vfio-pci: ATS requested but not supported by kernel'. A "
          "device without the capability is not meant: it works behind an SMMUv3 with ats='on'."),
      "Linux IOMMU_GET_HW_INFO: IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, arm_smmu_ats_supported(); QEMU 11.1 vfio-pci; not "
      "tried on hardware" },
    check_host_device_ats },
  { { "host-device-pasid", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("ssidsize, but the device cannot use PASIDs on the host"),
      N_ ("The kernel reports for each device how many bits its PASIDs can have, and QEMU makes the PASID capability "
          "that the guest sees from this. With 0 there is none, and what needs PASIDs in the guest does not work, such "
          "as shared virtual addressing of a GPU. Fewer bits than ssidsize are right: the guest uses the smaller "
          "number for each device."),
      "Linux IOMMU_GET_HW_INFO: out_max_pasid_log2, arm_smmu_enable_pasid(); QEMU vfio_pci_synthesize_pasid_cap(); "
      "not tried on hardware" },
    check_host_device_pasid },
  { { NULL }, NULL },
};
