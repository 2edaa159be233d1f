/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/budget.h"

#define COST_FACTOR 48
#define SMALL_BYTES (64 * 1024)

struct _VsmmuBudget {
  gsize total;
  GMutex mutex;
  GCond changed;
  gsize taken;
  gint64 urgent;  /* when the last urgent one had its turn after it had waited */
  GQueue waiting; /* (element-type Turn): on the stacks of those who wait; the urgent ones first */
};

typedef struct {
  gboolean is_urgent;
} Turn;

VsmmuBudget *
vsmmu_budget_new (gsize bytes)
{
  VsmmuBudget *budget = g_atomic_rc_box_new0 (VsmmuBudget);

  budget->total = bytes;
  g_mutex_init (&budget->mutex);
  g_cond_init (&budget->changed);
  return budget;
}

VsmmuBudget *
vsmmu_budget_ref (VsmmuBudget *budget)
{
  return g_atomic_rc_box_acquire (budget);
}

static void
clear_budget (gpointer data)
{
  VsmmuBudget *budget = data;

  g_mutex_clear (&budget->mutex);
  g_cond_clear (&budget->changed);
}

void
vsmmu_budget_unref (VsmmuBudget *budget)
{
  g_atomic_rc_box_release_full (budget, clear_budget);
}

static gboolean
fits (const VsmmuBudget *budget, gsize cost)
{
  return budget->taken == 0 || (budget->taken < budget->total && cost <= budget->total - budget->taken);
}

static void
enqueue (GQueue *waiting, Turn *turn)
{
  GList *before = waiting->head;

  while (before != NULL && (!turn->is_urgent || ((const Turn *) before->data)->is_urgent))
    before = before->next;
  g_queue_insert_before (waiting, before, turn);
}

gsize
vsmmu_budget_take (VsmmuBudget *budget, gsize length, gboolean is_urgent)
{
  g_autoptr (GMutexLocker) locker = NULL;
  gsize cost = length * COST_FACTOR;
  Turn turn = { is_urgent };

  if (budget == NULL)
    return 0;
  locker = g_mutex_locker_new (&budget->mutex);
  if (length > SMALL_BYTES) {
    enqueue (&budget->waiting, &turn);
    while (g_queue_peek_head (&budget->waiting) != &turn || !fits (budget, cost)) {
      g_cond_wait (&budget->changed, &budget->mutex);
      if (is_urgent)
        budget->urgent = g_get_monotonic_time ();
    }
    g_queue_pop_head (&budget->waiting);
  }
  budget->taken += cost;
  /* The next one may fit too. */
  g_cond_broadcast (&budget->changed);
  return cost;
}

void
vsmmu_budget_give (VsmmuBudget *budget, gsize taken)
{
  g_autoptr (GMutexLocker) locker = NULL;

  if (budget == NULL)
    return;
  locker = g_mutex_locker_new (&budget->mutex);
  budget->taken -= taken;
  g_cond_broadcast (&budget->changed);
}

guint
vsmmu_budget_count_waiting (VsmmuBudget *budget, gboolean is_urgent)
{
  g_autoptr (GMutexLocker) locker = NULL;
  guint count = 0;

  if (budget == NULL)
    return 0;
  locker = g_mutex_locker_new (&budget->mutex);
  for (const GList *turn = budget->waiting.head; turn != NULL; turn = turn->next)
    count += ((const Turn *) turn->data)->is_urgent == is_urgent;
  return count;
}

gboolean
vsmmu_budget_was_waited_for (VsmmuBudget *budget, gint64 time)
{
  g_autoptr (GMutexLocker) locker = NULL;

  if (vsmmu_budget_count_waiting (budget, TRUE) > 0)
    return TRUE;
  locker = budget != NULL ? g_mutex_locker_new (&budget->mutex) : NULL;
  return budget != NULL && budget->urgent >= time;
}
