/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/target.h"
#include "vsmmu/version.h"

/* Releases in VSMMU_VERSION_ENCODE() form, 0 when not given. */
struct _VsmmuTarget {
  guint libvirt;
  guint qemu;
};

/*
 * vsmmu_target_parse:
 * @text: as for vsmmu_target_new()
 * @target: (out):
 */
gboolean vsmmu_target_parse (const char *text, VsmmuTarget *target, GError **error);
