/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <vsmmu/vsmmu.h>

/* Facts as they were at one time; shared by threads. */
typedef struct {
  VsmmuHost *host;
  char *json;
} VsmmuHostSnapshot;

void vsmmu_host_snapshot_unref (VsmmuHostSnapshot *snapshot);

/* What is known of this host, not read again for each call. */
typedef struct _VsmmuHostCache VsmmuHostCache;

/*
 * VsmmuHostSources:
 * @path: (nullable): as for vsmmu_facts_load(); %NULL to look at this host, without opening devices
 * @saved: (nullable): a file with facts that root found out about the same host, see vsmmu_host_complete(); it need not
 *   be there
 *
 * Where facts are from.
 */
typedef struct {
  const char *path;
  const char *saved;
} VsmmuHostSources;

/* @changed is called in the main thread when there are other facts than before, as far as somebody asked for them. */
VsmmuHostCache *vsmmu_host_cache_new (const VsmmuHostSources *sources, void (*changed) (gpointer data), gpointer data);
void vsmmu_host_cache_free (VsmmuHostCache *cache);

/*
 * vsmmu_host_cache_get:
 *
 * For any thread; it may wait for another thread that reads them.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 */
VsmmuHostSnapshot *vsmmu_host_cache_get (VsmmuHostCache *cache, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHostSnapshot, vsmmu_host_snapshot_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHostCache, vsmmu_host_cache_free)
