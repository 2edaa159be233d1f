/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/vsmmu.h>

/*
 * vsmmu_facts_load:
 * @path: (nullable): what --host gives: a file of facts, `-`, or a directory
 *   with the /sys, /proc and /dev of a host; %NULL for this host
 * @flags: for this host
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 */
VsmmuHost *vsmmu_facts_load (const char *path, VsmmuHostProbeFlags flags, GError **error);
