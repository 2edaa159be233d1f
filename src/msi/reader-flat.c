/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <string.h>

#include "model/read.h"
#include "msi/reader.h"

typedef struct {
  VsmmuMemoryReader reader;
  GBytes *bytes;
  const guint8 *data;
  gsize length;
  guint64 base;
} Flat;

static gboolean
flat_read (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  const Flat *self = (const Flat *) reader;
  guint64 offset = address - self->base;

  if (address < self->base || offset > self->length || length > self->length - offset)
    return vsmmu_memory_reader_refuse (address, error);
  memcpy (buffer, self->data + offset, length);
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

  self->reader = (VsmmuMemoryReader){ flat_read, flat_free };
  self->bytes = g_bytes_ref (bytes);
  self->data = g_bytes_get_data (bytes, &self->length);
  self->base = base;
  return &self->reader;
}

VsmmuMemoryReader *
vsmmu_memory_reader_new_flat (const char *path, guint64 base, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autoptr (GError) cause = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, &cause);
  g_autoptr (GBytes) bytes = NULL;

  if (file == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot read the guest memory in %s: %s"), name,
                 cause->message);
    return NULL;
  }
  bytes = g_mapped_file_get_bytes (file);
  if (base > G_MAXUINT64 - g_bytes_get_size (bytes)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("the guest memory in %s would end beyond the last physical address; check where it begins"), name);
    return NULL;
  }
  return vsmmu_memory_reader_new_bytes (bytes, base);
}
