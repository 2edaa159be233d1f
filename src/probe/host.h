/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * vsmmu_host_probe_for_domain:
 * @root: (nullable): as for vsmmu_host_probe()
 * @domain: a domain
 * @error: %VSMMU_ERROR_PROBE when @root has no /sys
 *
 * As vsmmu_host_probe() without flags, but of the PCI functions and IOMMU groups only
 * those are read that vsmmu_check_domain() looks at for @domain. So it takes as long
 * on a host with thousands of functions as on one with ten.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 */
VsmmuHost *vsmmu_host_probe_for_domain (const char *root, const VsmmuDomain *domain, GError **error);
