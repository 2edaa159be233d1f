/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/smmuv3.h"

#include "msi/bits.h"
#include "msi/reader.h"
#include "msi/stage1.h"

#define CR0_SMMUEN (1u << 0)
#define GBPA_ABORT (1u << 20)
#define PHYSICAL_BITS 52
#define STE_SIZE 64
#define L1_DESCRIPTOR_SIZE 8
#define FORMAT_2_LEVELS 1
/* QEMU: a stream id has 16 bits, bus, slot and function, whatever IDR1.SIDSIZE says. */
#define STREAM_ID_BITS 16
/* STE.Config */
#define CONFIG_TRANSLATES 4
#define CONFIG_STAGE_1 1
#define CONFIG_STAGE_2 2
/* STE.S1DSS: what becomes of a write without a substream id when the stream has substreams */
#define S1DSS_TERMINATE 0
#define S1DSS_BYPASS 1

typedef struct {
  const VsmmuSmmuv3Registers *registers;
  const VsmmuMemoryReader *memory;
  VsmmuFault *fault;
} Walk;

/* What an STE specifies for a write without a SubstreamID. */
typedef struct {
  gboolean is_bypassed; /* the address is a GPA */
  guint64 cd;           /* GPA of the context descriptor */
} Stream;

/* The least and greatest TSZ that a context descriptor may have, without the small tables of SMMUv3.1. */
#define TSZ_MIN 16
#define TSZ_MAX 39

static guint
count_output_bits (guint64 field)
{
  static const guint8 bits[] = { 32, 36, 40, 42, 44, 48 };

  /* QEMU: ends with an assertion when a context descriptor has more. */
  return bits[MIN (field, G_N_ELEMENTS (bits) - 1)];
}

/* What STRTAB_BASE_CFG.SPLIT means: how many bits of a stream id are for the second level. */
static guint
get_split (const Walk *walk)
{
  guint split = (guint) vsmmu_bits (walk->registers->strtab_base_cfg, 10, 6);

  return split == 8 || split == 10 ? split : 6;
}

/* GPA of a stream table with entries of 1 << @entry bytes, 1 << @count of them: it lies at a multiple of its size. */
static guint64
get_table (const Walk *walk, guint count, guint entry)
{
  return walk->registers->strtab_base & vsmmu_mask (PHYSICAL_BITS) & ~vsmmu_mask (MAX (count + entry, 6));
}

/* GPA of the STE of @stream_id in a table that has two levels. */
static gboolean
find_ste_2_levels (const Walk *walk, guint32 stream_id, guint log2size, guint64 *ste)
{
  guint split = get_split (walk);
  guint64 table = get_table (walk, log2size > split ? log2size - split : 0, 3);
  guint64 address = table + (guint64) (stream_id >> split) * L1_DESCRIPTOR_SIZE;
  guint32 index = stream_id & (guint32) vsmmu_mask (split);
  guint64 descriptor;
  guint span;

  if (!vsmmu_memory_reader_get (walk->memory, address, &descriptor, 1, NULL))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_L1_UNREADABLE, address);
  span = (guint) vsmmu_bits (descriptor, 4, 0);
  if (span == 0 || span > split + 1)
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_L1_INVALID, address);
  /* QEMU: accepts twice as many STEs as the specification, and records another event beyond that. */
  if (index > vsmmu_mask (span))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_L1_SPAN, address);
  /* QEMU: does not mask bits 63 to 52. */
  *ste = (descriptor & ~vsmmu_mask (span + 5)) + (guint64) index * STE_SIZE;
  return TRUE;
}

/* GPA of the STE of @stream_id. */
static gboolean
find_ste (const Walk *walk, guint32 stream_id, guint64 *ste)
{
  guint log2size = (guint) vsmmu_bits (walk->registers->strtab_base_cfg, 5, 0);

  if (stream_id >= 1u << MIN (log2size, STREAM_ID_BITS))
    return vsmmu_fault_set (walk->fault, VSMMU_FAULT_STREAM_RANGE);
  /* QEMU: once a guest has had two levels, it has them until a reset, which the register does not show. */
  if (vsmmu_bits (walk->registers->strtab_base_cfg, 17, 16) == FORMAT_2_LEVELS)
    return find_ste_2_levels (walk, stream_id, log2size, ste);
  *ste = get_table (walk, log2size, 6) + (guint64) stream_id * STE_SIZE;
  return TRUE;
}

/* A stream that has substreams. */
static gboolean
find_substream_0 (const Walk *walk, const guint64 *ste, guint64 address, Stream *stream)
{
  guint64 default_substream = vsmmu_bits (ste[1], 1, 0);
  guint64 format = vsmmu_bits (ste[0], 5, 4);
  guint64 descriptor;

  if (vsmmu_bits (ste[0], 63, 59) > vsmmu_bits (walk->registers->idr1, 10, 6) ||
      (format != 0 && !vsmmu_bits (walk->registers->idr0, 19, 19)))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_SUBSTREAMS, address);
  if (default_substream == S1DSS_TERMINATE)
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_DISABLED, address);
  stream->is_bypassed = default_substream == S1DSS_BYPASS;
  if (stream->is_bypassed || format == 0)
    return TRUE;
  /* Context descriptors in two levels: the first entry of the first level leads to that of substream 0. */
  if (!vsmmu_memory_reader_get (walk->memory, stream->cd, &descriptor, 1, NULL))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_L1CD_UNREADABLE, stream->cd);
  if (!vsmmu_bits (descriptor, 0, 0))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_L1CD_INVALID, stream->cd);
  stream->cd = descriptor & vsmmu_mask (PHYSICAL_BITS) & ~vsmmu_mask (12);
  return TRUE;
}

static guint64
supported_stages (const VsmmuSmmuv3Registers *registers)
{
  return vsmmu_bits (registers->idr0, 1, 1) * CONFIG_STAGE_1 | vsmmu_bits (registers->idr0, 0, 0) * CONFIG_STAGE_2;
}

/* Decodes the STE at @address. */
static gboolean
read_ste (const Walk *walk, guint64 address, Stream *stream)
{
  guint64 ste[2];
  guint64 config;

  if (!vsmmu_memory_reader_get (walk->memory, address, ste, G_N_ELEMENTS (ste), NULL))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_UNREADABLE, address);
  config = vsmmu_bits (ste[0], 3, 1);
  if (!vsmmu_bits (ste[0], 0, 0))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_INVALID, address);
  if (!(config & CONFIG_TRANSLATES))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_ABORT, address);
  stream->is_bypassed = config == CONFIG_TRANSLATES;
  if (stream->is_bypassed)
    return TRUE;
  if (config & ~CONFIG_TRANSLATES & ~supported_stages (walk->registers))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_STAGE, address);
  if (config & CONFIG_STAGE_2)
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_STAGE_2, address);
  /* IDR0.STALL_MODEL says that there are no stalls that could be disabled. */
  if (vsmmu_bits (ste[1], 27, 27))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_STE_STALL, address);
  stream->cd = ste[0] & vsmmu_mask (56) & ~vsmmu_mask (6);
  return vsmmu_bits (ste[0], 63, 59) == 0 || find_substream_0 (walk, ste, address, stream);
}

/* The values of fields that make a context descriptor invalid. */
static const struct {
  guint8 bit;
  guint8 refused;
  VsmmuFaultReason reason;
} cd_flags[] = {
  { 31, 0, VSMMU_FAULT_CD_INVALID }, { 41, 0, VSMMU_FAULT_CD_AARCH32 },        { 46, 0, VSMMU_FAULT_CD_TERMINATE },
  { 44, 1, VSMMU_FAULT_CD_STALL },   { 42, 1, VSMMU_FAULT_CD_HARDWARE_FLAGS }, { 43, 1, VSMMU_FAULT_CD_HARDWARE_FLAGS },
};

/* Where the fields of TTB0 and TTB1 are in the first word, and what a granule is called there. */
static const struct {
  guint8 tsz;
  guint8 granule;
  guint8 disabled;
  guint8 granules[4]; /* in bits; 0 for none */
} cd_ranges[] = {
  { 0, 6, 14, { 12, 16, 14, 0 } },
  { 16, 22, 30, { 0, 14, 12, 16 } },
};

static gboolean
decode_range (const Walk *walk, const guint64 *cd, guint64 address, guint index, VsmmuStage1Config *config)
{
  VsmmuStage1Range *range = &config->ranges[index];
  guint tsz = cd_ranges[index].tsz;
  guint granule = cd_ranges[index].granule;

  if (vsmmu_bits (cd[0], cd_ranges[index].disabled, cd_ranges[index].disabled))
    return TRUE;
  range->tsz = (guint8) vsmmu_bits (cd[0], tsz + 5, tsz);
  if (range->tsz < TSZ_MIN || range->tsz > TSZ_MAX)
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_CD_SIZE, address);
  range->granule = cd_ranges[index].granules[vsmmu_bits (cd[0], granule + 1, granule)];
  if (range->granule == 0)
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_CD_GRANULE, address);
  if (vsmmu_bits (cd[0], 15, 15))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_CD_ENDIAN, address);
  range->ttb = cd[1 + index] & vsmmu_mask (PHYSICAL_BITS) & ~vsmmu_mask (4);
  if (range->ttb & ~vsmmu_mask (config->output_bits))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_CD_TTB, address);
  range->ignores_hierarchy = vsmmu_bits (cd[1 + index], 1, 1) != 0;
  return TRUE;
}

static gboolean
read_cd (const Walk *walk, guint64 address, VsmmuStage1Config *config)
{
  guint64 cd[3];

  if (!vsmmu_memory_reader_get (walk->memory, address, cd, G_N_ELEMENTS (cd), NULL))
    return vsmmu_fault_set_at (walk->fault, VSMMU_FAULT_CD_UNREADABLE, address);
  for (guint i = 0; i < G_N_ELEMENTS (cd_flags); i++)
    if (vsmmu_bits (cd[0], cd_flags[i].bit, cd_flags[i].bit) == cd_flags[i].refused)
      return vsmmu_fault_set_at (walk->fault, cd_flags[i].reason, address);
  config->output_bits = (guint8) MIN (count_output_bits (vsmmu_bits (cd[0], 34, 32)),
                                      count_output_bits (vsmmu_bits (walk->registers->idr5, 2, 0)));
  /* QEMU: TBI of TTB1 is that of TTB0. */
  config->ignores_top_byte = vsmmu_bits (cd[0], 38, 38) != 0;
  config->ignores_access_flag = vsmmu_bits (cd[0], 35, 35) != 0;
  for (guint i = 0; i < G_N_ELEMENTS (config->ranges); i++)
    if (!decode_range (walk, cd, address, i, config))
      return FALSE;
  return TRUE;
}

gboolean
vsmmu_smmuv3_translate (const VsmmuSmmuv3Registers *registers, const VsmmuMemoryReader *memory, guint32 stream_id,
                        guint64 iova, guint64 *gpa, VsmmuFault *fault)
{
  const Walk walk = { registers, memory, fault };
  VsmmuStage1Config config = { 0 };
  Stream stream = { 0 };
  guint64 ste = 0;

  if (!(registers->cr0 & CR0_SMMUEN)) {
    if (registers->gbpa & GBPA_ABORT)
      return vsmmu_fault_set (fault, VSMMU_FAULT_GBPA_ABORT);
    *gpa = iova;
    return TRUE;
  }
  if (!find_ste (&walk, stream_id, &ste) || !read_ste (&walk, ste, &stream))
    return FALSE;
  if (stream.is_bypassed) {
    *gpa = iova;
    return TRUE;
  }
  return read_cd (&walk, stream.cd, &config) && vsmmu_stage1_walk (&config, memory, iova, gpa, fault);
}
