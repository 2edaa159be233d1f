/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VSMMU_VERSION_ENCODE: a release as one number that compares, as libvirt's own
 * version numbers do: 1,000,000 * major + 1,000 * minor + micro.
 */
#define VSMMU_VERSION_ENCODE(major, minor, micro) (1000000u * (major) + 1000u * (minor) + (micro))

/**
 * VsmmuTarget:
 * @libvirt: libvirt release in VSMMU_VERSION_ENCODE() form; 0 when not given
 * @qemu: QEMU release in the same form; 0 when not given
 *
 * The libvirt and QEMU an XML document is meant for.
 */
typedef struct {
  guint libvirt;
  guint qemu;
} VsmmuTarget;

/**
 * vsmmu_target_parse:
 * @text: `libvirt=11.3,qemu=11.1`, either part alone, or with a third number
 * @target: (out): the target
 * @error: %VSMMU_ERROR_VALUE
 *
 * Returns: %FALSE with @error set when @text is anything else
 */
VSMMU_PUBLIC gboolean vsmmu_target_parse (const char *text, VsmmuTarget *target, GError **error);

/**
 * vsmmu_target_probe:
 * @uri: (nullable): libvirt connection URI; %NULL for qemu:///system
 * @target: (out): the target
 * @error: %VSMMU_ERROR_PROBE
 *
 * Asks the libvirt daemon behind @uri, over a read-only connection, for its own
 * version (virConnectGetLibVersion()) and that of the QEMU it runs
 * (virConnectGetVersion()). libvirt's client library is loaded when it is
 * needed first.
 *
 * Returns: %FALSE with @error set when there is no library, daemon or answer
 */
VSMMU_PUBLIC gboolean vsmmu_target_probe (const char *uri, VsmmuTarget *target, GError **error);

G_END_DECLS
