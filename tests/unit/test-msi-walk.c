/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>

#include "msi/reader.h"
#include "msi/smmuv3.h"
#include "msi/viommu.h"

/*
 * What the real QEMU cannot be asked, because it has no substreams, and what a user reads. Everything else about
 * the walk is in tests/test_walk.py.
 */
#define BASE G_GUINT64_CONSTANT (0x40000000)
#define SIZE 0x10000
#define STREAM 3
#define STREAM_TABLE BASE
#define STE (STREAM_TABLE + STREAM * 64)
#define CD (BASE + 0x1000)
#define CD_TABLE (BASE + 0x2000)
#define TABLE(level) (BASE + 0x4000 + (level) *G_GUINT64_CONSTANT (0x1000))
#define IOVA G_GUINT64_CONSTANT (0xfffff040)
#define DOORBELL G_GUINT64_CONSTANT (0x08090040)

#define STE_STAGE_1 (1 | 5 << 1)
#define STE_CDMAX(count) ((guint64) (count) << 59)
#define STE_FORMAT(format) ((guint64) (format) << 4)
/* T0SZ 25, 4K, EPD1, V, IPS 44 bits, AA64, R, A */
#define CD_GOOD                                                                                                        \
  (25 | G_GUINT64_CONSTANT (1) << 30 | G_GUINT64_CONSTANT (1) << 31 | G_GUINT64_CONSTANT (4) << 32 |                   \
   G_GUINT64_CONSTANT (1) << 41 | G_GUINT64_CONSTANT (1) << 45 | G_GUINT64_CONSTANT (1) << 46)

typedef struct {
  VsmmuSmmuv3Registers registers;
  guint64 words[SIZE / 8];
} Guest;

static void
put (Guest *guest, guint64 address, guint64 word)
{
  guest->words[(address - BASE) / 8] = GUINT64_TO_LE (word);
}

static guint64
index_of (int level)
{
  return IOVA >> (12 + 9 * (3 - level)) & 0x1ff;
}

/* An SMMUv3 with 20 bits of substreams whose tables lead from IOVA to DOORBELL. */
static Guest *
guest_new (void)
{
  Guest *guest = g_new0 (Guest, 1);

  guest->registers = (VsmmuSmmuv3Registers){
    .idr0 = 1 << 19 | 1 << 1,
    .idr1 = 20 << 6,
    .idr5 = 4,
    .cr0 = 1,
    .strtab_base = STREAM_TABLE,
    .strtab_base_cfg = 4,
  };
  put (guest, STE, STE_STAGE_1 | CD);
  put (guest, CD, CD_GOOD);
  put (guest, CD + 8, TABLE (1));
  put (guest, TABLE (1) + index_of (1) * 8, TABLE (2) | 3);
  put (guest, TABLE (2) + index_of (2) * 8, TABLE (3) | 3);
  put (guest, TABLE (3) + index_of (3) * 8, (DOORBELL & ~G_GUINT64_CONSTANT (0xfff)) | 1 << 10 | 3);
  return guest;
}

static VsmmuViommu *
viommu_new (const Guest *guest)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (guest->words, sizeof (guest->words));

  return vsmmu_viommu_new_emulated (
      vsmmu_smmuv3_source_new_fixed (&guest->registers, vsmmu_memory_reader_new_bytes (bytes, BASE)));
}

/* What a write to IOVA leads to; 0 for a fault, whose message must have all of @words in it. */
static guint64
translate (const Guest *guest, guint32 stream_id, const char *const *words)
{
  g_autoptr (VsmmuViommu) viommu = viommu_new (guest);
  g_autoptr (GError) error = NULL;
  guint64 gpa = 0;

  if (viommu->kind->translate (viommu, stream_id, IOVA, &gpa, &error))
    return gpa;
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
  g_test_message ("%s", error->message);
  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    g_assert_nonnull (strstr (error->message, words[i]));
  return 0;
}

static void
test_a_good_table_leads_to_the_doorbell (void)
{
  g_autofree Guest *guest = guest_new ();

  g_assert_cmphex (translate (guest, STREAM, NULL), ==, DOORBELL);
}

/* One word that is wrong, and what the message about it says. */
static const struct {
  guint64 address;
  guint64 word;
  const char *words[6];
} faults[] = {
  { STE, 0, { "StreamID 0x3", "0xfffff040", "STE: not valid", "C_BAD_STE", "descriptor at 0x400000c0" } },
  { STE, 1, { "STE: aborts", "no event", "0x400000c0" } },
  { STE, 1 | 7 << 1 | CD, { "STE: requires a stage that this SMMU does not support", "C_BAD_STE" } },
  { STE, STE_STAGE_1, { "CD: cannot be read", "F_CD_FETCH", "descriptor at 0x0" } },
  { STE + 8, 1 << 27, { "S1STALLD" } },
  { CD, 0, { "CD: not valid", "C_BAD_CD", "descriptor at 0x40001000" } },
  { CD, CD_GOOD & ~(G_GUINT64_CONSTANT (1) << 41), { "AA64" } },
  { CD, CD_GOOD & ~(G_GUINT64_CONSTANT (1) << 46), { "A is 0" } },
  { CD, CD_GOOD | G_GUINT64_CONSTANT (1) << 44, { "S is 1" } },
  { CD, CD_GOOD | G_GUINT64_CONSTANT (1) << 43, { "HA, HD" } },
  { CD, CD_GOOD | 1 << 15, { "ENDI" } },
  { CD, CD_GOOD | 3 << 6, { "no valid granule" } },
  { CD, CD_GOOD - 10, { "T0SZ" } },
  { CD, CD_GOOD | 1 << 14, { "stage 1: the address is not in an enabled range", "F_TRANSLATION" } },
  { CD, CD_GOOD + 14, { "stage 1: the address is not in an enabled range", "F_TRANSLATION" } },
  { CD + 8, G_GUINT64_CONSTANT (1) << 44, { "CD: the tables are beyond", "TTB0" } },
  { CD + 8, G_GUINT64_CONSTANT (0x7000000000), { "F_WALK_EABT", "level 1", "descriptor at 0x7000000018" } },
  { TABLE (1) + 3 * 8,
    0,
    { "stage 1: the address is not mapped", "F_TRANSLATION", "level 1", "descriptor at 0x40005018" } },
  { TABLE (2) + 511 * 8, TABLE (3) | 2, { "F_TRANSLATION", "level 2", "descriptor at 0x40006ff8" } },
  { TABLE (2) + 511 * 8, TABLE (3) | 3 | G_GUINT64_CONSTANT (1) << 62, { "APTable", "F_PERMISSION", "level 2" } },
  { TABLE (3) + 511 * 8, 0x08090000 | 3, { "access flag", "F_ACCESS", "level 3", "descriptor at 0x40007ff8" } },
  { TABLE (3) + 511 * 8,
    0x08090000 | 1 << 10 | 3 | 1 << 7,
    { "does not allow writes (AP)", "F_PERMISSION", "level 3" } },
  { TABLE (3) + 511 * 8,
    G_GUINT64_CONSTANT (1) << 44 | 1 << 10 | 3,
    { "beyond the output address size", "F_ADDR_SIZE" } },
};

static void
test_a_fault_names_stage_level_and_descriptor (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    g_autofree Guest *guest = guest_new ();

    put (guest, faults[i].address, faults[i].word);
    g_assert_cmphex (translate (guest, STREAM, faults[i].words), ==, 0);
  }
}

/* What an STE with substreams makes of a write that names none. */
static const struct {
  guint64 ste0;
  guint64 ste1;
  guint32 idr0;
  guint64 gpa;
  const char *words[3];
} substreams[] = {
  { STE_CDMAX (1) | CD, 2, 0, DOORBELL, { NULL } },
  { STE_CDMAX (20) | CD, 2, 0, DOORBELL, { NULL } },
  { STE_CDMAX (1) | CD, 1, 0, IOVA, { NULL } },
  { STE_CDMAX (1) | CD, 0, 0, 0, { "S1DSS", "F_STREAM_DISABLED" } },
  { STE_CDMAX (21) | CD, 2, 0, 0, { "S1CDMax", "C_BAD_STE" } },
  { STE_CDMAX (1) | STE_FORMAT (1) | CD, 2, 0, 0, { "S1Fmt", "C_BAD_STE" } },
  { STE_CDMAX (12) | STE_FORMAT (2) | CD_TABLE, 2, 1 << 19, DOORBELL, { NULL } },
  { STE_CDMAX (12) | STE_FORMAT (1) | (CD_TABLE + 0x40),
    2,
    1 << 19,
    0,
    { "CD: no entry in the first level", "C_BAD_SUBSTREAMID" } },
  { STE_CDMAX (12) | STE_FORMAT (1) | (BASE + SIZE), 2, 1 << 19, 0, { "CD: the first level", "F_CD_FETCH" } },
};

static void
test_a_write_without_a_substream_goes_where_s1dss_says (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (substreams); i++) {
    g_autofree Guest *guest = guest_new ();

    guest->registers.idr0 = substreams[i].idr0 | 1 << 1;
    put (guest, CD_TABLE, CD | 1);
    put (guest, STE, STE_STAGE_1 | substreams[i].ste0);
    put (guest, STE + 8, substreams[i].ste1);
    if (substreams[i].gpa == IOVA)
      put (guest, CD, 0);
    g_assert_cmphex (translate (guest, STREAM, substreams[i].words), ==, substreams[i].gpa);
  }
}

static void
test_stage_2_is_refused_where_the_smmu_has_it (void)
{
  static const char *const words[] = { "stage 2, which is not supported here", "descriptor at 0x400000c0", NULL };

  for (guint64 config = 6; config <= 7; config++) {
    g_autofree Guest *guest = guest_new ();

    guest->registers.idr0 |= 1;
    put (guest, STE, 1 | config << 1 | CD);
    g_assert_cmphex (translate (guest, STREAM, words), ==, 0);
  }
}

static void
test_without_its_memory_an_smmu_says_so (void)
{
  g_autoptr (VsmmuViommu) viommu = vsmmu_viommu_new_emulated (NULL);
  g_autoptr (GError) error = NULL;
  guint64 gpa;

  g_assert_false (viommu->kind->translate (viommu, 1, IOVA, &gpa, &error));
  g_assert_nonnull (strstr (error->message, "without the guest memory"));
}

static void
test_the_largest_output_size_counts_for_what_is_reserved (void)
{
  g_autofree Guest *guest = guest_new ();

  guest->registers.idr5 = 7;
  for (guint64 size = 5; size <= 7; size++) {
    put (guest, CD, (CD_GOOD & ~(G_GUINT64_CONSTANT (7) << 32)) | size << 32);
    put (guest, TABLE (3) + 511 * 8, G_GUINT64_CONSTANT (1) << 47 | 1 << 10 | 3);
    g_assert_cmphex (translate (guest, STREAM, NULL), ==, (G_GUINT64_CONSTANT (1) << 47) + 0x40);
  }
}

/*
 * Readers
 */

/* A file with @length bytes of @data. */
static char *
write_file (gconstpointer data, gsize length)
{
  g_autoptr (GError) error = NULL;
  char *path = NULL;
  int fd = g_file_open_tmp ("memory-XXXXXX", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, data, (gssize) length, &error));
  return path;
}

static void
assert_reads (const VsmmuMemoryReader *reader, guint64 address, const char *expected)
{
  g_autoptr (GError) error = NULL;
  char seen[16] = { 0 };

  g_assert_true (reader->read (reader, address, seen, strlen (expected), &error));
  g_assert_no_error (error);
  g_assert_cmpstr (seen, ==, expected);
}

static void
assert_does_not_read (const VsmmuMemoryReader *reader, guint64 address, gsize length)
{
  g_autoptr (GError) error = NULL;
  char seen[16];

  g_assert_false (reader->read (reader, address, seen, length, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
}

static void
test_a_flat_file_is_memory_from_where_it_begins (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = write_file ("abcdefgh", 8);
  g_autoptr (VsmmuMemoryReader) reader = vsmmu_memory_reader_new_flat (path, BASE, &error);
  g_autoptr (VsmmuMemoryReader) last = vsmmu_memory_reader_new_flat (path, G_MAXUINT64 - 8, &error);

  g_assert_no_error (error);
  assert_reads (reader, BASE, "abcdefgh");
  assert_reads (reader, BASE + 7, "h");
  assert_reads (last, G_MAXUINT64 - 1, "h");
  assert_does_not_read (reader, BASE + 7, 2);
  assert_does_not_read (reader, BASE + 8, 1);
  assert_does_not_read (reader, BASE - 1, 1);
  assert_does_not_read (reader, G_MAXUINT64, 8);
  assert_does_not_read (last, G_MAXUINT64 - 1, 4);
  g_assert_null (vsmmu_memory_reader_new_flat (path, G_MAXUINT64 - 7, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
  g_clear_error (&error);
  g_assert_null (vsmmu_memory_reader_new_flat ("/no/such/file", 0, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
  g_remove (path);
}

/* An ELF core with up to four segments, and 16 letters of memory behind them. */
typedef struct {
  Elf64_Ehdr header;
  Elf64_Shdr section;
  Elf64_Phdr segments[4];
  char memory[16];
} CoreFile;

static Elf64_Phdr
segment (guint64 address, guint64 offset, guint64 length)
{
  return (Elf64_Phdr){
    .p_type = PT_LOAD,
    .p_offset = G_STRUCT_OFFSET (CoreFile, memory) + offset,
    .p_paddr = address,
    .p_filesz = length,
    .p_memsz = length,
  };
}

static CoreFile
core_new (guint16 n_segments)
{
  CoreFile core = {
    .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
                .e_type = ET_CORE,
                .e_phoff = G_STRUCT_OFFSET (CoreFile, segments),
                .e_shoff = G_STRUCT_OFFSET (CoreFile, section),
                .e_phentsize = sizeof (Elf64_Phdr),
                .e_phnum = n_segments },
  };

  memcpy (core.memory, "ABCDEFGHIJKLMNOP", 16);
  return core;
}

static VsmmuMemoryReader *
open_core (const CoreFile *core, gsize length, GError **error)
{
  g_autofree char *path = write_file (core, length);
  VsmmuMemoryReader *reader = vsmmu_memory_reader_new_core (path, error);

  g_remove (path);
  return reader;
}

static void
test_a_core_is_memory_in_segments (void)
{
  CoreFile core = core_new (4);
  g_autoptr (VsmmuMemoryReader) reader = NULL;
  g_autoptr (GError) error = NULL;

  /* Notes are no memory; two segments touch, and come in the wrong order. */
  core.segments[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 0, .p_paddr = 0x1000, .p_filesz = 8 };
  core.segments[1] = segment (BASE + 4, 4, 4);
  core.segments[2] = segment (0x100, 8, 8);
  core.segments[3] = segment (BASE, 0, 4);
  reader = open_core (&core, sizeof (core), &error);
  g_assert_no_error (error);
  assert_reads (reader, BASE, "ABCDEFGH");
  assert_reads (reader, BASE + 3, "DE");
  assert_reads (reader, 0x104, "MNOP");
  assert_does_not_read (reader, BASE + 4, 5);
  assert_does_not_read (reader, 0x1000, 1);
  assert_does_not_read (reader, 0xff, 2);
  assert_does_not_read (reader, G_MAXUINT64, 2);
}

static void
test_memory_that_is_in_a_core_twice_is_read_once (void)
{
  CoreFile core = core_new (4);
  g_autoptr (VsmmuMemoryReader) reader = NULL;
  g_autoptr (GError) error = NULL;

  core.segments[0] = segment (0x1002, 2, 6);
  core.segments[1] = segment (0x1000, 0, 8);
  core.segments[2] = segment (0x1004, 4, 12);
  core.segments[3] = segment (0x1004, 4, 0);
  reader = open_core (&core, sizeof (core), &error);
  g_assert_no_error (error);
  assert_reads (reader, 0x1000, "ABCDEFGHIJKLMNO");
  assert_reads (reader, 0x100f, "P");
  assert_does_not_read (reader, 0x1010, 1);
}

static void
test_a_core_with_very_many_segments_has_their_number_elsewhere (void)
{
  CoreFile core = core_new (PN_XNUM);
  g_autoptr (VsmmuMemoryReader) reader = NULL;
  g_autoptr (GError) error = NULL;

  core.section.sh_info = 1;
  core.segments[0] = segment (0x1000, 0, 16);
  reader = open_core (&core, sizeof (core), &error);
  g_assert_no_error (error);
  assert_reads (reader, 0x1000, "ABCD");
}

/* Each makes a core into something that is none. */
static void
break_magic (CoreFile *core)
{
  core->header.e_ident[0] = 'K';
}
static void
break_class (CoreFile *core)
{
  core->header.e_ident[EI_CLASS] = ELFCLASS32;
}
static void
break_order (CoreFile *core)
{
  core->header.e_ident[EI_DATA] = ELFDATA2MSB;
}
static void
break_type (CoreFile *core)
{
  core->header.e_type = ET_EXEC;
}
static void
break_entry_size (CoreFile *core)
{
  core->header.e_phentsize = 32;
}
static void
break_header_offset (CoreFile *core)
{
  core->header.e_phoff = G_MAXUINT64;
}
static void
break_header_end (CoreFile *core)
{
  core->header.e_phoff = sizeof (CoreFile) - 8;
}
static void
break_count (CoreFile *core)
{
  core->header.e_phnum = PN_XNUM - 1;
}
static void
break_many (CoreFile *core)
{
  core->header.e_phnum = PN_XNUM;
  core->section.sh_info = G_MAXUINT32;
}
static void
break_section (CoreFile *core)
{
  core->header.e_phnum = PN_XNUM;
  core->header.e_shoff = G_MAXUINT64 - 8;
}
static void
break_offset (CoreFile *core)
{
  core->segments[0].p_offset = G_MAXUINT64;
}
static void
break_length (CoreFile *core)
{
  core->segments[0].p_filesz = G_MAXUINT64;
}
static void
break_end (CoreFile *core)
{
  core->segments[0].p_filesz = 17;
}
static void
break_address (CoreFile *core)
{
  core->segments[0].p_paddr = G_MAXUINT64 - 3;
}

static void
test_an_invalid_core_is_refused (void)
{
  static void (*const breakers[]) (CoreFile * core) = {
    break_magic, break_class, break_order,   break_type,   break_entry_size, break_header_offset, break_header_end,
    break_count, break_many,  break_section, break_offset, break_length,     break_end,           break_address,
  };
  CoreFile core = core_new (1);
  g_autoptr (GError) error = NULL;

  core.segments[0] = segment (0x1000, 0, 16);
  for (gsize i = 0; i < G_N_ELEMENTS (breakers); i++) {
    CoreFile broken = core;

    breakers[i](&broken);
    g_assert_null (open_core (&broken, sizeof (broken), &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
    g_clear_error (&error);
  }
  for (gsize length = 0; length < sizeof (core); length += 8) {
    g_assert_null (open_core (&core, length, &error));
    g_clear_error (&error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/msi-walk/good", test_a_good_table_leads_to_the_doorbell);
  g_test_add_func ("/msi-walk/faults", test_a_fault_names_stage_level_and_descriptor);
  g_test_add_func ("/msi-walk/substreams", test_a_write_without_a_substream_goes_where_s1dss_says);
  g_test_add_func ("/msi-walk/stage-2", test_stage_2_is_refused_where_the_smmu_has_it);
  g_test_add_func ("/msi-walk/no-memory", test_without_its_memory_an_smmu_says_so);
  g_test_add_func ("/msi-walk/output-size", test_the_largest_output_size_counts_for_what_is_reserved);
  g_test_add_func ("/msi-walk/flat", test_a_flat_file_is_memory_from_where_it_begins);
  g_test_add_func ("/msi-walk/core", test_a_core_is_memory_in_segments);
  g_test_add_func ("/msi-walk/core-overlaps", test_memory_that_is_in_a_core_twice_is_read_once);
  g_test_add_func ("/msi-walk/core-many", test_a_core_with_very_many_segments_has_their_number_elsewhere);
  g_test_add_func ("/msi-walk/no-core", test_an_invalid_core_is_refused);
  return g_test_run ();
}
