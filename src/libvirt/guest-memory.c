/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/guest-memory.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
  VsmmuMemoryReader reader;
  VsmmuConnectionDomain *domain;
  VsmmuPeekCount *count;
} PeekReader;

static gboolean
peek (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  const PeekReader *peeks = (const PeekReader *) reader;

  if (peeks->count->deadline != 0 && g_get_monotonic_time () > peeks->count->deadline) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, "%s",
                 _ ("could not read the whole guest in time: it has too much to read, or QEMU is too slow"));
    return FALSE;
  }
  g_atomic_int_inc (&peeks->count->peeks);
  g_atomic_pointer_add (&peeks->count->bytes, (gssize) length);
  return vsmmu_connection_domain_peek (peeks->domain, address, length, buffer, error);
}

static void
free_peek_reader (VsmmuMemoryReader *reader)
{
  g_free (reader);
}

VsmmuMemoryReader *
vsmmu_peek_reader_new (VsmmuConnectionDomain *domain, VsmmuPeekCount *count)
{
  PeekReader *peeks = g_new (PeekReader, 1);

  *peeks = (PeekReader){ { peek, free_peek_reader }, domain, count };
  return &peeks->reader;
}

#define PAGE_SIZE 4096u

/* A device takes a handful; a guest may lay out its tables so that each vector takes some of its own. */
#define PAGES_MAX 4096

typedef struct {
  VsmmuMemoryReader reader;
  const VsmmuMemoryReader *below;
  guint64 start;
  guint64 end;
  GMutex *mutex;
  GHashTable *pages; /* (element-type guint64 guint8): address to content */
} PageReader;

/* A page of @pages, read when it is not there yet. The mutex is held. */
static const guint8 *
get_page (const PageReader *pages, guint64 address, GError **error)
{
  g_autofree guint8 *page = g_hash_table_lookup (pages->pages, &address);

  if (page != NULL)
    return g_steal_pointer (&page);
  if (g_hash_table_size (pages->pages) >= PAGES_MAX) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("the guest's tables are spread over more than %d pages"),
                 PAGES_MAX);
    return NULL;
  }
  page = g_malloc (PAGE_SIZE);
  if (!pages->below->read (pages->below, address, page, PAGE_SIZE, error))
    return NULL;
  g_hash_table_insert (pages->pages, g_memdup2 (&address, sizeof (address)), page);
  return g_steal_pointer (&page);
}

static gboolean
read_pages (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  const PageReader *pages = (const PageReader *) reader;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (pages->mutex);

  if (address < pages->start || address >= pages->end || length > pages->end - address) {
    g_autofree char *at = g_strdup_printf ("0x%" G_GINT64_MODIFIER "x", address);

    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("the guest has no memory at %s"), at);
    return FALSE;
  }
  for (gsize done = 0; done < length;) {
    guint64 offset = (address + done) % PAGE_SIZE;
    gsize part = MIN (length - done, PAGE_SIZE - offset);
    const guint8 *page = get_page (pages, address + done - offset, error);

    if (page == NULL)
      return FALSE;
    memcpy ((guint8 *) buffer + done, page + offset, part);
    done += part;
  }
  return TRUE;
}

static void
free_page_reader (VsmmuMemoryReader *reader)
{
  PageReader *pages = (PageReader *) reader;

  g_hash_table_unref (pages->pages);
  g_mutex_clear (pages->mutex);
  g_free (pages->mutex);
  g_free (pages);
}

VsmmuMemoryReader *
vsmmu_page_reader_new (const VsmmuMemoryReader *below, guint64 start, guint64 end)
{
  PageReader *pages = g_new (PageReader, 1);

  *pages = (PageReader){
    { read_pages, free_page_reader },
    .below = below,
    .start = start,
    .end = end,
    .mutex = g_new (GMutex, 1),
    .pages = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free),
  };
  g_mutex_init (pages->mutex);
  return &pages->reader;
}

gboolean
vsmmu_memory_read_32 (const VsmmuMemoryReader *reader, guint64 address, guint32 *value, GError **error)
{
  guint32 raw;

  if (!reader->read (reader, address, &raw, sizeof (raw), error))
    return FALSE;
  *value = GUINT32_FROM_LE (raw);
  return TRUE;
}
