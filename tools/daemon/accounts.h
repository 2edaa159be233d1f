/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What each user who calls has in flight, and how often it called lately. For the main thread only. */
typedef struct _VsmmuAccounts VsmmuAccounts;

/* One user's part of it. */
typedef struct _VsmmuAccount VsmmuAccount;

VsmmuAccounts *vsmmu_accounts_new (void);
/* No call may be in flight. */
void vsmmu_accounts_free (VsmmuAccounts *accounts);

/*
 * vsmmu_accounts_open:
 * @uid: whose call it is
 * @now: monotonic time in microseconds
 * @error: %G_DBUS_ERROR_LIMITS_EXCEEDED
 *
 * Counts one more call of a user, until vsmmu_account_close().
 *
 * Returns: (transfer none): the user's account, or %NULL with @error set when it has too many calls in flight or called
 *   too often
 */
VsmmuAccount *vsmmu_accounts_open (VsmmuAccounts *accounts, guint uid, gint64 now, GError **error);

/* The call that vsmmu_accounts_open() was for has its answer. */
void vsmmu_account_close (VsmmuAccount *account);

/*
 * vsmmu_account_ask:
 * @ask: asks whether the user may do something, once not too much is asked about this user; also before this returns
 *
 * Whoever gets the answer calls vsmmu_account_answered(), so that the next one may be asked.
 */
void vsmmu_account_ask (VsmmuAccount *account, void (*ask) (gpointer data), gpointer data);
void vsmmu_account_answered (VsmmuAccount *account);

/*
 * vsmmu_account_run:
 * @account: whose call it is
 * @task: (transfer full): what the thread gives its result to
 * @is_large: whether it takes long, and is not to keep others from their threads
 * @run: what to do in a thread, once there is one for this user; nothing when @task is cancelled before
 *
 * Whoever gets the result calls vsmmu_account_finish(), so that the next one may go on.
 */
void vsmmu_account_run (VsmmuAccount *account, GTask *task, gboolean is_large, GTaskThreadFunc run);
void vsmmu_account_finish (VsmmuAccount *account);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuAccounts, vsmmu_accounts_free)
