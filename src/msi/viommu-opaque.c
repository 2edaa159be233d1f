/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "msi/viommu.h"

static gboolean
translate (G_GNUC_UNUSED const VsmmuViommu *viommu, G_GNUC_UNUSED guint32 stream_id, guint64 iova,
           G_GNUC_UNUSED guint64 *gpa, GError **error)
{
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
               _ ("the MSI address 0x%" PRIx64 " cannot be translated: a virtio-iommu keeps its mappings in QEMU, not "
                  "in guest memory"),
               iova);
  return FALSE;
}

static void
opaque_free (VsmmuViommu *viommu)
{
  g_free (viommu);
}

static const VsmmuViommuKind opaque_kind = {
  .name = "virtio-iommu",
  .translate = translate,
  .free = opaque_free,
};

VsmmuViommu *
vsmmu_viommu_new_opaque (void)
{
  VsmmuViommu *self = g_new0 (VsmmuViommu, 1);

  *self = (VsmmuViommu){ &opaque_kind, 1 };
  return self;
}
