/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/memory-reader.h"
#include "libvirt/connection.h"

/* What reading a guest has cost, to which readers add atomically, and may cost. */
typedef struct {
  int peeks;
  gsize bytes;
  gint64 deadline; /* by the monotonic clock, in microseconds: nothing is read after it; 0 for none */
} VsmmuPeekCount;

/*
 * vsmmu_peek_reader_new:
 * @domain: must outlive the reader, as must @count
 *
 * Returns: (transfer full): a reader of a running guest. Each read is one access of that very width, for registers of
 *   devices need theirs; see vsmmu_connection_domain_peek() for what zeros mean.
 */
VsmmuMemoryReader *vsmmu_peek_reader_new (VsmmuConnectionDomain *domain, VsmmuPeekCount *count);

/*
 * vsmmu_page_reader_new:
 * @below: must outlive the reader
 * @start: GPA
 * @end: GPA of the first byte past it
 *
 * Returns: (transfer full): a reader of the memory that @below has from @start to @end, which reads a page only once;
 *   VSMMU_ERROR_MSI for what is not there, or when tables are spread over more pages than a guest has use for
 */
VsmmuMemoryReader *vsmmu_page_reader_new (const VsmmuMemoryReader *below, guint64 start, guint64 end);

/*
 * vsmmu_memory_read_32:
 *
 * Reads a register of 32 bits, or four bytes of memory, little-endian.
 */
gboolean vsmmu_memory_read_32 (const VsmmuMemoryReader *reader, guint64 address, guint32 *value, GError **error);
