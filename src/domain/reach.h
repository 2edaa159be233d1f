/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * What libvirt passes to QEMU unchanged or with overrides, and which of it creates, changes or affects an SMMUv3 or a
 * VFIO device: whatever lifting has not turned into elements is not understood.
 */

typedef enum {
  VSMMU_REACH_NONE,
  VSMMU_REACH_VFIO,        /* a VFIO device, where it is, or its iommufd */
  VSMMU_REACH_SMMU,        /* an SMMUv3, which may stay an emulated one */
  VSMMU_REACH_ACCELERATED, /* an SMMUv3 that may be accelerated because of this */
} VsmmuReachKind;

/* How it reaches QEMU. */
typedef enum {
  VSMMU_REACH_BY_DEVICE,
  VSMMU_REACH_BY_JSON, /* as the one before, in JSON that cannot be read */
  VSMMU_REACH_BY_OBJECT,
  VSMMU_REACH_BY_GLOBAL,
  VSMMU_REACH_BY_SET,
  VSMMU_REACH_BY_MACHINE,
  VSMMU_REACH_BY_CONFIG,
  VSMMU_REACH_BY_OVERRIDE,
  VSMMU_REACH_BY_CAPABILITY,
} VsmmuReachWay;

typedef struct {
  const VsmmuPassthrough *from;
  const VsmmuPassthrough *option; /* (nullable): the argument before it */
  VsmmuReachKind kind;
  VsmmuReachWay way;
} VsmmuReach;

/* Finds all of @domain, whose devices have their ids, in the order of arguments, overrides and capabilities. */
void vsmmu_reach_find (VsmmuDomain *domain);

/* Whether any of it may give the guest an accelerated SMMUv3. */
gboolean vsmmu_reach_may_accelerate (const VsmmuDomain *domain);
