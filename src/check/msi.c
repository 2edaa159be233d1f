/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"

const VsmmuRuleRow vsmmu_msi_rules[] = {
  { { "msi-doorbell-zero", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR, N_ ("An accelerated SMMUv3 has no doorbell"),
      N_ ("QEMU tells an accelerated SMMUv3 the doorbell of the machine's MSI controller. Without an ITS or a "
          "GICv2m frame that is address 0, and QEMU says nothing. Devices behind it then fall back to a shared "
          "interrupt, or a device that is hotplugged does not appear in the guest at all."),
      "QEMU virt_machine_device_pre_plug_cb() (msi-gpa); seen in the emulated arm64 host with its=off" },
    NULL },
  { { "msi-doorbell-mismatch", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU offers another doorbell than the machine's"),
      N_ ("Only with msi --monitor. The doorbell that QEMU holds for an accelerated SMMUv3 (msi-gpa) is what KVM "
          "is given for every MSI behind it, whatever the guest wrote. It must be GITS_TRANSLATER of the ITS "
          "(0x08090040) or MSI_SETSPI_NS of the GICv2m frame (0x08020040); at another place in the frame no "
          "interrupt comes of it."),
      "QEMU pci_device_iommu_msi_direct_gpa(), kvm_arch_fixup_msi_route()" },
    NULL },
  { { "msi-doorbell-not-controller", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU offers a doorbell outside of the MSI controller"),
      N_ ("Only with msi --monitor. As msi-doorbell-mismatch, and the address is not even in the frame of the "
          "machine's MSI controller: KVM finds no ITS there, and refuses the interrupt or loses it."),
      "Linux vgic_msi_to_its(); QEMU base_memmap" },
    NULL },
  { { "msi-window-mismatch", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("The doorbell is outside of the window that the guest is told"),
      N_ ("Only with msi --monitor. The guest's IORT reserves 0x08000000-0x080fffff, which the guest maps one to "
          "one for devices behind an accelerated SMMUv3, because the host's kernel has its own MSI mapping there. "
          "A doorbell outside of that can be hit by what the guest maps elsewhere."),
      "QEMU build_iort_rmr_nodes(); Linux arm_smmu_get_resv_regions()" },
    NULL },
  { { "msi-address-unmapped", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR, N_ ("The address of an MSI leads nowhere"),
      N_ ("Behind an emulated vIOMMU QEMU translates the address that the guest wrote into the vector. There is no "
          "translation for this one: the finding names the stage, the level and the descriptor at which it ends. "
          "What the device sends is then lost, with an event in the guest's SMMU, and a driver waits for an "
          "interrupt that never comes."),
      "QEMU smmuv3_translate(), kvm_arch_fixup_msi_route()" },
    NULL },
  { { "msi-address-wrong-target", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("The address of an MSI leads to something that is no doorbell"),
      N_ ("Where no vIOMMU says what its doorbell is, an MSI is a write to the address in the vector, translated "
          "where there is a vIOMMU. This one ends where no interrupt comes of it; if that is memory, the device "
          "writes its vector number over what the guest has there."),
      "QEMU kvm_arch_fixup_msi_route(), msi_send_message()" },
    NULL },
  { { "msi-device-on-other-bus", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("Where a device should be the guest has another one"),
      N_ ("Only with verify and watch. The configuration space of the guest shows a device with other ids than "
          "those of the host's device that the XML puts there. What is said of its vectors is then said of "
          "something else; the guest, or somebody with QEMU's monitor, has changed what is where."),
      "QEMU vfio_pci_config_setup(), which hands the ids of the host's device through" },
    NULL },
  { { "vsmmu-attach-failed", VSMMU_RULE_GROUP_MSI, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU could not set a device up behind an accelerated SMMUv3"),
      N_ ("Only with verify and watch, where the log of the domain can be read. QEMU goes on after it failed to "
          "make the host's SMMU use the guest's tables for a device ('IOMMU_VDEVICE_ALLOC failed', 'Failed to "
          "attach GBPA hwpt'), and neither libvirt nor the guest is told. Invalid argument means that the device "
          "is of another SMMU of the host."),
      "QEMU smmuv3_accel_install_ste(), smmuv3_accel_reset(); seen in the emulated arm64 host" },
    NULL },
  { { NULL }, NULL },
};
