/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An emulated SMMUv3 whose registers and tables are any bytes, and an ELF core of guest memory that is any bytes. */
#include <stdint.h>
#include <string.h>

#include "msi/bits.h"
#include "msi/reader.h"
#include "msi/smmuv3.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* First and second level of the stream table, STE, two levels of CDs, four levels of tables. */
#define READS_MAX 8

/* The bytes are at every address again, and at those of one page in another order than at those of the next. */
typedef struct {
  VsmmuMemoryReader reader;
  const uint8_t *data;
  size_t size;
  guint n_reads;
} Memory;

static gboolean
memory_read (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  Memory *memory = (Memory *) reader;
  guint64 offset = address % 4096 + (address >> 12) % 4096 * 136;

  if (++memory->n_reads > READS_MAX)
    g_error ("more reads than there are levels");
  /* An address with these bits has no memory. */
  if (memory->size < 8 || (address & 0x7f0000000000) == 0x7f0000000000)
    return vsmmu_memory_reader_refuse (address, error);
  for (gsize i = 0; i < length; i++)
    ((guint8 *) buffer)[i] = memory->data[(offset + i) % memory->size];
  return TRUE;
}

/* What an input begins with. */
typedef struct {
  VsmmuSmmuv3Registers registers;
  guint64 iova;
  guint32 stream_id;
  guint32 is_core;
} Header;

static void
walk (const Header *header, const uint8_t *data, size_t size)
{
  Memory memory = { { .read = memory_read }, data, size, 0 };
  guint32 stream_id = header->stream_id % 0x10000;
  g_autoptr (GError) error = NULL;
  VsmmuFault fault;
  guint64 gpa;

  if (!vsmmu_smmuv3_translate (&header->registers, &memory.reader, stream_id, header->iova, &gpa, &fault)) {
    vsmmu_fault_set_error (&fault, stream_id, header->iova, &error);
    if (error == NULL || (fault.level != VSMMU_FAULT_NO_LEVEL && (fault.level < 0 || fault.level > 3)))
      g_error ("a fault that is none");
    return;
  }
  if (gpa != header->iova && (gpa >= G_GUINT64_CONSTANT (1) << 48 || vsmmu_bits (gpa ^ header->iova, 11, 0) != 0))
    g_error ("0x%" G_GINT64_MODIFIER "x leads to 0x%" G_GINT64_MODIFIER "x", header->iova, gpa);
}

static void
read_core (const Header *header, const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (VsmmuMemoryReader) reader = vsmmu_memory_reader_new_core_bytes (bytes);
  guint8 seen[256];

  if (reader != NULL)
    reader->read (reader, header->iova, seen, header->stream_id % sizeof (seen), NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Header header;

  if (size < sizeof (header))
    return 0;
  memcpy (&header, data, sizeof (header));
  if (header.is_core % 2 == 1)
    read_core (&header, data + sizeof (header), size - sizeof (header));
  else
    walk (&header, data + sizeof (header), size - sizeof (header));
  return 0;
}
