/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"

const VsmmuRuleRow vsmmu_msi_rules[] = {
  { { "msi-doorbell-zero", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR, N_ ("An accelerated SMMUv3 has no doorbell"),
      N_ ("QEMU passes the doorbell of the machine's MSI controller to an accelerated SMMUv3. Without an ITS or a "
          "GICv2m frame, it silently passes the address 0. Devices behind the SMMUv3 then fall back to a shared "
          "interrupt, and a hotplugged device may not appear in the guest at all."),
      "QEMU virt_machine_device_pre_plug_cb() (msi-gpa); seen on the emulated arm64 host with its=off" },
    NULL },
  { { "msi-doorbell-mismatch", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU uses a doorbell other than that of the machine"),
      N_ ("Only with msi --monitor. The doorbell that QEMU has for an accelerated SMMUv3 (msi-gpa) is passed to KVM "
          "for every MSI behind it, regardless of what the guest wrote. It must be GITS_TRANSLATER of the ITS "
          "(0x08090040) or MSI_SETSPI_NS of the GICv2m frame (0x08020040). Any other address in the frame raises no "
          "interrupt."),
      "QEMU pci_device_iommu_msi_direct_gpa(), kvm_arch_fixup_msi_route()" },
    NULL },
  { { "msi-doorbell-not-controller", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU uses a doorbell outside the MSI controller"),
      N_ ("Only with msi --monitor. As in msi-doorbell-mismatch, but the address is not even in the frame of the "
          "machine's MSI controller. KVM finds no ITS there, and rejects or loses the interrupt."),
      "Linux vgic_msi_to_its(); QEMU base_memmap" },
    NULL },
  { { "msi-window-mismatch", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("The doorbell is outside the window that is reserved in the guest"),
      N_ ("Only with msi --monitor. The guest's IORT reserves 0x08000000-0x080fffff, and the guest maps this range "
          "one to one for devices behind an accelerated SMMUv3, because the host kernel has its own MSI mapping "
          "there. Outside this range, other mappings of the guest can overlap the doorbell."),
      "QEMU build_iort_rmr_nodes(); Linux arm_smmu_get_resv_regions()" },
    NULL },
  { { "msi-address-unmapped", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR, N_ ("The address of an MSI is not mapped"),
      N_ ("Behind an emulated vIOMMU, QEMU translates the address that the guest wrote to the vector. This address "
          "has no translation; the finding names the stage, the level and the descriptor where it ends. MSIs of the "
          "device are lost, the guest's SMMU records an event, and the driver waits for an interrupt that never "
          "arrives."),
      "QEMU smmuv3_translate(), kvm_arch_fixup_msi_route()" },
    NULL },
  { { "msi-address-wrong-target", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("The address of an MSI is not a doorbell"),
      N_ ("Unless a vIOMMU has a doorbell of its own, an MSI is a write to the address in the vector, translated if "
          "there is a vIOMMU. The address in this vector is not a doorbell, so no interrupt is raised. If it is in "
          "memory, the device overwrites data of the guest with its vector number."),
      "QEMU kvm_arch_fixup_msi_route(), msi_send_message()" },
    NULL },
  { { "msi-device-on-other-bus", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("The guest has another device where this one should be"),
      N_ ("Only with verify and watch. At the address from the XML, the guest's configuration space shows a device "
          "whose IDs differ from those of the host device. Results about its vectors are then about that other "
          "device. The guest, or somebody using QEMU's monitor, has moved devices."),
      "QEMU vfio_pci_config_setup(), which passes the IDs of the host device through" },
    NULL },
  { { "vsmmu-attach-failed", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU could not set up a device behind an accelerated SMMUv3"),
      N_ ("Only with verify and watch, and only if the log of the domain can be read. If the physical SMMU cannot be "
          "made to use the guest's tables for a device ('IOMMU_VDEVICE_ALLOC failed', 'Failed to attach GBPA hwpt'), "
          "QEMU continues and reports nothing to libvirt or the guest. Invalid argument means that the device is "
          "behind another physical SMMU."),
      "QEMU smmuv3_accel_install_ste(), smmuv3_accel_reset(); seen on the emulated arm64 host" },
    NULL },
  { { NULL }, NULL },
};
