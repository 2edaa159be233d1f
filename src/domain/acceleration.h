/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/reach.h"

/* Whether @iommu is an accelerated vSMMU: accel='on' with a pciBus. */
gboolean vsmmu_iommu_is_accelerated (const VsmmuDevice *iommu);

/* Whether @iommu mentions acceleration at all; see vsmmu_domain_is_accelerated(). */
gboolean vsmmu_iommu_wants_acceleration (const VsmmuDevice *iommu);

/* Whether any reading of what is unclear in @root makes an accelerated vSMMU. */
gboolean vsmmu_domain_hides_vsmmu (const VsmmuDomain *domain, const xmlNode *root);

/* (nullable): in a domain that may have an accelerated SMMUv3, the first element that makes the places of devices
 * uncertain. */
const VsmmuReach *vsmmu_domain_first_reach (const VsmmuDomain *domain);
