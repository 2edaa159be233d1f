/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/worker-pool.h"

struct _VsmmuWorkerPool {
  GThreadPool *pool;
  GMutex mutex;
  GCond is_idle;
  guint n_busy;
};

static gboolean
finish (gpointer data)
{
  VsmmuJob *job = data;

  if (job->done != NULL)
    job->done (job);
  vsmmu_job_free (job);
  return G_SOURCE_REMOVE;
}

static void
run (gpointer data, gpointer user_data)
{
  VsmmuWorkerPool *workers = user_data;
  VsmmuJob *job = data;

  vsmmu_job_run (job);
  g_idle_add_full (G_PRIORITY_DEFAULT, finish, job, NULL);
  g_mutex_lock (&workers->mutex);
  if (--workers->n_busy == 0)
    g_cond_signal (&workers->is_idle);
  g_mutex_unlock (&workers->mutex);
}

VsmmuWorkerPool *
vsmmu_worker_pool_new (void)
{
  VsmmuWorkerPool *workers = g_new0 (VsmmuWorkerPool, 1);

  g_mutex_init (&workers->mutex);
  g_cond_init (&workers->is_idle);
  /* Without threads of its own there is nothing that fails. */
  workers->pool = g_thread_pool_new (run, workers, -1, FALSE, NULL);
  return workers;
}

void
vsmmu_worker_pool_push (VsmmuWorkerPool *workers, VsmmuJob *job)
{
  g_mutex_lock (&workers->mutex);
  workers->n_busy++;
  g_mutex_unlock (&workers->mutex);
  g_thread_pool_push (workers->pool, job, NULL);
}

/* Whether there is none left. */
static gboolean
wait_for_jobs (VsmmuWorkerPool *workers, guint seconds)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&workers->mutex);
  gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;

  while (workers->n_busy > 0)
    if (!g_cond_wait_until (&workers->is_idle, &workers->mutex, end))
      return FALSE;
  return TRUE;
}

void
vsmmu_worker_pool_end (VsmmuWorkerPool *workers, guint seconds)
{
  gboolean is_idle = wait_for_jobs (workers, seconds);

  g_thread_pool_free (workers->pool, FALSE, is_idle);
  /* Threads that hang still have it. */
  if (!is_idle)
    return;
  g_mutex_clear (&workers->mutex);
  g_cond_clear (&workers->is_idle);
  g_free (workers);
}
