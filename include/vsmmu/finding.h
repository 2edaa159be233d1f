/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/rule.h>

G_BEGIN_DECLS

/**
 * VsmmuFinding:
 *
 * One thing that is wrong or worth knowing. Immutable and reference-counted.
 *
 * Since: 0.1
 */
typedef struct _VsmmuFinding VsmmuFinding;

#define VSMMU_TYPE_FINDING (vsmmu_finding_get_type ())
VSMMU_PUBLIC GType vsmmu_finding_get_type (void);

/**
 * vsmmu_finding_ref:
 * @finding: a finding
 *
 * Returns: (transfer full): @finding
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuFinding *vsmmu_finding_ref (VsmmuFinding *finding);

/**
 * vsmmu_finding_unref:
 * @finding: (transfer full) (nullable): a finding
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_finding_unref (VsmmuFinding *finding);

/**
 * vsmmu_finding_get_rule:
 * @finding: a finding
 *
 * Returns: (transfer none): the rule that reported it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const VsmmuRule *vsmmu_finding_get_rule (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_severity:
 * @finding: a finding
 *
 * Returns: its severity, which may differ from that of the rule
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuSeverity vsmmu_finding_get_severity (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_file:
 * @finding: a finding
 *
 * Returns: (transfer none): name of the document
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_finding_get_file (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_line:
 * @finding: a finding
 *
 * Returns: line in the document, starting at 1; 0 when the document is empty
 *
 * Since: 0.1
 */
VSMMU_PUBLIC guint vsmmu_finding_get_line (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_element:
 * @finding: a finding
 *
 * Returns: (transfer none): XPath of the element in the document, such as `/domain/devices/iommu[1]/driver`
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_finding_get_element (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_message:
 * @finding: a finding
 *
 * Returns: (transfer none): (translated) what is wrong, with the values
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_finding_get_message (const VsmmuFinding *finding);

/**
 * vsmmu_finding_get_hint:
 * @finding: a finding
 *
 * Returns: (transfer none): (translated) what to do about it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_finding_get_hint (const VsmmuFinding *finding);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuFinding, vsmmu_finding_unref)

G_END_DECLS
