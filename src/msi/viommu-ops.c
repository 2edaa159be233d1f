/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "msi/viommu.h"

/* A vIOMMU of another program. */
typedef struct {
  VsmmuViommu viommu;
  VsmmuViommuKind kind;
  VsmmuIommuOps ops;
  gpointer data;
} Foreign;

static gboolean
get_msi_direct_gpa (const VsmmuViommu *viommu, guint64 *gpa, GError **error)
{
  const Foreign *self = (const Foreign *) viommu;

  return self->ops.get_msi_direct_gpa (self->data, gpa, error);
}

static gboolean
translate (const VsmmuViommu *viommu, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error)
{
  const Foreign *self = (const Foreign *) viommu;

  return self->ops.translate (self->data, stream_id, iova, gpa, error);
}

static void
foreign_free (VsmmuViommu *viommu)
{
  Foreign *self = (Foreign *) viommu;

  if (self->ops.free != NULL)
    self->ops.free (self->data);
  g_free (self);
}

VsmmuViommu *
vsmmu_viommu_new (const VsmmuIommuOps *ops, gpointer data)
{
  Foreign *self = g_new0 (Foreign, 1);

  /* A program that was built with older headers has fewer. */
  memcpy (&self->ops, ops, MIN (ops->size, sizeof (*ops)));
  self->data = data;
  self->kind =
      (VsmmuViommuKind){ .name = self->ops.name,
                         .get_msi_direct_gpa = self->ops.get_msi_direct_gpa != NULL ? get_msi_direct_gpa : NULL,
                         .translate = self->ops.translate != NULL ? translate : NULL,
                         .free = foreign_free };
  self->viommu = (VsmmuViommu){ &self->kind, 1 };
  return &self->viommu;
}

/* An emulated SMMUv3 of another program, which owns the memory. */
typedef struct {
  VsmmuSmmuv3Source source;
  VsmmuMemoryReader memory;
  VsmmuSmmuv3Ops ops;
  gpointer data;
} ForeignSmmuv3;

static gboolean
read_memory (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  const ForeignSmmuv3 *self =
      (const ForeignSmmuv3 *) ((const guint8 *) reader - G_STRUCT_OFFSET (ForeignSmmuv3, memory));

  return self->ops.read_memory (self->data, address, buffer, length, error);
}

static void
leave_memory (VsmmuMemoryReader *reader G_GNUC_UNUSED)
{
}

static gboolean
read_32 (const ForeignSmmuv3 *self, guint offset, guint32 *value, GError **error)
{
  guint64 wide = 0;

  if (!self->ops.read_register (self->data, offset, &wide, error))
    return FALSE;
  *value = (guint32) wide;
  return TRUE;
}

static gboolean
read_registers (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *registers, GError **error)
{
  const ForeignSmmuv3 *self = (const ForeignSmmuv3 *) source;

  return read_32 (self, 0x000, &registers->idr0, error) && read_32 (self, 0x004, &registers->idr1, error) &&
         read_32 (self, 0x014, &registers->idr5, error) && read_32 (self, 0x020, &registers->cr0, error) &&
         read_32 (self, 0x044, &registers->gbpa, error) &&
         self->ops.read_register (self->data, 0x080, &registers->strtab_base, error) &&
         read_32 (self, 0x088, &registers->strtab_base_cfg, error);
}

static void
smmuv3_free (VsmmuSmmuv3Source *source)
{
  ForeignSmmuv3 *self = (ForeignSmmuv3 *) source;

  if (self->ops.free != NULL)
    self->ops.free (self->data);
  g_free (self);
}

VsmmuViommu *
vsmmu_viommu_new_smmuv3 (const VsmmuSmmuv3Ops *ops, gpointer data)
{
  ForeignSmmuv3 *self = g_new0 (ForeignSmmuv3, 1);

  memcpy (&self->ops, ops, MIN (ops->size, sizeof (*ops)));
  self->data = data;
  self->memory = (VsmmuMemoryReader){ .read = read_memory, .free = leave_memory };
  self->source = (VsmmuSmmuv3Source){ read_registers, &self->memory, smmuv3_free };
  return vsmmu_viommu_new_emulated (&self->source);
}
