/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"

/* Features that came with a release of libvirt or QEMU; each is a row of the table in releases.c. */
typedef enum {
  VSMMU_FEATURE_OVERRIDE,
  VSMMU_FEATURE_VFIO_DRIVER,
  VSMMU_FEATURE_MEM_RESERVE,
  VSMMU_FEATURE_PCI_BUS,
  VSMMU_FEATURE_IOMMUFD,
  VSMMU_FEATURE_DOMAIN_IOMMUFD,
  VSMMU_FEATURE_ACCEL,
  VSMMU_FEATURE_EMULATED_ITS,
  VSMMU_FEATURE_QEMU_ACCEL,
  VSMMU_FEATURE_QEMU_AUTO,
  VSMMU_FEATURE_QEMU_CMDQV,
  VSMMU_FEATURE_QEMU_IOMMUFD,
  VSMMU_FEATURE_QEMU_PASID,
  VSMMU_FEATURES,
} VsmmuFeature;

/* Whether the release @version of the program that @feature is of has it; not when that is 0. */
gboolean vsmmu_release_has (guint version, VsmmuFeature feature);

/* Whether @target names the program that @feature is of, and a release or build with it. */
gboolean vsmmu_target_has (const VsmmuTarget *target, VsmmuFeature feature);

/* Whether @target names the program that @feature is of, and one without it. */
gboolean vsmmu_target_lacks (const VsmmuTarget *target, VsmmuFeature feature);

/*
 * vsmmu_target_learn:
 * @has: whether the installed program has @feature, which counts from now on, whatever its version is
 */
void vsmmu_target_learn (VsmmuTarget *target, VsmmuFeature feature, gboolean has);

/* The first release with @feature, for messages: "12.7" */
const char *vsmmu_feature_since (VsmmuFeature feature);
