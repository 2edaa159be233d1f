/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * VsmmuMemoryReader:
 * @read: copies @length bytes of guest memory from the GPA @address on, all or
 *   none; may be called by several threads at once
 * @free: frees the reader itself
 * @window: (nullable): a part of the guest's memory, or all of it, that can be
 *   looked at without @read
 * @window_start: GPA of its first byte
 * @window_size: bytes
 *
 * A way to read guest-physical memory: a file, a dump, a running guest. To be
 * the first member of a structure that has what is needed for that.
 */
typedef struct _VsmmuMemoryReader VsmmuMemoryReader;
struct _VsmmuMemoryReader {
  gboolean (*read) (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error);
  void (*free) (VsmmuMemoryReader *reader);
  const guint8 *window;
  guint64 window_start;
  guint64 window_size;
};
