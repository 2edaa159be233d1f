/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may do what, on a bus of its own with whatever answers there as polkit. */
#include <gio/gio.h>
#include <string.h>

#include "authority.h"

#define GROUP 4711

/* How polkit is, or what it does when it is asked. */
typedef enum {
  ABSENT,
  ALLOWS,
  DENIES,
  CHALLENGES, /* would have to ask for a password */
  FAILS,
  HAS_FAULT_OF_ITS_OWN, /* an error that is none of D-Bus */
  CANCELS,
  SAYS_SOMETHING_ELSE,
  DIES,
  HANGS,
  N_WAYS,
} Way;

typedef struct {
  GTestDBus *bus;
  GDBusConnection *service;
  GDBusConnection *polkit;
  GDBusConnection *other; /* who calls the service */
  VsmmuAuthority authority;
  Way way;
  int n_asked; /* atomic */
  VsmmuAction action;
  gboolean may_ask_user;
} Fixture;

static GDBusConnection *
connect (GTestDBus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);

  g_assert_no_error (error);
  return connection;
}

/* What is asked must be what is wanted. */
static void
check_question (const Fixture *fixture, GDBusMessage *question)
{
  g_autofree char *expected =
      g_strdup_printf ("(('system-bus-name', {'name': <'%s'>}), 'org.vsmmu1.%s', @a{ss} {}, uint32 %d, '')",
                       g_dbus_connection_get_unique_name (fixture->other),
                       fixture->action == VSMMU_ACTION_READ ? "read" : "manage", fixture->may_ask_user);
  g_autofree char *asked = g_variant_print (g_dbus_message_get_body (question), TRUE);

  g_assert_cmpstr (asked, ==, expected);
}

/* (transfer full) (nullable) */
static GDBusMessage *
answer (GDBusMessage *question, Way way)
{
  static const char *const errors[] = { [FAILS] = "org.freedesktop.DBus.Error.Failed",
                                        [HAS_FAULT_OF_ITS_OWN] = "org.freedesktop.PolicyKit1.Error.Failed",
                                        [CANCELS] = "org.freedesktop.PolicyKit1.Error.Cancelled" };
  static const char *const bodies[] = { [ALLOWS] = "((true, false, @a{ss} {}),)",
                                        [DENIES] = "((false, false, @a{ss} {}),)",
                                        [CHALLENGES] = "((false, true, @a{ss} {}),)",
                                        [SAYS_SOMETHING_ELSE] = "(true,)" };
  GDBusMessage *reply;

  if (way < G_N_ELEMENTS (errors) && errors[way] != NULL)
    return g_dbus_message_new_method_error (question, errors[way], "it is %s", "Monday");
  if (way >= G_N_ELEMENTS (bodies) || bodies[way] == NULL)
    return NULL;
  reply = g_dbus_message_new_method_reply (question);
  g_dbus_message_set_body (reply, g_variant_new_parsed (bodies[way]));
  return reply;
}

/* In the thread of the connection. */
static GDBusMessage *
be_polkit (GDBusConnection *bus, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GDBusMessage) reply = NULL;

  if (!is_incoming || g_strcmp0 (g_dbus_message_get_member (message), "CheckAuthorization") != 0)
    return message;
  check_question (fixture, message);
  g_atomic_int_inc (&fixture->n_asked);
  if (fixture->way == DIES)
    g_dbus_connection_close (bus, NULL, NULL, NULL);
  reply = answer (message, fixture->way);
  if (reply != NULL)
    g_dbus_connection_send_message (bus, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

static void
start_polkit (Fixture *fixture)
{
  g_autoptr (GVariant) reply = NULL;

  fixture->polkit = connect (fixture->bus);
  g_dbus_connection_add_filter (fixture->polkit, be_polkit, fixture, NULL);
  reply = g_dbus_connection_call_sync (fixture->polkit, "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", "org.freedesktop.PolicyKit1", 0), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_assert_nonnull (reply);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->service = connect (fixture->bus);
  fixture->other = connect (fixture->bus);
  fixture->way = (Way) GPOINTER_TO_UINT (data);
  vsmmu_authority_init (&fixture->authority, fixture->service, FALSE);
  fixture->authority.group = GROUP;
  if (fixture->way == HANGS)
    fixture->authority.patience = 50;
  if (fixture->way != ABSENT)
    start_polkit (fixture);
}

static void
close_bus (GDBusConnection *connection)
{
  g_dbus_connection_close_sync (connection, NULL, NULL);
  g_object_unref (connection);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_pointer (&fixture->polkit, close_bus);
  g_clear_pointer (&fixture->other, close_bus);
  g_clear_pointer (&fixture->service, close_bus);
  g_test_dbus_down (fixture->bus);
  g_object_unref (fixture->bus);
}

static void
take_result (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* Whether the caller may; else @error has why. */
static gboolean
ask (Fixture *fixture, guint uid, guint32 group, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GArray) groups = g_array_new (FALSE, FALSE, sizeof (guint32));
  VsmmuCaller caller = { .name = (char *) g_dbus_connection_get_unique_name (fixture->other),
                         .uid = uid,
                         .groups = group != 0 ? g_array_append_val (groups, group) : NULL };

  vsmmu_authority_check (&fixture->authority, &caller, fixture->action, fixture->may_ask_user, cancellable, take_result,
                         &result);
  /* The caller may be gone meanwhile. */
  caller.name = NULL;
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return vsmmu_authority_check_finish (result, error);
}

static gboolean
may (Way way, VsmmuAction action, guint uid, guint32 group)
{
  if (way == ABSENT)
    return uid == 0 || (action == VSMMU_ACTION_READ && group == GROUP);
  return way == ALLOWS;
}

static void
try_case (Fixture *fixture, guint uid, guint32 group)
{
  g_autoptr (GError) error = NULL;
  gboolean has_answer = fixture->way <= CHALLENGES;
  gboolean allowed;

  g_atomic_int_set (&fixture->n_asked, 0);
  allowed = ask (fixture, uid, group, NULL, &error);
  g_assert_true (allowed == may (fixture->way, fixture->action, uid, group));
  g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, fixture->way != ABSENT);
  if (allowed)
    return;
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  g_assert_nonnull (strstr (error->message, has_answer ? "is not allowed to do this" : "cannot ask polkit"));
  if (has_answer)
    g_assert_nonnull (strstr (error->message, fixture->way == ABSENT ? "no polkit" : "polkit action org.vsmmu1."));
  if (fixture->way == DIES) {
    g_clear_object (&fixture->polkit);
    start_polkit (fixture);
  }
}

/* Everybody, root too: whoever answers for polkit, and however, decides; nobody may because polkit does not say. */
static void
test_who_is_authorized (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    guint uid;
    guint32 group;
  } callers[] = { { 0, 0 }, { 0, GROUP }, { 1000, 0 }, { 1000, GROUP }, { 1000, GROUP + 1 } };
  guint n_cases = 0;

  for (guint i = 0; i < G_N_ELEMENTS (callers); i++)
    for (guint how = 0; how < 4; how++, n_cases++) {
      fixture->action = how % 2 == 0 ? VSMMU_ACTION_READ : VSMMU_ACTION_MANAGE;
      fixture->may_ask_user = how / 2 == 1;
      try_case (fixture, callers[i].uid, callers[i].group);
    }
  g_test_message ("%u cases", n_cases);
}

static gboolean
leave (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;
}

/* Who went away is not waited for, and may nothing. */
static void
test_who_went_away (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) gone = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  fixture->authority.patience = G_MAXINT;
  g_idle_add (leave, gone);
  g_assert_false (ask (fixture, 0, GROUP, gone, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* There all callers are the user whose session it is, or root. */
static void
test_a_session_asks_nobody (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  vsmmu_authority_init (&fixture->authority, fixture->service, TRUE);
  g_assert_true (ask (fixture, 1000, 0, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, 0);
}

int
main (int argc, char **argv)
{
  static const char *const names[N_WAYS] = { "absent",    "allows",  "denies",    "challenges", "fails",
                                             "own-fault", "cancels", "something", "dies",       "hangs" };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < N_WAYS; i++) {
    g_autofree char *path = g_strconcat ("/authority/polkit/", names[i], NULL);

    g_test_add (path, Fixture, GUINT_TO_POINTER (i), set_up, test_who_is_authorized, tear_down);
  }
  g_test_add ("/authority/gone", Fixture, GUINT_TO_POINTER (HANGS), set_up, test_who_went_away, tear_down);
  g_test_add ("/authority/session", Fixture, GUINT_TO_POINTER (DENIES), set_up, test_a_session_asks_nobody, tear_down);
  return g_test_run ();
}
