/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/msi.h"

/* (transfer full): a reader of @bytes, which lie at the GPA @base; the content may change while it is read */
VsmmuMemoryReader *vsmmu_memory_reader_new_bytes (GBytes *bytes, guint64 base);

/* %FALSE after saying that the guest has no memory at @address. */
gboolean vsmmu_memory_reader_refuse (guint64 address, GError **error);

/* One word of guest memory at a multiple of 8. */
static inline gboolean
vsmmu_memory_reader_get (const VsmmuMemoryReader *reader, guint64 address, guint64 *value, GError **error)
{
  if (!reader->read (reader, address, value, sizeof (*value), error))
    return FALSE;
  *value = GUINT64_FROM_LE (*value);
  return TRUE;
}
