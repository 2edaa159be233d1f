/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/job.h"

#include "msi/verify.h"
#include "probe/connection.h"
#include "probe/monitor.h"
#include "watch/watcher.h"

VsmmuSession *
vsmmu_session_ref (VsmmuSession *session)
{
  return g_atomic_rc_box_acquire (session);
}

static void
clear_session (gpointer data)
{
  vsmmu_connection_close (((VsmmuSession *) data)->connection);
}

void
vsmmu_session_unref (VsmmuSession *session)
{
  g_atomic_rc_box_release_full (session, clear_session);
}

static VsmmuSession *
open_session (const VsmmuJob *job, GPtrArray **running, GError **error)
{
  g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (job->uri, FALSE, error);
  VsmmuSession *session;

  /* Events first, so that what starts in between is not missed. */
  if (connection == NULL || !vsmmu_connection_subscribe (connection, vsmmu_watcher_on_event, job->link, error))
    return NULL;
  *running = vsmmu_connection_list_running (connection, error);
  if (*running == NULL)
    return NULL;
  session = g_atomic_rc_box_new0 (VsmmuSession);
  session->connection = g_steal_pointer (&connection);
  return session;
}

static void
stop_trace (VsmmuJob *job)
{
  g_autoptr (VsmmuConnectionDomain) domain =
      job->is_traced ? vsmmu_connection_domain_new (job->session->connection, job->uuid, NULL) : NULL;

  if (domain != NULL)
    vsmmu_monitor_stop_trace (domain);
  job->is_traced = FALSE;
}

/* Whether KVM will be given routes: a driver is still to come. */
static gboolean
is_any_awaited (const VsmmuVerification *verification)
{
  for (guint i = 0; i < verification->devices->len; i++) {
    const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, i);

    if (device->is_accelerated && device->verdict == VSMMU_VERIFY_UNKNOWN_YET)
      return TRUE;
  }
  return FALSE;
}

static void
verify (VsmmuJob *job)
{
  const VsmmuVerifyOptions options = {
    .flags = job->flags,
    .device = job->alias,
    .is_guarded_only = TRUE,
    .log_start = job->log_start,
  };

  job->verification = vsmmu_verify_domain_traced (job->session->connection, job->uuid, &options,
                                                  job->wants_trace ? &job->is_traced : NULL, &job->error);
  if (job->verification != NULL && (!job->wants_trace || !is_any_awaited (job->verification)))
    stop_trace (job);
}

static void
detach (VsmmuJob *job)
{
  g_autoptr (VsmmuConnectionDomain) domain =
      vsmmu_connection_domain_new (job->session->connection, job->uuid, &job->error);

  if (domain != NULL)
    vsmmu_connection_domain_detach (domain, job->alias, &job->error);
}

static gboolean
report (gpointer data)
{
  VsmmuJob *job = data;

  job->done (job);
  vsmmu_job_free (job);
  return G_SOURCE_REMOVE;
}

static void
run (gpointer data, gpointer user_data G_GNUC_UNUSED)
{
  VsmmuJob *job = data;
  gboolean is_over = g_atomic_int_get (job->is_over) != 0;

  if (job->kind == VSMMU_JOB_CONNECT && !is_over)
    job->session = open_session (job, &job->running, &job->error);
  else if (job->kind == VSMMU_JOB_VERIFY && !is_over)
    verify (job);
  else if (job->kind == VSMMU_JOB_DETACH && !is_over)
    detach (job);
  /* A trace does not outlive who wanted it. */
  if (job->session != NULL && (job->kind == VSMMU_JOB_UNTRACE || g_atomic_int_get (job->is_over) != 0))
    stop_trace (job);
  if (job->kind != VSMMU_JOB_CONNECT)
    g_clear_pointer (&job->session, vsmmu_session_unref);
  g_idle_add_full (G_PRIORITY_DEFAULT, report, job, NULL);
}

GThreadPool *
vsmmu_jobs_new (guint threads)
{
  /* Without threads of its own there is nothing that fails. */
  return g_thread_pool_new (run, NULL, (int) threads, FALSE, NULL);
}

VsmmuJob *
vsmmu_job_new (VsmmuJobKind kind, gpointer link)
{
  VsmmuJob *job = g_new0 (VsmmuJob, 1);

  job->kind = kind;
  job->link = g_atomic_rc_box_acquire (link);
  return job;
}

void
vsmmu_job_free (VsmmuJob *job)
{
  g_clear_pointer (&job->session, vsmmu_session_unref);
  g_atomic_rc_box_release (job->link);
  g_free (job->uri);
  g_clear_pointer (&job->running, g_ptr_array_unref);
  g_free (job->uuid);
  g_free (job->alias);
  g_clear_pointer (&job->verification, vsmmu_verification_free);
  g_clear_error (&job->error);
  g_free (job);
}
