/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUIET_MS 1000

struct _VsmmuMemory {
  guint timer;       /* source */
  gboolean is_again; /* something was done since it was set */
};

/*
 * libvirt's client library has some 80 others along, and to load and set them up takes 15 MiB of pages that are not
 * needed again. Nobody can have written to these, so they are as good in their files.
 */
static int
drop_pages (struct dl_phdr_info *info, size_t size G_GNUC_UNUSED, void *data)
{
  const gsize page = *(const gsize *) data;

  for (guint i = 0; i < info->dlpi_phnum; i++) {
    const ElfW (Phdr) *part = &info->dlpi_phdr[i];
    ElfW (Addr) start = info->dlpi_addr + part->p_vaddr;
    ElfW (Addr) end = start + part->p_memsz;

    start -= start % page;
    if (part->p_type == PT_LOAD && (part->p_flags & PF_W) == 0)
      madvise ((void *) start, end - start, MADV_DONTNEED);
  }
  return 0;
}

static gboolean
give_back (gpointer data)
{
  VsmmuMemory *memory = data;
  gsize page = (gsize) sysconf (_SC_PAGESIZE);

  malloc_trim (0);
  if (memory->is_again) {
    memory->is_again = FALSE;
    return G_SOURCE_CONTINUE;
  }
  memory->timer = 0;
  dl_iterate_phdr (drop_pages, &page);
  return G_SOURCE_REMOVE;
}

void
vsmmu_memory_settle (VsmmuMemory *memory)
{
  memory->is_again = memory->timer != 0;
  if (memory->timer == 0)
    memory->timer = g_timeout_add (QUIET_MS, give_back, memory);
}

VsmmuMemory *
vsmmu_memory_new (void)
{
  VsmmuMemory *memory = g_new0 (VsmmuMemory, 1);

  vsmmu_memory_settle (memory);
  return memory;
}

void
vsmmu_memory_free (VsmmuMemory *memory)
{
  g_clear_handle_id (&memory->timer, g_source_remove);
  g_free (memory);
}
