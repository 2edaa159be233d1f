/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/rule.h>

G_BEGIN_DECLS

/**
 * VsmmuFinding:
 * @rule: the rule that speaks; statically owned
 * @severity: how bad it is here
 * @file: name of the document
 * @line: 1-based line in @file; 0 when the document has none (an empty one)
 * @element: path of the element in the document, as XPath:
 *   `/domain/devices/iommu[1]/driver`
 * @message: (translated): what is wrong, naming the values
 * @hint: (translated): what to do about it
 */
typedef struct {
  const VsmmuRule *rule;
  VsmmuSeverity severity;
  char *file;
  guint line;
  char *element;
  char *message;
  char *hint;
} VsmmuFinding;

VSMMU_PUBLIC void vsmmu_finding_free (VsmmuFinding *finding);

/**
 * vsmmu_findings_count:
 * @findings: (element-type VsmmuFinding): findings
 * @severity: the severity to count
 *
 * Returns: how many findings have exactly @severity
 */
VSMMU_PUBLIC guint vsmmu_findings_count (const GPtrArray *findings, VsmmuSeverity severity);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuFinding, vsmmu_finding_free)

G_END_DECLS
