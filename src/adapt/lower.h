/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"
#include "vsmmu/lower.h"

/*
 * VsmmuStrategy:
 * @VSMMU_STRATEGY_NATIVE: libvirt 12.7 and newer support all of it; nothing changes
 * @VSMMU_STRATEGY_OVERRIDE: libvirt 11.10 to 12.6 supports `<iommu>` with pciBus; the options go into a
 *   `<qemu:override>` of it
 * @VSMMU_STRATEGY_STAND_IN: libvirt 8.2 to 11.9 does not support vSMMUs at all; a PCI controller stands in for each,
 *   which a `<qemu:override>` turns into an arm-smmuv3
 *
 * How a domain with vSMMUs gets through a libvirt to QEMU.
 */
typedef enum {
  VSMMU_STRATEGY_NATIVE,
  VSMMU_STRATEGY_OVERRIDE,
  VSMMU_STRATEGY_STAND_IN,
} VsmmuStrategy;

/*
 * vsmmu_strategy_choose:
 * @target: what the domain is for; without a QEMU release, a recent enough QEMU is assumed
 * @strategy: (out): how
 * @error: %VSMMU_ERROR_UNSUPPORTED when the libvirt is older than 8.2 or the QEMU older than 11.0, and
 *   %VSMMU_ERROR_VALUE when @target names no libvirt
 *
 * Returns: %FALSE with @error set when there is no way
 */
gboolean vsmmu_strategy_choose (const VsmmuTarget *target, VsmmuStrategy *strategy, GError **error);

/*
 * vsmmu_lower_domain_file:
 * @path: a file, in the encoding of file names, or `-` for standard input
 * @target: as for vsmmu_lower_domain(), as are the rest
 *
 * Returns: (transfer full): domain XML with a NUL after it, or %NULL with @error set
 */
char *vsmmu_lower_domain_file (const char *path, const VsmmuTarget *target, GPtrArray *notes, gsize *out_length,
                               GError **error);

/*
 * vsmmu_lift_file:
 * @path: a file, in the encoding of file names, or `-` for standard input
 * @notes: as for vsmmu_lift(), as are the rest
 *
 * Returns: (transfer full): XML with a NUL after it, or %NULL with @error set
 */
char *vsmmu_lift_file (const char *path, GPtrArray *notes, gsize *out_length, GError **error);
