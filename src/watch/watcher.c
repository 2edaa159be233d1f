/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <string.h>

#include "base/budget.h"
#include "check/policy.h"
#include "libvirt/qemu-log.h"
#include "vsmmu/watch.h"
#include "watch/job.h"

/*
 * Verifications at a time: in all, of guests that took too long the last time, and when many hang, as a QEMU may. Those
 * that hang do not count, but for the last: each holds one of the 20 threads that libvirt has for all its clients.
 */
#define RUNNING_MAX 4
#define SLOW_MAX 1
#define RUNNING_MAX_LATE 1
#define OVERDUE_MANY 8
#define OVERDUE_MAX 16

/* Seconds after which a QEMU counts as one that hangs; a verification takes a fraction of one. */
#define ANSWER_MAX 10

/* Seconds that the end waits for what is under way. */
#define END_MAX 3

/* Seconds between attempts to connect: doubled each time. */
#define RETRY_MAX 32

/*
 * Milliseconds from an attempt to detach that QEMU accepted to the next: it refuses another for 5 seconds
 * (pcie_cap_slot_unplug_request_cb()), and Linux takes as long to let a device go.
 */
#define DETACH_PATIENCE 10000

typedef struct _Daemon Daemon;

/* What jobs and libvirt's callbacks hold; the daemon is NULL once the watcher is gone. */
typedef struct {
  Daemon *daemon;
  int is_over; /* atomic */
} Link;

struct _VsmmuWatcher {
  GPtrArray *daemons;
  VsmmuCrew *crew;
  GQueue waiting;      /* (element-type VsmmuJob): verifications that are not begun */
  GHashTable *running; /* (element-type VsmmuJob): borrowed; those that are */
  guint n_overdue;     /* of these */
  guint n_slow;        /* of these, of guests that took too long */
  VsmmuVerifyFlags flags;
  gboolean is_enforcing;
  VsmmuBudget *budget; /* (nullable) */
  VsmmuWatchFunc tell;
  void (*settle) (gpointer data); /* (nullable) */
  gpointer data;
  guint next_serial;
};

struct _Daemon {
  VsmmuWatcher *watcher;
  Link *link;
  char *uri;
  VsmmuConnectionPool *pool; /* NULL while there is none */
  gboolean is_connecting;
  gboolean is_lost; /* while it connected, the connection closed again */
  gboolean is_told; /* that there is no connection */
  guint failures;
  guint retry;        /* source */
  GHashTable *guests; /* (element-type utf8 Guest): by UUID */
};

typedef struct {
  Daemon *daemon;
  char *uuid;
  char *name;
  guint serial;
  GHashTable *devices; /* (element-type utf8 Entry): by alias */
  gboolean is_busy;    /* a job looks at it */
  gboolean is_traced;  /* we have QEMU write down its MSI routes */
  gboolean wants_all;
  gboolean is_silent; /* its QEMU did not answer in time, and that was said */
  gboolean is_slow;   /* its last verification took as long as one may */
  guint attempt;
  guint timer; /* source */
} Guest;

/* One device, at the latest from its first verdict on. */
typedef struct {
  VsmmuVerifiedDevice *device; /* (nullable): no verdict yet */
  gboolean is_wanted;          /* to be looked at */
  gboolean was_attached;       /* we saw it come */
  gint64 asked;                /* when something happened that makes us look */
  gint64 since;                /* of the verdict */
  VsmmuLogMark log_mark;
  guint n_detaches;
  guint detach; /* source of the next attempt */
} Entry;

static void start_verification (Guest *guest);
static void connect_daemon (Daemon *daemon);

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_clear_pointer (&entry->device, vsmmu_verified_device_free);
  g_clear_handle_id (&entry->detach, g_source_remove);
  g_free (entry);
}

static void
guest_free (gpointer data)
{
  Guest *guest = data;

  g_clear_handle_id (&guest->timer, g_source_remove);
  g_hash_table_unref (guest->devices);
  g_free (guest->uuid);
  g_free (guest->name);
  g_free (guest);
}

static void
push (Daemon *daemon, VsmmuJob *job, void (*done) (VsmmuJob *job))
{
  VsmmuBudget *budget = daemon->watcher->budget;

  job->is_over = &daemon->link->is_over;
  job->done = done;
  job->budget = budget != NULL ? vsmmu_budget_ref (budget) : NULL;
  if (daemon->pool != NULL)
    job->pool = vsmmu_connection_pool_ref (daemon->pool);
  vsmmu_crew_push (daemon->watcher->crew, job);
}

/* What a job took can go back. */
static void
settle (const VsmmuWatcher *watcher)
{
  if (watcher->settle != NULL)
    watcher->settle (watcher->data);
}

/* Of a pool that was given up there is nothing to say. */
static void
ignore_job (VsmmuJob *job G_GNUC_UNUSED)
{
}

static void
tell (const Daemon *daemon, VsmmuWatchKind kind, const Guest *guest, const char *alias, const char *reason)
{
  VsmmuWatchNews news = { .kind = kind, .uri = daemon->uri, .alias = alias, .reason = reason };
  const Entry *entry = guest != NULL && alias != NULL ? g_hash_table_lookup (guest->devices, alias) : NULL;

  if (guest != NULL) {
    news.domain = guest->name;
    news.uuid = guest->uuid;
  }
  if (entry != NULL)
    news.device = entry->device;
  daemon->watcher->tell (&news, daemon->watcher->data);
}

static void
forget_device (Guest *guest, const char *alias)
{
  const Entry *entry = g_hash_table_lookup (guest->devices, alias);

  if (entry == NULL)
    return;
  if (entry->device != NULL)
    tell (guest->daemon, VSMMU_WATCH_REMOVED, guest, alias, NULL);
  g_hash_table_remove (guest->devices, alias);
}

static void
forget_guest (Guest *guest)
{
  g_autoptr (GList) aliases = g_hash_table_get_keys (guest->devices);

  for (GList *alias = aliases; alias != NULL; alias = alias->next)
    forget_device (guest, alias->data);
  g_hash_table_remove (guest->daemon->guests, guest->uuid);
}

static Guest *
get_guest (Daemon *daemon, const char *uuid, const char *name)
{
  Guest *guest = g_hash_table_lookup (daemon->guests, uuid);

  if (guest == NULL) {
    guest = g_new0 (Guest, 1);
    *guest = (Guest){
      .daemon = daemon,
      .uuid = g_strdup (uuid),
      .serial = daemon->watcher->next_serial++,
      .devices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free),
    };
    g_hash_table_insert (daemon->guests, guest->uuid, guest);
  }
  if (name != NULL && g_strcmp0 (guest->name, name) != 0) {
    g_free (guest->name);
    guest->name = g_strdup (name);
  }
  return guest;
}

/* The guest that @job is about; %NULL when it is another one by now, or nobody wants to know. */
static Guest *
find_guest (const VsmmuJob *job)
{
  const Daemon *daemon = ((const Link *) job->link)->daemon;
  Guest *guest = daemon != NULL ? g_hash_table_lookup (daemon->guests, job->uuid) : NULL;

  return guest != NULL && guest->serial == job->serial ? guest : NULL;
}

static Entry *
get_entry (Guest *guest, const char *alias)
{
  Entry *entry = g_hash_table_lookup (guest->devices, alias);

  if (entry != NULL)
    return entry;
  entry = g_new0 (Entry, 1);
  g_hash_table_insert (guest->devices, g_strdup (alias), entry);
  return entry;
}

/* Looks at all devices, now. */
static void
want_all (Guest *guest)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer entry;

  guest->wants_all = TRUE;
  guest->attempt = 0;
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    ((Entry *) entry)->asked = now;
  start_verification (guest);
}

/* What QEMU said since may be about a device that left, or about a start of the guest. */
static void
forget_log_starts (Guest *guest)
{
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    ((Entry *) entry)->log_mark = (VsmmuLogMark){ 0 };
}

/* Something may be missed, and the same alias be another device: it is not seen being attached, and not detached. */
static void
forget_arrivals (Guest *guest)
{
  GHashTableIter iter;
  gpointer alias;
  gpointer value;

  forget_log_starts (guest);
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, &alias, &value)) {
    Entry *entry = value;

    entry->was_attached = FALSE;
    if (entry->detach == 0)
      continue;
    g_clear_handle_id (&entry->detach, g_source_remove);
    tell (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, alias, _ ("the connection was closed"));
  }
}

/* The alias of the one device that is wanted; %NULL for several. */
static const char *
find_wanted (const Guest *guest, guint *count)
{
  const char *wanted = NULL;
  GHashTableIter iter;
  gpointer alias;
  gpointer entry;

  *count = 0;
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, &alias, &entry)) {
    if (!((Entry *) entry)->is_wanted)
      continue;
    ++*count;
    wanted = alias;
  }
  return *count == 1 ? wanted : NULL;
}

/* What is done about a mismatch; @is_overruled: although the domain wants less. */
static VsmmuPolicyMismatch
choose_action (const Guest *guest, const VsmmuVerification *verification, gboolean *is_overruled)
{
  g_autoptr (VsmmuPolicy) policy = NULL;
  g_autoptr (GError) error = NULL;

  if (!guest->daemon->watcher->is_enforcing)
    return VSMMU_POLICY_MISMATCH_REPORT;
  policy = vsmmu_policy_load (FALSE, &error);
  if (policy == NULL)
    tell (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, error->message);
  return vsmmu_policy_choose_mismatch (policy, verification->has_action ? &verification->action : NULL, is_overruled);
}

/* What an attempt to detach needs to find its device again. */
typedef struct {
  Guest *guest;
  char *alias;
} Detachment;

static void
detachment_free (gpointer data)
{
  g_free (((Detachment *) data)->alias);
  g_free (data);
}

static gboolean detach_again (gpointer data);

/*
 * Until the device is gone: QEMU refuses while the guest is still taking it in, and a guest whose driver is busy with
 * it ignores what QEMU asked of it.
 */
static void
schedule_detach (Guest *guest, const char *alias, guint patience, const char *reason)
{
  Entry *entry = g_hash_table_lookup (guest->devices, alias);
  guint delay;
  Detachment *detachment;

  if (entry == NULL || entry->n_detaches == 0 || entry->detach != 0)
    return;
  delay = entry->was_attached ? vsmmu_verify_delay (entry->n_detaches) : 0;
  if (delay == 0) {
    tell (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, alias, reason);
    return;
  }
  detachment = g_new (Detachment, 1);
  *detachment = (Detachment){ guest, g_strdup (alias) };
  entry->detach =
      g_timeout_add_full (G_PRIORITY_DEFAULT, MAX (delay, patience), detach_again, detachment, detachment_free);
}

static void
on_detached (VsmmuJob *job)
{
  const Daemon *daemon = ((Link *) job->link)->daemon;
  Guest *guest = daemon != NULL ? g_hash_table_lookup (daemon->guests, job->uuid) : NULL;

  if (daemon != NULL)
    settle (daemon->watcher);
  if (guest == NULL || guest->serial != job->serial)
    return;
  /* Another device has its alias: there is nothing to try again. */
  if (g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_VALUE))
    tell (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, job->alias, job->error->message);
  else if (job->error != NULL)
    schedule_detach (guest, job->alias, 0, job->error->message);
  else
    schedule_detach (guest, job->alias, DETACH_PATIENCE, _ ("the guest does not let it go"));
}

static void
detach (Guest *guest, const char *alias)
{
  Entry *entry = g_hash_table_lookup (guest->devices, alias);
  VsmmuJob *job;

  if (guest->daemon->pool == NULL)
    return;
  entry->n_detaches++;
  job = vsmmu_job_new (VSMMU_JOB_DETACH, guest->daemon->link);
  job->uuid = g_strdup (guest->uuid);
  job->serial = guest->serial;
  job->alias = g_strdup (alias);
  job->host = g_strdup (entry->device->host);
  push (guest->daemon, job, on_detached);
}

static gboolean
detach_again (gpointer data)
{
  const Detachment *detachment = data;
  Entry *entry = g_hash_table_lookup (detachment->guest->devices, detachment->alias);

  entry->detach = 0;
  detach (detachment->guest, detachment->alias);
  return G_SOURCE_REMOVE;
}

static void
tell_verdict (const Guest *guest, const Entry *entry, const VsmmuJob *job, VsmmuPolicyMismatch action,
              gboolean is_overruled)
{
  const VsmmuWatcher *watcher = guest->daemon->watcher;
  const VsmmuWatchNews news = {
    .kind = VSMMU_WATCH_VERDICT,
    .uri = guest->daemon->uri,
    .domain = guest->name,
    .uuid = guest->uuid,
    .alias = entry->device->alias,
    .device = entry->device,
    .action = action,
    .is_overruled = is_overruled,
    .verification = job->verification,
    .elapsed = entry->since - entry->asked,
    .reason = entry->device->reason,
  };

  watcher->tell (&news, watcher->data);
}

/* Takes over what a verification found out about one device. */
static void
update_device (Guest *guest, VsmmuVerifiedDevice *device, const VsmmuJob *job)
{
  g_autoptr (VsmmuVerifiedDevice) owned = device;
  Entry *entry = get_entry (guest, device->alias);
  VsmmuPolicyMismatch action = VSMMU_POLICY_MISMATCH_REPORT;
  gboolean is_news = guest->is_silent || entry->device == NULL || entry->device->verdict != device->verdict ||
                     g_strcmp0 (entry->device->reason, device->reason) != 0;
  gboolean is_overruled = FALSE;
  gboolean is_other = entry->device == NULL || entry->device->verdict != device->verdict;
  g_autofree char *alias = g_strdup (device->alias);

  /* It came again while the one before it was looked at, and has its own turn. */
  if (entry->asked > job->asked)
    return;
  g_clear_pointer (&entry->device, vsmmu_verified_device_free);
  entry->device = g_steal_pointer (&owned);
  entry->is_wanted = device->verdict == VSMMU_VERIFY_UNKNOWN_YET;
  if (entry->asked == 0)
    entry->asked = job->asked;
  if (is_other)
    entry->since = g_get_monotonic_time ();
  if (device->verdict == VSMMU_VERIFY_MISMATCH && is_news)
    action = choose_action (guest, job->verification, &is_overruled);
  if (is_news)
    tell_verdict (guest, entry, job, action, is_overruled);
  /* Only a device of the host has DMA that goes astray, and an address there that it is detached by. */
  if (device->verdict != VSMMU_VERIFY_MISMATCH || action != VSMMU_POLICY_MISMATCH_DETACH || !entry->was_attached ||
      device->host == NULL || entry->n_detaches > 0)
    return;
  tell (guest->daemon, VSMMU_WATCH_DETACHING, guest, alias, device->reason);
  detach (guest, alias);
}

/* Devices that were looked for and are not there, or not behind a vSMMU. */
static void
drop_missing (Guest *guest, const VsmmuJob *job, GHashTable *found)
{
  g_autoptr (GList) aliases = g_hash_table_get_keys (guest->devices);

  for (GList *alias = aliases; alias != NULL; alias = alias->next) {
    const Entry *entry = g_hash_table_lookup (guest->devices, alias->data);

    /* One that came since has its own turn. */
    if (!g_hash_table_contains (found, alias->data) && entry->asked <= job->asked &&
        (job->alias == NULL || strcmp (job->alias, alias->data) == 0))
      forget_device (guest, alias->data);
  }
}

static void
take_over (Guest *guest, VsmmuJob *job)
{
  g_autoptr (GHashTable) found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  g_free (guest->name);
  guest->name = g_strdup (job->verification->domain);
  while (job->verification->devices->len > 0) {
    VsmmuVerifiedDevice *device = g_ptr_array_steal_index (job->verification->devices, 0);

    g_hash_table_add (found, g_strdup (device->alias));
    update_device (guest, device, job);
  }
  drop_missing (guest, job, found);
  guest->is_silent = FALSE;
  guest->is_slow = FALSE;
}

/* Whether one that we saw come is to be looked at. */
static gboolean
awaits_arrival (const Guest *guest)
{
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    if (((Entry *) entry)->is_wanted && ((Entry *) entry)->was_attached)
      return TRUE;
  return FALSE;
}

static void
stop_trace (Guest *guest)
{
  VsmmuJob *job;

  if (!guest->is_traced || guest->is_busy || guest->daemon->pool == NULL)
    return;
  job = vsmmu_job_new (VSMMU_JOB_UNTRACE, guest->daemon->link);
  job->uuid = g_strdup (guest->uuid);
  job->is_traced = TRUE;
  guest->is_traced = FALSE;
  push (guest->daemon, job, ignore_job);
}

static gboolean
look_again (gpointer data)
{
  Guest *guest = data;

  guest->timer = 0;
  start_verification (guest);
  return G_SOURCE_REMOVE;
}

/* Where something is unknown yet, or libvirt did not answer. */
static void
schedule (Guest *guest, gboolean is_failed)
{
  guint count;
  guint delay;

  find_wanted (guest, &count);
  if (guest->wants_all && !is_failed) {
    start_verification (guest);
    return;
  }
  delay = count > 0 || is_failed ? vsmmu_verify_delay (++guest->attempt) : 0;
  guest->wants_all |= is_failed;
  if (delay > 0 && guest->timer == 0)
    guest->timer = g_timeout_add (delay, look_again, guest);
  if (delay == 0)
    stop_trace (guest);
}

static void begin_verifications (VsmmuWatcher *watcher);

/* Others take its place, as long as there are not too many of its kind. */
static gboolean
on_overdue (gpointer data)
{
  VsmmuJob *job = data;
  Guest *guest = find_guest (job);
  VsmmuWatcher *watcher = ((Link *) job->link)->daemon->watcher;
  g_autofree char *reason = NULL;

  /* It may be one that waits for memory, and not for QEMU. */
  if (vsmmu_budget_was_waited_for (watcher->budget, g_get_monotonic_time () - ANSWER_MAX * G_TIME_SPAN_SECOND))
    return G_SOURCE_CONTINUE;
  job->overdue = 0;
  if (guest != NULL) {
    guest->is_silent = TRUE;
    guest->is_slow = TRUE;
    reason = g_strdup_printf (_ ("QEMU has not answered for %d seconds; nothing new is known of the domain's devices "
                                 "until it does"),
                              ANSWER_MAX);
    tell (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, reason);
  }
  if (watcher->n_overdue < OVERDUE_MAX) {
    job->is_overdue = TRUE;
    watcher->n_overdue++;
    watcher->n_slow -= job->is_slow;
    begin_verifications (watcher);
  }
  return G_SOURCE_REMOVE;
}

static void
take_off (VsmmuWatcher *watcher, VsmmuJob *job)
{
  g_clear_handle_id (&job->overdue, g_source_remove);
  g_hash_table_remove (watcher->running, job);
  watcher->n_overdue -= job->is_overdue;
  watcher->n_slow -= job->is_slow && !job->is_overdue;
}

static void
digest (Guest *guest, VsmmuJob *job)
{
  gboolean is_failed = job->error != NULL;

  guest->is_busy = FALSE;
  guest->is_traced = job->is_traced;
  if (job->verification != NULL)
    take_over (guest, job);
  /* It ended, or is none of ours. */
  if (g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN) ||
      g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED)) {
    forget_guest (guest);
    return;
  }
  if (is_failed && g_get_monotonic_time () - job->begun >= VSMMU_VERIFY_SECONDS * G_TIME_SPAN_SECOND)
    guest->is_slow = TRUE;
  if (is_failed && guest->attempt == 0)
    tell (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, job->error->message);
  schedule (guest, is_failed);
}

static void
on_verified (VsmmuJob *job)
{
  const Daemon *daemon = ((Link *) job->link)->daemon;
  Guest *guest = find_guest (job);

  if (daemon == NULL)
    return;
  take_off (daemon->watcher, job);
  if (guest != NULL)
    digest (guest, job);
  begin_verifications (daemon->watcher);
  settle (daemon->watcher);
}

static void
begin_verification (VsmmuWatcher *watcher, VsmmuJob *job)
{
  Guest *guest = find_guest (job);

  if (guest == NULL || guest->daemon->pool == NULL) {
    /* When libvirt is there again, all are looked at. */
    if (guest != NULL)
      guest->is_busy = FALSE;
    vsmmu_job_free (job);
    return;
  }
  g_hash_table_add (watcher->running, job);
  job->is_slow = guest->is_slow;
  job->begun = g_get_monotonic_time ();
  watcher->n_slow += job->is_slow;
  job->overdue = g_timeout_add_seconds (ANSWER_MAX, on_overdue, job);
  push (guest->daemon, job, on_verified);
}

/* (nullable) (transfer full): the first that waits and may begin */
static VsmmuJob *
take_next (VsmmuWatcher *watcher)
{
  guint n_running = g_hash_table_size (watcher->running) - watcher->n_overdue;

  if (n_running >= (watcher->n_overdue < OVERDUE_MANY ? RUNNING_MAX : RUNNING_MAX_LATE))
    return NULL;
  for (GList *link = watcher->waiting.head; link != NULL; link = link->next) {
    VsmmuJob *job = link->data;
    const Guest *guest = find_guest (job);

    if (guest != NULL && guest->is_slow && watcher->n_slow >= SLOW_MAX)
      continue;
    g_queue_delete_link (&watcher->waiting, link);
    return job;
  }
  return NULL;
}

static void
begin_verifications (VsmmuWatcher *watcher)
{
  VsmmuJob *job;

  while ((job = take_next (watcher)) != NULL)
    begin_verification (watcher, job);
}

/* One job for each guest at a time, for one device or for all. */
static void
start_verification (Guest *guest)
{
  guint count;
  const char *alias = find_wanted (guest, &count);
  const Entry *entry;
  VsmmuJob *job;

  if (guest->is_busy || guest->daemon->pool == NULL || (!guest->wants_all && count == 0))
    return;
  g_clear_handle_id (&guest->timer, g_source_remove);
  job = vsmmu_job_new (VSMMU_JOB_VERIFY, guest->daemon->link);
  job->uuid = g_strdup (guest->uuid);
  job->serial = guest->serial;
  job->flags = guest->daemon->watcher->flags;
  job->asked = g_get_monotonic_time ();
  job->wants_trace = (job->flags & VSMMU_VERIFY_MONITOR) != 0 && awaits_arrival (guest);
  job->is_traced = guest->is_traced;
  if (!guest->wants_all && alias != NULL) {
    entry = g_hash_table_lookup (guest->devices, alias);
    job->alias = g_strdup (alias);
    job->log_mark = entry->log_mark;
  }
  guest->wants_all = FALSE;
  guest->is_busy = TRUE;
  g_queue_push_tail (&guest->daemon->watcher->waiting, job);
  begin_verifications (guest->daemon->watcher);
}

static void
on_added (Guest *guest, const char *alias)
{
  Entry *entry;
  g_autofree char *log = guest->name != NULL ? vsmmu_qemu_log_find (guest->daemon->uri, guest->name) : NULL;

  /* The same alias is another device now. */
  forget_device (guest, alias);
  entry = get_entry (guest, alias);
  entry->is_wanted = TRUE;
  entry->was_attached = TRUE;
  entry->asked = g_get_monotonic_time ();
  entry->log_mark = vsmmu_qemu_log_mark (log);
  guest->attempt = 0;
  start_verification (guest);
}

static void
on_removed (Guest *guest, const char *alias)
{
  forget_device (guest, alias);
  forget_log_starts (guest);
  if (!awaits_arrival (guest))
    stop_trace (guest);
}

static void
on_guest_event (Daemon *daemon, const VsmmuEvent *event)
{
  Guest *guest = g_hash_table_lookup (daemon->guests, event->uuid);

  if (event->kind == VSMMU_EVENT_STOPPED || event->kind == VSMMU_EVENT_STARTED) {
    if (guest != NULL)
      forget_guest (guest);
    if (event->kind == VSMMU_EVENT_STARTED)
      want_all (get_guest (daemon, event->uuid, event->name));
    return;
  }
  guest = get_guest (daemon, event->uuid, event->name);
  if (event->kind == VSMMU_EVENT_ADDED) {
    on_added (guest, event->alias);
  } else if (event->kind == VSMMU_EVENT_REMOVED) {
    on_removed (guest, event->alias);
  } else if (event->kind == VSMMU_EVENT_REMOVAL_FAILED) {
    schedule_detach (guest, event->alias, 0, _ ("the guest refused to let it go"));
  } else {
    forget_log_starts (guest);
    want_all (guest);
  }
}

/* Half of a second, one, two, … */
static gboolean
retry (gpointer data)
{
  ((Daemon *) data)->retry = 0;
  connect_daemon (data);
  return G_SOURCE_REMOVE;
}

static void
on_disconnected (Daemon *daemon, const char *reason)
{
  GHashTableIter iter;
  gpointer guest;

  if (daemon->pool != NULL) {
    VsmmuJob *job = vsmmu_job_new (VSMMU_JOB_CLOSE, daemon->link);

    job->pool = g_steal_pointer (&daemon->pool);
    push (daemon, job, ignore_job);
  }
  g_hash_table_iter_init (&iter, daemon->guests);
  while (g_hash_table_iter_next (&iter, NULL, &guest))
    forget_arrivals (guest);
  if (!daemon->is_told)
    tell (daemon, VSMMU_WATCH_DISCONNECTED, NULL, NULL, reason);
  daemon->is_told = TRUE;
  if (daemon->retry == 0)
    daemon->retry = g_timeout_add (MIN (500u << MIN (daemon->failures, 10), RETRY_MAX * 1000u), retry, daemon);
  daemon->failures++;
}

/* In the main context; @link is the box that the job was given. */
static void
on_event (const VsmmuEvent *event, gpointer link)
{
  Daemon *daemon = ((Link *) link)->daemon;

  if (daemon == NULL)
    return;
  if (event->uuid != NULL)
    on_guest_event (daemon, event);
  else if (daemon->is_connecting)
    daemon->is_lost = TRUE;
  else if (daemon->pool != NULL)
    on_disconnected (daemon, _ ("the connection was closed"));
}

/* Forgets guests that ended while nobody told, and looks at all others. */
static void
meet_guests (Daemon *daemon, const GPtrArray *running)
{
  g_autoptr (GHashTable) uuids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) guests = g_hash_table_get_values (daemon->guests);

  for (guint i = 0; i < running->len; i += 2)
    g_hash_table_add (uuids, g_ptr_array_index (running, i));
  for (GList *guest = guests; guest != NULL; guest = guest->next)
    if (!g_hash_table_contains (uuids, ((Guest *) guest->data)->uuid))
      forget_guest (guest->data);
  for (guint i = 0; i < running->len; i += 2)
    want_all (get_guest (daemon, g_ptr_array_index (running, i), g_ptr_array_index (running, i + 1)));
}

static void
on_connected (VsmmuJob *job)
{
  Daemon *daemon = ((Link *) job->link)->daemon;

  if (daemon == NULL)
    return;
  daemon->is_connecting = FALSE;
  daemon->pool = g_steal_pointer (&job->pool);
  if (daemon->pool == NULL || daemon->is_lost) {
    on_disconnected (daemon, job->error != NULL ? job->error->message : _ ("the connection was closed"));
    return;
  }
  daemon->failures = 0;
  daemon->is_told = FALSE;
  tell (daemon, VSMMU_WATCH_CONNECTED, NULL, NULL, NULL);
  meet_guests (daemon, job->running);
  settle (daemon->watcher);
}

static void
connect_daemon (Daemon *daemon)
{
  VsmmuJob *job = vsmmu_job_new (VSMMU_JOB_CONNECT, daemon->link);

  job->event = on_event;
  job->uri = g_strdup (daemon->uri);
  daemon->is_connecting = TRUE;
  daemon->is_lost = FALSE;
  push (daemon, job, on_connected);
}

static Daemon *
daemon_new (VsmmuWatcher *watcher, const char *uri)
{
  Daemon *daemon = g_new0 (Daemon, 1);

  daemon->watcher = watcher;
  daemon->uri = g_strdup (uri);
  daemon->guests = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, guest_free);
  daemon->link = g_atomic_rc_box_new0 (Link);
  daemon->link->daemon = daemon;
  return daemon;
}

/* From here on no job and no event finds it. */
static void
daemon_end (Daemon *daemon)
{
  GHashTableIter iter;
  gpointer guest;

  g_atomic_int_set (&daemon->link->is_over, 1);
  daemon->link->daemon = NULL;
  g_hash_table_iter_init (&iter, daemon->guests);
  while (g_hash_table_iter_next (&iter, NULL, &guest))
    stop_trace (guest);
  if (daemon->pool != NULL) {
    VsmmuJob *job = vsmmu_job_new (VSMMU_JOB_CLOSE, daemon->link);

    job->pool = g_steal_pointer (&daemon->pool);
    push (daemon, job, ignore_job);
  }
  g_clear_handle_id (&daemon->retry, g_source_remove);
}

static void
daemon_free (gpointer data)
{
  Daemon *daemon = data;

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
    .crew = vsmmu_crew_new (),
    .waiting = G_QUEUE_INIT,
    .running = g_hash_table_new (NULL, NULL),
    .flags = options->flags,
    .is_enforcing = options->is_enforcing,
    .budget = options->budget != NULL ? vsmmu_budget_ref (options->budget) : NULL,
    .settle = options->settle,
    .tell = options->tell,
    .data = options->data,
  };
  for (guint i = 0; uris[i] != NULL; i++) {
    Daemon *daemon = daemon_new (watcher, uris[i]);

    g_ptr_array_add (watcher->daemons, daemon);
    connect_daemon (daemon);
  }
  return watcher;
}

void
vsmmu_watcher_free (VsmmuWatcher *watcher)
{
  GHashTableIter iter;
  gpointer job;

  if (watcher == NULL)
    return;
  g_queue_clear_full (&watcher->waiting, (GDestroyNotify) vsmmu_job_free);
  g_hash_table_iter_init (&iter, watcher->running);
  while (g_hash_table_iter_next (&iter, &job, NULL))
    g_clear_handle_id (&((VsmmuJob *) job)->overdue, g_source_remove);
  for (guint i = 0; i < watcher->daemons->len; i++)
    daemon_end (g_ptr_array_index (watcher->daemons, i));
  vsmmu_crew_end (watcher->crew, END_MAX);
  g_hash_table_unref (watcher->running);
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
list_guest (const Guest *guest, GArray *entries)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Entry *entry = value;
    const VsmmuWatchEntry row = { guest->daemon->uri, guest->name, guest->uuid, entry->since, entry->device };

    if (entry->device != NULL)
      g_array_append_val (entries, row);
  }
}

GArray *
vsmmu_watcher_list (const VsmmuWatcher *watcher)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (VsmmuWatchEntry));

  for (guint i = 0; i < watcher->daemons->len; i++) {
    const Daemon *daemon = g_ptr_array_index (watcher->daemons, i);
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
    const Daemon *daemon = g_ptr_array_index (watcher->daemons, i);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, daemon->guests);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
      Guest *guest = value;

      if (domain != NULL && g_strcmp0 (guest->name, domain) != 0 && strcmp (guest->uuid, domain) != 0)
        continue;
      want_all (guest);
      count++;
    }
  }
  return count;
}
