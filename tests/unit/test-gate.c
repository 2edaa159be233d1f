/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gate in front of a service that answers nothing by itself, on a bus of its own. */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"
#include "quota.h"

#define PATH "/x"
#define INTERFACE "x.x"

static gint64 stopped; /* atomic: where the clock of the gate stands; 0 while it runs */

static gint64
real_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* In the place of GLib's, for the gate. */
gint64
g_get_monotonic_time (void)
{
  gint64 time = __atomic_load_n (&stopped, __ATOMIC_SEQ_CST);

  return time != 0 ? time : real_time ();
}

static void
stop_clock (gint64 time)
{
  __atomic_store_n (&stopped, time, __ATOMIC_SEQ_CST);
}

typedef struct {
  GTestDBus *bus;
  GDBusConnection *server;
  VsmmuGate *gate;
  GMutex mutex; /* of what follows */
  GCond cond;
  GPtrArray *through; /* calls that wait for an answer */
} Fixture;

static GDBusConnection *
connect (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (fixture->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);

  g_assert_no_error (error);
  return connection;
}

/* After the gate, in the thread of the connection. */
static GDBusMessage *
take_call (GDBusConnection *bus G_GNUC_UNUSED, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  Fixture *fixture = data;

  if (!is_incoming || g_strcmp0 (g_dbus_message_get_interface (message), INTERFACE) != 0)
    return message;
  g_mutex_lock (&fixture->mutex);
  g_ptr_array_add (fixture->through, message);
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->mutex);
  return NULL;
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->server = connect (fixture);
  fixture->through = g_ptr_array_new_with_free_func (g_object_unref);
  g_mutex_init (&fixture->mutex);
  g_cond_init (&fixture->cond);
  fixture->gate = vsmmu_gate_new (fixture->server);
  g_dbus_connection_add_filter (fixture->server, take_call, fixture, NULL);
}

static void
close_bus (gpointer data)
{
  g_dbus_connection_close_sync (data, NULL, NULL);
  g_object_unref (data);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  vsmmu_gate_free (fixture->gate);
  close_bus (fixture->server);
  g_test_dbus_down (fixture->bus);
  g_object_unref (fixture->bus);
  g_ptr_array_unref (fixture->through);
  g_mutex_clear (&fixture->mutex);
  g_cond_clear (&fixture->cond);
}

/* What came back to one caller. */
typedef struct {
  guint n_good;
  GString *refusals; /* one a line */
  guint n_refused;
} Answers;

static void
take_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusMessage) reply =
      g_dbus_connection_send_message_with_reply_finish (G_DBUS_CONNECTION (source), result, NULL);
  Answers *answers = data;

  if (reply == NULL || !g_dbus_message_to_gerror (reply, &error)) {
    answers->n_good += reply != NULL;
    return;
  }
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
  g_string_append_printf (answers->refusals, "%s\n", error->message);
  answers->n_refused++;
}

static void
call (Fixture *fixture, GDBusConnection *caller, gsize n_bytes, GUnixFDList *descriptors, Answers *answers)
{
  g_autofree char *filler = g_strnfill (n_bytes, 'x');
  g_autoptr (GDBusMessage) message =
      g_dbus_message_new_method_call (g_dbus_connection_get_unique_name (fixture->server), PATH, INTERFACE, "Call");

  /* A string is followed by a byte. */
  if (n_bytes > 0) {
    filler[n_bytes - 1] = '\0';
    g_dbus_message_set_body (message, g_variant_new ("(s)", filler));
  }
  if (descriptors != NULL)
    g_dbus_message_set_unix_fd_list (message, descriptors);
  g_dbus_connection_send_message_with_reply (caller, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, -1, NULL, NULL,
                                             take_answer, answers);
}

/* Waits until so many calls are through, which are not answered yet. */
static void
await_calls (Fixture *fixture, guint n)
{
  gint64 end = real_time () + 20 * G_TIME_SPAN_SECOND;

  g_mutex_lock (&fixture->mutex);
  while (fixture->through->len < n)
    g_assert_true (g_cond_wait_until (&fixture->cond, &fixture->mutex, end));
  g_assert_cmpuint (fixture->through->len, ==, n);
  g_mutex_unlock (&fixture->mutex);
}

static void
answer_calls (Fixture *fixture)
{
  g_mutex_lock (&fixture->mutex);
  for (guint i = 0; i < fixture->through->len; i++) {
    g_autoptr (GDBusMessage) reply = g_dbus_message_new_method_reply (g_ptr_array_index (fixture->through, i));

    g_dbus_connection_send_message (fixture->server, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  }
  g_ptr_array_set_size (fixture->through, 0);
  g_mutex_unlock (&fixture->mutex);
}

static void
await_answers (const Answers *answers, guint n_good, guint n_refused)
{
  while (answers->n_good < n_good || answers->n_refused < n_refused)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (answers->n_good, ==, n_good);
  g_assert_cmpuint (answers->n_refused, ==, n_refused);
}

static void
answers_clear (Answers *answers)
{
  g_string_free (answers->refusals, TRUE);
}

static void
expect_refusal (Answers *answers, const char *word)
{
  g_assert_nonnull (strstr (answers->refusals->str, word));
  g_string_truncate (answers->refusals, 0);
}

static GUnixFDList *
descriptors_new (guint n)
{
  GUnixFDList *list = g_unix_fd_list_new ();

  for (guint i = 0; i < n; i++) {
    int fd = memfd_create ("document", MFD_CLOEXEC);

    g_unix_fd_list_append (list, fd, NULL);
    close (fd);
  }
  return list;
}

#define AT_A_TIME 8

/* A few calls at a time, so that a slow machine too many calls on this connection too; each answered. */
static void
test_a_connection_calls_so_often (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDBusConnection) caller = connect (fixture);
  g_autoptr (GDBusConnection) other = connect (fixture);
  Answers answers = { .refusals = g_string_new (NULL) };
  Answers others = { .refusals = g_string_new (NULL) };

  while (answers.n_refused == 0) {
    g_assert_cmpuint (answers.n_good, <, 20 * VSMMU_QUOTA_USER_BURST);
    for (guint i = 0; i < AT_A_TIME; i++)
      call (fixture, caller, 0, NULL, &answers);
    /* Who is refused gets no call through. */
    for (guint n = answers.n_good; answers.n_good + answers.n_refused < n + AT_A_TIME;) {
      g_main_context_iteration (NULL, FALSE);
      answer_calls (fixture);
    }
  }
  g_assert_cmpuint (answers.n_good, >=, VSMMU_QUOTA_USER_BURST);
  expect_refusal (&answers, "too many calls on this connection");
  call (fixture, other, 0, NULL, &others);
  await_calls (fixture, 1);
  answer_calls (fixture);
  await_answers (&others, 1, 0);
  close_bus (g_steal_pointer (&caller));
  close_bus (g_steal_pointer (&other));
  answers_clear (&answers);
  answers_clear (&others);
}

static void
test_a_call_has_so_many_bytes_and_descriptors (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDBusConnection) caller = connect (fixture);
  g_autoptr (GUnixFDList) one = descriptors_new (1);
  g_autoptr (GUnixFDList) two = descriptors_new (2);
  Answers answers = { .refusals = g_string_new (NULL) };

  call (fixture, caller, VSMMU_QUOTA_MESSAGE_BYTES, NULL, &answers);
  call (fixture, caller, 0, one, &answers);
  await_calls (fixture, 2);
  answer_calls (fixture);
  await_answers (&answers, 2, 0);
  call (fixture, caller, VSMMU_QUOTA_MESSAGE_BYTES + 1, NULL, &answers);
  await_answers (&answers, 2, 1);
  expect_refusal (&answers, "larger than 1 MiB");
  call (fixture, caller, 0, two, &answers);
  await_answers (&answers, 2, 2);
  expect_refusal (&answers, "more than one file descriptor");
  close_bus (g_steal_pointer (&caller));
  answers_clear (&answers);
}

#define LARGE VSMMU_QUOTA_MESSAGE_BYTES
#define EACH (VSMMU_QUOTA_SENDER_BYTES / VSMMU_QUOTA_MESSAGE_BYTES)
#define CALLERS (VSMMU_QUOTA_ALL_BYTES / VSMMU_QUOTA_SENDER_BYTES)

static void
test_all_together_have_so_many_bytes (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  GDBusConnection *callers[CALLERS + 1];
  Answers answers = { .refusals = g_string_new (NULL) };
  Answers last = { .refusals = g_string_new (NULL) };

  for (guint i = 0; i <= CALLERS; i++) {
    callers[i] = connect (fixture);
    for (guint n = 0; i < CALLERS && n < EACH; n++)
      call (fixture, callers[i], LARGE, NULL, &answers);
  }
  await_calls (fixture, CALLERS * EACH);
  /* No more of what is large, but small calls are as welcome as ever. */
  call (fixture, callers[CALLERS], VSMMU_QUOTA_SMALL_BYTES + 1, NULL, &last);
  await_answers (&last, 0, 1);
  expect_refusal (&last, "try again later");
  call (fixture, callers[CALLERS], VSMMU_QUOTA_SMALL_BYTES, NULL, &last);
  call (fixture, callers[CALLERS], 0, NULL, &last);
  await_calls (fixture, CALLERS * EACH + 2);
  answer_calls (fixture);
  await_answers (&last, 2, 1);
  await_answers (&answers, CALLERS * EACH, 0);
  /* What is answered no longer counts. */
  for (guint i = 0; i < CALLERS * EACH; i++)
    call (fixture, callers[i / EACH], LARGE, NULL, &answers);
  await_calls (fixture, CALLERS * EACH);
  answer_calls (fixture);
  await_answers (&answers, 2 * CALLERS * EACH, 0);
  for (guint i = 0; i <= CALLERS; i++)
    close_bus (callers[i]);
  answers_clear (&answers);
  answers_clear (&last);
}

/* Who calls for the first time has others be forgotten, which must not be a way around a limit. */
static void
test_nobody_is_forgotten_too_early (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDBusConnection) often = connect (fixture);
  g_autoptr (GDBusConnection) busy = connect (fixture);
  g_autoptr (GDBusConnection) second = connect (fixture);
  g_autoptr (GDBusConnection) third = connect (fixture);
  Answers answers = { .refusals = g_string_new (NULL) };
  gint64 begin = real_time ();

  stop_clock (begin);
  for (guint n = 1; n <= VSMMU_QUOTA_USER_BURST; n++) {
    call (fixture, often, 0, NULL, &answers);
    await_calls (fixture, 1);
    answer_calls (fixture);
    await_answers (&answers, n, 0);
  }
  call (fixture, often, 0, NULL, &answers);
  await_answers (&answers, VSMMU_QUOTA_USER_BURST, 1);
  expect_refusal (&answers, "too many calls on this connection");
  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    call (fixture, busy, 0, NULL, &answers);
  call (fixture, second, 0, NULL, &answers);
  await_calls (fixture, VSMMU_QUOTA_USER_CALLS + 1);
  call (fixture, often, 0, NULL, &answers);
  await_answers (&answers, VSMMU_QUOTA_USER_BURST, 2);
  expect_refusal (&answers, "too many calls on this connection");
  /* However long it takes to answer. */
  stop_clock (begin + 3600 * G_TIME_SPAN_SECOND);
  call (fixture, third, 0, NULL, &answers);
  await_calls (fixture, VSMMU_QUOTA_USER_CALLS + 2);
  call (fixture, busy, 0, NULL, &answers);
  await_answers (&answers, VSMMU_QUOTA_USER_BURST, 3);
  expect_refusal (&answers, "too many calls are in progress");
  answer_calls (fixture);
  await_answers (&answers, VSMMU_QUOTA_USER_BURST + VSMMU_QUOTA_USER_CALLS + 2, 3);
  stop_clock (0);
  close_bus (g_steal_pointer (&often));
  close_bus (g_steal_pointer (&busy));
  close_bus (g_steal_pointer (&second));
  close_bus (g_steal_pointer (&third));
  answers_clear (&answers);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/gate/rate", test_a_connection_calls_so_often },
    { "/gate/call", test_a_call_has_so_many_bytes_and_descriptors },
    { "/gate/all", test_all_together_have_so_many_bytes },
    { "/gate/forgotten", test_nobody_is_forgotten_too_early },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}
