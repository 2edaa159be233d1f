/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/finding.h"

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
