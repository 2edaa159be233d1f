/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VsmmuSeverity:
 * @VSMMU_SEVERITY_NOTE: worth knowing
 * @VSMMU_SEVERITY_WARNING: it works, but not as meant or only by luck
 * @VSMMU_SEVERITY_ERROR: it will not work
 */
typedef enum {
  VSMMU_SEVERITY_NOTE,
  VSMMU_SEVERITY_WARNING,
  VSMMU_SEVERITY_ERROR,
} VsmmuSeverity;

/**
 * VsmmuRuleGroup:
 * @VSMMU_RULE_GROUP_DOCUMENT: what stands in the document, attribute by attribute
 * @VSMMU_RULE_GROUP_GUEST: how the parts of the guest fit together
 * @VSMMU_RULE_GROUP_HOST: what a host has and can do
 * @VSMMU_RULE_GROUP_TARGET: what a libvirt and a QEMU version can do
 * @VSMMU_RULE_GROUP_HOTPLUG: what comes of attaching a device to a running guest,
 *   or of detaching one
 * @VSMMU_RULE_GROUP_MSI: where the interrupts of a running guest go, vsmmu_guest_observe()
 */
typedef enum {
  VSMMU_RULE_GROUP_DOCUMENT,
  VSMMU_RULE_GROUP_GUEST,
  VSMMU_RULE_GROUP_HOST,
  VSMMU_RULE_GROUP_TARGET,
  VSMMU_RULE_GROUP_HOTPLUG,
  VSMMU_RULE_GROUP_MSI,
} VsmmuRuleGroup;

/**
 * VsmmuRule:
 * @id: stable kebab-case word
 * @group: what the rule looks at
 * @severity: severity of its findings, unless a finding says otherwise
 * @title: (translatable): one line without a full stop
 * @explanation: (translatable): why the rule exists, what QEMU and libvirt do
 *   instead, and how to mend it
 * @source: the QEMU, libvirt or kernel function, check or document the fact is from
 */
typedef struct {
  const char *id;
  VsmmuRuleGroup group;
  VsmmuSeverity severity;
  const char *title;
  const char *explanation;
  const char *source;
} VsmmuRule;

/**
 * vsmmu_rules_get:
 * @index: 0 for the first rule
 *
 * Returns: (nullable): the rule, statically owned; %NULL after the last one
 */
VSMMU_PUBLIC const VsmmuRule *vsmmu_rules_get (guint index);

/**
 * vsmmu_rules_find:
 *
 * Returns: (nullable): the rule with that id, statically owned
 */
VSMMU_PUBLIC const VsmmuRule *vsmmu_rules_find (const char *id);

/**
 * vsmmu_rules_suggest:
 * @id: a word that is no rule id
 *
 * Returns: (nullable): the id the user probably meant, statically owned
 */
VSMMU_PUBLIC const char *vsmmu_rules_suggest (const char *id);

/**
 * vsmmu_severity_to_string:
 *
 * Returns: `note`, `warning` or `error`, as JSON and SARIF spell it; not translated
 */
VSMMU_PUBLIC const char *vsmmu_severity_to_string (VsmmuSeverity severity);

/**
 * vsmmu_rule_group_to_string:
 *
 * Returns: `document`, `guest`, `host`, `target`, `hotplug` or `msi`; not translated
 */
VSMMU_PUBLIC const char *vsmmu_rule_group_to_string (VsmmuRuleGroup group);

G_END_DECLS
