/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a connection makes of what libvirt and QEMU answer; libvirt is one that does what the test says. */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "base/budget.h"
#include "fake-libvirt.h"
#include "libvirt/events.h"
#include "libvirt/monitor.h"
#include "vsmmu/error.h"

#define URI "test+fake:///guest"
#define MONDAY ": it is Monday"

/* What is told of events; an atomic box, as a connection wants it. */
typedef struct {
  GString *events; /* kind, UUID is there or not, name and alias of each */
} Told;

static void
clear_told (gpointer data)
{
  g_string_free (((Told *) data)->events, TRUE);
}

static void
told_unref (Told *told)
{
  g_atomic_rc_box_release_full (told, clear_told);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Told, told_unref)

static Told *
told_new (void)
{
  Told *told = g_atomic_rc_box_new0 (Told);

  told->events = g_string_new (NULL);
  return told;
}

static void
take_event (const VsmmuEvent *event, gpointer data)
{
  static const char *const kinds[] = {
    [VSMMU_EVENT_STARTED] = "started",   [VSMMU_EVENT_STOPPED] = "stopped",
    [VSMMU_EVENT_REBOOTED] = "rebooted", [VSMMU_EVENT_ADDED] = "added",
    [VSMMU_EVENT_REMOVED] = "removed",   [VSMMU_EVENT_REMOVAL_FAILED] = "removal-failed",
    [VSMMU_EVENT_CLOSED] = "closed",
  };
  const Told *told = data;

  g_assert_true ((event->uuid != NULL) == (event->name != NULL));
  g_string_append_printf (told->events, "%s(%s %s) ", kinds[event->kind], event->name != NULL ? event->name : "",
                          event->alias != NULL ? event->alias : "");
}

static VsmmuConnection *
open_connection (const char *uri)
{
  g_autoptr (GError) error = NULL;
  VsmmuConnection *connection = vsmmu_connection_open (uri, FALSE, &error);

  g_assert_no_error (error);
  return connection;
}

static void
expect (const Told *told, const char *events)
{
  g_assert_cmpstr (told->events->str, ==, events);
  g_string_truncate (told->events, 0);
}

static void
test_what_happens_to_a_guest_is_reported (void)
{
  static const struct {
    int what;
    int detail;
    const char *told;
  } cases[] = {
    { VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED, "" },
    { VIR_DOMAIN_EVENT_UNDEFINED, 0, "" },
    { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, "started(guest ) " },
    { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_RESTORED, "started(guest ) " },
    { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "" },
    { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "" },
    { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, "" },
    { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED, "started(guest ) " },
    { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "stopped(guest ) " },
    { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, "stopped(guest ) " },
    { VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED, "" },
    { VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, "stopped(guest ) " },
  };
  g_autoptr (Told) told = told_new ();
  g_autoptr (VsmmuConnection) connection = open_connection (URI);

  g_assert_true (vsmmu_connection_subscribe (connection, take_event, told, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    fake_libvirt_emit_lifecycle (cases[i].what, cases[i].detail);
    expect (told, cases[i].told);
  }
  fake_libvirt_emit_reboot ();
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev0");
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "hostdev1");
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, "hostdev2");
  fake_libvirt_emit_close ();
  expect (told,
          "rebooted(guest ) added(guest hostdev0) removed(guest hostdev1) removal-failed(guest hostdev2) closed( ) ");
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

/* A daemon of this host does not vanish without a word. */
static void
test_a_daemon_elsewhere_is_to_answer (void)
{
  static const struct {
    const char *uri;
    int interval;
    int count;
  } cases[] = {
    { "qemu:///system", -1, -1 },
    { "qemu+unix:///session", -1, -1 },
    { "qemu+ssh://host/system", 10, 3 },
    { URI, 10, 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (Told) told = told_new ();
    g_autoptr (VsmmuConnection) connection = open_connection (cases[i].uri);

    memset (fake_libvirt_get ()->keep_alive, 0xff, sizeof (fake_libvirt_get ()->keep_alive));
    g_assert_true (vsmmu_connection_subscribe (connection, take_event, told, NULL));
    g_assert_cmpint (fake_libvirt_get ()->keep_alive[0], ==, cases[i].interval);
    g_assert_cmpint (fake_libvirt_get ()->keep_alive[1], ==, cases[i].count);
  }
}

/* Whichever of its events libvirt does not promise, and nothing is left with it. */
static void
test_a_daemon_without_events_is_an_error (void)
{
  static const int ids[] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_ID_REBOOT,
                             VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                             VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED };
  FakeLibvirt *libvirt = fake_libvirt_get ();

  for (guint i = 0; i <= G_N_ELEMENTS (ids); i++) {
    g_autofree char *broken = i < G_N_ELEMENTS (ids) ? g_strdup_printf ("virConnectDomainEventRegisterAny %d", ids[i])
                                                     : g_strdup ("virConnectRegisterCloseCallback");
    g_autoptr (Told) told = told_new ();
    g_autoptr (VsmmuConnection) connection = open_connection (URI);
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (libvirt->n_callbacks, ==, 0);
    libvirt->broken = broken;
    g_assert_false (vsmmu_connection_subscribe (connection, take_event, told, &error));
    libvirt->broken = NULL;
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
    g_assert_cmpstr (error->message, ==, "cannot get events from libvirt at '" URI "'" MONDAY);
    /* The one about the connection, and those before the one that failed. */
    g_assert_cmpint (libvirt->n_callbacks, ==, i < G_N_ELEMENTS (ids) ? (int) i + 1 : 0);
    g_clear_pointer (&connection, vsmmu_connection_close);
    g_assert_cmpint (libvirt->n_callbacks, ==, 0);
  }
}

static gboolean
open_another (VsmmuConnection *connection, GError **error)
{
  g_autoptr (VsmmuConnection) other = vsmmu_connection_open (vsmmu_connection_get_uri (connection), FALSE, error);

  return other != NULL;
}

static gboolean
list_running (VsmmuConnection *connection, GError **error)
{
  g_autoptr (GPtrArray) running = vsmmu_connection_list_running (connection, error);

  return running != NULL;
}

static gboolean
get_target (VsmmuConnection *connection, GError **error)
{
  VsmmuTarget target;

  return vsmmu_connection_get_target (connection, &target, error);
}

static gboolean
find_guest (VsmmuConnection *connection, GError **error)
{
  g_autoptr (VsmmuConnectionDomain) domain = vsmmu_connection_domain_new (connection, "guest", error);

  return domain != NULL;
}

static gboolean
prepare_events (VsmmuConnection *connection G_GNUC_UNUSED, GError **error)
{
  return vsmmu_events_prepare (error);
}

static void
test_each_error_of_libvirt_is_told (void)
{
  static const struct {
    const char *broken;
    gboolean (*call) (VsmmuConnection *connection, GError **error);
    const char *message;
  } cases[] = {
    { "virConnectOpen", open_another, "cannot connect to libvirt at '" URI "'" MONDAY },
    { "virConnectListAllDomains", list_running, "cannot list the domains of libvirt at '" URI "'" MONDAY },
    { "virConnectGetLibVersion", get_target, "cannot get the version of libvirt at '" URI "'" MONDAY },
    { "virConnectGetVersion", get_target, "cannot get the version of libvirt at '" URI "'" MONDAY },
    { "virDomainLookupByName", find_guest, "libvirt at '" URI "' cannot find the domain 'guest'" MONDAY },
    { "virEventRegisterDefaultImpl", prepare_events, "cannot set up the libvirt event loop" MONDAY },
  };
  FakeLibvirt *libvirt = fake_libvirt_get ();
  g_autoptr (VsmmuConnection) connection = open_connection (URI);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    libvirt->broken = cases[i].broken;
    g_assert_false (cases[i].call (connection, &error));
    libvirt->broken = NULL;
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
    g_assert_cmpstr (error->message, ==, cases[i].message);
    g_clear_error (&error);
    g_assert_true (cases[i].call (connection, &error));
  }
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

static void
test_versions_are_those_of_the_daemon (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *capabilities = NULL;
  VsmmuTarget target;

  g_assert_true (vsmmu_target_ask (URI, &target, &capabilities, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (target.libvirt, ==, 12008000);
  g_assert_cmpuint (target.qemu, ==, 11001003);
}

#define LARGE (1024 * 1024)

/* Of what a document takes, what is kept counts until the domain goes; nothing is given back twice, and nothing kept.
 */
static void
test_a_domain_gives_back_what_it_took (void)
{
  const gsize cost = 48 * LARGE;
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (2 * cost);
  g_autoptr (VsmmuConnection) connection = open_connection (URI);
  VsmmuConnectionDomain *domain = vsmmu_connection_domain_new (connection, "guest", NULL);
  gsize taken;

  vsmmu_connection_set_budget (connection, budget, FALSE);
  vsmmu_connection_domain_take_budget (domain, LARGE);
  vsmmu_connection_domain_give_budget (domain, cost / 2);
  vsmmu_connection_domain_give_budget (domain, cost / 2);
  vsmmu_connection_domain_give_budget (domain, cost);
  taken = vsmmu_budget_take (budget, LARGE / 2, FALSE);
  g_assert_cmpuint (taken, ==, cost / 2);
  vsmmu_connection_domain_free (domain);
  vsmmu_budget_give (budget, taken);
  /* What is more than all waits until nobody has anything. */
  taken = vsmmu_budget_take (budget, 4 * LARGE, FALSE);
  vsmmu_budget_give (budget, taken);
}

static void
test_a_device_that_is_not_detached_is_an_error (void)
{
  g_autoptr (VsmmuConnection) connection = open_connection (URI);
  g_autoptr (VsmmuConnectionDomain) domain = vsmmu_connection_domain_new (connection, "guest", NULL);
  g_autoptr (GError) error = NULL;

  fake_libvirt_get ()->n_refused = 1;
  g_assert_false (vsmmu_connection_domain_detach (domain, "<hostdev/>", &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
  g_assert_cmpstr (error->message, ==, "libvirt at '" URI "' cannot detach the device from the domain 'guest'" MONDAY);
  g_assert_true (vsmmu_connection_domain_detach (domain, "<hostdev/>", NULL));
}

#define TRACE(state)                                                                                                   \
  "{\"return\":[{\"name\":\"kvm_arm_fixup_msi_route\",\"state\":\"" state "\"}],\"id\":\"libvirt-15\"}"
#define QMP_ERROR "{\"id\":\"libvirt-16\",\"error\":{\"class\":\"GenericError\",\"desc\":\"unknown event\"}}"
#define DONE "{\"return\":{},\"id\":\"libvirt-16\"}"

/* It is switched on only where it was off, so that whoever else wants it keeps it. */
static void
test_a_trace_is_switched_on_where_it_is_off (void)
{
  static const struct {
    const char *state;
    const char *answer; /* to the switch */
    gboolean is_switched;
    gboolean is_on;
  } cases[] = {
    { TRACE ("disabled"), DONE, TRUE, TRUE },
    { TRACE ("disabled"), QMP_ERROR, TRUE, FALSE },
    { TRACE ("disabled"), "", TRUE, FALSE },
    { TRACE ("enabled"), DONE, FALSE, FALSE },
    { TRACE ("unavailable"), DONE, FALSE, FALSE },
    { "{\"return\":[{\"name\":\"kvm_arm_fixup_msi_route\"}]}", DONE, FALSE, FALSE },
    { "{\"return\":[{\"state\":\"disabled\"},{\"state\":\"disabled\"}]}", DONE, FALSE, FALSE },
    { "{\"return\":[\"disabled\"]}", DONE, FALSE, FALSE },
    { "{\"return\":[]}", DONE, FALSE, FALSE },
    { "{\"return\":{\"state\":\"disabled\"}}", DONE, FALSE, FALSE },
    { "[{\"state\":\"disabled\"}]", DONE, FALSE, FALSE },
    { "disabled", DONE, FALSE, FALSE },
    { QMP_ERROR, DONE, FALSE, FALSE },
    { "", DONE, FALSE, FALSE },
  };
  FakeLibvirt *libvirt = fake_libvirt_get ();
  g_autoptr (VsmmuConnection) connection = open_connection (URI);
  g_autoptr (VsmmuConnectionDomain) domain = vsmmu_connection_domain_new (connection, "guest", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    libvirt->answers[FAKE_ANSWER_TRACE_STATE] = cases[i].state;
    libvirt->answers[FAKE_ANSWER_TRACE_SWITCH] = cases[i].answer;
    g_ptr_array_set_size (libvirt->commands, 0);
    g_assert_cmpint (vsmmu_monitor_start_trace (domain), ==, cases[i].is_on);
    g_assert_cmpuint (libvirt->commands->len, ==, cases[i].is_switched ? 2 : 1);
  }
  memset (libvirt->answers, 0, sizeof (libvirt->answers));
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

static void
test_the_doorbell_is_what_qemu_answers (void)
{
  static const struct {
    const char *answer;
    guint64 doorbell;
    const char *message; /* (nullable): its end, without which there is a doorbell */
  } cases[] = {
    { "{\"return\":134807616,\"id\":\"libvirt-17\"}", 0x8090040, NULL },
    { "{\"return\":0}", 0, NULL },
    { "{\"return\":\"0x8090040\"}", 0, "cannot get the doorbell of 'iommu0' from QEMU: {\"return\":\"0x8090040\"}" },
    { "{\"return\":{}}", 0, "cannot get the doorbell of 'iommu0' from QEMU: {\"return\":{}}" },
    { "{\"return\":1.5}", 0, "cannot get the doorbell of 'iommu0' from QEMU: {\"return\":1.5}" },
    { QMP_ERROR, 0, "cannot get the doorbell of 'iommu0' from QEMU: " QMP_ERROR },
    { "134807616", 0, "cannot get the doorbell of 'iommu0' from QEMU: 134807616" },
    { "", 0, "cannot use the monitor of the domain 'guest'" MONDAY },
  };
  FakeLibvirt *libvirt = fake_libvirt_get ();
  g_autoptr (VsmmuConnection) connection = open_connection (URI);
  g_autoptr (VsmmuConnectionDomain) domain = vsmmu_connection_domain_new (connection, "guest", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    guint64 doorbell = 7;

    libvirt->answers[FAKE_ANSWER_DOORBELL] = cases[i].answer;
    g_assert_true (vsmmu_monitor_get_msi_gpa (domain, "iommu0", &doorbell, &error) == (cases[i].message == NULL));
    g_assert_cmpuint (doorbell, ==, cases[i].message == NULL ? cases[i].doorbell : 7);
    if (cases[i].message == NULL)
      continue;
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
    g_assert_cmpstr (error->message, ==, cases[i].message);
  }
  memset (libvirt->answers, 0, sizeof (libvirt->answers));
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

/* Has the linker load its library. */
static int (*volatile monitor_command) (virDomainPtr, const char *, char **,
                                        unsigned int) = virDomainQemuMonitorCommand;

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (monitor_command != NULL);
  g_test_add_func ("/connection/events", test_what_happens_to_a_guest_is_reported);
  g_test_add_func ("/connection/keep-alive", test_a_daemon_elsewhere_is_to_answer);
  g_test_add_func ("/connection/no-events", test_a_daemon_without_events_is_an_error);
  g_test_add_func ("/connection/errors", test_each_error_of_libvirt_is_told);
  g_test_add_func ("/connection/versions", test_versions_are_those_of_the_daemon);
  g_test_add_func ("/connection/budget", test_a_domain_gives_back_what_it_took);
  g_test_add_func ("/connection/detach", test_a_device_that_is_not_detached_is_an_error);
  g_test_add_func ("/connection/trace", test_a_trace_is_switched_on_where_it_is_off);
  g_test_add_func ("/connection/doorbell", test_the_doorbell_is_what_qemu_answers);
  return g_test_run ();
}
