/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/vsmmu.h>

/*
 * vsmmu_collect:
 * @root: (nullable): directory with the /sys, /proc and /dev of a host; %NULL for this host
 * @flags: for this host
 * @path: the file to write, `-` for standard output
 *
 * Writes a listing of what a probe of the host reads, and says on standard error what is in it and what is not. A file
 * is written whole or not at all.
 *
 * Returns: the exit status
 */
int vsmmu_collect (const char *root, VsmmuHostProbeFlags flags, const char *path);
