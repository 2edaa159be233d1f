/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "accounts.h"

#include "quota.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

/* Work that waits for a gate. */
typedef struct {
  GMutex mutex;
  GCond changed;
  gboolean is_open;
  guint n_running;
  guint n_done;
  guint n_answered; /* in the main thread */
} Gate;

static void
gate_init (Gate *gate)
{
  *gate = (Gate){ 0 };
  g_mutex_init (&gate->mutex);
  g_cond_init (&gate->changed);
}

static void
work (GTask *task, gpointer source G_GNUC_UNUSED, gpointer data, GCancellable *cancellable G_GNUC_UNUSED)
{
  Gate *gate = data;

  g_mutex_lock (&gate->mutex);
  gate->n_running++;
  g_cond_broadcast (&gate->changed);
  while (!gate->is_open)
    g_cond_wait (&gate->changed, &gate->mutex);
  gate->n_done++;
  g_mutex_unlock (&gate->mutex);
  g_task_return_boolean (task, TRUE);
}

static void
finish (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  ((Gate *) g_task_get_task_data (G_TASK (result)))->n_answered++;
  vsmmu_account_finish (data);
  vsmmu_account_close (data);
}

static void
start_sized (VsmmuAccount *account, Gate *gate, gboolean is_large, GCancellable *cancellable)
{
  GTask *task = g_task_new (NULL, cancellable, finish, account);

  g_task_set_task_data (task, gate, NULL);
  vsmmu_account_run (account, task, is_large, work);
}

static void
start (VsmmuAccount *account, Gate *gate, GCancellable *cancellable)
{
  start_sized (account, gate, FALSE, cancellable);
}

static void
await_running (Gate *gate, guint n_running)
{
  g_mutex_lock (&gate->mutex);
  while (gate->n_running < n_running)
    g_cond_wait (&gate->changed, &gate->mutex);
  g_mutex_unlock (&gate->mutex);
}

static void
open_gate (Gate *gate)
{
  g_mutex_lock (&gate->mutex);
  gate->is_open = TRUE;
  g_cond_broadcast (&gate->changed);
  g_mutex_unlock (&gate->mutex);
}

/* One turn of the loop may bring several answers, or none. */
static void
await_answers (const Gate *gate, guint n_answers)
{
  while (gate->n_answered < n_answers)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_a_user_has_so_many_calls_in_flight (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  g_autoptr (GError) error = NULL;
  VsmmuAccount *account = NULL;

  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++) {
    account = vsmmu_accounts_open (accounts, 1000, 0, &error);
    g_assert_no_error (error);
  }
  g_assert_null (vsmmu_accounts_open (accounts, 1000, 0, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
  g_clear_error (&error);
  g_assert_nonnull (vsmmu_accounts_open (accounts, 1001, 0, &error));
  vsmmu_account_close (account);
  g_assert_true (vsmmu_accounts_open (accounts, 1000, 0, &error) == account);
}

/* How many calls a user gets through at one time, when each is answered at once. */
static guint
count_calls (VsmmuAccounts *accounts, guint uid, gint64 now)
{
  guint n_calls = 0;
  VsmmuAccount *account;

  while ((account = vsmmu_accounts_open (accounts, uid, now, NULL)) != NULL) {
    vsmmu_account_close (account);
    n_calls++;
  }
  return n_calls;
}

static void
test_a_user_calls_so_often (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();

  g_assert_cmpuint (count_calls (accounts, 1000, 0), ==, VSMMU_QUOTA_USER_BURST);
  g_assert_cmpuint (count_calls (accounts, 1001, 0), ==, VSMMU_QUOTA_USER_BURST);
  g_assert_cmpuint (count_calls (accounts, 1000, SECOND), ==, VSMMU_QUOTA_USER_RATE);
  /* A new user makes old accounts be forgotten, which must not be a way around the limit. */
  g_assert_cmpuint (count_calls (accounts, 1002, 2 * SECOND), ==, VSMMU_QUOTA_USER_BURST);
  g_assert_cmpuint (count_calls (accounts, 1000, 2 * SECOND), ==, VSMMU_QUOTA_USER_RATE);
  g_assert_cmpuint (count_calls (accounts, 1003, 3600 * SECOND), ==, VSMMU_QUOTA_USER_BURST);
  g_assert_cmpuint (count_calls (accounts, 1000, 3600 * SECOND), ==, VSMMU_QUOTA_USER_BURST);
}

/* However long a call takes, it counts until it is answered. */
static void
test_who_has_calls_in_flight_is_not_forgotten (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  VsmmuAccount *account = NULL;

  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    account = vsmmu_accounts_open (accounts, 1000, 0, NULL);
  g_assert_nonnull (account);
  g_assert_nonnull (vsmmu_accounts_open (accounts, 1001, 3600 * SECOND, NULL));
  g_assert_null (vsmmu_accounts_open (accounts, 1000, 3600 * SECOND, NULL));
  vsmmu_account_close (account);
  g_assert_true (vsmmu_accounts_open (accounts, 1000, 3600 * SECOND, NULL) == account);
}

static void
test_a_user_does_not_take_all_threads (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  Gate greedy;
  Gate modest;

  gate_init (&greedy);
  gate_init (&modest);
  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    start (vsmmu_accounts_open (accounts, 1000, 0, NULL), &greedy, NULL);
  await_running (&greedy, VSMMU_QUOTA_USER_THREADS);
  open_gate (&modest);
  start (vsmmu_accounts_open (accounts, 1001, 0, NULL), &modest, NULL);
  await_running (&modest, 1);
  g_mutex_lock (&greedy.mutex);
  g_assert_cmpuint (greedy.n_running, ==, VSMMU_QUOTA_USER_THREADS);
  g_mutex_unlock (&greedy.mutex);
  open_gate (&greedy);
  await_answers (&greedy, VSMMU_QUOTA_USER_CALLS);
  await_answers (&modest, 1);
  g_assert_cmpuint (greedy.n_done, ==, VSMMU_QUOTA_USER_CALLS);
}

/* Four users have something large: as many threads as there are for what is small. */
static void
test_what_is_large_leaves_threads_for_what_is_small (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  Gate large;
  Gate small;

  gate_init (&large);
  gate_init (&small);
  for (guint uid = 0; uid < VSMMU_QUOTA_THREADS; uid++)
    start_sized (vsmmu_accounts_open (accounts, uid, 0, NULL), &large, TRUE, NULL);
  await_running (&large, VSMMU_QUOTA_LARGE_THREADS);
  open_gate (&small);
  start (vsmmu_accounts_open (accounts, 1000, 0, NULL), &small, NULL);
  await_answers (&small, 1);
  g_mutex_lock (&large.mutex);
  g_assert_cmpuint (large.n_running, ==, VSMMU_QUOTA_LARGE_THREADS);
  g_mutex_unlock (&large.mutex);
  open_gate (&large);
  await_answers (&large, VSMMU_QUOTA_THREADS);
}

static void
count_question (gpointer data)
{
  ++*(guint *) data;
}

static void
test_so_much_is_asked_about_a_user (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  VsmmuAccount *account = vsmmu_accounts_open (accounts, 1000, 0, NULL);
  VsmmuAccount *other = vsmmu_accounts_open (accounts, 1001, 0, NULL);
  guint n_asked = 0;
  guint n_others = 0;

  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    vsmmu_account_ask (account, count_question, &n_asked);
  g_assert_cmpuint (n_asked, ==, VSMMU_QUOTA_USER_QUESTIONS);
  vsmmu_account_ask (other, count_question, &n_others);
  g_assert_cmpuint (n_others, ==, 1);
  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    vsmmu_account_answered (account);
  g_assert_cmpuint (n_asked, ==, VSMMU_QUOTA_USER_CALLS);
}

static void
test_work_for_a_client_that_left_is_dropped (void)
{
  g_autoptr (VsmmuAccounts) accounts = vsmmu_accounts_new ();
  g_autoptr (GCancellable) gone = g_cancellable_new ();
  VsmmuAccount *account = NULL;
  Gate gate;

  gate_init (&gate);
  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++) {
    account = vsmmu_accounts_open (accounts, 1000, 0, NULL);
    start (account, &gate, gone);
  }
  await_running (&gate, VSMMU_QUOTA_USER_THREADS);
  g_cancellable_cancel (gone);
  open_gate (&gate);
  await_answers (&gate, VSMMU_QUOTA_USER_CALLS);
  g_assert_cmpuint (gate.n_done, ==, VSMMU_QUOTA_USER_THREADS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/accounts/a-user-has-so-many-calls-in-flight", test_a_user_has_so_many_calls_in_flight);
  g_test_add_func ("/accounts/a-user-calls-so-often", test_a_user_calls_so_often);
  g_test_add_func ("/accounts/who-has-calls-in-flight-is-not-forgotten", test_who_has_calls_in_flight_is_not_forgotten);
  g_test_add_func ("/accounts/a-user-does-not-take-all-threads", test_a_user_does_not_take_all_threads);
  g_test_add_func ("/accounts/what-is-large-leaves-threads-for-what-is-small",
                   test_what_is_large_leaves_threads_for_what_is_small);
  g_test_add_func ("/accounts/so-much-is-asked-about-a-user", test_so_much_is_asked_about_a_user);
  g_test_add_func ("/accounts/work-of-who-went-away-is-not-done", test_work_for_a_client_that_left_is_dropped);
  return g_test_run ();
}
