/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "host/binding.h"
#include "vsmmu/check.h"

/* One rule being applied to one domain. */
typedef struct {
  const VsmmuDomain *domain;    /* for hotplug rules, with a plug */
  const VsmmuTarget *target;    /* never %NULL for target rules */
  const VsmmuHost *host;        /* never %NULL for host rules */
  const VsmmuBinding *bindings; /* for host rules: vsmmu_bindings_find() */
  const VsmmuRule *rule;
  GPtrArray *findings;
  guint n_left_out; /* findings past what one document may have */
  VsmmuSeverity worst_left_out;
} VsmmuCheck;

/*
 * vsmmu_check_report:
 * @element: (transfer full): XPath
 * @hint: (transfer full): translated
 * @format: translated message
 *
 * Adds a finding of the rule being applied.
 */
void vsmmu_check_report (VsmmuCheck *check, guint line, char *element, char *hint, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/* The same with another severity than the rule's own. */
void vsmmu_check_report_as (VsmmuCheck *check, VsmmuSeverity severity, guint line, char *element, char *hint,
                            const char *format, ...) G_GNUC_PRINTF (6, 7);

/* One row of the table of rules. */
typedef struct {
  VsmmuRule rule;
  void (*apply) (VsmmuCheck *check); /* %NULL: findings come from the parser or the schema */
} VsmmuRuleRow;

/* The table, ending with a row without an id. */
extern const VsmmuRuleRow vsmmu_rule_table[];

/* Document rules: document.c */
void vsmmu_rule_unknown_driver_attribute (VsmmuCheck *check);
void vsmmu_rule_invalid_attribute_value (VsmmuCheck *check);
void vsmmu_rule_ambiguous_xml (VsmmuCheck *check);
void vsmmu_rule_option_without_accel (VsmmuCheck *check);
void vsmmu_rule_accel_without_pci_bus (VsmmuCheck *check);
void vsmmu_rule_iommu_has_address (VsmmuCheck *check);

/* Guest rules about machine and firmware: machine.c */
void vsmmu_rule_machine_not_virt (VsmmuCheck *check);
void vsmmu_rule_needs_kvm (VsmmuCheck *check);
void vsmmu_rule_needs_acpi (VsmmuCheck *check);
void vsmmu_rule_needs_uefi (VsmmuCheck *check);
void vsmmu_rule_no_msi_controller (VsmmuCheck *check);
void vsmmu_rule_gic_version_implicit (VsmmuCheck *check);
void vsmmu_rule_gicv2_limits (VsmmuCheck *check);
void vsmmu_rule_pcihole64_not_power_of_two (VsmmuCheck *check);
void vsmmu_rule_not_migratable (VsmmuCheck *check);

/* Guest rules about what libvirt passes to QEMU as it is: commandline.c */
void vsmmu_rule_commandline_not_understood (VsmmuCheck *check);
void vsmmu_rule_commandline_conflict (VsmmuCheck *check);

/* Guest rules about the PCI tree: guest.c */
void vsmmu_rule_pci_address_invalid (VsmmuCheck *check);
void vsmmu_rule_pci_controller_order (VsmmuCheck *check);
void vsmmu_rule_pci_bus_missing (VsmmuCheck *check);
void vsmmu_rule_pci_bus_not_root (VsmmuCheck *check);
void vsmmu_rule_pci_bus_shared (VsmmuCheck *check);
void vsmmu_rule_iommu_models_mixed (VsmmuCheck *check);
void vsmmu_rule_emulated_endpoint (VsmmuCheck *check);
void vsmmu_rule_endpoint_auto_placed (VsmmuCheck *check);
void vsmmu_rule_hostdev_without_iommufd (VsmmuCheck *check);
void vsmmu_rule_iommufd_disabled (VsmmuCheck *check);
void vsmmu_rule_hostdev_outside_vsmmu (VsmmuCheck *check);
void vsmmu_rule_hostdev_duplicate (VsmmuCheck *check);
void vsmmu_rule_vsmmu_empty (VsmmuCheck *check);
void vsmmu_rule_cmdqv_vsmmu_empty (VsmmuCheck *check);
void vsmmu_rule_cmdqv_small_pages (VsmmuCheck *check);
void vsmmu_rule_pasid_without_ats (VsmmuCheck *check);
void vsmmu_rule_pxb_bus_range_overlap (VsmmuCheck *check);
void vsmmu_rule_no_free_hotplug_port (VsmmuCheck *check);

/* Host rules about devices, kernel and memory: host.c */
void vsmmu_rule_host_device_missing (VsmmuCheck *check);
void vsmmu_rule_host_device_without_smmu (VsmmuCheck *check);
void vsmmu_rule_host_smmu_mismatch (VsmmuCheck *check);
void vsmmu_rule_host_smmu_shared (VsmmuCheck *check);
void vsmmu_rule_host_group_shared (VsmmuCheck *check);
void vsmmu_rule_host_no_iommufd (VsmmuCheck *check);
void vsmmu_rule_host_no_vfio_cdev (VsmmuCheck *check);
void vsmmu_rule_host_no_kvm (VsmmuCheck *check);
void vsmmu_rule_host_msi_window (VsmmuCheck *check);
void vsmmu_rule_host_numa (VsmmuCheck *check);
void vsmmu_rule_host_driver_busy (VsmmuCheck *check);
void vsmmu_rule_host_hugepages (VsmmuCheck *check);

/* Host rules about what an SMMU can do: host-smmu.c */
void vsmmu_rule_host_no_nesting (VsmmuCheck *check);
void vsmmu_rule_host_requirement (VsmmuCheck *check); /* every rule in vsmmu_requirements */
void vsmmu_rule_host_switch (VsmmuCheck *check);      /* ats, ril, cmdqv */
void vsmmu_rule_host_ssidsize (VsmmuCheck *check);
void vsmmu_rule_host_oas (VsmmuCheck *check);
void vsmmu_rule_host_fact_unknown (VsmmuCheck *check);

/* Target rules: target.c */
void vsmmu_rule_target_qemu_too_old (VsmmuCheck *check);
void vsmmu_rule_target_qemu_no_auto (VsmmuCheck *check);
void vsmmu_rule_target_qemu_no_cmdqv (VsmmuCheck *check);
void vsmmu_rule_target_libvirt_drops_accel (VsmmuCheck *check);
void vsmmu_rule_target_libvirt_no_iommufd (VsmmuCheck *check);
void vsmmu_rule_target_device_acl (VsmmuCheck *check);

/* Hotplug rules: hotplug.c */
void vsmmu_rule_hotplug_unsupported (VsmmuCheck *check);
void vsmmu_rule_hotplug_address_refused (VsmmuCheck *check);
void vsmmu_rule_hotplug_bus_missing (VsmmuCheck *check);
void vsmmu_rule_hotplug_bus_full (VsmmuCheck *check);
void vsmmu_rule_hotplug_outside_vsmmu (VsmmuCheck *check);
void vsmmu_rule_hotplug_smmu_mismatch (VsmmuCheck *check);
void vsmmu_rule_hotplug_auto_placed (VsmmuCheck *check);
void vsmmu_rule_hotplug_options_frozen (VsmmuCheck *check);
void vsmmu_rule_hotplug_cmdqv_first (VsmmuCheck *check);
void vsmmu_rule_unplug_device_missing (VsmmuCheck *check);
void vsmmu_rule_unplug_last_device (VsmmuCheck *check);

/*
 * vsmmu_check_place:
 * @is_plug: whether the message is about what stands in the device document
 *
 * Returns: (transfer full): where @device stands: "line 42", or "line 42 of guest.xml" when it is
 *   in the other document
 */
char *vsmmu_check_place (const VsmmuCheck *check, gboolean is_plug, const VsmmuDevice *device);
