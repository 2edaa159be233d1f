/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "probe/host.h"

/* What is done in a thread, so that there can be a word on how long it takes. */
typedef struct {
  const char *root;
  VsmmuHostProbeFlags flags;
  GMutex mutex;
  GCond changed;
  gboolean is_done;
  VsmmuHost *host;
  VsmmuRecordingCount count;
  char *listing;
  GError *error;
} Collection;

static gpointer
collect (gpointer data)
{
  Collection *collection = data;

  collection->listing = vsmmu_host_collect (collection->root, collection->flags, &collection->host, &collection->count,
                                            &collection->error);
  g_mutex_lock (&collection->mutex);
  collection->is_done = TRUE;
  g_cond_signal (&collection->changed);
  g_mutex_unlock (&collection->mutex);
  return NULL;
}

/* Progress belongs on a terminal, and only once somebody may wonder. */
static void
await (Collection *collection)
{
  gint64 end = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  gboolean is_late = FALSE;

  g_mutex_lock (&collection->mutex);
  while (!collection->is_done && !is_late)
    is_late = !g_cond_wait_until (&collection->changed, &collection->mutex, end);
  is_late = is_late && vsmmu_command_is_terminal (STDERR_FILENO);
  if (is_late)
    g_printerr ("%s", _ ("reading the host ..."));
  while (!collection->is_done)
    g_cond_wait (&collection->changed, &collection->mutex);
  g_mutex_unlock (&collection->mutex);
  if (is_late)
    g_printerr ("\r\033[K");
}

static gboolean
write_listing (const char *listing, const char *path)
{
  g_autoptr (GError) error = NULL;

  if (strcmp (path, "-") == 0) {
    fputs (listing, stdout);
    return vsmmu_command_flush ();
  }
  if (g_file_set_contents (path, listing, -1, &error))
    return TRUE;
  vsmmu_command_complain ("%s", error->message);
  return FALSE;
}

static void
describe (const Collection *collection)
{
  const VsmmuHost *host = collection->host;
  const VsmmuRecordingCount *count = &collection->count;

  g_printerr (_ ("collected: what virt-vsmmu reads of SMMUv3s (%u), PCI functions (%u), their IOMMU groups, the kernel "
                 "and the tools (files and links: %u)\n"),
              host->smmus->len, host->devices->len, count->files);
  g_printerr (
      _ ("left out: PCI configuration space except for the headers of extended capabilities, and lines of files "
         "that virt-vsmmu does not read (%u)\n"),
      count->lines);
  g_printerr (_ ("replaced: host names, UUIDs and hardware addresses (%u)\n"), count->names);
  if (host->unread->len > 0)
    g_printerr (_ ("not readable: files and devices (%u); the listing names them; root can read more\n"),
                host->unread->len);
}

int
vsmmu_collect (const char *root, VsmmuHostProbeFlags flags, const char *path)
{
  Collection collection = { .root = root, .flags = flags };
  g_autoptr (GThread) thread = NULL;
  g_autofree char *listing = NULL;
  g_autoptr (VsmmuHost) host = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&collection.mutex);
  g_cond_init (&collection.changed);
  thread = g_thread_new ("collect", collect, &collection);
  await (&collection);
  g_thread_join (g_steal_pointer (&thread));
  g_mutex_clear (&collection.mutex);
  g_cond_clear (&collection.changed);
  listing = collection.listing;
  host = collection.host;
  error = collection.error;
  if (listing == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (!write_listing (listing, path))
    return VSMMU_EXIT_FAILED;
  describe (&collection);
  return VSMMU_EXIT_CLEAN;
}
