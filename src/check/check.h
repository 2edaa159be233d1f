/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"
#include "check/rule.h"
#include "domain/domain.h"
#include "domain/room.h"
#include "host/binding.h"

/* One rule being applied to one domain. */
typedef struct {
  const VsmmuDomain *domain;    /* for hotplug rules, with a plug */
  const VsmmuTarget *target;    /* never %NULL for target rules */
  const VsmmuHost *host;        /* never %NULL for host rules */
  const VsmmuBinding *bindings; /* for host rules: vsmmu_bindings_find() */
  VsmmuRoom *room;              /* for hints: what one names is not named by the next */
  const VsmmuRule *rule;
  GPtrArray *findings;
  guint n_left_out; /* findings beyond the limit of one document */
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

/* The same at the <driver> of the vSMMU of @binding. @message: (transfer full): translated */
void vsmmu_check_report_vsmmu (VsmmuCheck *check, const VsmmuBinding *binding, char *hint, char *message);

/* One row of the table of rules. */
typedef struct {
  VsmmuRule rule;
  void (*apply) (VsmmuCheck *check); /* %NULL: findings come from the parser or the schema */
} VsmmuRuleRow;

/* The rules about one subject each, ending with a row without an id; row, text and function are in the file of that
 * name. */
extern const VsmmuRuleRow vsmmu_document_rules[];    /* document.c: the document and its values */
extern const VsmmuRuleRow vsmmu_pci_tree_rules[];    /* pci-tree.c: buses, root buses and vSMMUs over them */
extern const VsmmuRuleRow vsmmu_machine_rules[];     /* machine.c: machine, firmware and interrupt controller */
extern const VsmmuRuleRow vsmmu_endpoint_rules[];    /* endpoints.c: devices below vSMMUs */
extern const VsmmuRuleRow vsmmu_vsmmu_rules[];       /* vsmmu.c: a vSMMU, its options and its ports */
extern const VsmmuRuleRow vsmmu_memory_node_rules[]; /* memory-nodes.c: NUMA nodes for the memory of devices */
extern const VsmmuRuleRow vsmmu_commandline_rules[]; /* commandline.c: what libvirt passes to QEMU unchanged */
extern const VsmmuRuleRow vsmmu_host_device_rules[]; /* host-devices.c: devices of the host and what is around them */
extern const VsmmuRuleRow vsmmu_host_ats_rules[];    /* host-ats.c: ATS and PASIDs of devices of the host */
extern const VsmmuRuleRow vsmmu_host_gpu_rules[];    /* host-gpus.c: GPUs that have memory of their own, and BARs */
extern const VsmmuRuleRow vsmmu_host_kernel_rules[]; /* host-kernel.c: kernel and memory of the host */
extern const VsmmuRuleRow vsmmu_host_confinement_rules[]; /* host-confinement.c: what QEMU may open on the host */
extern const VsmmuRuleRow vsmmu_host_smmu_rules[];        /* host-smmu.c: what an SMMU of the host can do */
extern const VsmmuRuleRow vsmmu_host_cmdqv_rules[];       /* host-cmdqv.c: command queues of an SMMU for a guest */
extern const VsmmuRuleRow vsmmu_target_rules[];           /* target.c: versions of libvirt and QEMU */
extern const VsmmuRuleRow vsmmu_hotplug_rules[];          /* hotplug.c: a device that is attached or detached */
extern const VsmmuRuleRow vsmmu_msi_rules[];              /* msi.c: interrupts of a running guest */

/* The table with that number, or %NULL after the last. */
const VsmmuRuleRow *vsmmu_rule_table (guint index);

/*
 * vsmmu_check_place:
 * @is_plug: whether the message is about the device document
 *
 * Returns: (transfer full): where @device stands: "line 42", or "line 42 of guest.xml" when it is
 *   in the other document
 */
char *vsmmu_check_place (const VsmmuCheck *check, gboolean is_plug, const VsmmuDevice *device);
