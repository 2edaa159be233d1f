/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/budget.h"

/* What costs all of a budget in these tests; small ones are 64 KiB at most. */
#define LENGTH (1024 * 1024)
#define ALL (48 * LENGTH)

/* One who takes in a thread of its own, and writes down that it has. */
typedef struct {
  VsmmuBudget *budget;
  gsize length;
  gboolean is_urgent;
  char name;
  GString *order; /* shared */
} Taker;

static gpointer
take (gpointer data)
{
  Taker *taker = data;
  gsize taken = vsmmu_budget_take (taker->budget, taker->length, taker->is_urgent);

  /* Nobody else has anything meanwhile. */
  g_string_append_c (taker->order, taker->name);
  vsmmu_budget_give (taker->budget, taken);
  return NULL;
}

/* Returns when it waits. */
static GThread *
start (Taker *taker)
{
  guint n_waiting = vsmmu_budget_count_waiting (taker->budget, taker->is_urgent);
  GThread *thread = g_thread_new (NULL, take, taker);

  while (vsmmu_budget_count_waiting (taker->budget, taker->is_urgent) == n_waiting)
    g_thread_yield ();
  return thread;
}

static void
test_what_does_not_fit_waits (void)
{
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (ALL);
  g_autoptr (GString) order = g_string_new (NULL);
  Taker taker = { budget, LENGTH / 2, FALSE, 'a', order };
  gsize first = vsmmu_budget_take (budget, LENGTH / 2, FALSE);
  gsize second = vsmmu_budget_take (budget, LENGTH / 2, FALSE);
  GThread *thread = start (&taker);

  g_assert_cmpuint (first + second, ==, ALL);
  g_assert_cmpstr (order->str, ==, "");
  vsmmu_budget_give (budget, first);
  g_thread_join (thread);
  g_assert_cmpstr (order->str, ==, "a");
  vsmmu_budget_give (budget, second);
}

static void
test_what_is_left_must_be_enough (void)
{
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (ALL);
  g_autoptr (GString) order = g_string_new (NULL);
  Taker taker = { budget, LENGTH / 2 + 1, FALSE, 'a', order };
  gsize first = vsmmu_budget_take (budget, LENGTH / 2, FALSE);
  GThread *thread = start (&taker);

  vsmmu_budget_give (budget, first);
  g_thread_join (thread);
  g_assert_cmpstr (order->str, ==, "a");
}

static void
test_the_urgent_go_first_and_then_who_came_first (void)
{
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (ALL);
  g_autoptr (GString) order = g_string_new (NULL);
  Taker takers[] = { { budget, LENGTH, FALSE, 'a', order },
                     { budget, LENGTH, FALSE, 'b', order },
                     { budget, LENGTH, TRUE, 'c', order },
                     { budget, LENGTH, TRUE, 'd', order } };
  GThread *threads[G_N_ELEMENTS (takers)];
  gint64 before = g_get_monotonic_time ();
  gsize taken = vsmmu_budget_take (budget, LENGTH, FALSE);

  g_assert_false (vsmmu_budget_was_waited_for (budget, before));
  for (guint i = 0; i < G_N_ELEMENTS (takers); i++)
    threads[i] = start (&takers[i]);
  g_assert_cmpuint (vsmmu_budget_count_waiting (budget, TRUE), ==, 2);
  vsmmu_budget_give (budget, taken);
  for (guint i = 0; i < G_N_ELEMENTS (takers); i++)
    g_thread_join (threads[i]);
  g_assert_cmpstr (order->str, ==, "cdab");
  g_assert_cmpuint (vsmmu_budget_count_waiting (budget, TRUE), ==, 0);
  g_assert_true (vsmmu_budget_was_waited_for (budget, before));
  g_assert_false (vsmmu_budget_was_waited_for (budget, g_get_monotonic_time () + 1));
}

static void
test_small_documents_never_wait (void)
{
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (ALL);
  gsize all = vsmmu_budget_take (budget, LENGTH, FALSE);
  gsize small = vsmmu_budget_take (budget, 64 * 1024, FALSE);

  g_assert_cmpuint (small, >, 0);
  vsmmu_budget_give (budget, small);
  vsmmu_budget_give (budget, all);
}

static void
test_a_document_above_the_budget_waits_until_all_of_it_is_free (void)
{
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (ALL);
  g_autoptr (GString) order = g_string_new (NULL);
  Taker taker = { budget, 4 * LENGTH, FALSE, 'a', order };
  gsize small = vsmmu_budget_take (budget, 1, FALSE);
  GThread *thread = start (&taker);

  g_assert_cmpstr (order->str, ==, "");
  vsmmu_budget_give (budget, small);
  g_thread_join (thread);
  g_assert_cmpstr (order->str, ==, "a");
}

static void
test_without_a_budget_there_is_no_limit (void)
{
  g_assert_cmpuint (vsmmu_budget_take (NULL, G_MAXSIZE, FALSE), ==, 0);
  vsmmu_budget_give (NULL, 0);
  g_assert_false (vsmmu_budget_was_waited_for (NULL, 0));
  g_assert_cmpuint (vsmmu_budget_count_waiting (NULL, TRUE), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/budget/what-does-not-fit-waits", test_what_does_not_fit_waits);
  g_test_add_func ("/budget/what-is-left-must-be-enough", test_what_is_left_must_be_enough);
  g_test_add_func ("/budget/the-urgent-go-first-and-then-who-came-first",
                   test_the_urgent_go_first_and_then_who_came_first);
  g_test_add_func ("/budget/small-documents-never-wait", test_small_documents_never_wait);
  g_test_add_func ("/budget/what-costs-more-than-all-waits-until-nobody-has-anything",
                   test_a_document_above_the_budget_waits_until_all_of_it_is_free);
  g_test_add_func ("/budget/without-a-budget-there-is-no-limit", test_without_a_budget_there_is_no_limit);
  return g_test_run ();
}
