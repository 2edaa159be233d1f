/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsmmu/rule.h"

#include <glib/gi18n-lib.h>

#include "base/suggest.h"
#include "check/check.h"

/*
 * Every rule there is: the one source for findings, `virt-vsmmu explain`,
 * docs/rules.rst and the tests.
 */
const VsmmuRuleRow vsmmu_rule_table[] = {
  {
      {
          "xml-malformed",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("The document is no domain XML"),
          N_ ("The file is not well-formed XML, its root element is not <domain>, or it breaks a safety limit: a "
              "document "
              "type declaration, elements nested too deep. libvirt cannot read it either. Nothing else is checked in "
              "such "
              "a file."),
          "libvirt virDomainDefParse(); libxml2",
      },
      NULL,
  },
  {
      {
          "schema-violation",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("An element or attribute does not fit the schema"),
          N_ ("Only with --schema. libvirt ignores elements and attributes that it does not know, so a misspelt one "
              "has no "
              "effect and gives no message. The schema lists all that the installed libvirt knows, and the smallest "
              "part "
              "that does not fit is reported."),
          "libvirt schemas/domain.rng; virsh define --validate",
      },
      NULL,
  },
  {
      {
          "too-many-findings",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("The document has more findings than are shown"),
          N_ ("At most 1,000 findings are shown of one document, so that one that was made to be broken cannot fill a "
              "disk. "
              "The severity is that of the worst finding left out."),
          "virt-vsmmu",
      },
      NULL,
  },
  {
      {
          "unknown-driver-attribute",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("An attribute of an SMMUv3 <driver> has an unknown name"),
          N_ ("libvirt reads the attributes it knows and ignores the rest without a word, unless the document is "
              "validated "
              "against the schema. The names changed while the feature was developed: ssidSize and ssid_size became "
              "ssidsize. With a wrong name the option keeps its default, and the guest lacks what was asked for."),
          "libvirt virDomainIOMMUDefParseXML(); seen on 12.8: ssidSize='20' is accepted and ignored",
      },
      vsmmu_rule_unknown_driver_attribute,
  },
  {
      {
          "invalid-attribute-value",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("A value is outside what libvirt and QEMU take"),
          N_ ("accel, ats, ril and cmdqv are 'on' or 'off'; there is no 'auto': leave the attribute out for that. "
              "ssidsize "
              "is 0 to 20, oas is 44 or 48, both decimal. libvirt refuses words, leaves negative numbers out without a "
              "word, and passes numbers that are too large to QEMU, which then does not start. The rule also covers "
              "the "
              "other values that the checks depend on: PCI addresses, bus numbers, sizes, yes/no attributes."),
          "libvirt virXMLPropInt(), virXMLPropUInt(), virXMLPropTristateSwitch(); QEMU smmu_validate_property()",
      },
      vsmmu_rule_invalid_attribute_value,
  },
  {
      {
          "ambiguous-xml",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("What the XML means depends on the program that reads it"),
          N_ ("libvirt reads most attributes by their local name in any namespace, most elements only without a "
              "namespace, and the first or the last of several elements that can only be there once; releases differ. "
              "A document that depends on this may start another domain than the one that was checked, so it is "
              "refused. "
              "Elements of other programs belong in <metadata>, where any namespace is allowed."),
          "libvirt virXMLPropString() (xmlGetProp()), virXPathNode(), virXMLNodeNameEqual(); seen on 12.8: <iommu "
          "x:model='smmuv3'> is an SMMUv3, and of two <gic> the last counts",
      },
      vsmmu_rule_ambiguous_xml,
  },
  {
      {
          "option-without-accel",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("An option of an accelerated SMMUv3 without accel='on'"),
          N_ ("ats, ril, ssidsize, oas and cmdqv describe a physical SMMU that only an accelerated vSMMU has. libvirt "
              "12.7 "
              "and newer refuse the domain, even for cmdqv='off'; older ones ignore all of them."),
          "libvirt virDomainIOMMUDefValidate(): accel must be enabled for iommu model 'smmuv3' when setting ...",
      },
      vsmmu_rule_option_without_accel,
  },
  {
      {
          "accel-without-pci-bus",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("accel='on' without pciBus"),
          N_ ("Without pciBus libvirt asks for a machine-wide SMMUv3 (-machine iommu=smmuv3), which is always "
              "emulated: accel "
              "and its options are dropped, and VFIO devices then fail with 'requires iommu MAP notifier'. A generator "
              "that leaves out zero values does that to pciBus='0'."),
          "libvirt qemuBuildIOMMUCommandLine(); seen on 12.8 with domxml-to-native",
      },
      vsmmu_rule_accel_without_pci_bus,
  },
  {
      {
          "iommu-has-address",
          VSMMU_RULE_GROUP_DOCUMENT,
          VSMMU_SEVERITY_ERROR,
          N_ ("An SMMUv3 with an <address>"),
          N_ ("An SMMUv3 is a platform device of the machine. libvirt refuses an <address> on it; which devices stand "
              "behind "
              "it is said by pciBus."),
          "libvirt virDomainIOMMUDefValidate(): iommu model 'smmuv3' can't have address",
      },
      vsmmu_rule_iommu_has_address,
  },
  {
      {
          "pci-address-invalid",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("libvirt would refuse the PCI addresses"),
          N_ ("A PCI address is used twice, its slot or bus does not exist or does not take such a device, or there is "
              "no "
              "room for a device that has no address. libvirt refuses the domain. As long as that is so, nothing can "
              "be "
              "said of devices without an address."),
          "libvirt qemuDomainAssignPCIAddresses(), virDomainPCIAddressValidate()",
      },
      vsmmu_rule_pci_address_invalid,
  },
  {
      {
          "pci-controller-order",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("A PCI controller has a smaller index than the bus it is on"),
          N_ ("libvirt passes controllers to QEMU in the order of their indexes, and QEMU creates them in that order: "
              "a "
              "port whose bus comes later is refused, \"Bus 'pci.9' not found\". libvirt does not check it, and may "
              "itself "
              "put a controller without an address on a port that it adds behind it."),
          "libvirt qemuBuildControllersCommandLine(); seen on 12.8 with domxml-to-native",
      },
      vsmmu_rule_pci_controller_order,
  },
  {
      {
          "pci-bus-missing",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("pciBus names no controller"),
          N_ ("pciBus is the index of a PCI controller. libvirt defines a domain whose pciBus names none, and fails "
              "only "
              "when it is started, with 'Could not find a suitable controller for smmuv3'."),
          "libvirt qemuBuildIOMMUCommandLine()",
      },
      vsmmu_rule_pci_bus_missing,
  },
  {
      {
          "pci-bus-not-root",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("pciBus names a controller that is no root bus"),
          N_ ("An SMMUv3 translates for all that is below one root bus: pcie-root or a pcie-expander-bus. libvirt "
              "passes "
              "the index of a port or a bridge through, and QEMU does not start: 'SMMU should be attached to a default "
              "PCIe root complex(pcie.0) or a pxb-pcie based root complex'."),
          "QEMU smmu_base_realize()",
      },
      vsmmu_rule_pci_bus_not_root,
  },
  {
      {
          "pci-bus-shared",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("Two SMMUv3 on one root bus"),
          N_ ("A root bus has one IOMMU. libvirt accepts two with the same pciBus, and QEMU does not start: 'An iommu "
              "is "
              "already attached to this bus'. Use one pcie-expander-bus for each physical SMMU."),
          "QEMU smmu_base_realize()",
      },
      vsmmu_rule_pci_bus_shared,
  },
  {
      {
          "iommu-models-mixed",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("Another kind of IOMMU beside an SMMUv3 with a bus of its own"),
          N_ ("libvirt 12.8 reports such a mixture and then goes on: depending on the order it drops one of the two, "
              "or "
              "QEMU refuses to start, or both are in the guest and neither behaves."),
          "libvirt virDomainDefValidate(); QEMU virt_machine_device_pre_plug_cb()",
      },
      vsmmu_rule_iommu_models_mixed,
  },
  {
      {
          "machine-not-virt",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The machine is not arm64 virt"),
          N_ ("Only the machine 'virt' of qemu-system-aarch64 takes an SMMUv3. The rules about the PCI tree are not "
              "applied "
              "to other machines."),
          "libvirt qemuValidateDomainDeviceDefIOMMU(): only supported with ARM Virt machines",
      },
      vsmmu_rule_machine_not_virt,
  },
  {
      {
          "needs-kvm",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The domain does not use KVM"),
          N_ ("An accelerated SMMUv3 needs KVM with its in-kernel interrupt controller. libvirt defines the domain all "
              "the "
              "same; QEMU does not start: 'SMMUv3 accel=on requires KVM with kernel-irqchip=on support'."),
          "QEMU virt_machine_device_pre_plug_cb()",
      },
      vsmmu_rule_needs_kvm,
  },
  {
      {
          "needs-acpi",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("ACPI is off"),
          N_ ("The guest learns of an accelerated SMMUv3 and of the addresses it must not translate from ACPI tables "
              "(IORT "
              "with RMR nodes); there is no device tree for it. QEMU does not start: 'SMMUv3 with accel=on not "
              "supported "
              "for DT'."),
          "QEMU virt_machine_device_plug_cb(), build_iort_rmr_nodes()",
      },
      vsmmu_rule_needs_acpi,
  },
  {
      {
          "needs-uefi",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("There is no UEFI firmware"),
          N_ ("On arm64 only UEFI hands ACPI tables to the guest, and QEMU counts ACPI as off without loaded "
              "firmware."),
          "QEMU virt_machine_device_plug_cb(); libvirt: ACPI requires UEFI on this architecture",
      },
      vsmmu_rule_needs_uefi,
  },
  {
      {
          "no-msi-controller",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The guest has no MSI controller"),
          N_ ("The doorbell of an accelerated SMMUv3 is the register of the ITS or of the GICv2m frame. With msi=off, "
              "its=off on GICv3, or a GICv5, its address is 0, and nothing says so: a device then falls back to INTx "
              "or "
              "does not appear in the guest. An ITS without a GICv3 or GICv4 is refused."),
          "QEMU virt_machine_device_pre_plug_cb() (msi-gpa); seen in the emulated arm64 host",
      },
      vsmmu_rule_no_msi_controller,
  },
  {
      {
          "gic-version-implicit",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("The GIC version is not given"),
          N_ ("Without <gic version=...> libvirt takes the newest version that the host offers to KVM guests, and "
              "version 2 "
              "where it knows none. The MSI doorbell depends on it: 0x08090040 with the ITS of GICv3, 0x08020040 with "
              "GICv2m."),
          "libvirt qemuDomainDefEnableDefaultFeatures()",
      },
      vsmmu_rule_gic_version_implicit,
  },
  {
      {
          "gicv2-limits",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("GICv2 with an accelerated SMMUv3"),
          N_ ("GICv2 takes at most 8 vCPUs; with more QEMU does not start. It has no ITS, so MSIs go through the "
              "GICv2m "
              "frame, which has few interrupts for devices with many vectors."),
          "QEMU virt machine: max CPUs with GICv2",
      },
      vsmmu_rule_gicv2_limits,
  },
  {
      {
          "emulated-endpoint",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("An emulated device behind an accelerated SMMUv3"),
          N_ ("The guest's tables sit in hardware, which does not see what QEMU emulates. Behind an accelerated SMMUv3 "
              "QEMU "
              "allows bridges, ports and VFIO devices with iommufd, and refuses the rest: 'Emulated endpoint devices "
              "are "
              "not allowed when using arm-smmuv3,accel=on'."),
          "QEMU smmuv3_accel_supports_as()",
      },
      vsmmu_rule_emulated_endpoint,
  },
  {
      {
          "endpoint-auto-placed",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("libvirt will place an emulated device behind an accelerated SMMUv3"),
          N_ ("A device without <address> gets the first free slot in the order of the controllers' indexes, which may "
              "be "
              "a port that was meant for a VFIO device. With pciBus='0' that is every device. The guest then does not "
              "start, see emulated-endpoint. The slot is found as libvirt finds it."),
          "libvirt qemuDomainAssignDevicePCISlots(); compared with 12.8 in the test suite",
      },
      vsmmu_rule_endpoint_auto_placed,
  },
  {
      {
          "hostdev-without-iommufd",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("A VFIO device behind an accelerated SMMUv3 without iommufd"),
          N_ ("Nesting exists only in iommufd, not in the old VFIO container. QEMU refuses the device: 'vfio-pci "
              "endpoint "
              "devices without an iommufd backend not allowed when using arm-smmuv3,accel=on'."),
          "QEMU smmuv3_accel_supports_as()",
      },
      vsmmu_rule_hostdev_without_iommufd,
  },
  {
      {
          "iommufd-disabled",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("iommufd is off for the whole domain"),
          N_ ("<iommufd enabled='no'/> is the default for every <hostdev> that does not say otherwise, and a device "
              "behind an "
              "accelerated SMMUv3 needs iommufd."),
          "libvirt formatdomain: Host Device IOMMUFD",
      },
      vsmmu_rule_iommufd_disabled,
  },
  {
      {
          "hostdev-outside-vsmmu",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("A VFIO device that no accelerated SMMUv3 translates for"),
          N_ ("The device works, but the guest has no IOMMU for it: no isolation, no nested use, no shared virtual "
              "addressing. Behind an SMMUv3 that is not accelerated it does not work at all: 'requires iommu MAP "
              "notifier "
              "which is not currently supported'."),
          "QEMU pci_device_iommu_address_space(); vfio_listener_region_add()",
      },
      vsmmu_rule_hostdev_outside_vsmmu,
  },
  {
      {
          "hostdev-duplicate",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("One host device given twice"),
          N_ ("A host PCI function can be given to a guest once. libvirt refuses a second <hostdev> with the same "
              "source."),
          "libvirt: Hostdev already exists in the domain configuration",
      },
      vsmmu_rule_hostdev_duplicate,
  },
  {
      {
          "vsmmu-empty",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("No VFIO device at start, and options left to QEMU"),
          N_ ("QEMU takes ats, ril, ssidsize and oas from the host's SMMU through the first VFIO device, unless they "
              "are "
              "given. With any of them left out, at least one device must be there at start: \"arm-smmuv3 accel=on "
              "with "
              "'auto' properties requires at least one cold-plugged VFIO device\". A vSMMU that only takes hotplugged "
              "devices needs all four."),
          "QEMU smmuv3_accel_machine_done()",
      },
      vsmmu_rule_vsmmu_empty,
  },
  {
      {
          "cmdqv-vsmmu-empty",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("cmdqv='on' with no VFIO device at start"),
          N_ ("The command queue is taken from the host's SMMU through the first VFIO device, before the guest starts. "
              "Without one QEMU exits with 'arm-smmuv3 cmdqv=on requires at least one cold-plugged VFIO device'; when "
              "ats, "
              "ril, ssidsize and oas are all given it does not even say that, and the guest has no command queue."),
          "QEMU smmuv3_accel_machine_done(); the notifier is registered only for automatic options",
      },
      vsmmu_rule_cmdqv_vsmmu_empty,
  },
  {
      {
          "cmdqv-small-pages",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("cmdqv='on' without huge pages"),
          N_ ("The guest's command queue must be contiguous in host memory, so QEMU limits it to one page of the "
              "memory "
              "backend: 256 entries with 4 KiB pages. Huge pages allow the full 8 MiB."),
          "QEMU tegra241_cmdqv_init_regs()",
      },
      vsmmu_rule_cmdqv_small_pages,
  },
  {
      {
          "pasid-without-ats",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("PASIDs without ATS"),
          N_ ("ssidsize above 0 tells the guest that devices may use PASIDs. Drivers use them for shared virtual "
              "addressing, "
              "which also needs ATS; with ats='off' they do not enable it."),
          "Linux arm_smmu_enable_pasid(), arm_smmu_ats_supported(); libvirt formatdomain: ssidsize",
      },
      vsmmu_rule_pasid_without_ats,
  },
  {
      {
          "pcihole64-not-power-of-two",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The 64-bit PCI hole has a size QEMU does not take"),
          N_ ("libvirt turns <pcihole64> into highmem-mmio-size. QEMU takes only powers of two, and nothing below its "
              "default of 512 GiB, and does not start otherwise."),
          "QEMU virt_set_highmem_mmio_size(); seen on 11.1.3",
      },
      vsmmu_rule_pcihole64_not_power_of_two,
  },
  {
      {
          "pxb-bus-range-overlap",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("Two root buses need the same bus numbers"),
          N_ ("A pcie-expander-bus starts at busNr and needs one more bus number for each port and bridge below it, up "
              "to "
              "the next root bus; pcie-root counts from 0. When a range is too small the firmware leaves devices "
              "without "
              "a bus number, and an accelerated SMMUv3 needs what the firmware assigned. libvirt counts down in twos "
              "from "
              "254 when busNr is not given, which leaves room for a single port."),
          "QEMU pxb_dev_realize_common(); libvirt qemuDomainAddressFindNewBusNr()",
      },
      vsmmu_rule_pxb_bus_range_overlap,
  },
  {
      {
          "no-free-hotplug-port",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_NOTE,
          N_ ("No port is free for hotplug"),
          N_ ("A device is hotplugged into an empty pcie-root-port or pcie-switch-downstream-port, and ports cannot be "
              "added while the guest runs. libvirt then takes a free port elsewhere, outside the vSMMU."),
          "libvirt qemuDomainEnsurePCIAddress()",
      },
      vsmmu_rule_no_free_hotplug_port,
  },
  {
      {
          "commandline-not-understood",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_ERROR,
          N_ ("QEMU arguments, overrides or capabilities reach an SMMUv3 or a VFIO device unchecked"),
          N_ ("Arguments in <qemu:commandline>, properties in <qemu:override> and changes in <qemu:capabilities> can "
              "make "
              "an SMMUv3, accelerate one, or give a VFIO device another iommufd, bus or host device, and neither "
              "libvirt "
              "nor the other rules see it: devices of two physical SMMUs behind one vSMMU then corrupt guest memory "
              "without a message. 'virt-vsmmu adapt --lift' turns what it understands into elements; this rule reports "
              "what is left, and what cannot be read, such as a configuration file."),
          "QEMU qemu_init(), qemu_global_option(), qemu_set_option(), qdev_device_add(); seen on 11.1.3",
      },
      vsmmu_rule_commandline_not_understood,
  },
  {
      {
          "commandline-conflict",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_WARNING,
          N_ ("Extra QEMU arguments meddle with the vSMMU"),
          N_ ("Arguments in <qemu:commandline> and properties in <qemu:override> go past libvirt's checks and these "
              "ones. "
              "QEMU creates devices in legacy syntax before libvirt's own, which changes what an SMMUv3 is checked "
              "against; a second IOMMU makes QEMU stop."),
          "QEMU virt_machine_device_pre_plug_cb(); order of -device options",
      },
      vsmmu_rule_commandline_conflict,
  },
  {
      {
          "not-migratable",
          VSMMU_RULE_GROUP_GUEST,
          VSMMU_SEVERITY_NOTE,
          N_ ("The guest cannot be migrated or saved"),
          N_ ("QEMU blocks migration, and with it saving and snapshots that include memory: 'Migration not supported "
              "with "
              "SMMUv3 accelerator mode enabled'."),
          "QEMU smmu_realize()",
      },
      vsmmu_rule_not_migratable,
  },
  {
      {
          "host-device-missing",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host has no such device"),
          N_ ("A <hostdev> names a PCI function that the host does not have, or one that is a bridge or port and "
              "belongs to the host. libvirt refuses to start the guest. A virtual function exists only after "
              "sriov_numvfs of its physical function was set."),
          "/sys/bus/pci/devices; libvirt virHostdevPreparePCIDevices()",
      },
      vsmmu_rule_host_device_missing,
  },
  {
      {
          "host-device-without-smmu",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("A device that is behind no SMMU of the host"),
          N_ ("An accelerated SMMUv3 hands the guest's tables to the physical SMMU in front of the device. Not "
              "every root complex has one: a function without the link 'iommu' in /sys has none that the kernel "
              "uses, and VFIO cannot give it to a guest either."),
          "Linux iommu_device_link(): /sys/bus/pci/devices/*/iommu; seen on a machine with two SMMUs, where "
          "functions on the bus without one have no such link",
      },
      vsmmu_rule_host_device_without_smmu,
  },
  {
      {
          "host-smmu-mismatch",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("Devices of different SMMUs of the host behind one SMMUv3"),
          N_ ("An accelerated SMMUv3 is bound to the physical SMMU of its first device. QEMU and libvirt accept a"
              " device of another one without a word: the guest's tables never reach that SMMU, and the device's "
              "DMA addresses are taken for guest physical ones. Seen with QEMU 11.1: the device stays dead and "
              "writes into guest memory where it should not; when both are there at start, the guest's command "
              "queue stops and the right device fails too. Use one pcie-expander-bus and one SMMUv3 for each SMMU"
              " of the host."),
          "QEMU smmuv3_accel_set_iommu_device(), which does not compare; Linux arm_vsmmu_init(), "
          "iommufd/viommu.c: EINVAL; tried with two SMMUs",
      },
      vsmmu_rule_host_smmu_mismatch,
  },
  {
      {
          "host-smmu-shared",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_NOTE,
          N_ ("Two SMMUv3s over one SMMU of the host"),
          N_ ("QEMU allows that. It is of use when a guest is to have its devices on different root buses, and "
              "costs a second set of tables and command queues; with cmdqv each takes a virtual interface of the "
              "SMMU."),
          "QEMU smmuv3_accel_set_iommu_device(), which makes one vIOMMU for each arm-smmuv3",
      },
      vsmmu_rule_host_smmu_shared,
  },
  {
      {
          "host-group-shared",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("A device that is not alone in its IOMMU group"),
          N_ ("What is in one IOMMU group cannot be told apart by the SMMU. The kernel attaches the nested tables"
              " of the guest to all of the group, and that fails for every other member, for functions of the "
              "same device as well as for a switch port without ACS. Seen with QEMU 11.1: it does not start, or "
              "the guest's first command for the device is an error and the device stays dead."),
          "Linux iommufd: attach of a nested domain needs a vDEVICE for each member (ENOENT); tried with a "
          "multifunction device and with a switch port",
      },
      vsmmu_rule_host_group_shared,
  },
  {
      {
          "host-no-iommufd",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host's kernel has no iommufd for SMMUv3"),
          N_ ("An accelerated SMMUv3 works through /dev/iommu, and the kernel gives it out only when built with "
              "CONFIG_IOMMUFD and CONFIG_ARM_SMMU_V3_IOMMUFD. The kernels of Debian have neither."),
          "Linux drivers/iommu/iommufd, drivers/iommu/arm/arm-smmu-v3/Kconfig; libvirt qemu_validate.c: "
          "IOMMUFD is not supported by host kernel",
      },
      vsmmu_rule_host_no_iommufd,
  },
  {
      {
          "host-no-vfio-cdev",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host has no VFIO character devices"),
          N_ ("With iommufd a VFIO device is opened as /dev/vfio/devices/vfioN, which exists when the kernel is "
              "built with CONFIG_VFIO_DEVICE_CDEV. Without it libvirt cannot start a guest that uses iommufd."),
          "Linux drivers/vfio/Kconfig; seen by KubeVirt users: no /dev/vfio/devices/vfioN, no passthrough",
      },
      vsmmu_rule_host_no_vfio_cdev,
  },
  {
      {
          "host-no-kvm",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host has no KVM"),
          N_ ("An accelerated SMMUv3 needs KVM with the interrupt controller in the kernel. /dev/kvm is missing "
              "when the kernel was built without KVM or started at EL1, as in a virtual machine without nested "
              "virtualization."),
          "QEMU virt_machine_device_pre_plug_cb(): SMMUv3 accel=on requires KVM with kernel-irqchip=on "
          "support",
      },
      vsmmu_rule_host_no_kvm,
  },
  {
      {
          "host-no-nesting",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The SMMU of the host cannot carry an accelerated SMMUv3"),
          N_ ("The SMMU must translate in two stages, and the kernel must trust it with that: for MMU-600 before "
              "r2 and for MMU-700 it does not, because of errata. Guest memory must stay coherent whatever the "
              "guest's tables say: either the SMMU has S2FWB, or the firmware says CANWBS of every root complex "
              "in front of it. Otherwise QEMU stops with 'IOMMU_VIOMMU_ALLOC failed: Operation not supported'."),
          "Linux arm_smmu_get_viommu_size(), arm_smmu_device_iidr_probe(); IORT root complex memory access "
          "flags; tried with and without CANWBS",
      },
      vsmmu_rule_host_no_nesting,
  },
  {
      {
          "host-stlevel",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The SMMU of the host has linear stream tables only"),
          N_ ("QEMU's SMMUv3 has stream tables of two levels, and refuses a device whose SMMU has not exactly "
              "that."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR0.ST_LEVEL",
      },
      vsmmu_rule_host_requirement,
  },
  {
      {
          "host-table-format",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The SMMU of the host has other translation tables"),
          N_ ("QEMU's SMMUv3 has little-endian tables in the AArch64 format, and refuses a device whose SMMU "
              "cannot use these."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR0.TTENDIAN, IDR0.TTF",
      },
      vsmmu_rule_host_requirement,
  },
  {
      {
          "host-sidsize",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The SMMU of the host has short StreamIDs"),
          N_ ("QEMU's SMMUv3 has StreamIDs of 16 bits, one for each function that a PCI bus hierarchy can have, "
              "and refuses a device whose SMMU has fewer."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR1.SIDSIZE",
      },
      vsmmu_rule_host_requirement,
  },
  {
      {
          "host-granule",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The SMMU of the host lacks a page size"),
          N_ ("QEMU's SMMUv3 offers pages of 4, 16 and 64 KiB, and refuses a device whose SMMU lacks one of them,"
              " even if the guest does not use it."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR5.GRAN4K, GRAN16K, GRAN64K",
      },
      vsmmu_rule_host_requirement,
  },
  {
      {
          "host-ats",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("ats='on' without ATS on the host"),
          N_ ("QEMU refuses a device whose SMMU lacks ATS when the SMMUv3 has it by ats='on'. Without ats it "
              "takes what the host has."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR0.ATS",
      },
      vsmmu_rule_host_switch,
  },
  {
      {
          "host-ril",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("ril='on' without range invalidation on the host"),
          N_ ("QEMU refuses a device whose SMMU lacks range invalidation when the SMMUv3 has it by ril='on': "
              "'Host SMMUv3 differs in Range Invalidation support'. Without ril it takes what the host has."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR3.RIL",
      },
      vsmmu_rule_host_switch,
  },
  {
      {
          "host-ssidsize",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("More SubstreamID bits than the host has"),
          N_ ("QEMU refuses a device whose SMMU has fewer bits of SubstreamIDs than the SMMUv3 has by ssidsize. "
              "Without ssidsize it takes what the host has."),
          "QEMU smmuv3_accel_check_hw_compatible(): IDR1.SSIDSIZE",
      },
      vsmmu_rule_host_ssidsize,
  },
  {
      {
          "host-oas",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("More address bits than the host has"),
          N_ ("QEMU refuses a device whose SMMU has a smaller output address size than the SMMUv3. Without oas "
              "the SMMUv3 has 44 bits; unlike the other options QEMU does not take this one from the host."),
          "QEMU smmuv3_accel_check_hw_compatible(), smmu_validate_property(): IDR5.OAS",
      },
      vsmmu_rule_host_oas,
  },
  {
      {
          "host-cmdqv",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("cmdqv='on' without command queue virtualization on the host"),
          N_ ("Only the SMMUs of Tegra241 (NVIDIA Grace) have command queues that a guest can use itself, and the"
              " kernel must be built with CONFIG_TEGRA241_CMDQV. QEMU refuses cmdqv='on' elsewhere; without cmdqv"
              " it uses them where they are."),
          "QEMU: CMDQV requested but not supported; Linux IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV",
      },
      vsmmu_rule_host_switch,
  },
  {
      {
          "host-msi-window",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host has another MSI window than QEMU says"),
          N_ ("The host's kernel maps the doorbell of its interrupt controller for VFIO devices into a window of "
              "I/O addresses. QEMU tells the guest, in a reserved memory range of the IORT, that this window is "
              "0x08000000-0x080fffff, without asking the kernel. On a kernel with another window the guest may "
              "use these addresses for its own, and interrupts are lost."),
          "QEMU build_iort_rmr_nodes(); Linux arm_smmu_get_resv_regions(): MSI_IOVA_BASE, MSI_IOVA_LENGTH; "
          "/sys/kernel/iommu_groups/*/reserved_regions",
      },
      vsmmu_rule_host_msi_window,
  },
  {
      {
          "host-numa",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_WARNING,
          N_ ("The guest is not told where its devices are"),
          N_ ("A guest with NUMA nodes places memory and interrupts near a device when the pcie-expander-bus says"
              " on which node it is. The node is one of the guest; which node of the host it stands for follows "
              "from <numatune>. With a wrong node or none the guest works, slower."),
          "libvirt formatdomain: <target><node> of pcie-expander-bus, <numatune><memnode>; "
          "/sys/class/iommu/*/device/numa_node",
      },
      vsmmu_rule_host_numa,
  },
  {
      {
          "host-driver-busy",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The device is bound to a driver of the host"),
          N_ ("VFIO needs the device to be bound to vfio-pci or a variant of it. With managed='yes' libvirt takes"
              " it from its driver at start, whether it is in use or not; with managed='no' it does not touch it "
              "and the guest does not start."),
          "libvirt virHostdevPreparePCIDevices(): not bound to vfio-pci",
      },
      vsmmu_rule_host_driver_busy,
  },
  {
      {
          "host-hugepages",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_ERROR,
          N_ ("The host has too few huge pages"),
          N_ ("With <hugepages> all memory of the guest comes from the pool of that size, and QEMU does not start"
              " when it is too small. Another guest may have taken what is free."),
          "Linux hugetlbpage; QEMU: unable to map backing store for guest RAM",
      },
      vsmmu_rule_host_hugepages,
  },
  {
      {
          "host-fact-unknown",
          VSMMU_RULE_GROUP_HOST,
          VSMMU_SEVERITY_NOTE,
          N_ ("Something about the host is not known"),
          N_ ("Facts that could not be read are unknown, and rules that need them say nothing. The registers of "
              "an SMMU can be read by root only, through a device behind it that is bound to vfio-pci and that no"
              " guest uses; the IORT and the kernel's log may need root too."),
          "Linux IOMMU_GET_HW_INFO; /sys/firmware/acpi/tables/IORT",
      },
      vsmmu_rule_host_fact_unknown,
  },
  {
      {
          "target-qemu-too-old",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_ERROR,
          N_ ("The QEMU has no accelerated SMMUv3"),
          N_ ("accel is a property of arm-smmuv3 since QEMU 11.0."),
          "QEMU 11.0 release",
      },
      vsmmu_rule_target_qemu_too_old,
  },
  {
      {
          "target-qemu-no-auto",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_ERROR,
          N_ ("The QEMU cannot take options from the host"),
          N_ ("QEMU 11.0 has the value 'auto' for ats, ril, ssidsize and oas but does not ask the host; that came with "
              "11.1. All four must be given."),
          "QEMU 11.0 qemu-options: 'auto' mode is not currently supported",
      },
      vsmmu_rule_target_qemu_no_auto,
  },
  {
      {
          "target-qemu-no-cmdqv",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_ERROR,
          N_ ("The QEMU has no cmdqv"),
          N_ ("cmdqv, the command queue virtualization of Tegra241, is a property of arm-smmuv3 since QEMU 11.1."),
          "QEMU 11.1 release",
      },
      vsmmu_rule_target_qemu_no_cmdqv,
  },
  {
      {
          "target-libvirt-drops-accel",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_ERROR,
          N_ ("The libvirt drops accel without a word"),
          N_ ("libvirt knows accel and its options since 12.7, and pciBus since 11.10. An older one accepts the "
              "document, "
              "forgets what it does not know and starts a guest with an emulated SMMUv3. From 8.2 on it can be made to "
              "pass all of it to QEMU: 'virt-vsmmu adapt' writes the domain in a form that it does not understand but "
              "carries, and virt-vsmmu-connect does that on the way to any libvirt, and shows the domain as it was "
              "written."),
          "libvirt formatdomain; seen on 11.3",
      },
      vsmmu_rule_target_libvirt_drops_accel,
  },
  {
      {
          "target-libvirt-no-iommufd",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_ERROR,
          N_ ("The libvirt drops iommufd without a word"),
          N_ ("libvirt knows iommufd in the <driver> of a <hostdev> since 12.1, and <iommufd> for the domain since "
              "12.2. An "
              "older one uses the old VFIO container, which an accelerated SMMUv3 cannot work with. 'virt-vsmmu adapt' "
              "and "
              "virt-vsmmu-connect give iommufd to the VFIO devices of a guest through QEMU's command line."),
          "libvirt formatdomain; seen on 11.3",
      },
      vsmmu_rule_target_libvirt_no_iommufd,
  },
  {
      {
          "target-device-acl",
          VSMMU_RULE_GROUP_TARGET,
          VSMMU_SEVERITY_WARNING,
          N_ ("QEMU must be allowed to open the iommufd devices"),
          N_ ("Since 12.1 libvirt opens /dev/iommu and /dev/vfio/devices/* itself and passes descriptors. With an "
              "older one "
              "QEMU has to open them: cgroup_device_acl in qemu.conf must list them, and the user that QEMU runs as "
              "needs "
              "permission."),
          "libvirt qemu.conf: cgroup_device_acl",
      },
      vsmmu_rule_target_device_acl,
  },
  {
      {
          "hotplug-unsupported",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("A device that cannot be attached to a running guest"),
          N_ ("Root buses, ports and IOMMUs belong to the machine: libvirt refuses to attach them, \"live attach of "
              "device 'iommu' is not supported\", as it does for memory balloons, sound, video and some others. They "
              "must be there when the guest starts."),
          "libvirt qemuDomainAttachDeviceLive(); tried on 12.8",
      },
      vsmmu_rule_hotplug_unsupported,
  },
  {
      {
          "hotplug-address-refused",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("libvirt would refuse the address of the device to be attached"),
          N_ ("Only function 0 of a slot can be attached while the guest runs, in PCI domain 0, and in a slot that its "
              "port has. A device with several functions cannot be attached as such: give its functions a port each, "
              "as libvirt takes them one by one."),
          "libvirt virDomainPCIAddressEnsureAddr(); tried on 12.8",
      },
      vsmmu_rule_hotplug_address_refused,
  },
  {
      {
          "hotplug-bus-missing",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("The device is to be attached to a bus that is missing or takes none"),
          N_ ("The bus in an <address> is the index of a PCI controller of the guest, and controllers cannot be added "
              "while it runs. A device goes into an empty pcie-root-port or pcie-switch-downstream-port without "
              "hotplug='off'; pcie-root and pcie-expander-bus take none while the guest runs. libvirt refuses the "
              "device: 'requires hotplug capability, but the PCI controller with index=... doesn't support hotplug'."),
          "libvirt virDomainPCIAddressValidate(); tried on 12.8",
      },
      vsmmu_rule_hotplug_bus_missing,
  },
  {
      {
          "hotplug-bus-full",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("There is no room for the device to be attached"),
          N_ ("A port takes one device. libvirt refuses an address that is in use, and when no address is given and no "
              "port is free: 'No more available PCI slots'. It adds no ports while the guest runs."),
          "libvirt qemuDomainEnsurePCIAddress(); tried on 12.8",
      },
      vsmmu_rule_hotplug_bus_full,
  },
  {
      {
          "hotplug-outside-vsmmu",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_WARNING,
          N_ ("A VFIO device to be attached where no accelerated SMMUv3 translates for it"),
          N_ ("Without an <address> libvirt takes the first free port by the indexes of the controllers, and knows "
              "nothing of vSMMUs. A device outside works, but the guest has no IOMMU for it; behind an SMMUv3 that is "
              "not accelerated QEMU refuses it: 'requires iommu MAP notifier which is not currently supported'."),
          "libvirt qemuDomainEnsurePCIAddress(); QEMU pci_device_iommu_address_space()",
      },
      vsmmu_rule_hotplug_outside_vsmmu,
  },
  {
      {
          "hotplug-smmu-mismatch",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("A device is attached behind the SMMUv3 of another physical SMMU"),
          N_ ("An accelerated SMMUv3 is tied to the physical SMMU of its first VFIO device. A device of another one is "
              "accepted by libvirt and by QEMU, which only writes 'IOMMU_VDEVICE_ALLOC failed: Invalid argument' to "
              "the log of the guest when the guest has the device's translation set up. Until then and after it the "
              "addresses that the device uses are taken for guest physical ones: it does not work, and what it writes "
              "lands in the guest's memory at the wrong place. Needs --host or --this-host."),
          "QEMU smmuv3_accel_set_iommu_device(); Linux arm_vsmmu_init(); seen in the emulated arm64 host with libvirt "
          "12.8",
      },
      vsmmu_rule_hotplug_smmu_mismatch,
  },
  {
      {
          "hotplug-auto-placed",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_WARNING,
          N_ ("libvirt will choose which SMMUv3 the device comes behind"),
          N_ ("Several accelerated SMMUv3s have free ports, and the device has no <address>. libvirt takes the first "
              "free port by the indexes of the controllers. Behind an SMMUv3 whose devices are on another physical "
              "SMMU the device does not work, and may write into the guest's memory at wrong places; neither libvirt "
              "nor QEMU checks that."),
          "libvirt qemuDomainEnsurePCIAddress(); QEMU smmuv3_accel_set_iommu_device()",
      },
      vsmmu_rule_hotplug_auto_placed,
  },
  {
      {
          "hotplug-options-frozen",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_NOTE,
          N_ ("Options that QEMU took from the first VFIO device"),
          N_ ("ats, ril and ssidsize that are not given are taken from the physical SMMU of the first VFIO device "
              "behind the SMMUv3, and oas is 44. From then on they are fixed, because the guest has seen them. A "
              "device attached later is refused when its physical SMMU can do less: 'Failed to set vIOMMU: Host SMMUv3 "
              "...'. They stay even when the first device has been detached."),
          "QEMU smmuv3_accel_check_hw_compatible(), auto_finalised",
      },
      vsmmu_rule_hotplug_options_frozen,
  },
  {
      {
          "hotplug-cmdqv-first",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_WARNING,
          N_ ("The first VFIO device behind an SMMUv3 is attached, and cmdqv is not off"),
          N_ ("On hosts with command queue virtualization (Tegra241) QEMU sets it up through the first VFIO device, "
              "but shows it to the guest only when that device is there at start. Attached later, the device cannot be "
              "detached again (QEMU: 'CMDQV is active: removing the device that established the viommu association "
              "would break the guest CMDQV'), and the guest has no command queue all the same."),
          "QEMU virt_smmuv3_dev_link_cmdqv(), tegra241_cmdqv_init(); from the order of the code, not tried",
      },
      vsmmu_rule_hotplug_cmdqv_first,
  },
  {
      {
          "unplug-device-missing",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_ERROR,
          N_ ("The device to be detached is not in the guest"),
          N_ ("libvirt looks for the device of the host that the document names, and refuses otherwise: 'device not "
              "found'."),
          "libvirt virDomainHostdevFind(); tried on 12.8",
      },
      vsmmu_rule_unplug_device_missing,
  },
  {
      {
          "unplug-last-device",
          VSMMU_RULE_GROUP_HOTPLUG,
          VSMMU_SEVERITY_NOTE,
          N_ ("A device is detached that its SMMUv3 depends on"),
          N_ ("With an active command queue (cmdqv) QEMU does not let go of the device through which it was set up, "
              "which is the first behind the SMMUv3. Otherwise, when the last device goes, so does the tie to the "
              "physical SMMU: the next device, whichever physical SMMU it is on, makes a new one, and devices of the "
              "first are then the wrong ones. Options that QEMU had taken from the first device stay."),
          "QEMU smmuv3_accel_unset_iommu_device(); seen in the emulated arm64 host",
      },
      vsmmu_rule_unplug_last_device,
  },
  {
      {
          "msi-doorbell-zero",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("An accelerated SMMUv3 has no doorbell"),
          N_ ("QEMU tells an accelerated SMMUv3 the doorbell of the machine's MSI controller. Without an ITS or a "
              "GICv2m "
              "frame that is address 0, and QEMU says nothing. Devices behind it then fall back to a shared interrupt, "
              "or a device that is hotplugged does not appear in the guest at all."),
          "QEMU virt_machine_device_pre_plug_cb() (msi-gpa); seen in the emulated arm64 host with its=off",
      },
      NULL,
  },
  {
      {
          "msi-doorbell-mismatch",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("QEMU offers another doorbell than the machine's"),
          N_ ("Only with msi --monitor. The doorbell that QEMU holds for an accelerated SMMUv3 (msi-gpa) is what KVM "
              "is "
              "given for every MSI behind it, whatever the guest wrote. It must be GITS_TRANSLATER of the ITS "
              "(0x08090040) or MSI_SETSPI_NS of the GICv2m frame (0x08020040); at another place in the frame no "
              "interrupt comes of it."),
          "QEMU pci_device_iommu_msi_direct_gpa(), kvm_arch_fixup_msi_route()",
      },
      NULL,
  },
  {
      {
          "msi-doorbell-not-controller",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("QEMU offers a doorbell outside of the MSI controller"),
          N_ ("Only with msi --monitor. As msi-doorbell-mismatch, and the address is not even in the frame of the "
              "machine's "
              "MSI controller: KVM finds no ITS there, and refuses the interrupt or loses it."),
          "Linux vgic_msi_to_its(); QEMU base_memmap",
      },
      NULL,
  },
  {
      {
          "msi-window-mismatch",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("The doorbell is outside of the window that the guest is told"),
          N_ ("Only with msi --monitor. The guest's IORT reserves 0x08000000-0x080fffff, which the guest maps one to "
              "one "
              "for devices behind an accelerated SMMUv3, because the host's kernel has its own MSI mapping there. A "
              "doorbell outside of that can be hit by what the guest maps elsewhere."),
          "QEMU build_iort_rmr_nodes(); Linux arm_smmu_get_resv_regions()",
      },
      NULL,
  },
  {
      {
          "msi-address-unmapped",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("The address of an MSI leads nowhere"),
          N_ ("Behind an emulated vIOMMU QEMU translates the address that the guest wrote into the vector. There is no "
              "translation for this one: the finding names the stage, the level and the descriptor at which it ends. "
              "What the device sends is then lost, with an event in the guest's SMMU, and a driver waits for an "
              "interrupt that never comes."),
          "QEMU smmuv3_translate(), kvm_arch_fixup_msi_route()",
      },
      NULL,
  },
  {
      {
          "msi-address-wrong-target",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("The address of an MSI leads to something that is no doorbell"),
          N_ ("Where no vIOMMU says what its doorbell is, an MSI is a write to the address in the vector, translated "
              "where "
              "there is a vIOMMU. This one ends where no interrupt comes of it; if that is memory, the device writes "
              "its vector number over what the guest has there."),
          "QEMU kvm_arch_fixup_msi_route(), msi_send_message()",
      },
      NULL,
  },
  {
      {
          "msi-device-on-other-bus",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("Where a device should be the guest has another one"),
          N_ ("Only with verify and watch. The configuration space of the guest shows a device with other ids than "
              "those "
              "of the host's device that the XML puts there. What is said of its vectors is then said of something "
              "else; the guest, or somebody with QEMU's monitor, has changed what is where."),
          "QEMU vfio_pci_config_setup(), which hands the ids of the host's device through",
      },
      NULL,
  },
  {
      {
          "vsmmu-attach-failed",
          VSMMU_RULE_GROUP_MSI,
          VSMMU_SEVERITY_ERROR,
          N_ ("QEMU could not set a device up behind an accelerated SMMUv3"),
          N_ ("Only with verify and watch, where the log of the domain can be read. QEMU goes on after it failed to "
              "make the host's SMMU use the guest's tables for a device ('IOMMU_VDEVICE_ALLOC failed', 'Failed to "
              "attach GBPA hwpt'), and neither libvirt nor the guest is told. Invalid argument means that the device "
              "is of another SMMU of the host."),
          "QEMU smmuv3_accel_install_ste(), smmuv3_accel_reset(); seen in the emulated arm64 host",
      },
      NULL,
  },
  { { NULL }, NULL },
};

const VsmmuRule *
vsmmu_rules_get (guint index)
{
  return index < G_N_ELEMENTS (vsmmu_rule_table) - 1 ? &vsmmu_rule_table[index].rule : NULL;
}

const VsmmuRule *
vsmmu_rules_find (const char *id)
{
  for (const VsmmuRuleRow *row = vsmmu_rule_table; row->rule.id != NULL; row++)
    if (strcmp (row->rule.id, id) == 0)
      return &row->rule;
  return NULL;
}

const char *
vsmmu_rules_suggest (const char *id)
{
  const char *ids[G_N_ELEMENTS (vsmmu_rule_table)];

  for (guint i = 0; i < G_N_ELEMENTS (vsmmu_rule_table); i++)
    ids[i] = vsmmu_rule_table[i].rule.id;
  return vsmmu_suggest (id, ids);
}

const char *
vsmmu_severity_to_string (VsmmuSeverity severity)
{
  static const char *const words[] = { "note", "warning", "error" };

  return words[severity];
}

const char *
vsmmu_rule_group_to_string (VsmmuRuleGroup group)
{
  static const char *const words[] = { N_ ("document"), N_ ("guest"),   N_ ("host"),
                                       N_ ("target"),   N_ ("hotplug"), N_ ("msi") };

  return words[group];
}
