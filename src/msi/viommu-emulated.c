/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "msi/viommu.h"

typedef struct {
  VsmmuViommu viommu;
  VsmmuSmmuv3Source *source; /* (nullable) */
} Emulated;

static gboolean
translate (const VsmmuViommu *viommu, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error)
{
  const Emulated *self = (const Emulated *) viommu;
  VsmmuSmmuv3Registers registers;
  VsmmuFault fault;

  if (self->source == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the MSI address 0x%" PRIx64 " of StreamID 0x%x cannot be translated without the guest memory"),
                 iova, stream_id);
    return FALSE;
  }
  if (!self->source->read_registers (self->source, &registers, error))
    return FALSE;
  if (vsmmu_smmuv3_translate (&registers, self->source->memory, stream_id, iova, gpa, &fault))
    return TRUE;
  vsmmu_fault_set_error (&fault, stream_id, iova, error);
  return FALSE;
}

static void
emulated_free (VsmmuViommu *viommu)
{
  Emulated *self = (Emulated *) viommu;

  vsmmu_smmuv3_source_free (self->source);
  g_free (self);
}

static const VsmmuViommuKind emulated_kind = {
  .name = "emulated SMMUv3",
  .translate = translate,
  .free = emulated_free,
};

VsmmuViommu *
vsmmu_viommu_new_emulated (VsmmuSmmuv3Source *source)
{
  Emulated *self = g_new0 (Emulated, 1);

  self->viommu = (VsmmuViommu){ &emulated_kind, 1 };
  self->source = source;
  return &self->viommu;
}
