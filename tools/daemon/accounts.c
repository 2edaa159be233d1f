/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "accounts.h"

#include <glib/gi18n.h>

#include "bucket.h"
#include "quota.h"

struct _VsmmuAccounts {
  GHashTable *by_uid;      /* guint → VsmmuAccount */
  GThreadPool *threads[2]; /* of what is small, and of what is large */
};

struct _VsmmuAccount {
  VsmmuAccounts *accounts;
  guint uid;
  VsmmuBucket allowed; /* calls */
  guint n_calls;
  guint n_questions;
  GQueue questions; /* Question: that wait */
  guint n_threads;
  GQueue waiting; /* Work */
};

typedef struct {
  void (*ask) (gpointer data);
  gpointer data;
} Question;

/* What is done in a thread. */
typedef struct {
  GTask *task;
  gboolean is_large;
  GTaskThreadFunc run;
} Work;

/* Forgets callers whose last call is too long ago to matter. */
static gboolean
is_settled (gpointer key, gpointer value, gpointer data)
{
  const VsmmuAccount *account = value;
  const gint64 *now = data;

  return account->n_calls == 0 && account->n_threads == 0 && *now - account->allowed.time > 10 * G_USEC_PER_SEC;
}

static VsmmuAccount *
find_account (VsmmuAccounts *accounts, guint uid, gint64 now)
{
  VsmmuAccount *account = g_hash_table_lookup (accounts->by_uid, GUINT_TO_POINTER (uid));

  if (account != NULL)
    return account;
  g_hash_table_foreach_remove (accounts->by_uid, is_settled, &now);
  account = g_new0 (VsmmuAccount, 1);
  account->accounts = accounts;
  account->uid = uid;
  account->allowed = vsmmu_bucket_full (now);
  g_hash_table_insert (accounts->by_uid, GUINT_TO_POINTER (uid), account);
  return account;
}

VsmmuAccount *
vsmmu_accounts_open (VsmmuAccounts *accounts, guint uid, gint64 now, GError **error)
{
  VsmmuAccount *account = find_account (accounts, uid, now);

  if (account->n_calls >= VSMMU_QUOTA_USER_CALLS) {
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                 _ ("user %u has %u calls in progress; wait for a reply before the next call"), uid, account->n_calls);
    return NULL;
  }
  if (!vsmmu_bucket_take (&account->allowed, now)) {
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                 _ ("user %u made more than %d calls in one second; call less often"), uid, VSMMU_QUOTA_USER_RATE);
    return NULL;
  }
  account->n_calls++;
  return account;
}

void
vsmmu_account_close (VsmmuAccount *account)
{
  account->n_calls--;
}

static void
ask_more (VsmmuAccount *account)
{
  while (account->n_questions < VSMMU_QUOTA_USER_QUESTIONS && !g_queue_is_empty (&account->questions)) {
    g_autofree Question *question = g_queue_pop_head (&account->questions);

    account->n_questions++;
    question->ask (question->data);
  }
}

void
vsmmu_account_ask (VsmmuAccount *account, void (*ask) (gpointer data), gpointer data)
{
  Question *question = g_new (Question, 1);

  *question = (Question){ ask, data };
  g_queue_push_tail (&account->questions, question);
  ask_more (account);
}

void
vsmmu_account_answered (VsmmuAccount *account)
{
  account->n_questions--;
  ask_more (account);
}

static void
do_work (gpointer data, gpointer unused)
{
  g_autofree Work *work = data;
  g_autoptr (GTask) task = work->task;

  if (!g_task_return_error_if_cancelled (task))
    work->run (task, NULL, g_task_get_task_data (task), g_task_get_cancellable (task));
}

static void
start_work (VsmmuAccount *account)
{
  while (account->n_threads < VSMMU_QUOTA_USER_THREADS && !g_queue_is_empty (&account->waiting)) {
    Work *work = g_queue_pop_head (&account->waiting);

    account->n_threads++;
    g_thread_pool_push (account->accounts->threads[work->is_large], work, NULL);
  }
}

void
vsmmu_account_run (VsmmuAccount *account, GTask *task, gboolean is_large, GTaskThreadFunc run)
{
  Work *work = g_new (Work, 1);

  *work = (Work){ .task = task, .is_large = is_large != FALSE, .run = run };
  g_queue_push_tail (&account->waiting, work);
  start_work (account);
}

void
vsmmu_account_finish (VsmmuAccount *account)
{
  account->n_threads--;
  start_work (account);
}

VsmmuAccounts *
vsmmu_accounts_new (void)
{
  VsmmuAccounts *accounts = g_new0 (VsmmuAccounts, 1);

  accounts->by_uid = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  accounts->threads[FALSE] = g_thread_pool_new (do_work, NULL, VSMMU_QUOTA_THREADS, FALSE, NULL);
  accounts->threads[TRUE] = g_thread_pool_new (do_work, NULL, VSMMU_QUOTA_LARGE_THREADS, FALSE, NULL);
  return accounts;
}

void
vsmmu_accounts_free (VsmmuAccounts *accounts)
{
  for (guint i = 0; i < G_N_ELEMENTS (accounts->threads); i++)
    g_thread_pool_free (accounts->threads[i], FALSE, TRUE);
  g_hash_table_unref (accounts->by_uid);
  g_free (accounts);
}
