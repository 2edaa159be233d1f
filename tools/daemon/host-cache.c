/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-cache.h"

#include "../facts.h"
#include "host/host.h"

/* A host is not looked at again for this time. */
#define HOST_MAX_AGE (2 * G_USEC_PER_SEC)

struct _VsmmuHostCache {
  char *path;
  char *saved;
  GFileMonitor *monitors[2]; /* (nullable): of @path and @saved */
  void (*changed) (gpointer data);
  gpointer data;
  gboolean is_outdated; /* atomic: a file is not as it was read */
  GMutex mutex;         /* of what is below, and held while facts are read, so that they are read once */
  VsmmuHostSnapshot *snapshot;
  gint64 read; /* monotonic time */
};

static void
clear_snapshot (gpointer data)
{
  VsmmuHostSnapshot *snapshot = data;

  vsmmu_host_unref (snapshot->host);
  g_free (snapshot->json);
}

void
vsmmu_host_snapshot_unref (VsmmuHostSnapshot *snapshot)
{
  g_atomic_rc_box_release_full (snapshot, clear_snapshot);
}

/* Takes @host. */
static VsmmuHostSnapshot *
snapshot_new (VsmmuHost *host)
{
  VsmmuHostSnapshot *snapshot = g_atomic_rc_box_new0 (VsmmuHostSnapshot);

  snapshot->host = host;
  snapshot->json = vsmmu_host_to_json (host);
  return snapshot;
}

static gboolean
emit (gpointer data)
{
  const VsmmuHostCache *cache = data;

  cache->changed (cache->data);
  return G_SOURCE_REMOVE;
}

static gboolean
is_fresh (VsmmuHostCache *cache)
{
  return cache->snapshot != NULL && !g_atomic_int_get (&cache->is_outdated) &&
         g_get_monotonic_time () - cache->read < HOST_MAX_AGE;
}

static gboolean
add_saved (VsmmuHost *host, const char *path, GError **error)
{
  g_autoptr (VsmmuHost) saved = NULL;

  if (path == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  saved = vsmmu_host_new_from_file (path, error);
  if (saved != NULL)
    vsmmu_host_complete (host, saved);
  return saved != NULL;
}

static gboolean
read_facts (VsmmuHostCache *cache, GError **error)
{
  g_autoptr (VsmmuHostSnapshot) before = NULL;
  g_autoptr (VsmmuHost) host = NULL;

  g_atomic_int_set (&cache->is_outdated, FALSE);
  host = vsmmu_facts_load (cache->path, VSMMU_HOST_PROBE_NONE, error);
  if (host == NULL || !add_saved (host, cache->saved, error))
    return FALSE;
  before = g_steal_pointer (&cache->snapshot);
  cache->snapshot = snapshot_new (g_steal_pointer (&host));
  cache->read = g_get_monotonic_time ();
  if (before != NULL && strcmp (before->json, cache->snapshot->json) != 0)
    g_main_context_invoke (NULL, emit, cache);
  return TRUE;
}

VsmmuHostSnapshot *
vsmmu_host_cache_get (VsmmuHostCache *cache, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&cache->mutex);

  if (!is_fresh (cache) && !read_facts (cache, error))
    return NULL;
  return g_atomic_rc_box_acquire (cache->snapshot);
}

/* Who writes a file usually replaces it, which are several events. */
static void
file_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  VsmmuHostCache *cache = data;

  if (event != G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT && event != G_FILE_MONITOR_EVENT_RENAMED &&
      event != G_FILE_MONITOR_EVENT_DELETED)
    return;
  g_atomic_int_set (&cache->is_outdated, TRUE);
  cache->changed (cache->data);
}

/* (nullable) (transfer full): %NULL when there is no file, or nothing says when it changes */
static GFileMonitor *
watch (VsmmuHostCache *cache, const char *path)
{
  g_autoptr (GFile) file = path != NULL ? g_file_new_for_path (path) : NULL;
  GFileMonitor *monitor = file != NULL ? g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL) : NULL;

  if (monitor != NULL)
    g_signal_connect (monitor, "changed", G_CALLBACK (file_changed), cache);
  return monitor;
}

VsmmuHostCache *
vsmmu_host_cache_new (const VsmmuHostSources *sources, void (*changed) (gpointer data), gpointer data)
{
  VsmmuHostCache *cache = g_new0 (VsmmuHostCache, 1);

  cache->path = g_strdup (sources->path);
  cache->saved = g_strdup (sources->saved);
  cache->changed = changed;
  cache->data = data;
  g_mutex_init (&cache->mutex);
  cache->monitors[0] = watch (cache, cache->path);
  cache->monitors[1] = watch (cache, cache->saved);
  return cache;
}

void
vsmmu_host_cache_free (VsmmuHostCache *cache)
{
  for (guint i = 0; i < G_N_ELEMENTS (cache->monitors); i++)
    g_clear_object (&cache->monitors[i]);
  g_clear_pointer (&cache->snapshot, vsmmu_host_snapshot_unref);
  g_mutex_clear (&cache->mutex);
  g_free (cache->path);
  g_free (cache->saved);
  g_free (cache);
}
