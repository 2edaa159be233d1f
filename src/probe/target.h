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
 * Where a version says that something is missing, adds what the installed libvirt and QEMU have, as far as they are of
 * these versions.
 */
void vsmmu_target_refine (VsmmuTarget *target);
