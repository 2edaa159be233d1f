/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "base/input.h"
#include "msi/reader.h"
#include "vsmmu/error.h"

/* QEMU writes one for each block of memory, or for each mapping of the guest when asked to. */
#define SEGMENTS_MAX (1u << 20)

typedef struct {
  guint64 start; /* GPA */
  guint64 length;
  gsize offset; /* in the file */
} Segment;

typedef struct {
  VsmmuMemoryReader reader;
  GBytes *bytes;
  const guint8 *data;
  gsize length;
  GArray *segments; /* Segment: by start, without overlaps */
} Core;

static const Segment *
find_segment (const Core *self, guint64 address)
{
  guint low = 0;
  guint high = self->segments->len;

  while (low < high) {
    guint middle = low + (high - low) / 2;
    const Segment *segment = &g_array_index (self->segments, Segment, middle);

    if (address < segment->start)
      high = middle;
    else if (address - segment->start < segment->length)
      return segment;
    else
      low = middle + 1;
  }
  return NULL;
}

static gboolean
core_read (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  const Core *self = (const Core *) reader;
  guint8 *to = buffer;

  while (length > 0) {
    const Segment *segment = find_segment (self, address);
    guint64 offset;
    gsize part;

    if (segment == NULL)
      return vsmmu_memory_reader_refuse (address, error);
    offset = address - segment->start;
    part = (gsize) MIN (length, segment->length - offset);
    memcpy (to, self->data + segment->offset + offset, part);
    to += part;
    address += part;
    length -= part;
  }
  return TRUE;
}

static void
core_free (VsmmuMemoryReader *reader)
{
  Core *self = (Core *) reader;

  g_array_unref (self->segments);
  g_bytes_unref (self->bytes);
  g_free (self);
}

static int
compare_starts (gconstpointer a, gconstpointer b)
{
  const Segment *left = a;
  const Segment *right = b;

  return (left->start > right->start) - (left->start < right->start);
}

/* With paging, the same memory is there once for each place where the guest has it mapped. */
static void
remove_overlaps (GArray *segments)
{
  guint64 end = 0;
  guint kept = 0;

  g_array_sort (segments, compare_starts);
  for (guint i = 0; i < segments->len; i++) {
    Segment segment = g_array_index (segments, Segment, i);
    guint64 cut = segment.start < end ? end - segment.start : 0;

    if (cut >= segment.length)
      continue;
    segment.start += cut;
    segment.offset += cut;
    segment.length -= cut;
    end = segment.start + segment.length;
    g_array_index (segments, Segment, kept++) = segment;
  }
  g_array_set_size (segments, kept);
}

/* Where the program headers are and how many; %FALSE when this is not a core of an arm64 guest. */
static gboolean
find_headers (const Core *self, guint64 *offset, guint64 *count)
{
  Elf64_Ehdr header;
  Elf64_Shdr section;
  guint64 sections;

  if (self->length < sizeof (header))
    return FALSE;
  memcpy (&header, self->data, sizeof (header));
  if (memcmp (header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || GUINT16_FROM_LE (header.e_type) != ET_CORE ||
      GUINT16_FROM_LE (header.e_phentsize) != sizeof (Elf64_Phdr))
    return FALSE;
  *offset = GUINT64_FROM_LE (header.e_phoff);
  *count = GUINT16_FROM_LE (header.e_phnum);
  if (*count != PN_XNUM)
    return TRUE;
  /* Too many for the header; the first section has their number. */
  sections = GUINT64_FROM_LE (header.e_shoff);
  if (sections > self->length || self->length - sections < sizeof (section))
    return FALSE;
  memcpy (&section, self->data + sections, sizeof (section));
  *count = GUINT32_FROM_LE (section.sh_info);
  return TRUE;
}

static gboolean
add_segment (Core *self, const Elf64_Phdr *header)
{
  Segment segment = {
    .start = GUINT64_FROM_LE (header->p_paddr),
    .length = GUINT64_FROM_LE (header->p_filesz),
    .offset = GUINT64_FROM_LE (header->p_offset),
  };

  if (GUINT32_FROM_LE (header->p_type) != PT_LOAD || segment.length == 0)
    return TRUE;
  if (segment.offset > self->length || segment.length > self->length - segment.offset ||
      segment.start > G_MAXUINT64 - segment.length)
    return FALSE;
  g_array_append_val (self->segments, segment);
  return TRUE;
}

static gboolean
read_segments (Core *self)
{
  guint64 offset;
  guint64 count;

  if (!find_headers (self, &offset, &count) || count > SEGMENTS_MAX || offset > self->length ||
      count > (self->length - offset) / sizeof (Elf64_Phdr))
    return FALSE;
  for (guint64 i = 0; i < count; i++) {
    Elf64_Phdr header;

    memcpy (&header, self->data + offset + i * sizeof (header), sizeof (header));
    if (!add_segment (self, &header))
      return FALSE;
  }
  remove_overlaps (self->segments);
  return TRUE;
}

VsmmuMemoryReader *
vsmmu_memory_reader_new_core_bytes (GBytes *bytes)
{
  Core *self = g_new0 (Core, 1);

  self->reader = (VsmmuMemoryReader){ .read = core_read, .free = core_free };
  self->bytes = g_bytes_ref (bytes);
  self->data = g_bytes_get_data (bytes, &self->length);
  self->segments = g_array_new (FALSE, FALSE, sizeof (Segment));
  if (read_segments (self))
    return &self->reader;
  core_free (&self->reader);
  return NULL;
}

VsmmuMemoryReader *
vsmmu_memory_reader_new_core (const char *path, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autoptr (GBytes) bytes = vsmmu_memory_reader_map (path, name, error);
  VsmmuMemoryReader *reader;

  if (bytes == NULL)
    return NULL;
  reader = vsmmu_memory_reader_new_core_bytes (bytes);
  if (reader == NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("%s is not an ELF core of an arm64 guest, or is truncated; create one with 'virsh dump "
                    "--memory-only'"),
                 name);
  return reader;
}
