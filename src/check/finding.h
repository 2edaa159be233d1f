/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/rule.h"
#include "vsmmu/finding.h"

struct _VsmmuFinding {
  const VsmmuRule *rule;
  VsmmuSeverity severity;
  char *file;
  guint line;
  char *element;
  char *message;
  char *hint;
};

/*
 * vsmmu_finding_new:
 * @element: (transfer full)
 * @message: (transfer full)
 * @hint: (transfer full)
 *
 * Returns: (transfer full): a finding of @rule
 */
VsmmuFinding *vsmmu_finding_new (const VsmmuRule *rule, VsmmuSeverity severity, const char *file, guint line,
                                 char *element, char *message, char *hint);

typedef gboolean (*VsmmuFindingTest) (const VsmmuFinding *finding, gconstpointer data);

/* Removes those that pass @is_removed from @findings, which holds a reference to each. */
void vsmmu_findings_remove_if (GPtrArray *findings, VsmmuFindingTest is_removed, gconstpointer data);

/* Removes the findings of @rules (array zero-terminated=1). */
void vsmmu_findings_remove (GPtrArray *findings, const char *const *rules);

/* Removes the findings that are less severe than @severity. */
void vsmmu_findings_remove_below (GPtrArray *findings, VsmmuSeverity severity);

/* How many findings have exactly @severity; @findings: (element-type VsmmuFinding) */
guint vsmmu_findings_count (const GPtrArray *findings, VsmmuSeverity severity);
