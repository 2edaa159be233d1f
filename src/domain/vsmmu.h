/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/* The bus that @iommu names, if its pciBus names one; missing buses have no controller. */
const VsmmuBus *vsmmu_domain_bus_of (const VsmmuDomain *domain, const VsmmuDevice *iommu);

/* Whether @device is behind an accelerated vSMMU. */
gboolean vsmmu_domain_is_behind_accelerated (const VsmmuDomain *domain, const VsmmuDevice *device);

/* Whether @iommu is an accelerated vSMMU in effect on its root bus, so that what is below it counts. */
gboolean vsmmu_domain_is_effective (const VsmmuDomain *domain, const VsmmuDevice *iommu);

/* Whether some vSMMU has a pciBus that other rules report; the devices behind it are unknown then. */
gboolean vsmmu_domain_is_unclear (const VsmmuDomain *domain);

/* The machine-wide SMMUv3, which serves all root buses that have none of their own; or %NULL. */
const VsmmuDevice *vsmmu_domain_machine_wide (const VsmmuDomain *domain);

/* The accelerated vSMMU that @hostdev is behind, or %NULL. */
const VsmmuDevice *vsmmu_domain_accelerated_over (const VsmmuDomain *domain, const VsmmuDevice *hostdev);

/* The first accelerated vSMMU, where what is wrong with the host as a whole is reported; or %NULL. */
const VsmmuDevice *vsmmu_domain_first_accelerated (const VsmmuDomain *domain);

/* Sets @is_free for each bus that is an empty port into which a device can be hotplugged. */
void vsmmu_domain_find_free_ports (const VsmmuDomain *domain, gboolean is_free[VSMMU_PCI_BUSES_MAX]);
