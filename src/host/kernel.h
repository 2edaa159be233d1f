/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What came with a release of Linux; a row of the table in kernel.c each. */
typedef enum {
  VSMMU_KERNEL_LOGS_NESTING,
  VSMMU_KERNEL_LOGS_S2FWB,
  VSMMU_KERNEL_ACCEL,
  VSMMU_KERNEL_HITLESS_STE,
  VSMMU_KERNEL_NESTS_MMU_700_R1P1,
  VSMMU_KERNEL_REPORTS_ATS,
  VSMMU_KERNEL_ONE_STREAM_ID,
  VSMMU_KERNEL_STRICT_INVALIDATION,
  VSMMU_KERNEL_FEATURES,
} VsmmuKernelFeature;

/*
 * VsmmuKernelAnswer:
 * @VSMMU_KERNEL_UNKNOWN: the release is not known
 * @VSMMU_KERNEL_NO: the release is older than the feature
 * @VSMMU_KERNEL_MAYBE: it is older, and of a vendor who adds later changes to older releases
 * @VSMMU_KERNEL_YES: the release has it
 */
typedef enum {
  VSMMU_KERNEL_UNKNOWN,
  VSMMU_KERNEL_NO,
  VSMMU_KERNEL_MAYBE,
  VSMMU_KERNEL_YES,
} VsmmuKernelAnswer;

/*
 * vsmmu_kernel_has:
 * @release: (nullable): as `uname -r` prints it: `6.17.0-1014-nvidia-64k`
 */
VsmmuKernelAnswer vsmmu_kernel_has (const char *release, VsmmuKernelFeature feature);

/* The first release of Linux with @feature: "6.19". */
const char *vsmmu_kernel_feature_since (VsmmuKernelFeature feature);
