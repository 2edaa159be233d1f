/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "base/memory-reader.h"

void vsmmu_memory_reader_free (VsmmuMemoryReader *reader);

/*
 * vsmmu_memory_reader_new_flat:
 * @path: a file, in the encoding of file names
 * @base: GPA of its first byte
 * @error: %VSMMU_ERROR_READ
 *
 * Returns: (transfer full): a reader of memory that lies in a file as it lay in
 *   the guest (`virsh qemu-monitor-command --hmp pmemsave`), or %NULL with @error set
 */
VsmmuMemoryReader *vsmmu_memory_reader_new_flat (const char *path, guint64 base, GError **error);

/*
 * vsmmu_memory_reader_new_core:
 * @path: a file, in the encoding of file names
 * @error: %VSMMU_ERROR_READ when it cannot be read or is not such a dump
 *
 * Returns: (transfer full): a reader of an ELF core of guest memory, as
 *   `virsh dump --memory-only` and QEMU's dump-guest-memory write it, or %NULL
 *   with @error set
 */
VsmmuMemoryReader *vsmmu_memory_reader_new_core (const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMemoryReader, vsmmu_memory_reader_free)

/* (transfer full): a reader of @bytes, which lie at the GPA @base; the content may change while it is read */
VsmmuMemoryReader *vsmmu_memory_reader_new_bytes (GBytes *bytes, guint64 base);

/* (transfer full) (nullable): a reader of @bytes, an ELF core; %NULL when that is none */
VsmmuMemoryReader *vsmmu_memory_reader_new_core_bytes (GBytes *bytes);

/* (transfer full) (nullable): the content of @path, which messages call @name */
GBytes *vsmmu_memory_reader_map (const char *path, const char *name, GError **error);

/* Sets @error: the guest has no memory at @address. Always %FALSE. */
gboolean vsmmu_memory_reader_refuse (guint64 address, GError **error);

/* @count words of guest memory from a multiple of 8 on. */
static inline gboolean
vsmmu_memory_reader_get (const VsmmuMemoryReader *reader, guint64 address, guint64 *words, gsize count, GError **error)
{
  guint64 offset = address - reader->window_start;

  if (offset < reader->window_size && count * sizeof (*words) <= reader->window_size - offset)
    memcpy (words, reader->window + offset, count * sizeof (*words));
  else if (!reader->read (reader, address, words, count * sizeof (*words), error))
    return FALSE;
  for (gsize i = 0; i < count; i++)
    words[i] = GUINT64_FROM_LE (words[i]);
  return TRUE;
}
