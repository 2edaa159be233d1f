/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VsmmuSchema:
 *
 * libvirt's RELAX NG schema for domains, with what libvsmmu accepts for
 * `<iommu model='smmuv3'>` and VFIO hostdevs in place of libvirt's own
 * definitions. Immutable, so several threads may validate against one.
 */
typedef struct _VsmmuSchema VsmmuSchema;

/**
 * vsmmu_schema_new:
 * @libvirt_schema: (nullable): path of libvirt's `domain.rng`; %NULL to look
 *   where libvirt installs it
 * @error: %VSMMU_ERROR_READ
 *
 * Returns: (transfer full): the compiled schema, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuSchema *vsmmu_schema_new (const char *libvirt_schema, GError **error);

VSMMU_PUBLIC void vsmmu_schema_free (VsmmuSchema *schema);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuSchema, vsmmu_schema_free)

G_END_DECLS
