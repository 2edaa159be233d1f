/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A watcher that detaches what does not belong there; libvirt is one that does what the test says. */
#include <glib/gstdio.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-libvirt.h"
#include "libvirt/qemu-log.h"
#include "watch/watcher.h"

#define URI "test+fake:///guest"

/* A guest without an MSI controller: none of its devices can work, which needs no memory to see. */
#define HEAD                                                                                                           \
  "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>guest</name>"               \
  "<uuid>11111111-2222-3333-4444-555555555555</uuid>"                                                                  \
  "<memory unit='MiB'>512</memory><os><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"            \
  "<gic version='3'/></features><qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='msi=off'/>"             \
  "</qemu:commandline><devices><controller type='usb' model='none'/>"                                                  \
  "<controller type='pci' index='0' model='pcie-root'/>"                                                               \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<iommu model='smmuv3'><driver pciBus='1' accel='on'/><alias name='iommu0'/></iommu><memballoon model='none'/>"
#define HOSTDEV(bus)                                                                                                   \
  "<hostdev mode='subsystem' type='pci' managed='yes'><driver iommufd='yes'/><source><address domain='0x0002' "        \
  "bus='0x" bus "' slot='0x00' function='0x0'/></source><alias name='hostdev2'/><address type='pci' bus='2'/>"         \
  "</hostdev>"
#define TAIL "</devices></domain>"
#define DETACHED                                                                                                       \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0x0002' bus='0x21' slot='0x00' function='0x0'/>"      \
  "</source></hostdev>"

typedef struct {
  FakeLibvirt *libvirt;
  char *configuration;
  VsmmuWatcher *watcher;
  GString *told; /* events, by kind */
  char *reason;  /* of the last that has one */
} Fixture;

static void
on_event (const VsmmuWatchEvent *event, gpointer data)
{
  Fixture *fixture = data;

  g_string_append_printf (fixture->told, "%s ", vsmmu_watch_kind_to_string (event->kind));
  if (event->kind == VSMMU_WATCH_VERDICT)
    g_string_append_printf (fixture->told, "(%s %s) ", vsmmu_outcome_to_string (event->device->outcome),
                            vsmmu_policy_mismatch_to_string (event->action));
  g_free (fixture->reason);
  fixture->reason = g_strdup (event->reason);
}

static void
set_guest (Fixture *fixture, const char *devices)
{
  g_mutex_lock (&fixture->libvirt->mutex);
  g_free (fixture->libvirt->xml);
  fixture->libvirt->xml = g_strconcat (HEAD, devices, TAIL, NULL);
  g_mutex_unlock (&fixture->libvirt->mutex);
}

static gboolean
give_up (gpointer data)
{
  g_error ("waited too long, after: %s (%s)", ((Fixture *) data)->told->str, ((Fixture *) data)->reason);
  return G_SOURCE_REMOVE;
}

/* Until the events since the last time are @expected. */
static void
await_events (Fixture *fixture, const char *expected)
{
  guint timeout = g_timeout_add_seconds (90, give_up, fixture);

  while (fixture->told->len < strlen (expected))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (fixture->told->str, ==, expected);
  g_string_truncate (fixture->told, 0);
  g_source_remove (timeout);
}

static guint
count_detached (Fixture *fixture)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fixture->libvirt->mutex);

  return fixture->libvirt->detached->len;
}

static void
await_detached (Fixture *fixture, guint n)
{
  guint timeout = g_timeout_add_seconds (90, give_up, fixture);

  while (count_detached (fixture) < n)
    g_main_context_iteration (NULL, FALSE);
  g_source_remove (timeout);
  g_assert_cmpuint (count_detached (fixture), ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpstr (g_ptr_array_index (fixture->libvirt->detached, i), ==, DETACHED);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const char *const uris[] = { URI, NULL };
  VsmmuWatchOptions options = {
    .uris = uris, .is_enforcing = TRUE, .flags = VSMMU_VERIFY_MONITOR, .report = on_event, .data = fixture
  };
  g_autoptr (GError) error = NULL;

  fixture->told = g_string_new (NULL);
  g_close (g_file_open_tmp ("vsmmu-XXXXXX", &fixture->configuration, NULL), NULL);
  g_assert_true (g_file_set_contents (fixture->configuration, data, -1, NULL));
  g_setenv ("VIRT_VSMMU_CONF", fixture->configuration, TRUE);
  fixture->libvirt = fake_libvirt_get ();
  fixture->libvirt->n_refused = 0;
  g_ptr_array_set_size (fixture->libvirt->detached, 0);
  g_ptr_array_set_size (fixture->libvirt->commands, 0);
  set_guest (fixture, HOSTDEV ("21"));
  fixture->watcher = vsmmu_watcher_new (&options, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  vsmmu_watcher_free (fixture->watcher);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  unlink (fixture->configuration);
  g_free (fixture->configuration);
  g_free (fixture->reason);
  g_string_free (fixture->told, TRUE);
  g_clear_pointer (&fixture->libvirt->xml, g_free);
}

#define DETACH "[hotplug]\non-mismatch=detach\n"
#define REPORT "[hotplug]\non-mismatch=report\n"

/* What was there before is not detached; what comes is, and once more when libvirt does not do it. */
static void
test_what_comes_is_detached (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  await_events (fixture, "connected verdict (mismatch detach) ");
  g_assert_cmpuint (count_detached (fixture), ==, 0);
  fixture->libvirt->n_refused = 2;
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev2");
  await_events (fixture, "removed verdict (mismatch detach) detaching ");
  g_assert_nonnull (strstr (fixture->reason, "no MSI controller"));
  await_detached (fixture, 3);
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "hostdev2");
  await_events (fixture, "removed ");
}

static void
test_what_the_guest_keeps_is_detached_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  await_events (fixture, "connected verdict (mismatch detach) ");
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev2");
  await_events (fixture, "removed verdict (mismatch detach) detaching ");
  await_detached (fixture, 1);
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, "hostdev2");
  await_detached (fixture, 2);
}

/* Between verdict and detachment another device got the alias. */
static void
test_another_device_is_not_detached (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  await_events (fixture, "connected verdict (mismatch detach) ");
  fixture->libvirt->n_refused = 1;
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev2");
  await_events (fixture, "removed verdict (mismatch detach) detaching ");
  await_detached (fixture, 1);
  set_guest (fixture, HOSTDEV ("22"));
  await_events (fixture, "detach-failed ");
  g_assert_cmpstr (fixture->reason, ==, "'hostdev2' is no longer the host device 0002:21:00.0");
  await_detached (fixture, 1);
}

static void
test_what_is_to_be_reported_stays (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  await_events (fixture, "connected verdict (mismatch report) ");
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev2");
  await_events (fixture, "removed verdict (mismatch report) ");
  g_assert_cmpuint (count_detached (fixture), ==, 0);
}

static void
set_broken (Fixture *fixture, const char *function)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fixture->libvirt->mutex);

  fixture->libvirt->broken = function;
}

/* Why is told once, and it is tried until it works; what is known of the guest stays. */
static void
test_a_lost_connection_is_made_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  await_events (fixture, "connected verdict (mismatch report) ");
  set_broken (fixture, "virConnectOpen");
  fake_libvirt_emit_close ();
  await_events (fixture, "disconnected ");
  g_assert_cmpstr (fixture->reason, ==, "the connection was closed");
  set_broken (fixture, NULL);
  await_events (fixture, "connected ");
}

static void
test_a_daemon_without_events_is_a_failed_connection (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *broken;
    const char *reason;
  } cases[] = {
    { "virConnectOpen", "cannot connect to libvirt at '" URI "': it is Monday" },
    { "virConnectRegisterCloseCallback", "cannot get events from libvirt at '" URI "': it is Monday" },
    { "virConnectListAllDomains", "cannot list the domains of libvirt at '" URI "': it is Monday" },
  };
  static const char *const uris[] = { URI, NULL };
  const VsmmuWatchOptions options = { .uris = uris, .report = on_event, .data = fixture };

  await_events (fixture, "connected verdict (mismatch report) ");
  /* This libvirt has room for the callbacks of one. */
  g_clear_pointer (&fixture->watcher, vsmmu_watcher_free);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (VsmmuWatcher) watcher = NULL;

    set_broken (fixture, cases[i].broken);
    watcher = vsmmu_watcher_new (&options, NULL);
    await_events (fixture, "disconnected ");
    g_assert_cmpstr (fixture->reason, ==, cases[i].reason);
  }
  set_broken (fixture, NULL);
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

/* What QEMU is asked: nothing is left switched on, and only what comes is traced. */
static void
test_the_trace_is_on_while_it_is_wanted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const expected[] = {
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/iommu0\",\"property\":\"msi-gpa\"}}",
    "{\"execute\":\"trace-event-get-state\",\"arguments\":{\"name\":\"kvm_arm_fixup_msi_route\"}}",
    "{\"execute\":\"trace-event-set-state\",\"arguments\":{\"name\":\"kvm_arm_fixup_msi_route\",\"enable\":true}}",
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/iommu0\",\"property\":\"msi-gpa\"}}",
    "{\"execute\":\"trace-event-set-state\",\"arguments\":{\"name\":\"kvm_arm_fixup_msi_route\",\"enable\":false}}",
  };

  await_events (fixture, "connected verdict (mismatch report) ");
  fake_libvirt_emit (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "hostdev2");
  await_events (fixture, "removed verdict (mismatch report) ");
  g_assert_cmpuint (fixture->libvirt->commands->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpstr (g_ptr_array_index (fixture->libvirt->commands, i), ==, expected[i]);
}

/* A log that is a link would lead elsewhere, and a FIFO hold up who reads. */
static void
test_a_log_is_a_file (void)
{
  g_autofree char *directory = g_dir_make_tmp ("log-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (directory, "file", NULL);
  g_autofree char *link = g_build_filename (directory, "link", NULL);
  g_autofree char *fifo = g_build_filename (directory, "fifo", NULL);
  const char *const paths[] = { directory, link, fifo, "/dev/null" };
  const VsmmuLogMark none = { 0 };
  g_autoptr (VsmmuQemuLog) log = NULL;

  g_assert_true (g_file_set_contents (file, "x\n", -1, NULL));
  g_assert_cmpint (symlink (file, link), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  log = vsmmu_qemu_log_read (file, &none, NULL);
  g_assert_nonnull (log);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_assert_null (vsmmu_qemu_log_read (paths[i], &none, NULL));
    g_assert_cmpuint (vsmmu_qemu_log_mark (paths[i]).size, ==, 0);
  }
  g_unlink (fifo);
  g_unlink (link);
  g_unlink (file);
  g_rmdir (directory);
}

/* Has the linker load its library. */
static int (*volatile monitor_command) (virDomainPtr, const char *, char **,
                                        unsigned int) = virDomainQemuMonitorCommand;

int
main (int argc, char **argv)
{
#define ADD(path, data, test) g_test_add ("/watch/" path, Fixture, data, set_up, test, tear_down)
  g_test_init (&argc, &argv, NULL);
  g_assert_true (monitor_command != NULL);
  ADD ("detached", DETACH, test_what_comes_is_detached);
  ADD ("kept", DETACH, test_what_the_guest_keeps_is_detached_again);
  ADD ("another", DETACH, test_another_device_is_not_detached);
  ADD ("reported", REPORT, test_what_is_to_be_reported_stays);
  ADD ("closed", REPORT, test_a_lost_connection_is_made_again);
  ADD ("no-events", REPORT, test_a_daemon_without_events_is_a_failed_connection);
  g_test_add_func ("/watch/log", test_a_log_is_a_file);
  ADD ("trace", REPORT, test_the_trace_is_on_while_it_is_wanted);
  return g_test_run ();
}
