/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who calls, as a bus tells it that is the test: a real one does not leave out what it should say. */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

#include "callers.h"

#define NAME ":1.7"

typedef struct {
  GDBusConnection *bus; /* the end of the bus */
  GDBusConnection *connection;
  VsmmuCallers *callers;
  const char *credentials; /* (nullable): the next answer; %NULL for an error */
  gboolean is_silent;
  int n_asked; /* atomic */
  int n_matches;
  int n_unmatches;
} Fixture;

/* (transfer full) (nullable): what the bus says to @call */
static GDBusMessage *
answer (Fixture *fixture, GDBusMessage *call)
{
  const char *member = g_dbus_message_get_member (call);
  GDBusMessage *reply = g_dbus_message_new_method_reply (call);

  if (g_str_equal (member, "Hello"))
    g_dbus_message_set_body (reply, g_variant_new ("(s)", ":1.0"));
  else if (g_str_equal (member, "AddMatch"))
    g_atomic_int_inc (&fixture->n_matches);
  else if (g_str_equal (member, "RemoveMatch"))
    g_atomic_int_inc (&fixture->n_unmatches);
  else if (g_str_equal (member, "GetConnectionCredentials")) {
    g_atomic_int_inc (&fixture->n_asked);
    if (fixture->credentials == NULL || fixture->is_silent)
      g_clear_object (&reply);
    if (fixture->is_silent)
      return NULL;
    if (reply == NULL)
      return g_dbus_message_new_method_error_literal (call, "org.freedesktop.DBus.Error.NameHasNoOwner", "who?");
    g_dbus_message_set_body (reply, g_variant_new_parsed (fixture->credentials));
  }
  return reply;
}

static GDBusMessage *
be_bus (GDBusConnection *bus, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  g_autoptr (GDBusMessage) reply = NULL;

  if (!is_incoming)
    return message;
  reply = answer (data, message);
  if (reply != NULL)
    g_dbus_connection_send_message (bus, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

static GIOStream *
stream_new (int fd)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, NULL);

  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

static void
take_bus (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  Fixture *fixture = data;

  fixture->bus = g_dbus_connection_new_finish (result, NULL);
  g_dbus_connection_add_filter (fixture->bus, be_bus, fixture, NULL);
  g_dbus_connection_start_message_processing (fixture->bus);
}

static void
take_connection (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  ((Fixture *) data)->connection = g_dbus_connection_new_finish (result, NULL);
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GIOStream) bus = NULL;
  g_autoptr (GIOStream) client = NULL;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  bus = stream_new (fds[0]);
  client = stream_new (fds[1]);
  g_dbus_connection_new (
      bus, guid, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING, NULL,
      NULL, take_bus, fixture);
  g_dbus_connection_new (client, NULL,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                         NULL, NULL, take_connection, fixture);
  while (fixture->bus == NULL || fixture->connection == NULL)
    g_main_context_iteration (NULL, TRUE);
  fixture->callers = vsmmu_callers_new (fixture->connection);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  vsmmu_callers_free (fixture->callers);
  g_dbus_connection_close_sync (fixture->connection, NULL, NULL);
  g_dbus_connection_close_sync (fixture->bus, NULL, NULL);
  g_object_unref (fixture->connection);
  g_object_unref (fixture->bus);
}

typedef struct {
  VsmmuCaller *caller; /* (nullable) */
  GError *error;
  guint n_told;
} Told;

static void
tell (VsmmuCaller *caller, const GError *error, gpointer data)
{
  Told *told = data;

  g_assert_true ((caller == NULL) == (error != NULL));
  told->caller = caller != NULL ? vsmmu_caller_ref (caller) : NULL;
  told->error = error != NULL ? g_error_copy (error) : NULL;
  told->n_told++;
}

static void
told_clear (Told *told)
{
  g_clear_pointer (&told->caller, vsmmu_caller_unref);
  g_clear_error (&told->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Told, told_clear)

static void
identify_name (Fixture *fixture, const char *name, Told *told)
{
  vsmmu_callers_identify (fixture->callers, name, tell, told);
  while (told->n_told == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (told->n_told, ==, 1);
}

static void
identify (Fixture *fixture, Told *told)
{
  identify_name (fixture, NAME, told);
}

/* What the bus may say of somebody, and whether that says who it is. */
static const struct {
  const char *credentials;
  int uid; /* -1 when nobody is known */
  guint n_groups;
  const char *word; /* of the error */
} rows[] = {
  { "({'UnixUserID': <uint32 1000>, 'UnixGroupIDs': <[uint32 1000, 27]>},)", 1000, 2, NULL },
  { "({'UnixUserID': <uint32 0>},)", 0, 0, NULL },
  { "({'UnixUserID': <uint32 1000>, 'UnixGroupIDs': <['x']>},)", 1000, 0, NULL },
  { "({'UnixUserID': <uint32 1000>, 'UnixGroupIDs': <@au []>},)", 1000, 0, NULL },
  { "(@a{sv} {},)", -1, 0, "did not report the user" },
  { "({'ProcessID': <uint32 1>, 'UnixGroupIDs': <[uint32 0]>},)", -1, 0, "did not report the user" },
  { "({'UnixUserID': <'0'>},)", -1, 0, "did not report the user" },
  { "({'UnixUserID': <int32 0>},)", -1, 0, "did not report the user" },
  { "(uint32 0,)", -1, 0, "" },
  { NULL, -1, 0, "who?" },
};

static void
test_who_calls_is_what_the_bus_says (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (VsmmuCallers) callers = vsmmu_callers_new (fixture->connection);
    g_auto (Told) told = { 0 };

    fixture->credentials = rows[i].credentials;
    vsmmu_callers_identify (callers, NAME, tell, &told);
    while (told.n_told == 0)
      g_main_context_iteration (NULL, TRUE);
    g_assert_true ((told.caller != NULL) == (rows[i].uid >= 0));
    if (told.caller != NULL) {
      g_assert_cmpstr (told.caller->name, ==, NAME);
      g_assert_cmpuint (told.caller->uid, ==, (guint) rows[i].uid);
      g_assert_cmpuint (told.caller->groups != NULL ? told.caller->groups->len : 0, ==, rows[i].n_groups);
    } else {
      g_assert_nonnull (strstr (told.error->message, rows[i].word));
    }
  }
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (rows));
}

/* Who is not known is asked for again; who is known is not. */
static void
test_who_is_not_known_is_asked_for_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *const answers[] = { rows[4].credentials, NULL, rows[8].credentials };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_auto (Told) told = { 0 };

    fixture->credentials = answers[i];
    identify (fixture, &told);
    g_assert_null (told.caller);
    g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, (int) i + 1);
  }
  for (guint i = 0; i < 3; i++) {
    g_auto (Told) told = { 0 };

    fixture->credentials = rows[0].credentials;
    identify (fixture, &told);
    g_assert_nonnull (told.caller);
    g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, 4);
  }
}

static void
send_owner (Fixture *fixture, const char *name, const char *old, const char *new)
{
  g_assert_true (g_dbus_connection_emit_signal (fixture->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                "NameOwnerChanged", g_variant_new ("(sss)", name, old, new), NULL));
}

/* Sends the signal as the bus does, which has a name of its own. */
static void
send_gone (Fixture *fixture, const char *name)
{
  g_autoptr (GDBusMessage) message =
      g_dbus_message_new_signal ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged");

  g_dbus_message_set_sender (message, "org.freedesktop.DBus");
  g_dbus_message_set_body (message, g_variant_new ("(sss)", name, name, ""));
  g_dbus_connection_send_message (fixture->bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static void
test_who_leaves_is_forgotten (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (Told) told = { 0 };
  g_auto (Told) again = { 0 };

  fixture->credentials = rows[0].credentials;
  identify (fixture, &told);
  /* Somebody else. */
  send_owner (fixture, NAME, NAME, "");
  send_gone (fixture, ":1.8");
  send_gone (fixture, NAME);
  while (!g_cancellable_is_cancelled (told.caller->gone))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_matches), ==, 1);
  fixture->credentials = rows[1].credentials;
  identify (fixture, &again);
  g_assert_cmpuint (again.caller->uid, ==, 0);
  g_assert_false (g_cancellable_is_cancelled (again.caller->gone));
  g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, 2);
}

/* Whoever leaves first, the last one is heard to leave, and then the bus has nobody to tell of. */
static void
test_the_bus_is_watched_until_the_last_one_leaves (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { NAME, ":1.8", ":1.9" };

  fixture->credentials = rows[0].credentials;
  for (int round = 1; round <= 2; round++) {
    Told told[G_N_ELEMENTS (names)] = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
      identify_name (fixture, names[i], &told[i]);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      g_assert_cmpint (g_atomic_int_get (&fixture->n_unmatches), ==, round - 1);
      send_gone (fixture, names[i]);
      while (!g_cancellable_is_cancelled (told[i].caller->gone))
        g_main_context_iteration (NULL, TRUE);
      told_clear (&told[i]);
    }
    while (g_atomic_int_get (&fixture->n_unmatches) < round)
      g_thread_yield ();
    g_assert_cmpint (g_atomic_int_get (&fixture->n_matches), ==, round);
  }
}

/* All who call before the bus answers wait for the one answer; a bus that dies is one. */
static void
test_a_bus_that_dies_is_an_answer (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Told told[3] = { 0 };

  fixture->is_silent = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (told); i++)
    vsmmu_callers_identify (fixture->callers, NAME, tell, &told[i]);
  while (g_atomic_int_get (&fixture->n_asked) == 0)
    g_main_context_iteration (NULL, FALSE);
  g_dbus_connection_set_exit_on_close (fixture->connection, FALSE);
  g_dbus_connection_close_sync (fixture->bus, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (told); i++) {
    while (told[i].n_told == 0)
      g_main_context_iteration (NULL, TRUE);
    g_assert_null (told[i].caller);
    g_assert_nonnull (told[i].error);
    told_clear (&told[i]);
  }
  g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, 1);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/callers/credentials", test_who_calls_is_what_the_bus_says },
    { "/callers/unknown", test_who_is_not_known_is_asked_for_again },
    { "/callers/leaves", test_who_leaves_is_forgotten },
    { "/callers/last-leaves", test_the_bus_is_watched_until_the_last_one_leaves },
    { "/callers/bus-dies", test_a_bus_that_dies_is_an_answer },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
  return g_test_run ();
}
