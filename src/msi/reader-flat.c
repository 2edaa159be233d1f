/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <string.h>

#include "base/input.h"
#include "msi/reader.h"
#include "vsmmu/error.h"

/* The whole memory is the window. */
typedef struct {
  VsmmuMemoryReader reader;
  GBytes *bytes;
} Flat;

static gboolean
flat_read (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  guint64 offset = address - reader->window_start;

  if (address < reader->window_start || offset > reader->window_size || length > reader->window_size - offset)
    return vsmmu_memory_reader_refuse (address, error);
  memcpy (buffer, reader->window + offset, length);
  return TRUE;
}

static void
flat_free (VsmmuMemoryReader *reader)
{
  Flat *self = (Flat *) reader;

  g_bytes_unref (self->bytes);
  g_free (self);
}

VsmmuMemoryReader *
vsmmu_memory_reader_new_bytes (GBytes *bytes, guint64 base)
{
  Flat *self = g_new0 (Flat, 1);

  self->reader = (VsmmuMemoryReader){
    .read = flat_read,
    .free = flat_free,
    .window = g_bytes_get_data (bytes, NULL),
    .window_start = base,
    .window_size = g_bytes_get_size (bytes),
  };
  self->bytes = g_bytes_ref (bytes);
  return &self->reader;
}

VsmmuMemoryReader *
vsmmu_memory_reader_new_flat (const char *path, guint64 base, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autoptr (GBytes) bytes = vsmmu_memory_reader_map (path, name, error);

  if (bytes == NULL)
    return NULL;
  if (base > G_MAXUINT64 - g_bytes_get_size (bytes)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("the guest memory in %s would end beyond the last physical address; check its start address"),
                 name);
    return NULL;
  }
  return vsmmu_memory_reader_new_bytes (bytes, base);
}
