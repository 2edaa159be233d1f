/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * vsmmu_target_probe:
 * @uri: (nullable): as for vsmmu_target_new_for_uri()
 * @target: (out):
 *
 * Asks a libvirt daemon for versions, and for one of this host also what is installed, as vsmmu_target_refine() does.
 */
gboolean vsmmu_target_probe (const char *uri, VsmmuTarget *target, GError **error);

/*
 * vsmmu_target_refine:
 * @target: versions that a daemon on this host reports, which are those of the release whatever a vendor added
 *
 * Asks the installed libvirt and QEMU what they have, as far as they are of these versions.
 */
void vsmmu_target_refine (VsmmuTarget *target);

/*
 * vsmmu_target_probe_for_domain:
 * @domain: as libvirt is about to start it
 * @target: (out): with the QEMU that it names, if this may be run; of libvirt nothing, because what that has dropped is
 * not in @domain any more
 *
 * Asks QEMU, and not libvirt, which may be waiting for us.
 */
void vsmmu_target_probe_for_domain (const VsmmuDomain *domain, VsmmuTarget *target);
