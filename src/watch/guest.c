/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/guest.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "check/policy.h"
#include "libvirt/qemu-log.h"
#include "watch/detach.h"

/* What QEMU said since may be about a device that left, or about a start of the guest. */
static void
forget_log_marks (VsmmuWatchedGuest *guest)
{
  GHashTableIter iter;
  gpointer watched;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &watched))
    ((VsmmuWatchedDevice *) watched)->log_mark = (VsmmuLogMark){ 0 };
}

/* The alias of the one device that is wanted; %NULL for several. */
static const char *
find_wanted (const VsmmuWatchedGuest *guest, guint *count)
{
  const char *wanted = NULL;
  GHashTableIter iter;
  gpointer alias;
  gpointer watched;

  *count = 0;
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, &alias, &watched)) {
    if (!((VsmmuWatchedDevice *) watched)->is_wanted)
      continue;
    ++*count;
    wanted = alias;
  }
  return *count == 1 ? wanted : NULL;
}

/* Whether a device that we saw come is to be verified. */
static gboolean
awaits_arrival (const VsmmuWatchedGuest *guest)
{
  GHashTableIter iter;
  gpointer watched;

  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &watched))
    if (((VsmmuWatchedDevice *) watched)->is_wanted && ((VsmmuWatchedDevice *) watched)->was_attached)
      return TRUE;
  return FALSE;
}

/* One job for each guest at a time, for one device or for all. */
static void
start_verification (VsmmuWatchedGuest *guest)
{
  guint count;
  const char *alias = find_wanted (guest, &count);
  const VsmmuWatchedDevice *watched;
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
  job->is_slow = guest->is_slow;
  if (!guest->wants_all && alias != NULL) {
    watched = g_hash_table_lookup (guest->devices, alias);
    job->alias = g_strdup (alias);
    job->log_mark = watched->log_mark;
  }
  guest->wants_all = FALSE;
  guest->is_busy = TRUE;
  vsmmu_verification_queue_push (guest->daemon->watcher->queue, job);
}

static gboolean
verify_again (gpointer data)
{
  VsmmuWatchedGuest *guest = data;

  guest->timer = 0;
  start_verification (guest);
  return G_SOURCE_REMOVE;
}

/* What is done about a mismatch; @is_overruled: although the domain wants less. */
static VsmmuPolicyMismatch
choose_action (const VsmmuWatchedGuest *guest, const VsmmuVerification *verification, gboolean *is_overruled)
{
  g_autoptr (VsmmuPolicy) policy = NULL;
  g_autoptr (GError) error = NULL;

  if (!guest->daemon->watcher->is_enforcing)
    return VSMMU_POLICY_MISMATCH_REPORT;
  policy = vsmmu_policy_load (FALSE, &error);
  if (policy == NULL)
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, error->message);
  return vsmmu_policy_choose_mismatch (policy, verification->has_action ? &verification->action : NULL, is_overruled);
}

static void
report_verdict (const VsmmuWatchedGuest *guest, const VsmmuWatchedDevice *watched, const VsmmuJob *job,
                VsmmuPolicyMismatch action, gboolean is_overruled)
{
  const VsmmuWatcher *watcher = guest->daemon->watcher;
  const VsmmuWatchEvent event = {
    .kind = VSMMU_WATCH_VERDICT,
    .uri = guest->daemon->uri,
    .domain = guest->name,
    .uuid = guest->uuid,
    .alias = watched->device->alias,
    .device = watched->device,
    .action = action,
    .is_overruled = is_overruled,
    .verification = job->verification,
    .elapsed = watched->since - watched->asked,
    .reason = watched->device->reason,
  };

  watcher->report (&event, watcher->data);
}

/* Takes over what a verification found out about one device. */
static void
update_device (VsmmuWatchedGuest *guest, VsmmuVerifiedDevice *device, const VsmmuJob *job)
{
  g_autoptr (VsmmuVerifiedDevice) owned = device;
  VsmmuWatchedDevice *watched = vsmmu_watched_device_get (guest, device->alias);
  VsmmuPolicyMismatch action = VSMMU_POLICY_MISMATCH_REPORT;
  gboolean is_new = guest->is_silent || watched->device == NULL || watched->device->outcome != device->outcome ||
                    g_strcmp0 (watched->device->reason, device->reason) != 0;
  gboolean is_overruled = FALSE;
  gboolean is_other = watched->device == NULL || watched->device->outcome != device->outcome;
  g_autofree char *alias = g_strdup (device->alias);

  /* It came again while the one before it was looked at, and has its own turn. */
  if (watched->asked > job->asked)
    return;
  g_clear_pointer (&watched->device, vsmmu_verified_device_free);
  watched->device = g_steal_pointer (&owned);
  watched->is_wanted = device->outcome == VSMMU_OUTCOME_UNKNOWN_YET;
  if (watched->asked == 0)
    watched->asked = job->asked;
  if (is_other)
    watched->since = g_get_monotonic_time ();
  if (device->outcome == VSMMU_OUTCOME_MISMATCH && is_new)
    action = choose_action (guest, job->verification, &is_overruled);
  if (is_new)
    report_verdict (guest, watched, job, action, is_overruled);
  /* Only a device of the host has DMA that can go wrong, and an address there that it is detached by. */
  if (device->outcome != VSMMU_OUTCOME_MISMATCH || action != VSMMU_POLICY_MISMATCH_DETACH || !watched->was_attached ||
      device->host == NULL || watched->n_detaches > 0)
    return;
  vsmmu_watched_report (guest->daemon, VSMMU_WATCH_DETACHING, guest, alias, device->reason);
  vsmmu_detach_begin (guest, alias);
}

/* Devices that were looked for and are not there, or not behind a vSMMU. */
static void
drop_missing (VsmmuWatchedGuest *guest, const VsmmuJob *job, GHashTable *found)
{
  g_autoptr (GList) aliases = g_hash_table_get_keys (guest->devices);

  for (GList *alias = aliases; alias != NULL; alias = alias->next) {
    const VsmmuWatchedDevice *watched = g_hash_table_lookup (guest->devices, alias->data);

    /* A device that came since has its own turn. */
    if (!g_hash_table_contains (found, alias->data) && watched->asked <= job->asked &&
        (job->alias == NULL || strcmp (job->alias, alias->data) == 0))
      vsmmu_watched_device_forget (guest, alias->data);
  }
}

static void
update_devices (VsmmuWatchedGuest *guest, VsmmuJob *job)
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

void
vsmmu_watched_guest_stop_trace (VsmmuWatchedGuest *guest)
{
  VsmmuJob *job;

  if (!guest->is_traced || guest->is_busy || guest->daemon->pool == NULL)
    return;
  job = vsmmu_job_new (VSMMU_JOB_UNTRACE, guest->daemon->link);
  job->uuid = g_strdup (guest->uuid);
  job->is_traced = TRUE;
  guest->is_traced = FALSE;
  vsmmu_watched_push (guest->daemon, job, NULL);
}

/* Where something is unknown yet, or libvirt did not answer. */
static void
schedule (VsmmuWatchedGuest *guest, gboolean is_failed)
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
    guest->timer = g_timeout_add (delay, verify_again, guest);
  if (delay == 0)
    vsmmu_watched_guest_stop_trace (guest);
}

static void
finish_verification (VsmmuWatchedGuest *guest, VsmmuJob *job)
{
  gboolean is_failed = job->error != NULL;

  guest->is_busy = FALSE;
  guest->is_traced = job->is_traced;
  if (job->verification != NULL)
    update_devices (guest, job);
  /* It ended, or has nothing to verify. */
  if (g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN) ||
      g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED)) {
    vsmmu_watched_guest_forget (guest);
    return;
  }
  if (is_failed && g_get_monotonic_time () - job->begun >= VSMMU_VERIFY_SECONDS * G_TIME_SPAN_SECOND)
    guest->is_slow = TRUE;
  if (is_failed && guest->attempt == 0)
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, job->error->message);
  schedule (guest, is_failed);
}

static void
on_verified (VsmmuJob *job)
{
  const VsmmuWatchedDaemon *daemon = ((VsmmuWatchLink *) job->link)->daemon;
  VsmmuWatchedGuest *guest = vsmmu_watched_guest_of (job);

  if (daemon == NULL)
    return;
  vsmmu_verification_queue_remove (daemon->watcher->queue, job);
  if (guest != NULL)
    finish_verification (guest, job);
  vsmmu_verification_queue_advance (daemon->watcher->queue);
  vsmmu_watched_trim (daemon);
}

gboolean
vsmmu_watched_guest_start (VsmmuJob *job)
{
  VsmmuWatchedGuest *guest = vsmmu_watched_guest_of (job);

  if (guest == NULL)
    return FALSE;
  /* When libvirt is there again, all are verified. */
  guest->is_busy = guest->daemon->pool != NULL;
  if (guest->is_busy)
    vsmmu_watched_push (guest->daemon, job, on_verified);
  return guest->is_busy;
}

void
vsmmu_watched_guest_on_overdue (VsmmuJob *job, guint seconds)
{
  VsmmuWatchedGuest *guest = vsmmu_watched_guest_of (job);
  g_autofree char *reason = NULL;

  if (guest == NULL)
    return;
  guest->is_silent = TRUE;
  guest->is_slow = TRUE;
  reason = g_strdup_printf (_ ("QEMU has not responded for %d seconds; the state of the domain's devices is unknown "
                               "until it does"),
                            (int) seconds);
  vsmmu_watched_report (guest->daemon, VSMMU_WATCH_FAILED, guest, NULL, reason);
}

void
vsmmu_watched_guest_verify_all (VsmmuWatchedGuest *guest)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer watched;

  guest->wants_all = TRUE;
  guest->attempt = 0;
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, NULL, &watched))
    ((VsmmuWatchedDevice *) watched)->asked = now;
  start_verification (guest);
}

/* Events may have been missed, and the alias may belong to another device now: do not treat it as just attached, and do
 * not detach it. */
void
vsmmu_watched_guest_on_disconnected (VsmmuWatchedGuest *guest)
{
  GHashTableIter iter;
  gpointer alias;
  gpointer value;

  forget_log_marks (guest);
  g_hash_table_iter_init (&iter, guest->devices);
  while (g_hash_table_iter_next (&iter, &alias, &value)) {
    VsmmuWatchedDevice *watched = value;

    watched->was_attached = FALSE;
    if (watched->detach == 0)
      continue;
    g_clear_handle_id (&watched->detach, g_source_remove);
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, alias, _ ("the connection was closed"));
  }
}

void
vsmmu_watched_guest_on_added (VsmmuWatchedGuest *guest, const char *alias)
{
  VsmmuWatchedDevice *watched;
  g_autofree char *log = guest->name != NULL ? vsmmu_qemu_log_find (guest->daemon->uri, guest->name) : NULL;

  /* The same alias is another device now. */
  vsmmu_watched_device_forget (guest, alias);
  watched = vsmmu_watched_device_get (guest, alias);
  watched->is_wanted = TRUE;
  watched->was_attached = TRUE;
  watched->asked = g_get_monotonic_time ();
  watched->log_mark = vsmmu_qemu_log_mark (log);
  guest->attempt = 0;
  start_verification (guest);
}

void
vsmmu_watched_guest_on_removed (VsmmuWatchedGuest *guest, const char *alias)
{
  vsmmu_watched_device_forget (guest, alias);
  forget_log_marks (guest);
  if (!awaits_arrival (guest))
    vsmmu_watched_guest_stop_trace (guest);
}

void
vsmmu_watched_guest_on_reboot (VsmmuWatchedGuest *guest)
{
  forget_log_marks (guest);
  vsmmu_watched_guest_verify_all (guest);
}
