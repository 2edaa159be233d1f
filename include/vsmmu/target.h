/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VsmmuTarget:
 *
 * The libvirt and QEMU that an XML document is meant for.
 *
 * Since: 0.1
 */
typedef struct _VsmmuTarget VsmmuTarget;

#define VSMMU_TYPE_TARGET (vsmmu_target_get_type ())
VSMMU_PUBLIC GType vsmmu_target_get_type (void);

/**
 * vsmmu_target_new:
 * @text: versions as in `libvirt=11.3,qemu=11.1`; either part may be missing, and a version may have a third number
 * @error: %VSMMU_ERROR_VALUE when @text has any other form
 *
 * Returns: (transfer full): a target, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuTarget *vsmmu_target_new (const char *text, GError **error);

/**
 * vsmmu_target_new_for_uri:
 * @uri: (nullable): libvirt connection URI; %NULL for qemu:///system
 * @error: %VSMMU_ERROR_PROBE when libvirt's client library is missing or the daemon does not answer
 *
 * Asks the libvirt daemon behind @uri, over a read-only connection, for its own version (virConnectGetLibVersion())
 * and for the version of its QEMU (virConnectGetVersion()). libvirt's client library is loaded on first use.
 *
 * Returns: (transfer full): a target, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuTarget *vsmmu_target_new_for_uri (const char *uri, GError **error);

/**
 * vsmmu_target_free:
 * @target: (transfer full) (nullable): a target
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_target_free (VsmmuTarget *target);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuTarget, vsmmu_target_free)

G_END_DECLS
