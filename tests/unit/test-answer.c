/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for the verdict on a device that was attached: the service that gives it is the real one, on a bus of its
 * own. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "check/finding.h"
#include "rpc/answer.h"
#include "service.h"
#include "vsmmu/rule.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define DEVICE "hostdev1"
#define ATTACHED 1000
#define SECONDS_MAX 10

typedef struct {
  GTestDBus *bus;
  GDBusConnection *server;
  VsmmuVerdicts *verdicts;
  VsmmuMemory *memory;
  VsmmuService *service;
  guint name;
} Fixture;

/* One thing that virt-vsmmud finds out; @after milliseconds, or before the question for 0. */
typedef struct {
  guint after;
  const char *uuid;
  const char *device;
  VsmmuVerdictState state;
  const char *on_mismatch;
  gint64 when;
} Step;

#define STEPS_MAX 3

static const struct {
  const char *name;
  Step steps[STEPS_MAX];
  VsmmuAnswerState state;
  VsmmuPolicyMismatch action;
} rows[] = {
  { "known-before", { { 0, UUID, DEVICE, VSMMU_VERDICT_VERIFIED, NULL, ATTACHED } }, VSMMU_ANSWER_VERIFIED, 0 },
  { "known-later",
    { { 100, UUID, DEVICE, VSMMU_VERDICT_UNKNOWN, NULL, ATTACHED },
      { 200, UUID, DEVICE, VSMMU_VERDICT_VERIFIED, NULL, ATTACHED } },
    VSMMU_ANSWER_VERIFIED,
    0 },
  { "nothing-comes", { { 0 } }, VSMMU_ANSWER_UNKNOWN, 0 },
  { "still-unknown", { { 0, UUID, DEVICE, VSMMU_VERDICT_UNKNOWN, NULL, ATTACHED } }, VSMMU_ANSWER_UNKNOWN, 0 },
  { "of-the-device-before",
    { { 0, UUID, DEVICE, VSMMU_VERDICT_VERIFIED, NULL, ATTACHED - 1 } },
    VSMMU_ANSWER_UNKNOWN,
    0 },
  { "of-another-device", { { 0, UUID, "hostdev2", VSMMU_VERDICT_VERIFIED, NULL, ATTACHED } }, VSMMU_ANSWER_UNKNOWN, 0 },
  { "of-another-guest",
    { { 0, "21111111-2222-3333-4444-555555555555", DEVICE, VSMMU_VERDICT_MISMATCH, "report", ATTACHED } },
    VSMMU_ANSWER_UNKNOWN,
    0 },
  { "reported",
    { { 100, UUID, DEVICE, VSMMU_VERDICT_MISMATCH, "report", ATTACHED } },
    VSMMU_ANSWER_MISMATCH,
    VSMMU_POLICY_MISMATCH_REPORT },
  { "detached",
    { { 100, UUID, DEVICE, VSMMU_VERDICT_MISMATCH, "detach", ATTACHED },
      { 300, UUID, DEVICE, VSMMU_VERDICT_GONE, NULL, 0 } },
    VSMMU_ANSWER_GONE,
    VSMMU_POLICY_MISMATCH_DETACH },
  { "being-detached",
    { { 0, UUID, DEVICE, VSMMU_VERDICT_MISMATCH, "detach", ATTACHED } },
    VSMMU_ANSWER_MISMATCH,
    VSMMU_POLICY_MISMATCH_DETACH },
  /* Unplugged by somebody else meanwhile. */
  { "gone-without-a-reason",
    { { 0, UUID, DEVICE, VSMMU_VERDICT_UNKNOWN, NULL, ATTACHED }, { 100, UUID, DEVICE, VSMMU_VERDICT_GONE, NULL, 0 } },
    VSMMU_ANSWER_UNKNOWN,
    0 },
};

static void
on_name (GDBusConnection *bus G_GNUC_UNUSED, const char *name G_GNUC_UNUSED, gpointer data)
{
  *(gboolean *) data = TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  VsmmuServiceOptions options = { .is_session = TRUE };
  gboolean has_name = FALSE;

  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->server = g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (fixture->bus),
                                                            G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                            NULL, NULL, &error);
  g_assert_no_error (error);
  fixture->verdicts = vsmmu_verdicts_new ();
  fixture->memory = vsmmu_memory_new ();
  options.bus = fixture->server;
  options.memory = fixture->memory;
  options.verdicts = fixture->verdicts;
  fixture->service = vsmmu_service_new (&options, &error);
  g_assert_no_error (error);
  fixture->name = g_bus_own_name_on_connection (fixture->server, "org.vsmmu1", G_BUS_NAME_OWNER_FLAGS_NONE, on_name,
                                                NULL, &has_name, NULL);
  while (!has_name)
    g_main_context_iteration (NULL, TRUE);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_bus_unown_name (fixture->name);
  vsmmu_service_free (fixture->service);
  vsmmu_memory_free (fixture->memory);
  vsmmu_verdicts_free (fixture->verdicts);
  g_dbus_connection_close_sync (fixture->server, NULL, NULL);
  g_object_unref (fixture->server);
  g_test_dbus_down (fixture->bus);
  g_object_unref (fixture->bus);
}

static void
take_step (VsmmuVerdicts *verdicts, const Step *step)
{
  VsmmuVerdict *verdict = g_new0 (VsmmuVerdict, 1);

  if (step->state == VSMMU_VERDICT_GONE) {
    g_free (verdict);
    vsmmu_verdicts_remove (verdicts, NULL, step->uuid, step->device);
    return;
  }
  *verdict = (VsmmuVerdict){ .connection = g_strdup ("qemu:///system"),
                             .domain = g_strdup ("guest"),
                             .uuid = g_strdup (step->uuid),
                             .device = g_strdup (step->device),
                             .vsmmu = g_strdup ("iommu0"),
                             .findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref),
                             .on_mismatch = step->on_mismatch,
                             .state = step->state };
  g_ptr_array_add (verdict->findings,
                   vsmmu_finding_new (vsmmu_rules_find ("host-smmu-mismatch"), VSMMU_SEVERITY_ERROR, "domain", 7,
                                      g_strdup ("/domain"), g_strdup ("it is of another SMMU"),
                                      g_strdup ("take another one")));
  vsmmu_verdicts_set (verdicts, verdict, step->when);
}

typedef struct {
  const VsmmuAnswerQuestion question;
  VsmmuAnswer answer;
  int is_done; /* atomic */
} Asking;

static gpointer
ask (gpointer data)
{
  Asking *asking = data;

  vsmmu_answer_wait (&asking->question, &asking->answer);
  g_atomic_int_set (&asking->is_done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

typedef struct {
  VsmmuVerdicts *verdicts;
  const Step *step;
} Coming;

static gboolean
come (gpointer data)
{
  const Coming *coming = data;

  take_step (coming->verdicts, coming->step);
  return G_SOURCE_REMOVE;
}

/* How many connections the bus has, by their names. */
static guint
count_connections (GDBusConnection *bus)
{
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "ListNames", NULL, G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_autofree const char **names = NULL;

  g_assert_nonnull (reply);
  g_variant_get (reply, "(^a&s)", &names);
  return g_strv_length ((GStrv) names);
}

/* Long where an answer ends the wait, however slow the machine is. */
static guint
seconds_of (gsize row)
{
  gboolean is_awaited = rows[row].state == VSMMU_ANSWER_VERIFIED || rows[row].state == VSMMU_ANSWER_GONE ||
                        rows[row].action == VSMMU_POLICY_MISMATCH_REPORT;

  return is_awaited && rows[row].state != VSMMU_ANSWER_UNKNOWN ? SECONDS_MAX : 1;
}

static void
test_answer (Fixture *fixture, gconstpointer data)
{
  guint n_connections = count_connections (fixture->server);
  gsize row = GPOINTER_TO_SIZE (data);
  Coming coming[STEPS_MAX];
  Asking asking = { .question = { g_test_dbus_get_bus_address (fixture->bus), UUID, DEVICE, ATTACHED,
                                  seconds_of (row) } };
  GThread *thread;
  gint64 end;

  for (guint i = 0; i < STEPS_MAX; i++) {
    const Step *step = &rows[row].steps[i];

    coming[i] = (Coming){ fixture->verdicts, step };
    if (step->uuid != NULL && step->after == 0)
      take_step (fixture->verdicts, step);
    else if (step->uuid != NULL)
      g_timeout_add (step->after, come, &coming[i]);
  }
  thread = g_thread_new ("ask", ask, &asking);
  while (!g_atomic_int_get (&asking.is_done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_assert_cmpint (asking.answer.state, ==, rows[row].state);
  g_assert_cmpint (asking.answer.action, ==, rows[row].action);
  g_assert_true ((asking.answer.findings != NULL) ==
                 (asking.answer.state == VSMMU_ANSWER_MISMATCH || asking.answer.state == VSMMU_ANSWER_GONE));
  if (asking.answer.findings != NULL) {
    const VsmmuFinding *finding = g_ptr_array_index (asking.answer.findings, 0);

    g_assert_cmpstr (finding->rule->id, ==, "host-smmu-mismatch");
    g_assert_cmpint (finding->severity, ==, VSMMU_SEVERITY_ERROR);
    g_assert_cmpstr (finding->message, ==, "it is of another SMMU");
  }
  vsmmu_answer_clear (&asking.answer);
  /* Nobody goes on listening. */
  end = g_get_monotonic_time () + SECONDS_MAX * G_TIME_SPAN_SECOND;
  while (count_connections (fixture->server) > n_connections)
    g_assert_cmpint (g_get_monotonic_time (), <, end);
}

/* Not waited for where nobody can answer, however slow the machine is. */
#define LONG_SECONDS 60

/* Less than the 25 seconds after which GDBus itself gives up. */
#define OWN_MILLISECONDS 20000

/* How long it takes to learn nothing from @bus in so many seconds at most, in milliseconds */
static gint64
ask_in_vain (const char *bus, guint seconds)
{
  Asking asking = { .question = { bus, UUID, DEVICE, ATTACHED, seconds } };
  gint64 start = g_get_monotonic_time ();

  ask (&asking);
  g_assert_cmpint (asking.answer.state, ==, VSMMU_ANSWER_NONE);
  g_assert_null (asking.answer.findings);
  return (g_get_monotonic_time () - start) / G_TIME_SPAN_MILLISECOND;
}

static void
test_no_bus (void)
{
  g_assert_cmpint (ask_in_vain ("unix:path=/nonexistent/bus", LONG_SECONDS), <, LONG_SECONDS * 1000 / 2);
  g_assert_cmpint (ask_in_vain ("nonsense", LONG_SECONDS), <, LONG_SECONDS * 1000 / 2);
}

static void
test_no_service (void)
{
  g_autoptr (GTestDBus) bus = g_test_dbus_new (G_TEST_DBUS_NONE);

  g_test_dbus_up (bus);
  g_assert_cmpint (ask_in_vain (g_test_dbus_get_bus_address (bus), LONG_SECONDS), <, LONG_SECONDS * 1000 / 2);
  g_test_dbus_down (bus);
}

/* Somebody who takes connections and says nothing. */
static void
test_hung_bus (void)
{
  g_autofree char *directory = g_dir_make_tmp ("vsmmu-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "bus", NULL);
  g_autofree char *address = g_strconcat ("unix:path=", path, NULL);
  g_autoptr (GSocketAddress) where = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);

  g_assert_true (g_socket_bind (socket, where, FALSE, NULL) && g_socket_listen (socket, NULL));
  g_assert_cmpint (ask_in_vain (address, 1), <, OWN_MILLISECONDS);
  g_unlink (path);
  g_rmdir (directory);
}

/* A virt-vsmmud that hangs: its thread does not run. */
static void
test_hung_service (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpint (ask_in_vain (g_test_dbus_get_bus_address (fixture->bus), 1), <, OWN_MILLISECONDS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/answer/", rows[i].name, NULL);

    g_test_add (path, Fixture, GSIZE_TO_POINTER (i), set_up, test_answer, tear_down);
  }
  g_test_add_func ("/answer/no-bus", test_no_bus);
  g_test_add_func ("/answer/no-service", test_no_service);
  g_test_add_func ("/answer/hung-bus", test_hung_bus);
  g_test_add ("/answer/hung-service", Fixture, NULL, set_up, test_hung_service, tear_down);
  return g_test_run ();
}
