/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/watcher.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "watch/detach.h"
#include "watch/guest.h"
#include "watch/record.h"

/* Seconds that the end waits for what is under way. */
#define END_MAX 3

/* Seconds between attempts to connect: doubled each time. */
#define RETRY_MAX 32

static void connect_daemon (VsmmuWatchedDaemon *daemon);

static void
on_guest_event (VsmmuWatchedDaemon *daemon, const VsmmuEvent *event)
{
  VsmmuWatchedGuest *guest = g_hash_table_lookup (daemon->guests, event->uuid);

  if (event->kind == VSMMU_EVENT_STOPPED || event->kind == VSMMU_EVENT_STARTED) {
    if (guest != NULL)
      vsmmu_watched_guest_forget (guest);
    if (event->kind == VSMMU_EVENT_STARTED)
      vsmmu_watched_guest_verify_all (vsmmu_watched_guest_get (daemon, event->uuid, event->name));
    return;
  }
  guest = vsmmu_watched_guest_get (daemon, event->uuid, event->name);
  if (event->kind == VSMMU_EVENT_ADDED) {
    vsmmu_watched_guest_on_added (guest, event->alias);
  } else if (event->kind == VSMMU_EVENT_REMOVED) {
    vsmmu_watched_guest_on_removed (guest, event->alias);
  } else if (event->kind == VSMMU_EVENT_REMOVAL_FAILED) {
    vsmmu_detach_schedule (guest, event->alias, 0, _ ("the guest refused to release the device"));
  } else {
    vsmmu_watched_guest_on_reboot (guest);
  }
}

/* Half of a second, one, two, … */
static gboolean
retry (gpointer data)
{
  ((VsmmuWatchedDaemon *) data)->retry = 0;
  connect_daemon (data);
  return G_SOURCE_REMOVE;
}

static void
close_pool (VsmmuWatchedDaemon *daemon)
{
  VsmmuJob *job;

  if (daemon->pool == NULL)
    return;
  job = vsmmu_job_new (VSMMU_JOB_CLOSE, daemon->link);
  job->pool = g_steal_pointer (&daemon->pool);
  vsmmu_watched_push (daemon, job, NULL);
}

static void
on_disconnected (VsmmuWatchedDaemon *daemon, const char *reason)
{
  GHashTableIter iter;
  gpointer guest;

  close_pool (daemon);
  g_hash_table_iter_init (&iter, daemon->guests);
  while (g_hash_table_iter_next (&iter, NULL, &guest))
    vsmmu_watched_guest_on_disconnected (guest);
  if (!daemon->is_reported)
    vsmmu_watched_report (daemon, VSMMU_WATCH_DISCONNECTED, NULL, NULL, reason);
  daemon->is_reported = TRUE;
  if (daemon->retry == 0)
    daemon->retry = g_timeout_add (MIN (500u << MIN (daemon->failures, 10), RETRY_MAX * 1000u), retry, daemon);
  daemon->failures++;
}

/* In the main context; @link is the box that the job was given. */
static void
on_event (const VsmmuEvent *event, gpointer link)
{
  VsmmuWatchedDaemon *daemon = ((VsmmuWatchLink *) link)->daemon;

  if (daemon == NULL)
    return;
  if (event->uuid != NULL)
    on_guest_event (daemon, event);
  else if (daemon->is_connecting)
    daemon->is_lost = TRUE;
  else if (daemon->pool != NULL)
    on_disconnected (daemon, _ ("the connection was closed"));
}

/* Forgets guests that ended without an event, and verifies all others. */
static void
update_guests (VsmmuWatchedDaemon *daemon, const GPtrArray *running)
{
  g_autoptr (GHashTable) uuids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) guests = g_hash_table_get_values (daemon->guests);

  for (guint i = 0; i < running->len; i += 2)
    g_hash_table_add (uuids, g_ptr_array_index (running, i));
  for (GList *guest = guests; guest != NULL; guest = guest->next)
    if (!g_hash_table_contains (uuids, ((VsmmuWatchedGuest *) guest->data)->uuid))
      vsmmu_watched_guest_forget (guest->data);
  for (guint i = 0; i < running->len; i += 2)
    vsmmu_watched_guest_verify_all (
        vsmmu_watched_guest_get (daemon, g_ptr_array_index (running, i), g_ptr_array_index (running, i + 1)));
}

static void
on_connected (VsmmuJob *job)
{
  VsmmuWatchedDaemon *daemon = ((VsmmuWatchLink *) job->link)->daemon;

  if (daemon == NULL)
    return;
  daemon->is_connecting = FALSE;
  daemon->pool = g_steal_pointer (&job->pool);
  if (daemon->pool == NULL || daemon->is_lost) {
    on_disconnected (daemon, job->error != NULL ? job->error->message : _ ("the connection was closed"));
    return;
  }
  daemon->failures = 0;
  daemon->is_reported = FALSE;
  vsmmu_watched_report (daemon, VSMMU_WATCH_CONNECTED, NULL, NULL, NULL);
  update_guests (daemon, job->running);
  vsmmu_watched_trim (daemon);
}

static void
connect_daemon (VsmmuWatchedDaemon *daemon)
{
  VsmmuJob *job = vsmmu_job_new (VSMMU_JOB_CONNECT, daemon->link);

  job->event = on_event;
  job->uri = g_strdup (daemon->uri);
  daemon->is_connecting = TRUE;
  daemon->is_lost = FALSE;
  vsmmu_watched_push (daemon, job, on_connected);
}

static VsmmuWatchedDaemon *
daemon_new (VsmmuWatcher *watcher, const char *uri)
{
  VsmmuWatchedDaemon *daemon = g_new0 (VsmmuWatchedDaemon, 1);

  daemon->watcher = watcher;
  daemon->uri = g_strdup (uri);
  daemon->guests = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, vsmmu_watched_guest_free);
  daemon->link = g_atomic_rc_box_new0 (VsmmuWatchLink);
  daemon->link->daemon = daemon;
  return daemon;
}

/* From here on no job and no event finds it. */
static void
daemon_end (VsmmuWatchedDaemon *daemon)
{
  GHashTableIter iter;
  gpointer guest;

  g_atomic_int_set (&daemon->link->is_over, 1);
  daemon->link->daemon = NULL;
  g_hash_table_iter_init (&iter, daemon->guests);
  while (g_hash_table_iter_next (&iter, NULL, &guest))
    vsmmu_watched_guest_stop_trace (guest);
  close_pool (daemon);
  g_clear_handle_id (&daemon->retry, g_source_remove);
}

static void
daemon_free (gpointer data)
{
  VsmmuWatchedDaemon *daemon = data;

  g_hash_table_unref (daemon->guests);
  g_atomic_rc_box_release (daemon->link);
  g_free (daemon->uri);
  g_free (daemon);
}

VsmmuWatcher *
vsmmu_watcher_new (const VsmmuWatchOptions *options, GError **error)
{
  static const char *const system_only[] = { "qemu:///system", NULL };
  const char *const *uris = options->uris != NULL ? options->uris : system_only;
  VsmmuWatcher *watcher;

  if (!vsmmu_events_prepare (error))
    return NULL;
  watcher = g_new0 (VsmmuWatcher, 1);
  *watcher = (VsmmuWatcher){
    .daemons = g_ptr_array_new_with_free_func (daemon_free),
    .workers = vsmmu_worker_pool_new (),
    .queue = vsmmu_verification_queue_new (vsmmu_watched_guest_start, vsmmu_watched_guest_on_overdue, options->budget),
    .flags = options->flags,
    .is_enforcing = options->is_enforcing,
    .budget = options->budget != NULL ? vsmmu_budget_ref (options->budget) : NULL,
    .trim = options->trim,
    .report = options->report,
    .data = options->data,
  };
  for (guint i = 0; uris[i] != NULL; i++) {
    VsmmuWatchedDaemon *daemon = daemon_new (watcher, uris[i]);

    g_ptr_array_add (watcher->daemons, daemon);
    connect_daemon (daemon);
  }
  return watcher;
}

void
vsmmu_watcher_free (VsmmuWatcher *watcher)
{
  if (watcher == NULL)
    return;
  vsmmu_verification_queue_free (watcher->queue);
  for (guint i = 0; i < watcher->daemons->len; i++)
    daemon_end (g_ptr_array_index (watcher->daemons, i));
  vsmmu_worker_pool_end (watcher->workers, END_MAX);
  g_ptr_array_unref (watcher->daemons);
  g_clear_pointer (&watcher->budget, vsmmu_budget_unref);
  g_free (watcher);
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const VsmmuWatchEntry *left = a;
  const VsmmuWatchEntry *right = b;
  int order = strcmp (left->uri, right->uri);

  if (order == 0)
    order = g_strcmp0 (left->domain, right->domain);
  return order != 0 ? order : strcmp (left->device->alias, right->device->alias);
}

static void
list_guest (const VsmmuWatchedGuest *guest, GArray *entries)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const VsmmuWatchedDevice *watched = value;
    const VsmmuWatchEntry row = { guest->daemon->uri, guest->name, guest->uuid, watched->since, watched->device };

    if (watched->device != NULL)
      g_array_append_val (entries, row);
  }
}

GArray *
vsmmu_watcher_list (const VsmmuWatcher *watcher)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (VsmmuWatchEntry));

  for (guint i = 0; i < watcher->daemons->len; i++) {
    const VsmmuWatchedDaemon *daemon = g_ptr_array_index (watcher->daemons, i);
    GHashTableIter iter;
    gpointer guest;

    g_hash_table_iter_init (&iter, daemon->guests);
    while (g_hash_table_iter_next (&iter, NULL, &guest))
      list_guest (guest, entries);
  }
  g_array_sort (entries, compare_entries);
  return entries;
}

guint
vsmmu_watcher_recheck (VsmmuWatcher *watcher, const char *domain)
{
  guint count = 0;

  for (guint i = 0; i < watcher->daemons->len; i++) {
    const VsmmuWatchedDaemon *daemon = g_ptr_array_index (watcher->daemons, i);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, daemon->guests);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
      VsmmuWatchedGuest *guest = value;

      if (domain != NULL && g_strcmp0 (guest->name, domain) != 0 && strcmp (guest->uuid, domain) != 0)
        continue;
      vsmmu_watched_guest_verify_all (guest);
      count++;
    }
  }
  return count;
}
