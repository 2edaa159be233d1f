/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/stage1.h"

#include "msi/bits.h"
#include "msi/reader.h"

#define LAST_LEVEL 3
#define DESCRIPTOR_VALID 1
#define DESCRIPTOR_TABLE 2 /* a page on the last level */
#define AP_READ_ONLY 2
#define ADDRESS_BITS 48

/* All bits from the top of the range up must be 0, or 1, but for the top byte if it is ignored. */
static const VsmmuStage1Range *
find_range (const VsmmuStage1Config *config, guint64 iova)
{
  guint top = config->ignores_top_byte ? 56 : 64;

  for (guint i = 0; i < G_N_ELEMENTS (config->ranges); i++) {
    const VsmmuStage1Range *range = &config->ranges[i];
    guint64 upper;

    if (range->tsz == 0)
      continue;
    upper = vsmmu_bits (iova, top - 1, 64 - range->tsz);
    if (upper == (i == 0 ? 0 : vsmmu_mask (top - 64 + range->tsz)))
      return range;
  }
  return NULL;
}

static gboolean
is_table (guint64 descriptor, int level)
{
  return level < LAST_LEVEL && (descriptor & DESCRIPTOR_TABLE);
}

/* QEMU: a block may be on any level, even where the granule does not allow blocks. */
static gboolean
is_valid (guint64 descriptor, int level)
{
  return (descriptor & DESCRIPTOR_VALID) && (level < LAST_LEVEL || (descriptor & DESCRIPTOR_TABLE));
}

/* The last descriptor, of a page or a block of 1 << @shift bytes. */
static gboolean
finish (const VsmmuStage1Config *config, guint64 descriptor, guint64 address, int level, guint shift, guint64 iova,
        guint64 *gpa, VsmmuFault *fault)
{
  guint64 output = descriptor & vsmmu_mask (ADDRESS_BITS) & ~vsmmu_mask (shift);

  if (!vsmmu_bits (descriptor, 10, 10) && !config->ignores_access_flag)
    return vsmmu_fault_set_level (fault, VSMMU_FAULT_ACCESS, address, level);
  /* QEMU: every write is privileged, so AP[1] does not count. */
  if (vsmmu_bits (descriptor, 7, 6) & AP_READ_ONLY)
    return vsmmu_fault_set_level (fault, VSMMU_FAULT_PERMISSION, address, level);
  if (output & ~vsmmu_mask (config->output_bits))
    return vsmmu_fault_set_level (fault, VSMMU_FAULT_ADDRESS_SIZE, address, level);
  *gpa = output | (iova & vsmmu_mask (shift));
  return TRUE;
}

gboolean
vsmmu_stage1_walk (const VsmmuStage1Config *config, const VsmmuMemoryReader *memory, guint64 iova, guint64 *gpa,
                   VsmmuFault *fault)
{
  const VsmmuStage1Range *range = find_range (config, iova);
  guint stride;
  guint input_bits;
  guint shift;
  guint64 table;
  int level;

  if (range == NULL)
    return vsmmu_fault_set (fault, VSMMU_FAULT_NO_RANGE);
  stride = range->granule - 3u;
  input_bits = 64u - range->tsz;
  level = LAST_LEVEL + 1 - (int) ((input_bits - 4) / stride);
  shift = range->granule + (guint) (LAST_LEVEL - level) * stride;
  iova &= vsmmu_mask (input_bits);
  /* The first table may be shorter than a page and lies at a multiple of its size. */
  table = range->ttb & ~vsmmu_mask (input_bits - shift + 3);
  for (;; level++, shift -= stride) {
    guint64 address = table + (iova >> shift & vsmmu_mask (stride)) * 8;
    guint64 descriptor;

    if (!vsmmu_memory_reader_get (memory, address, &descriptor, 1, NULL))
      return vsmmu_fault_set_level (fault, VSMMU_FAULT_TABLE_UNREADABLE, address, level);
    if (!is_valid (descriptor, level))
      return vsmmu_fault_set_level (fault, VSMMU_FAULT_UNMAPPED, address, level);
    if (!is_table (descriptor, level))
      return finish (config, descriptor, address, level, shift, iova, gpa, fault);
    /* QEMU: APTable ends the walk at once, where the specification would have a later translation fault win. */
    if ((vsmmu_bits (descriptor, 62, 61) & AP_READ_ONLY) && !range->ignores_hierarchy)
      return vsmmu_fault_set_level (fault, VSMMU_FAULT_TABLE_PERMISSION, address, level);
    /* QEMU: only what the last descriptor leads to is compared with the output size. */
    table = descriptor & vsmmu_mask (ADDRESS_BITS) & ~vsmmu_mask (range->granule);
  }
}
