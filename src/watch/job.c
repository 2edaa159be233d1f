/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/job.h"

#include "libvirt/connection.h"
#include "libvirt/monitor.h"
#include "verify/verify.h"
#include "watch/detachment.h"

VsmmuConnectionPool *
vsmmu_connection_pool_ref (VsmmuConnectionPool *pool)
{
  return g_atomic_rc_box_acquire (pool);
}

static void
clear_pool (gpointer data)
{
  VsmmuConnectionPool *pool = data;

  vsmmu_connection_close (pool->events);
  g_async_queue_unref (pool->idle);
  g_free (pool->uri);
}

void
vsmmu_connection_pool_unref (VsmmuConnectionPool *pool)
{
  g_atomic_rc_box_release_full (pool, clear_pool);
}

static VsmmuConnectionPool *
open_pool (const VsmmuJob *job, GPtrArray **running, GError **error)
{
  g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (job->uri, FALSE, error);
  VsmmuConnectionPool *pool;

  /* Events first, so that what starts in between is not missed. */
  if (connection == NULL || !vsmmu_connection_subscribe (connection, job->event, job->link, error))
    return NULL;
  *running = vsmmu_connection_list_running (connection, error);
  if (*running == NULL)
    return NULL;
  pool = g_atomic_rc_box_new0 (VsmmuConnectionPool);
  *pool = (VsmmuConnectionPool){
    .uri = g_strdup (job->uri),
    .events = g_steal_pointer (&connection),
    .idle = g_async_queue_new_full ((GDestroyNotify) vsmmu_connection_close),
  };
  return pool;
}

/* (nullable): one whose documents are read with the budget of @job */
static VsmmuConnection *
borrow_connection (const VsmmuJob *job, GError **error)
{
  VsmmuConnection *connection = g_async_queue_try_pop (job->pool->idle);

  if (connection == NULL)
    connection = vsmmu_connection_open (job->pool->uri, FALSE, error);
  if (connection != NULL)
    vsmmu_connection_set_budget (connection, job->budget, TRUE);
  return connection;
}

/* One with which something went wrong may be broken, and is not used again. */
static void
return_connection (VsmmuConnectionPool *pool, VsmmuConnection *connection, const GError *error)
{
  if (connection != NULL && (error == NULL || error->code == VSMMU_ERROR_NO_DOMAIN))
    g_async_queue_push (pool->idle, connection);
  else
    vsmmu_connection_close (connection);
}

static void
stop_trace (VsmmuJob *job, VsmmuConnection *connection)
{
  g_autoptr (VsmmuConnectionDomain) domain =
      job->is_traced ? vsmmu_connection_domain_new (connection, job->uuid, NULL) : NULL;

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
    .log_mark = job->log_mark,
    .deadline = g_get_monotonic_time () + VSMMU_VERIFY_SECONDS * G_TIME_SPAN_SECOND,
  };
  VsmmuConnection *connection = borrow_connection (job, &job->error);

  if (connection != NULL)
    job->verification = vsmmu_verify_domain_traced (connection, job->uuid, &options,
                                                    job->wants_trace ? &job->is_traced : NULL, &job->error);
  if (job->verification != NULL && (!job->wants_trace || !is_any_awaited (job->verification)))
    stop_trace (job, connection);
  return_connection (job->pool, connection, job->error);
}

static void
untrace (VsmmuJob *job)
{
  g_autoptr (GError) error = NULL;
  VsmmuConnection *connection = job->is_traced ? borrow_connection (job, &error) : NULL;

  if (connection != NULL)
    stop_trace (job, connection);
  return_connection (job->pool, connection, error);
}

static void
detach (VsmmuJob *job)
{
  VsmmuConnection *connection = borrow_connection (job, &job->error);
  VsmmuConnectionDomain *domain =
      connection != NULL ? vsmmu_connection_domain_new (connection, job->uuid, &job->error) : NULL;
  g_autofree char *xml = NULL;
  g_autofree char *device = NULL;

  if (domain != NULL)
    xml = vsmmu_connection_domain_get_xml (domain, VSMMU_DOMAIN_XML_LIVE, &job->error);
  /* The alias may belong to another device by now. */
  if (xml != NULL) {
    vsmmu_connection_domain_take_budget (domain, strlen (xml));
    device = vsmmu_detachment_describe (xml, strlen (xml), job->alias, job->host, &job->error);
    vsmmu_connection_domain_give_budget (domain, 0);
  }
  if (device != NULL)
    vsmmu_connection_domain_detach (domain, device, &job->error);
  g_clear_pointer (&domain, vsmmu_connection_domain_free);
  return_connection (job->pool, connection, job->error);
}

static gboolean
report (gpointer data)
{
  VsmmuJob *job = data;

  job->done (job);
  vsmmu_job_free (job);
  return G_SOURCE_REMOVE;
}

struct _VsmmuCrew {
  GThreadPool *pool;
  GMutex mutex;
  GCond is_idle;
  guint n_busy;
};

static void
run (gpointer data, gpointer user_data)
{
  VsmmuCrew *crew = user_data;
  VsmmuJob *job = data;
  gboolean is_over = g_atomic_int_get (job->is_over) != 0;

  if (job->kind == VSMMU_JOB_CONNECT && !is_over)
    job->pool = open_pool (job, &job->running, &job->error);
  else if (job->kind == VSMMU_JOB_VERIFY && !is_over)
    verify (job);
  else if (job->kind == VSMMU_JOB_DETACH && !is_over)
    detach (job);
  /* A trace does not outlive who wanted it. */
  if (job->pool != NULL && (job->kind == VSMMU_JOB_UNTRACE || g_atomic_int_get (job->is_over) != 0))
    untrace (job);
  if (job->kind != VSMMU_JOB_CONNECT)
    g_clear_pointer (&job->pool, vsmmu_connection_pool_unref);
  g_idle_add_full (G_PRIORITY_DEFAULT, report, job, NULL);
  g_mutex_lock (&crew->mutex);
  if (--crew->n_busy == 0)
    g_cond_signal (&crew->is_idle);
  g_mutex_unlock (&crew->mutex);
}

VsmmuCrew *
vsmmu_crew_new (void)
{
  VsmmuCrew *crew = g_new0 (VsmmuCrew, 1);

  g_mutex_init (&crew->mutex);
  g_cond_init (&crew->is_idle);
  /* Without threads of its own there is nothing that fails. */
  crew->pool = g_thread_pool_new (run, crew, -1, FALSE, NULL);
  return crew;
}

void
vsmmu_crew_push (VsmmuCrew *crew, VsmmuJob *job)
{
  g_mutex_lock (&crew->mutex);
  crew->n_busy++;
  g_mutex_unlock (&crew->mutex);
  g_thread_pool_push (crew->pool, job, NULL);
}

/* Whether there is none left. */
static gboolean
wait_for_jobs (VsmmuCrew *crew, guint seconds)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&crew->mutex);
  gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;

  while (crew->n_busy > 0)
    if (!g_cond_wait_until (&crew->is_idle, &crew->mutex, end))
      return FALSE;
  return TRUE;
}

void
vsmmu_crew_end (VsmmuCrew *crew, guint seconds)
{
  gboolean is_idle = wait_for_jobs (crew, seconds);

  g_thread_pool_free (crew->pool, FALSE, is_idle);
  /* Threads that hang still have it. */
  if (!is_idle)
    return;
  g_mutex_clear (&crew->mutex);
  g_cond_clear (&crew->is_idle);
  g_free (crew);
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
  g_clear_pointer (&job->pool, vsmmu_connection_pool_unref);
  g_atomic_rc_box_release (job->link);
  g_clear_pointer (&job->budget, vsmmu_budget_unref);
  g_free (job->uri);
  g_clear_pointer (&job->running, g_ptr_array_unref);
  g_free (job->uuid);
  g_free (job->alias);
  g_free (job->host);
  g_clear_pointer (&job->verification, vsmmu_verification_free);
  g_clear_error (&job->error);
  g_free (job);
}
