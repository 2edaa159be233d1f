/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsmmu/version.h"

#define LINUX_STABLE(major, minor, patch)                                                                              \
  {                                                                                                                    \
    VSMMU_VERSION_ENCODE (major, minor, patch), #major "." #minor "." #patch                                           \
  }
#define LINUX(major, minor)                                                                                            \
  {                                                                                                                    \
    VSMMU_VERSION_ENCODE (major, minor, 0), #major "." #minor                                                          \
  }

static const struct {
  guint since;
  const char *text;
} features[] = {
  [VSMMU_KERNEL_LOGS_NESTING] = LINUX (6, 6), /* bit 19 of the features that the driver prints */
  [VSMMU_KERNEL_LOGS_S2FWB] = LINUX (6, 13),  /* bit 23 of them, and vIOMMUs at all */
  /* Bypass and abort are attached before there is a vDEVICE: arm_smmu_attach_prepare_vmaster(). */
  [VSMMU_KERNEL_ACCEL] = LINUX (6, 19),
  /* An STE changes between stage 2 and both stages without being invalid for a moment; in 7.0, and in this release. */
  [VSMMU_KERNEL_HITLESS_STE] = LINUX_STABLE (6, 19, 14),
  [VSMMU_KERNEL_NESTS_MMU_700_R1P1] = LINUX (7, 1),  /* arm_smmu_device_iidr_probe() */
  [VSMMU_KERNEL_REPORTS_ATS] = LINUX (7, 1),         /* IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED */
  [VSMMU_KERNEL_ONE_STREAM_ID] = LINUX (7, 1),       /* arm_vsmmu_vdevice_init(): EOPNOTSUPP for any other number */
  [VSMMU_KERNEL_STRICT_INVALIDATION] = LINUX (7, 3), /* arm_vsmmu_validate_user_cmd() */
};
G_STATIC_ASSERT (G_N_ELEMENTS (features) == VSMMU_KERNEL_FEATURES);

/*
 * In releases of kernels that vendors build with later changes: NVIDIA's for Ubuntu and DGX OS, and the kernel of
 * Jetson. NVIDIA's 6.17 and 6.18 attach without a vDEVICE (NVIDIA/NV-Kernels, pull request 305).
 */
static const char *const vendors[] = { "-nvidia", "-tegra" };

static gboolean
is_of_vendor (const char *release)
{
  for (guint i = 0; i < G_N_ELEMENTS (vendors); i++)
    if (strstr (release, vendors[i]) != NULL)
      return TRUE;
  return FALSE;
}

VsmmuKernelAnswer
vsmmu_kernel_has (const char *release, VsmmuKernelFeature feature)
{
  char major[4];
  char minor[4];
  char patch[4] = "0";

  /* Not %u, which takes a sign. */
  if (release == NULL || sscanf (release, "%3[0-9].%3[0-9].%3[0-9]", major, minor, patch) < 2)
    return VSMMU_KERNEL_UNKNOWN;
  if (VSMMU_VERSION_ENCODE ((guint) atoi (major), (guint) atoi (minor), (guint) atoi (patch)) >=
      features[feature].since)
    return VSMMU_KERNEL_YES;
  return is_of_vendor (release) ? VSMMU_KERNEL_MAYBE : VSMMU_KERNEL_NO;
}

const char *
vsmmu_kernel_feature_since (VsmmuKernelFeature feature)
{
  return features[feature].text;
}
