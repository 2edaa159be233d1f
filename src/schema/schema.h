/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "vsmmu/rule.h"

/*
 * VsmmuSchema:
 *
 * libvirt's RELAX NG schema for domains, with what libvsmmu accepts for
 * `<iommu model='smmuv3'>` and VFIO hostdevs in place of libvirt's own
 * definitions. Immutable, so several threads may validate against one.
 */
typedef struct _VsmmuSchema VsmmuSchema;

/*
 * vsmmu_schema_new:
 * @libvirt_schema: (nullable): path of libvirt's `domain.rng`; %NULL to look
 *   where libvirt installs it
 * @error: %VSMMU_ERROR_READ
 *
 * Returns: (transfer full): the compiled schema, or %NULL with @error set
 */
VsmmuSchema *vsmmu_schema_new (const char *libvirt_schema, GError **error);

void vsmmu_schema_free (VsmmuSchema *schema);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuSchema, vsmmu_schema_free)

/* Whether @document fits @schema as a whole; vsmmu_schema_check() says where it does not. */
gboolean vsmmu_schema_is_valid (const VsmmuSchema *schema, xmlDocPtr document);
