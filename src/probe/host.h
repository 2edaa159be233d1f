/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"
#include "probe/recording.h"

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

/*
 * vsmmu_host_new_from_listing:
 * @data: a listing, see probe/listing.h
 * @name: what messages call it
 * @error: %VSMMU_ERROR_FACTS
 *
 * Returns: (transfer full): what vsmmu_host_probe() reads of the files in the listing, or %NULL with @error set
 */
VsmmuHost *vsmmu_host_new_from_listing (const char *data, gsize length, const char *name, GError **error);

/*
 * vsmmu_host_collect:
 * @root: (nullable): as for vsmmu_host_probe()
 * @flags: as for vsmmu_host_probe()
 * @host: (out) (transfer full): the facts
 * @count: (out): what is in the listing, and what was left out
 * @error: %VSMMU_ERROR_PROBE when @root has no /sys
 *
 * Reads a host and keeps what was read. The answers of the kernel, libvirt and QEMU are in it too, as facts.
 *
 * Returns: (transfer full): a listing, that vsmmu_host_new_from_listing() reads the same facts from; %NULL with @error
 *   set
 */
char *vsmmu_host_collect (const char *root, VsmmuHostProbeFlags flags, VsmmuHost **host, VsmmuRecordingCount *count,
                          GError **error);
