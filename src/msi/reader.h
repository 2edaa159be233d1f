/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "vsmmu/msi.h"

/* (transfer full): a reader of @bytes, which lie at the GPA @base; the content may change while it is read */
VsmmuMemoryReader *vsmmu_memory_reader_new_bytes (GBytes *bytes, guint64 base);

/* %FALSE after saying that the guest has no memory at @address. */
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
