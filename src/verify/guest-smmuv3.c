/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-smmuv3.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "domain/virt-machine.h"
#include "libvirt/guest-memory.h"
#include "msi/smmuv3.h"

/* The registers of an emulated SMMUv3 as they were when a pass first needed them. */
typedef struct {
  VsmmuSmmuv3Registers values;
  gboolean is_read;
} LiveRegisters;

typedef struct {
  VsmmuSmmuv3Source source;
  const VsmmuMemoryReader *reader;
  guint64 at; /* GPA */
  LiveRegisters *live;
} LiveSmmu;

/* Widths are those of the registers, and each is a read of the guest: those that do not matter are left out. */
static const struct {
  guint offset;
  gsize width;
  gsize member;
  gboolean is_for_on; /* matters while the SMMUv3 is on */
  gboolean is_for_off;
} registers[] = {
  { 0x00, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr0), TRUE, TRUE },
  { 0x20, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, cr0), TRUE, TRUE },
  { 0x44, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, gbpa), FALSE, TRUE },
  { 0x04, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr1), TRUE, FALSE },
  { 0x14, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr5), TRUE, FALSE },
  { 0x88, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, strtab_base_cfg), TRUE, FALSE },
  { 0x80, 8, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, strtab_base), TRUE, FALSE },
};
#define REGISTERS_FOR_ANY 2
#define CR0_SMMUEN (1u << 0)

static gboolean
read_registers (const LiveSmmu *smmu, GError **error)
{
  VsmmuSmmuv3Registers *values = &smmu->live->values;

  for (guint i = 0; i < G_N_ELEMENTS (registers); i++) {
    gboolean is_on = (values->cr0 & CR0_SMMUEN) != 0;
    gpointer member = G_STRUCT_MEMBER_P (values, registers[i].member);
    guint64 raw = 0;

    if (i >= REGISTERS_FOR_ANY && !(is_on ? registers[i].is_for_on : registers[i].is_for_off))
      continue;
    if (!smmu->reader->read (smmu->reader, smmu->at + registers[i].offset, &raw, registers[i].width, error))
      return FALSE;
    if (registers[i].width == sizeof (guint64))
      *(guint64 *) member = GUINT64_FROM_LE (raw);
    else
      *(guint32 *) member = (guint32) GUINT64_FROM_LE (raw);
  }
  return TRUE;
}

/* Where there is no SMMUv3, zeros are read, which would look like an SMMUv3 that is off. */
static gboolean
get_registers (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *values, GError **error)
{
  const LiveSmmu *smmu = (const LiveSmmu *) source;

  if (!smmu->live->is_read && !read_registers (smmu, error))
    return FALSE;
  smmu->live->is_read = TRUE;
  if (smmu->live->values.idr0 == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("no SMMUv3 responds at 0x%" PRIx64), smmu->at);
    return FALSE;
  }
  *values = smmu->live->values;
  return TRUE;
}

static void
free_source (VsmmuSmmuv3Source *source)
{
  g_free (((LiveSmmu *) source)->live);
  g_free (source);
}

VsmmuSmmuv3Source *
vsmmu_guest_smmuv3_new (const VsmmuEcam *ecam, guint64 at)
{
  LiveSmmu *smmu = g_new (LiveSmmu, 1);

  *smmu = (LiveSmmu){
    .source = { get_registers, vsmmu_page_reader_new (ecam->reader, VSMMU_VIRT_MEMORY_START, ecam->memory_end),
                free_source },
    .reader = ecam->reader,
    .at = at,
    .live = g_new0 (LiveRegisters, 1),
  };
  return &smmu->source;
}
