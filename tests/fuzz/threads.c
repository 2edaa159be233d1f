/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "threads.h"

/* What stands for a thread to who started it. */
typedef struct {
  GThreadFunc function;
  gpointer data;
  gpointer result;
  gboolean is_done;
} Task;

GThread *__real_g_thread_new (const char *name, GThreadFunc function, gpointer data);

static GMutex lock; /* of what follows, and of all tasks */
static GCond has_task;
static GCond has_result;
static GQueue waiting = G_QUEUE_INIT;
static guint n_idle;

static gpointer
run_tasks (gpointer data G_GNUC_UNUSED)
{
  g_mutex_lock (&lock);
  for (;;) {
    Task *task;

    while ((task = g_queue_pop_head (&waiting)) == NULL) {
      n_idle++;
      g_cond_wait (&has_task, &lock);
      n_idle--;
    }
    g_mutex_unlock (&lock);
    task->result = task->function (task->data);
    g_mutex_lock (&lock);
    task->is_done = TRUE;
    g_cond_broadcast (&has_result);
  }
  return NULL;
}

GThread *
__wrap_g_thread_new (const char *name, GThreadFunc function, gpointer data)
{
  Task *task = g_new0 (Task, 1);

  task->function = function;
  task->data = data;
  g_mutex_lock (&lock);
  g_queue_push_tail (&waiting, task);
  /* One that was woken counts as idle until it runs: every task must have a thread, or one could wait for another. */
  if (waiting.length > n_idle)
    g_thread_unref (__real_g_thread_new (name, run_tasks, NULL));
  else
    g_cond_signal (&has_task);
  g_mutex_unlock (&lock);
  return (GThread *) task;
}

GThread *
__wrap_g_thread_try_new (const char *name, GThreadFunc function, gpointer data, GError **error G_GNUC_UNUSED)
{
  return __wrap_g_thread_new (name, function, data);
}

gpointer
__wrap_g_thread_join (GThread *thread)
{
  Task *task = (Task *) thread;
  gpointer result;

  g_mutex_lock (&lock);
  while (!task->is_done)
    g_cond_wait (&has_result, &lock);
  g_mutex_unlock (&lock);
  result = task->result;
  g_free (task);
  return result;
}
