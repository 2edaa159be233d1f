/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "msi/smmuv3.h"

/* One of the two ranges of addresses of a context descriptor. */
typedef struct {
  gboolean ignores_hierarchy; /* HAD: permissions in tables do not count */
  guint8 tsz;                 /* the range has 64 - tsz bits; 0 when it is off */
  guint8 granule;             /* in bits: 12, 14 or 16 */
  guint64 ttb;                /* GPA of the first table */
} VsmmuStage1Range;

typedef struct {
  VsmmuStage1Range ranges[2]; /* TTB0, TTB1 */
  guint8 output_bits;
  gboolean ignores_top_byte;    /* TBI */
  gboolean ignores_access_flag; /* AFFD */
} VsmmuStage1Config;

/* Walks the translation tables for a write to @iova (Arm DDI 0487, VMSAv8-64); %FALSE for a fault. */
gboolean vsmmu_stage1_walk (const VsmmuStage1Config *config, const VsmmuMemoryReader *memory, guint64 iova,
                            guint64 *gpa, VsmmuFault *fault);
