/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VsmmuSeverity:
 * @VSMMU_SEVERITY_NOTE: worth knowing
 * @VSMMU_SEVERITY_WARNING: it works, but not as meant or only by luck
 * @VSMMU_SEVERITY_ERROR: it will not work
 *
 * How bad a finding is; the larger, the worse.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_SEVERITY_NOTE,
  VSMMU_SEVERITY_WARNING,
  VSMMU_SEVERITY_ERROR,
} VsmmuSeverity;

/**
 * VsmmuRule:
 *
 * A check for one kind of mistake, with the reason and the source of the fact. Rules are static and shared by all
 * threads.
 *
 * Since: 0.1
 */
typedef struct _VsmmuRule VsmmuRule;

#define VSMMU_TYPE_RULE (vsmmu_rule_get_type ())
VSMMU_PUBLIC GType vsmmu_rule_get_type (void);

/**
 * vsmmu_rules_get:
 * @index: index of a rule, starting at 0
 *
 * Returns: (transfer none) (nullable): the rule; %NULL after the last one
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const VsmmuRule *vsmmu_rules_get (guint index);

/**
 * vsmmu_rules_find:
 * @id: the id of a rule
 *
 * Returns: (transfer none) (nullable): the rule with that id
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const VsmmuRule *vsmmu_rules_find (const char *id);

/**
 * vsmmu_rule_get_id:
 * @rule: a rule
 *
 * Returns: (transfer none): an identifier such as `host-smmu-mismatch`; stable across releases, not translated
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_rule_get_id (const VsmmuRule *rule);

/**
 * vsmmu_rule_get_severity:
 * @rule: a rule
 *
 * Returns: the default severity of its findings; see vsmmu_finding_get_severity()
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuSeverity vsmmu_rule_get_severity (const VsmmuRule *rule);

/**
 * vsmmu_rule_get_title:
 * @rule: a rule
 *
 * Returns: (transfer none): (translated) one line without a full stop
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_rule_get_title (const VsmmuRule *rule);

/**
 * vsmmu_rule_get_explanation:
 * @rule: a rule
 *
 * Returns: (transfer none): (translated) why the rule exists, what QEMU and libvirt do instead, and how to fix it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_rule_get_explanation (const VsmmuRule *rule);

/**
 * vsmmu_rule_get_source:
 * @rule: a rule
 *
 * Returns: (transfer none): the QEMU, libvirt or kernel function, or the document, that the rule is based on; not
 *   translated
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_rule_get_source (const VsmmuRule *rule);

/**
 * vsmmu_severity_to_string:
 * @severity: a severity
 *
 * Returns: (transfer none): `note`, `warning` or `error`, as JSON and SARIF spell it; not translated
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_severity_to_string (VsmmuSeverity severity);

G_END_DECLS
