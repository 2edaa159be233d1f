/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/version.h"
#include "vsmmu/target.h"
#include "vsmmu/version.h"

/*
 * Releases in VSMMU_VERSION_ENCODE() form, 0 when not given, and the builds of packagers, "" for none.
 * @asked has a bit for each VsmmuFeature that the installed program itself was asked about, and @has one for each of
 * them that it has; see vsmmu_target_learn().
 */
struct _VsmmuTarget {
  guint libvirt;
  guint qemu;
  char libvirt_build[VSMMU_BUILD_SIZE];
  char qemu_build[VSMMU_BUILD_SIZE];
  guint asked;
  guint has;
};

/*
 * vsmmu_target_parse:
 * @text: as for vsmmu_target_new()
 * @target: (out):
 */
gboolean vsmmu_target_parse (const char *text, VsmmuTarget *target, GError **error);

/* (transfer full): the version with the build: "11.9.0+nvidia4" */
char *vsmmu_target_libvirt_to_string (const VsmmuTarget *target);
char *vsmmu_target_qemu_to_string (const VsmmuTarget *target);
