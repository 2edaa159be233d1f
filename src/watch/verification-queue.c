/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/verification-queue.h"

#include "base/budget.h"

/*
 * Verifications at a time: in all, of guests that took too long the last time, and when many hang, as a QEMU may. Those
 * that hang do not count, but for the last: each holds one of the 20 threads that libvirt has for all its clients.
 */
#define RUNNING_MAX 4
#define SLOW_MAX 1
#define RUNNING_MAX_LATE 1
#define OVERDUE_MANY 8
#define OVERDUE_MAX 16

/* Seconds after which a QEMU counts as hung; a verification takes a fraction of one. */
#define ANSWER_MAX 10

struct _VsmmuVerificationQueue {
  VsmmuVerificationStart start;
  VsmmuVerificationOverdue overdue;
  VsmmuBudget *budget; /* (nullable) */
  GQueue waiting;      /* (element-type VsmmuJob) */
  GHashTable *running; /* (element-type VsmmuJob): borrowed */
  guint n_overdue;     /* of these */
  guint n_slow;        /* of these that are not overdue, of guests that took too long */
};

VsmmuVerificationQueue *
vsmmu_verification_queue_new (VsmmuVerificationStart start, VsmmuVerificationOverdue overdue, VsmmuBudget *budget)
{
  VsmmuVerificationQueue *queue = g_new0 (VsmmuVerificationQueue, 1);

  queue->start = start;
  queue->overdue = overdue;
  queue->budget = budget;
  g_queue_init (&queue->waiting);
  queue->running = g_hash_table_new (NULL, NULL);
  return queue;
}

void
vsmmu_verification_queue_free (VsmmuVerificationQueue *queue)
{
  GHashTableIter iter;
  gpointer job;

  g_queue_clear_full (&queue->waiting, (GDestroyNotify) vsmmu_job_free);
  g_hash_table_iter_init (&iter, queue->running);
  while (g_hash_table_iter_next (&iter, &job, NULL))
    g_clear_handle_id (&((VsmmuJob *) job)->overdue, g_source_remove);
  g_hash_table_unref (queue->running);
  g_free (queue);
}

/* Others take its place, as long as there are not too many of its kind. */
static gboolean
on_overdue (gpointer data)
{
  VsmmuJob *job = data;
  VsmmuVerificationQueue *queue = job->queue;

  /* It may be waiting for memory, and not for QEMU. */
  if (vsmmu_budget_was_waited_for (queue->budget, g_get_monotonic_time () - ANSWER_MAX * G_TIME_SPAN_SECOND))
    return G_SOURCE_CONTINUE;
  job->overdue = 0;
  queue->overdue (job, ANSWER_MAX);
  if (queue->n_overdue < OVERDUE_MAX) {
    job->is_overdue = TRUE;
    queue->n_overdue++;
    queue->n_slow -= job->is_slow;
    vsmmu_verification_queue_advance (queue);
  }
  return G_SOURCE_REMOVE;
}

static void
begin (VsmmuVerificationQueue *queue, VsmmuJob *job)
{
  job->queue = queue;
  job->begun = g_get_monotonic_time ();
  if (!queue->start (job)) {
    vsmmu_job_free (job);
    return;
  }
  g_hash_table_add (queue->running, job);
  queue->n_slow += job->is_slow;
  job->overdue = g_timeout_add_seconds (ANSWER_MAX, on_overdue, job);
}

/* (nullable) (transfer full): the first that waits and may begin */
static VsmmuJob *
take_next (VsmmuVerificationQueue *queue)
{
  guint n_running = g_hash_table_size (queue->running) - queue->n_overdue;

  if (n_running >= (queue->n_overdue < OVERDUE_MANY ? RUNNING_MAX : RUNNING_MAX_LATE))
    return NULL;
  for (GList *link = queue->waiting.head; link != NULL; link = link->next) {
    VsmmuJob *job = link->data;

    if (job->is_slow && queue->n_slow >= SLOW_MAX)
      continue;
    g_queue_delete_link (&queue->waiting, link);
    return job;
  }
  return NULL;
}

void
vsmmu_verification_queue_advance (VsmmuVerificationQueue *queue)
{
  VsmmuJob *job;

  while ((job = take_next (queue)) != NULL)
    begin (queue, job);
}

void
vsmmu_verification_queue_push (VsmmuVerificationQueue *queue, VsmmuJob *job)
{
  g_queue_push_tail (&queue->waiting, job);
  vsmmu_verification_queue_advance (queue);
}

void
vsmmu_verification_queue_remove (VsmmuVerificationQueue *queue, VsmmuJob *job)
{
  g_clear_handle_id (&job->overdue, g_source_remove);
  g_hash_table_remove (queue->running, job);
  queue->n_overdue -= job->is_overdue;
  queue->n_slow -= job->is_slow && !job->is_overdue;
}
