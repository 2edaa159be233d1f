/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <vsmmu/vsmmu.h>

#include "methods.h"
#include "quota.h"

#define PATH "/org/vsmmu1"
#define INTERFACE "org.vsmmu1"

/* A bus with the service on it, and a caller with a connection of its own. */
typedef struct {
  GTestDBus *bus;
  GDBusConnection *server;
  GDBusConnection *client;
  VsmmuGuests guests; /* must be what the functions get */
  VsmmuVerdicts *verdicts;
  VsmmuMemory *memory;
  VsmmuService *service;
  GTask *waiting;         /* a verification that is not answered yet */
  GPtrArray *all_waiting; /* (nullable): all of them, where there are several */
  int n_asked;            /* atomic: how often the server asked the bus who somebody is */
  int n_matches;          /* atomic: and told it what to hear */
  GString *told;          /* names of signals, with a space after each */
} Fixture;

static void
resolve (VsmmuGuests *guests, const char *connection, const char *domain, GTask *task)
{
  g_assert_nonnull (guests);
  if (strcmp (domain, "missing") == 0)
    g_task_return_new_error (task, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN, "there is no domain '%s'", domain);
  else
    g_task_return_pointer (task, g_variant_new ("(s)", connection != NULL ? connection : "any"), NULL);
}

static void
verify (VsmmuGuests *guests, const char *connection G_GNUC_UNUSED, const char *domain, const char *device, GTask *task)
{
  Fixture *fixture = (Fixture *) ((char *) guests - G_STRUCT_OFFSET (Fixture, guests));

  g_assert_cmpstr (domain, ==, "guest");
  g_assert_true (g_str_has_prefix (device, "hostdev0"));
  if (fixture->all_waiting != NULL)
    g_ptr_array_add (fixture->all_waiting, g_object_ref (task));
  else
    fixture->waiting = g_object_ref (task);
}

static GVariant *
get_connections (VsmmuGuests *guests G_GNUC_UNUSED)
{
  return g_variant_new_parsed ("[('qemu:///system', 'connected')]");
}

static void
take_signal (GDBusConnection *bus G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED, const char *path,
             const char *interface G_GNUC_UNUSED, const char *signal, GVariant *parameters, gpointer data)
{
  GString *told = data;
  g_autoptr (GVariant) verdict = NULL;
  const char *state = "";

  g_assert_cmpstr (path, ==, PATH);
  if (g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(a{sv})"))) {
    verdict = g_variant_get_child_value (parameters, 0);
    g_assert_true (g_variant_lookup (verdict, "verdict", "&s", &state));
  }
  g_string_append_printf (told, "%s(%s) ", signal, state);
}

static GDBusConnection *
connect (const char *address)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
      NULL, &error);

  g_assert_no_error (error);
  return connection;
}

/* In the thread of the connection. */
static GDBusMessage *
count_questions (GDBusConnection *bus G_GNUC_UNUSED, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  Fixture *fixture = data;
  const char *member = g_dbus_message_get_member (message);

  if (!is_incoming && g_strcmp0 (member, "GetConnectionCredentials") == 0)
    g_atomic_int_inc (&fixture->n_asked);
  if (!is_incoming && g_strcmp0 (member, "AddMatch") == 0)
    g_atomic_int_inc (&fixture->n_matches);
  return message;
}

static VsmmuService *
service_new (Fixture *fixture, GError **error)
{
  const VsmmuServiceOptions options = { .bus = fixture->server,
                                        .is_session = TRUE,
                                        .verdicts = fixture->verdicts,
                                        .guests = &fixture->guests,
                                        .memory = fixture->memory };

  return vsmmu_service_new (&options, error);
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->server = connect (g_test_dbus_get_bus_address (fixture->bus));
  fixture->client = connect (g_test_dbus_get_bus_address (fixture->bus));
  g_dbus_connection_add_filter (fixture->server, count_questions, fixture, NULL);
  fixture->guests = (VsmmuGuests){ resolve, verify, get_connections };
  fixture->verdicts = vsmmu_verdicts_new ();
  fixture->memory = vsmmu_memory_new ();
  fixture->told = g_string_new (NULL);
  fixture->service = service_new (fixture, &error);
  g_assert_no_error (error);
  g_dbus_connection_signal_subscribe (fixture->client, g_dbus_connection_get_unique_name (fixture->server), NULL, NULL,
                                      NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, take_signal, fixture->told, NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  vsmmu_service_free (fixture->service);
  vsmmu_memory_free (fixture->memory);
  vsmmu_verdicts_free (fixture->verdicts);
  g_string_free (fixture->told, TRUE);
  g_dbus_connection_close_sync (fixture->client, NULL, NULL);
  g_dbus_connection_close_sync (fixture->server, NULL, NULL);
  g_object_unref (fixture->client);
  g_object_unref (fixture->server);
  g_test_dbus_down (fixture->bus);
  g_object_unref (fixture->bus);
}

static void
take_answer (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static void
start_call (Fixture *fixture, const char *interface, const char *method, const char *parameters, GAsyncResult **result)
{
  *result = NULL;
  g_dbus_connection_call (fixture->client, g_dbus_connection_get_unique_name (fixture->server), PATH, interface, method,
                          g_variant_new_parsed (parameters), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, take_answer,
                          result);
}

/* (transfer full): the answer, printed, or the name of the error */
static char *
finish_call (Fixture *fixture, GAsyncResult **result)
{
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  answer = *result;
  reply = g_dbus_connection_call_finish (fixture->client, answer, &error);
  return reply != NULL ? g_variant_print (reply, FALSE) : g_dbus_error_get_remote_error (error);
}

static void
assert_call (Fixture *fixture, const char *interface, const char *method, const char *parameters, const char *expected)
{
  g_autofree char *answer = NULL;
  GAsyncResult *result;

  start_call (fixture, interface, method, parameters, &result);
  answer = finish_call (fixture, &result);
  g_assert_cmpstr (answer, ==, expected);
}

static VsmmuVerdict *
verdict_new (VsmmuVerdictState state)
{
  VsmmuVerdict *verdict = g_new0 (VsmmuVerdict, 1);

  *verdict = (VsmmuVerdict){ .connection = g_strdup ("qemu:///system"),
                             .domain = g_strdup ("guest"),
                             .uuid = g_strdup ("u1"),
                             .device = g_strdup ("hostdev0"),
                             .vsmmu = g_strdup ("iommu0"),
                             .findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref),
                             .state = state };
  return verdict;
}

static void
await_signals (Fixture *fixture, const char *expected)
{
  while (fixture->told->len < strlen (expected))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (fixture->told->str, ==, expected);
}

static void
test_verdicts_are_told (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  /* The call makes sure that the bus knows of the subscription. */
  assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  vsmmu_verdicts_set (fixture->verdicts, verdict_new (VSMMU_VERDICT_UNKNOWN), 1);
  vsmmu_verdicts_set (fixture->verdicts, verdict_new (VSMMU_VERDICT_MISMATCH), 2);
  vsmmu_verdicts_remove (fixture->verdicts, NULL, NULL, NULL);
  vsmmu_service_emit_connections (fixture->service);
  await_signals (fixture, "VerdictChanged(unknown-yet) VerdictChanged(mismatch) DoorbellMismatch(mismatch) "
                          "VerdictChanged(gone) PropertiesChanged() ");
}

static void
test_verdicts_are_listed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  VsmmuVerdict *verdict = verdict_new (VSMMU_VERDICT_VERIFIED);

  verdict->host_smmu = g_strdup ("smmu3.0x0000000011000000");
  verdict->doorbell = 0x08090040;
  vsmmu_verdicts_set (fixture->verdicts, verdict, 5);
  assert_call (fixture, INTERFACE, "ListVerdicts", "()",
               "([{'connection': <'qemu:///system'>, 'domain': <'guest'>, 'uuid': <'u1'>, 'device': <'hostdev0'>, "
               "'vsmmu': <'iommu0'>, 'host-smmu': <'smmu3.0x0000000011000000'>, 'verdict': <'verified'>, 'doorbell': "
               "<uint64 134807616>, 'since': <uint64 5>, 'reasons': <@a(sssusss) []>}],)");
}

static void
test_whoever_watches_guests_is_asked (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  assert_call (fixture, INTERFACE, "Resolve", "('guest', @a{sv} {})", "('any',)");
  assert_call (fixture, INTERFACE, "Resolve", "('guest', {'connection': <'test:///'>})", "('test:///',)");
  assert_call (fixture, INTERFACE, "Resolve", "('guest', {'connexion': <'test:///'>})",
               "org.freedesktop.DBus.Error.InvalidArgs");
  assert_call (fixture, INTERFACE, "Resolve", "('missing', @a{sv} {})", "org.vsmmu1.Error.NoDomain");
  assert_call (fixture, "org.freedesktop.DBus.Properties", "Get", "('org.vsmmu1', 'Connections')",
               "(<[('qemu:///system', 'connected')]>,)");
}

static void
test_a_verification_may_take_its_time (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *answer = NULL;
  GAsyncResult *result;

  start_call (fixture, INTERFACE, "Verify", "('guest', 'hostdev0', @a{sv} {})", &result);
  while (fixture->waiting == NULL)
    g_main_context_iteration (NULL, TRUE);
  assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  g_assert_null (result);
  g_task_return_pointer (fixture->waiting, g_variant_new_parsed ("(@aa{sv} [],)"), (GDestroyNotify) g_variant_unref);
  g_clear_object (&fixture->waiting);
  answer = finish_call (fixture, &result);
  g_assert_cmpstr (answer, ==, "([],)");
}

static void
call_as (GDBusConnection *caller, Fixture *fixture, const char *method, const char *parameters,
         GAsyncReadyCallback callback, gpointer data)
{
  g_dbus_connection_call (caller, g_dbus_connection_get_unique_name (fixture->server), PATH, INTERFACE, method,
                          g_variant_new_parsed (parameters), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, callback, data);
}

static void
ignore_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  guint *n_answers = data;

  ++*n_answers;
}

static void
test_a_verification_for_nobody_ends (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDBusConnection) other = connect (g_test_dbus_get_bus_address (fixture->bus));
  guint n_answers = 0;

  call_as (other, fixture, "Verify", "('guest', 'hostdev0', @a{sv} {})", ignore_answer, &n_answers);
  while (fixture->waiting == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_dbus_connection_close_sync (other, NULL, NULL));
  while (!g_cancellable_is_cancelled (g_task_get_cancellable (fixture->waiting)))
    g_main_context_iteration (NULL, TRUE);
  g_task_return_pointer (fixture->waiting, g_variant_ref_sink (g_variant_new_parsed ("(@aa{sv} [],)")),
                         (GDestroyNotify) g_variant_unref);
  g_clear_object (&fixture->waiting);
}

/* Without a function that takes it, GDBus says that no answer is expected. */
static void
test_a_call_that_wants_no_answer_is_dropped (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  call_as (fixture->client, fixture, "Verify", "('guest', 'hostdev0', @a{sv} {})", NULL, NULL);
  for (guint i = 0; i < 5; i++)
    assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  g_assert_null (fixture->waiting);
}

static void
test_a_caller_is_identified_once (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDBusConnection) other = connect (g_test_dbus_get_bus_address (fixture->bus));
  guint n_answers = 0;
  int n_matches = g_atomic_int_get (&fixture->n_matches);

  for (guint i = 0; i < 10; i++)
    assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  for (guint i = 0; i < 10; i++)
    call_as (other, fixture, "ListVerdicts", "()", ignore_answer, &n_answers);
  while (n_answers < 10)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_asked), ==, 2);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_matches), ==, n_matches + 1);
  g_assert_true (g_dbus_connection_close_sync (other, NULL, NULL));
}

static void
answer_all (Fixture *fixture)
{
  for (guint i = 0; i < fixture->all_waiting->len; i++)
    g_task_return_pointer (g_ptr_array_index (fixture->all_waiting, i), g_variant_new_parsed ("(@aa{sv} [],)"),
                           (GDestroyNotify) g_variant_unref);
  g_ptr_array_set_size (fixture->all_waiting, 0);
}

/* A user has as many; which of the two limits it was is said. */
static void
count_refusal (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint *n_refusals = data;

  *n_refusals += error != NULL && strstr (error->message, "this connection") != NULL;
}

static void
test_a_connection_has_so_many_calls_in_flight (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_refusals = 0;
  guint n_answers = 0;

  fixture->all_waiting = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < VSMMU_QUOTA_USER_CALLS; i++)
    call_as (fixture->client, fixture, "Verify", "('guest', 'hostdev0', @a{sv} {})", ignore_answer, &n_answers);
  for (guint i = 0; i < 40; i++)
    call_as (fixture->client, fixture, "Verify", "('guest', 'hostdev0', @a{sv} {})", count_refusal, &n_refusals);
  while (n_refusals < 40 || fixture->all_waiting->len < VSMMU_QUOTA_USER_CALLS)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (n_answers, ==, 0);
  answer_all (fixture);
  while (n_answers < VSMMU_QUOTA_USER_CALLS)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&fixture->all_waiting, g_ptr_array_unref);
  /* What is answered no longer counts. */
  assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
}

static void
test_a_connection_has_so_many_bytes_in_flight (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *filler = g_strnfill (VSMMU_QUOTA_MESSAGE_BYTES - 1000, 'x');
  g_autofree char *large = g_strdup_printf ("('guest', 'hostdev0%s', @a{sv} {})", filler);
  guint n_answers = 0;

  fixture->all_waiting = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < 6; i++)
    call_as (fixture->client, fixture, "Verify", large, ignore_answer, &n_answers);
  while (n_answers < 2 || fixture->all_waiting->len < 4)
    g_main_context_iteration (NULL, TRUE);
  answer_all (fixture);
  while (n_answers < 6)
    g_main_context_iteration (NULL, TRUE);
  /* What is answered no longer counts, for this connection and for all. */
  for (guint i = 0; i < VSMMU_QUOTA_ALL_BYTES / VSMMU_QUOTA_MESSAGE_BYTES + 1; i++) {
    call_as (fixture->client, fixture, "Verify", large, ignore_answer, &n_answers);
    while (fixture->all_waiting->len < 1)
      g_main_context_iteration (NULL, TRUE);
    answer_all (fixture);
    while (n_answers < 7 + i)
      g_main_context_iteration (NULL, TRUE);
  }
  g_clear_pointer (&fixture->all_waiting, g_ptr_array_unref);
}

static GDBusNodeInfo *
read_interface (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "org.vsmmu1.xml", NULL);
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;
  GDBusNodeInfo *node;

  g_assert_true (g_file_get_contents (path, &xml, NULL, NULL));
  node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return node;
}

/* What GDBus lets through, since the interface has it, is in the table too, and what is there can be called. */
static void
test_methods_of_the_interface_are_those_of_the_table (void)
{
  g_autoptr (GDBusNodeInfo) node = read_interface ();
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "docs", "virt-vsmmud.rst", NULL);
  g_autofree char *manual = NULL;

  g_assert_true (g_file_get_contents (path, &manual, NULL, NULL));
  for (guint i = 0; node->interfaces[0]->methods[i] != NULL; i++) {
    g_autofree char *documented = g_strdup_printf ("\n%s(", node->interfaces[0]->methods[i]->name);

    g_test_message ("%s", node->interfaces[0]->methods[i]->name);
    g_assert_nonnull (vsmmu_methods_find (node->interfaces[0]->methods[i]->name));
    g_assert_nonnull (strstr (manual, documented));
  }
  for (const VsmmuMethod *method = vsmmu_methods; method->name != NULL; method++) {
    g_test_message ("%s", method->name);
    g_assert_true ((method->run != NULL) != (method->start != NULL));
    g_assert_true (vsmmu_methods_find (method->name) == method);
    if (strcmp (method->name, "Get") != 0 && strcmp (method->name, "GetAll") != 0)
      g_assert_nonnull (g_dbus_interface_info_lookup_method (node->interfaces[0], method->name));
  }
  g_assert_null (vsmmu_methods_find ("Nothing"));
}

static void
test_properties_of_the_interface_are_those_of_the_table (void)
{
  g_autoptr (GDBusNodeInfo) node = read_interface ();
  const VsmmuMethodContext context = { .is_session = TRUE };
  guint n_properties = 0;

  for (const VsmmuServiceProperty *property = vsmmu_service_properties; property->name != NULL; property++) {
    const GDBusPropertyInfo *info = g_dbus_interface_info_lookup_property (node->interfaces[0], property->name);
    g_autoptr (GVariant) value = g_variant_ref_sink (property->get (&context));

    g_test_message ("%s", property->name);
    g_assert_nonnull (info);
    g_assert_cmpstr (g_variant_get_type_string (value), ==, info->signature);
    n_properties++;
  }
  g_assert_nonnull (node->interfaces[0]->properties);
  g_assert_null (node->interfaces[0]->properties[n_properties]);
}

/* One that does not come about leaves the other alone, and one that ends leaves room for the next. */
static void
test_a_connection_has_one_service (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (service_new (fixture, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  g_clear_error (&error);
  vsmmu_service_free (fixture->service);
  fixture->service = service_new (fixture, &error);
  g_assert_no_error (error);
  assert_call (fixture, INTERFACE, "ListVerdicts", "()", "([],)");
  /* Neither of the other two has it told. */
  vsmmu_verdicts_set (fixture->verdicts, verdict_new (VSMMU_VERDICT_UNKNOWN), 1);
  vsmmu_service_emit_connections (fixture->service);
  await_signals (fixture, "VerdictChanged(unknown-yet) PropertiesChanged() ");
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/service/verdicts-are-told", test_verdicts_are_told },
    { "/service/verdicts-are-listed", test_verdicts_are_listed },
    { "/service/whoever-watches-guests-is-asked", test_whoever_watches_guests_is_asked },
    { "/service/a-verification-may-take-its-time", test_a_verification_may_take_its_time },
    { "/service/a-verification-for-nobody-ends", test_a_verification_for_nobody_ends },
    { "/service/a-call-that-wants-no-answer-is-dropped", test_a_call_that_wants_no_answer_is_dropped },
    { "/service/a-caller-is-identified-once", test_a_caller_is_identified_once },
    { "/service/a-connection-has-so-many-calls-in-flight", test_a_connection_has_so_many_calls_in_flight },
    { "/service/a-connection-has-so-many-bytes-in-flight", test_a_connection_has_so_many_bytes_in_flight },
    { "/service/a-connection-has-one-service", test_a_connection_has_one_service },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
  g_test_add_func ("/service/methods-of-the-interface-are-those-of-the-table",
                   test_methods_of_the_interface_are_those_of_the_table);
  g_test_add_func ("/service/properties-of-the-interface-are-those-of-the-table",
                   test_properties_of_the_interface_are_those_of_the_table);
  return g_test_run ();
}
