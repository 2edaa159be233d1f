/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/* What QEMU's accelerated SMMUv3 requires of every SMMU, whatever its options are. */
typedef struct {
  const char *rule;
  VsmmuSmmuCapability capability;
  gint64 min;
  gint64 max;
} VsmmuRequirement;

/* smmuv3_accel_check_hw_compatible(); ends with a row without a rule. */
extern const VsmmuRequirement vsmmu_requirements[];

/* Whether @smmu is known not to meet @requirement. */
gboolean vsmmu_requirement_is_broken (const VsmmuRequirement *requirement, const VsmmuHostSmmu *smmu);

/* Whether the MSI window of @group is known to differ from the window that QEMU assumes. */
gboolean vsmmu_host_group_has_other_window (const VsmmuHostGroup *group);

/* (transfer full) (nullable): the MSI windows of @group as text: "0x8000000-0x80fffff"; %NULL without */
char *vsmmu_host_group_describe_windows (const VsmmuHostGroup *group);
