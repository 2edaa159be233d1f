/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "msi/reader.h"

/*
 * VsmmuSmmuv3Registers:
 *
 * The registers of an emulated SMMUv3 that decide how it translates, by their
 * names in the SMMUv3 specification (IHI 0070, chapter 6). A running guest's are
 * read with a width of 4 bytes each, @strtab_base with 8 or two times 4.
 */
typedef struct {
  guint32 idr0;            /* 0x000 */
  guint32 idr1;            /* 0x004 */
  guint32 idr5;            /* 0x014 */
  guint32 cr0;             /* 0x020 */
  guint32 gbpa;            /* 0x044 */
  guint64 strtab_base;     /* 0x080 */
  guint32 strtab_base_cfg; /* 0x088 */
} VsmmuSmmuv3Registers;

/*
 * VsmmuSmmuv3Source:
 * @read_registers: fills in the registers as they are now
 * @memory: (transfer full): where its tables are
 * @free: frees the source itself, but not @memory
 *
 * Where the state of one emulated SMMUv3 comes from. Must be the first member of the implementation's structure;
 * may be used by several threads at
 * once.
 */
typedef struct _VsmmuSmmuv3Source VsmmuSmmuv3Source;
struct _VsmmuSmmuv3Source {
  gboolean (*read_registers) (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *registers, GError **error);
  VsmmuMemoryReader *memory;
  void (*free) (VsmmuSmmuv3Source *source);
};

void vsmmu_smmuv3_source_free (VsmmuSmmuv3Source *source);

/*
 * vsmmu_smmuv3_source_new_fixed:
 * @registers: values that do not change
 * @memory: (transfer full): guest memory
 *
 * Returns: (transfer full): the state of an SMMUv3 as it was when memory was dumped
 */
VsmmuSmmuv3Source *vsmmu_smmuv3_source_new_fixed (const VsmmuSmmuv3Registers *registers, VsmmuMemoryReader *memory);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuSmmuv3Source, vsmmu_smmuv3_source_free)

/* Why an SMMUv3 does not translate, and at what. */
typedef enum {
  VSMMU_FAULT_GBPA_ABORT,
  VSMMU_FAULT_STREAM_RANGE,
  VSMMU_FAULT_L1_UNREADABLE,
  VSMMU_FAULT_L1_INVALID,
  VSMMU_FAULT_L1_SPAN,
  VSMMU_FAULT_STE_UNREADABLE,
  VSMMU_FAULT_STE_INVALID,
  VSMMU_FAULT_STE_ABORT,
  VSMMU_FAULT_STE_STAGE,
  VSMMU_FAULT_STE_STAGE_2,
  VSMMU_FAULT_STE_SUBSTREAMS,
  VSMMU_FAULT_STE_DISABLED,
  VSMMU_FAULT_STE_STALL,
  VSMMU_FAULT_L1CD_UNREADABLE,
  VSMMU_FAULT_L1CD_INVALID,
  VSMMU_FAULT_CD_UNREADABLE,
  VSMMU_FAULT_CD_INVALID,
  VSMMU_FAULT_CD_AARCH32,
  VSMMU_FAULT_CD_TERMINATE,
  VSMMU_FAULT_CD_STALL,
  VSMMU_FAULT_CD_HARDWARE_FLAGS,
  VSMMU_FAULT_CD_SIZE,
  VSMMU_FAULT_CD_GRANULE,
  VSMMU_FAULT_CD_ENDIAN,
  VSMMU_FAULT_CD_TTB,
  VSMMU_FAULT_NO_RANGE,
  VSMMU_FAULT_TABLE_UNREADABLE,
  VSMMU_FAULT_UNMAPPED,
  VSMMU_FAULT_TABLE_PERMISSION,
  VSMMU_FAULT_ACCESS,
  VSMMU_FAULT_PERMISSION,
  VSMMU_FAULT_ADDRESS_SIZE,
} VsmmuFaultReason;

/* No descriptor, or none of a translation table. */
#define VSMMU_FAULT_NO_LEVEL (-1)

typedef struct {
  VsmmuFaultReason reason;
  gboolean has_descriptor;
  guint64 descriptor; /* GPA of what is wrong */
  int level;          /* of the translation table, 0 to 3, or VSMMU_FAULT_NO_LEVEL */
} VsmmuFault;

/* Fills in @fault; always %FALSE. */
gboolean vsmmu_fault_set (VsmmuFault *fault, VsmmuFaultReason reason);
gboolean vsmmu_fault_set_at (VsmmuFault *fault, VsmmuFaultReason reason, guint64 descriptor);
gboolean vsmmu_fault_set_level (VsmmuFault *fault, VsmmuFaultReason reason, guint64 descriptor, int level);

/* The event that the SMMUv3 records (IHI 0070, 7.3), "F_TRANSLATION"; "" for none. */
const char *vsmmu_fault_get_event (const VsmmuFault *fault);

/* Sets @error to a sentence that names stage, level and descriptor. */
void vsmmu_fault_set_error (const VsmmuFault *fault, guint32 stream_id, guint64 iova, GError **error);

/*
 * vsmmu_smmuv3_translate:
 * @registers: as they are now
 * @memory: where the tables are
 * @stream_id: that the write comes from
 * @gpa: (out): where a write to @iova goes
 * @fault: (out): why it goes nowhere
 *
 * What an emulated SMMUv3 does with the write of an MSI, without its caches. Where QEMU 11.1 differs from the
 * specification (Arm IHI 0070), this does what QEMU does: the comments in smmuv3.c and stage1.c say "QEMU:"
 * there.
 *
 * Returns: %FALSE for a fault
 */
gboolean vsmmu_smmuv3_translate (const VsmmuSmmuv3Registers *registers, const VsmmuMemoryReader *memory,
                                 guint32 stream_id, guint64 iova, guint64 *gpa, VsmmuFault *fault);
