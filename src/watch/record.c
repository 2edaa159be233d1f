/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/record.h"

static void
device_free (gpointer data)
{
  VsmmuWatchedDevice *watched = data;

  g_clear_pointer (&watched->device, vsmmu_verified_device_free);
  g_clear_handle_id (&watched->detach, g_source_remove);
  g_free (watched);
}

void
vsmmu_watched_guest_free (gpointer data)
{
  VsmmuWatchedGuest *guest = data;

  g_clear_handle_id (&guest->timer, g_source_remove);
  g_hash_table_unref (guest->devices);
  g_free (guest->uuid);
  g_free (guest->name);
  g_free (guest);
}

void
vsmmu_watched_push (VsmmuWatchedDaemon *daemon, VsmmuJob *job, void (*done) (VsmmuJob *job))
{
  VsmmuBudget *budget = daemon->watcher->budget;

  job->is_over = &daemon->link->is_over;
  job->done = done;
  job->budget = budget != NULL ? vsmmu_budget_ref (budget) : NULL;
  if (daemon->pool != NULL)
    job->pool = vsmmu_connection_pool_ref (daemon->pool);
  vsmmu_worker_pool_push (daemon->watcher->workers, job);
}

void
vsmmu_watched_trim (const VsmmuWatchedDaemon *daemon)
{
  if (daemon->watcher->trim != NULL)
    daemon->watcher->trim (daemon->watcher->data);
}

void
vsmmu_watched_report (const VsmmuWatchedDaemon *daemon, VsmmuWatchKind kind, const VsmmuWatchedGuest *guest,
                      const char *alias, const char *reason)
{
  VsmmuWatchEvent event = { .kind = kind, .uri = daemon->uri, .alias = alias, .reason = reason };
  const VsmmuWatchedDevice *watched =
      guest != NULL && alias != NULL ? g_hash_table_lookup (guest->devices, alias) : NULL;

  if (guest != NULL) {
    event.domain = guest->name;
    event.uuid = guest->uuid;
  }
  if (watched != NULL)
    event.device = watched->device;
  daemon->watcher->report (&event, daemon->watcher->data);
}

void
vsmmu_watched_device_forget (VsmmuWatchedGuest *guest, const char *alias)
{
  const VsmmuWatchedDevice *watched = g_hash_table_lookup (guest->devices, alias);

  if (watched == NULL)
    return;
  if (watched->device != NULL)
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_REMOVED, guest, alias, NULL);
  g_hash_table_remove (guest->devices, alias);
}

void
vsmmu_watched_guest_forget (VsmmuWatchedGuest *guest)
{
  g_autoptr (GList) aliases = g_hash_table_get_keys (guest->devices);

  for (GList *alias = aliases; alias != NULL; alias = alias->next)
    vsmmu_watched_device_forget (guest, alias->data);
  g_hash_table_remove (guest->daemon->guests, guest->uuid);
}

VsmmuWatchedGuest *
vsmmu_watched_guest_get (VsmmuWatchedDaemon *daemon, const char *uuid, const char *name)
{
  VsmmuWatchedGuest *guest = g_hash_table_lookup (daemon->guests, uuid);

  if (guest == NULL) {
    guest = g_new0 (VsmmuWatchedGuest, 1);
    *guest = (VsmmuWatchedGuest){
      .daemon = daemon,
      .uuid = g_strdup (uuid),
      .serial = daemon->watcher->next_serial++,
      .devices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, device_free),
    };
    g_hash_table_insert (daemon->guests, guest->uuid, guest);
  }
  if (name != NULL && g_strcmp0 (guest->name, name) != 0) {
    g_free (guest->name);
    guest->name = g_strdup (name);
  }
  return guest;
}

VsmmuWatchedGuest *
vsmmu_watched_guest_of (const VsmmuJob *job)
{
  const VsmmuWatchedDaemon *daemon = ((const VsmmuWatchLink *) job->link)->daemon;
  VsmmuWatchedGuest *guest = daemon != NULL ? g_hash_table_lookup (daemon->guests, job->uuid) : NULL;

  return guest != NULL && guest->serial == job->serial ? guest : NULL;
}

VsmmuWatchedDevice *
vsmmu_watched_device_get (VsmmuWatchedGuest *guest, const char *alias)
{
  VsmmuWatchedDevice *watched = g_hash_table_lookup (guest->devices, alias);

  if (watched != NULL)
    return watched;
  watched = g_new0 (VsmmuWatchedDevice, 1);
  g_hash_table_insert (guest->devices, g_strdup (alias), watched);
  return watched;
}
