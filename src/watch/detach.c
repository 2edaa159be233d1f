/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/detach.h"

#include <glib/gi18n-lib.h>

/*
 * Milliseconds from an attempt to detach that QEMU accepted to the next: it refuses another for 5 seconds
 * (pcie_cap_slot_unplug_request_cb()), and Linux takes as long to let a device go.
 */
#define ACCEPTED_DELAY 10000

/* What an attempt to detach needs to find its device again. */
typedef struct {
  VsmmuWatchedGuest *guest;
  char *alias;
} Detachment;

static void
detachment_free (gpointer data)
{
  g_free (((Detachment *) data)->alias);
  g_free (data);
}

static gboolean detach_again (gpointer data);

void
vsmmu_detach_schedule (VsmmuWatchedGuest *guest, const char *alias, guint min_delay, const char *reason)
{
  VsmmuWatchedDevice *watched = g_hash_table_lookup (guest->devices, alias);
  guint delay;
  Detachment *detachment;

  if (watched == NULL || watched->n_detaches == 0 || watched->detach != 0)
    return;
  delay = watched->was_attached ? vsmmu_verify_delay (watched->n_detaches) : 0;
  if (delay == 0) {
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, alias, reason);
    return;
  }
  detachment = g_new (Detachment, 1);
  *detachment = (Detachment){ guest, g_strdup (alias) };
  watched->detach =
      g_timeout_add_full (G_PRIORITY_DEFAULT, MAX (delay, min_delay), detach_again, detachment, detachment_free);
}

static void
on_detached (VsmmuJob *job)
{
  const VsmmuWatchedDaemon *daemon = ((VsmmuWatchLink *) job->link)->daemon;
  VsmmuWatchedGuest *guest = vsmmu_watched_guest_of (job);

  if (daemon != NULL)
    vsmmu_watched_trim (daemon);
  if (guest == NULL)
    return;
  /* Another device has its alias: there is nothing to try again. */
  if (g_error_matches (job->error, VSMMU_ERROR, VSMMU_ERROR_VALUE))
    vsmmu_watched_report (guest->daemon, VSMMU_WATCH_DETACH_FAILED, guest, job->alias, job->error->message);
  else if (job->error != NULL)
    vsmmu_detach_schedule (guest, job->alias, 0, job->error->message);
  else
    vsmmu_detach_schedule (guest, job->alias, ACCEPTED_DELAY, _ ("the guest does not release the device"));
}

void
vsmmu_detach_begin (VsmmuWatchedGuest *guest, const char *alias)
{
  VsmmuWatchedDevice *watched = g_hash_table_lookup (guest->devices, alias);
  VsmmuJob *job;

  if (guest->daemon->pool == NULL)
    return;
  watched->n_detaches++;
  job = vsmmu_job_new (VSMMU_JOB_DETACH, guest->daemon->link);
  job->uuid = g_strdup (guest->uuid);
  job->serial = guest->serial;
  job->alias = g_strdup (alias);
  job->host = g_strdup (watched->device->host);
  vsmmu_watched_push (guest->daemon, job, on_detached);
}

static gboolean
detach_again (gpointer data)
{
  const Detachment *detachment = data;
  VsmmuWatchedDevice *watched = g_hash_table_lookup (detachment->guest->devices, detachment->alias);

  watched->detach = 0;
  vsmmu_detach_begin (detachment->guest, detachment->alias);
  return G_SOURCE_REMOVE;
}
