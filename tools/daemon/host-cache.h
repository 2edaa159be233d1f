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
 * vsmmu_host_cache_new:
 * @path: (nullable): a file of facts that somebody keeps up to date; %NULL to look at this host without opening devices
 * @changed: called in the main thread when there are other facts than before
 */
VsmmuHostCache *vsmmu_host_cache_new (const char *path, void (*changed) (gpointer data), gpointer data);
void vsmmu_host_cache_free (VsmmuHostCache *cache);

/*
 * vsmmu_host_cache_get:
 *
 * For any thread; it may wait for another one that reads them.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 */
VsmmuHostSnapshot *vsmmu_host_cache_get (VsmmuHostCache *cache, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHostSnapshot, vsmmu_host_snapshot_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHostCache, vsmmu_host_cache_free)
