/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check/policy.h"
#include "model/host.h"
#include "msi/evidence.h"
#include "vsmmu/vsmmu.h"

#define SMMU_A "smmu3.0x000000000c000000"
#define SMMU_B "smmu3.0x000000000c020000"

#define HEAD                                                                                                           \
  "<domain type='kvm' id='1'><name>web</name><memory unit='MiB'>512</memory><os><type arch='aarch64' "                 \
  "machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features>"
#define DEVICES                                                                                                        \
  "<devices><controller type='usb' model='none'/><controller type='pci' index='0' model='pcie-root'/>"                 \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"        \
  "<iommu model='smmuv3'><driver pciBus='1' accel='on'/><alias name='iommu0'/></iommu><memballoon model='none'/>"
#define HOSTDEV(number, bus)                                                                                           \
  "<hostdev type='pci' managed='yes'><driver iommufd='yes'/><source><address bus='0x" bus                              \
  "'/></source><alias name='hostdev" number "'/><address type='pci' bus='" number "'/></hostdev>"
#define TAIL "</devices></domain>"

#define ALONE HEAD DEVICES HOSTDEV ("2", "21") TAIL
#define RIGHT HEAD DEVICES HOSTDEV ("2", "21") HOSTDEV ("3", "22") TAIL
#define WRONG HEAD DEVICES HOSTDEV ("2", "21") HOSTDEV ("3", "61") TAIL
#define NO_ITS                                                                                                         \
  "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"                 \
  "<memory unit='MiB'>512</memory><os><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"            \
  "<gic version='3'/></features><qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='msi=off'/>"             \
  "</qemu:commandline>" DEVICES HOSTDEV ("2", "21") TAIL

#define REFUSED "2026-11-22T10:11:12.1Z qemu-system-aarch64: IOMMU_VDEVICE_ALLOC failed: Invalid argument\n"
#define UNATTACHED "2026-11-22T10:11:12.1Z qemu-system-aarch64: Failed to attach GBPA hwpt 6 for hiodi devid 7"
#define ROUTE "kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8090040\n"
#define OTHER_ROUTE "kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8080040\n"

static void
add_host_device (VsmmuHost *host, const char *name, VsmmuHostSmmu *smmu, guint number, guint64 window)
{
  VsmmuHostDevice *device = vsmmu_host_device_new (name);
  VsmmuHostGroup *group = vsmmu_host_group_new (number);

  g_ptr_array_add (group->regions, vsmmu_host_region_new (window, window + 0xfffff, "msi"));
  group->has_regions = TRUE;
  g_assert_cmpint (sscanf (name, "%x:%hhx:%hhx.%hhx", &device->domain, &device->bus, &device->slot, &device->function),
                   ==, 4);
  device->vendor = 0x1b36;
  device->device = 0x0010;
  device->driver = g_strdup ("vfio-pci");
  device->smmu = smmu;
  device->group = group;
  g_ptr_array_add (host->groups, group);
  g_ptr_array_add (host->devices, device);
}

/* Two disks behind one SMMU, one behind another. */
static VsmmuHost *
host_new (guint64 window)
{
  VsmmuHost *host = vsmmu_host_new ();
  VsmmuHostSmmu *a = vsmmu_host_smmu_new (SMMU_A);
  VsmmuHostSmmu *b = vsmmu_host_smmu_new (SMMU_B);

  host->has_smmus = host->has_devices = TRUE;
  g_ptr_array_add (host->smmus, a);
  g_ptr_array_add (host->smmus, b);
  add_host_device (host, "0000:21:00.0", a, 1, window);
  add_host_device (host, "0000:22:00.0", a, 2, window);
  add_host_device (host, "0000:61:00.0", b, 3, window);
  vsmmu_host_sort (host);
  vsmmu_host_connect (host);
  return host;
}

/* What each case says of the device that is looked at; all else is right. */
typedef struct {
  const char *name;
  const char *xml;
  const char *alias;
  VsmmuGuestVerdict seen;
  gboolean is_other_device; /* the guest shows another one there */
  gboolean has_no_host;
  guint64 window;  /* 0 for the right one */
  const char *log; /* NULL when it cannot be read */
  const char *log_since_attach;
  VsmmuVerifyVerdict verdict;
  const char *check; /* the evidence that the reason is from */
  const char *rule;
} Row;

static const Row rows[] = {
  { "right", ALONE, "hostdev2", .log = "", .verdict = VSMMU_VERIFY_VERIFIED, .check = "vectors" },
  { "right-without-host", ALONE, "hostdev2", .has_no_host = TRUE, .verdict = VSMMU_VERIFY_VERIFIED,
    .check = "vectors" },
  { "two-of-one-smmu", RIGHT, "hostdev3", .log = "", .verdict = VSMMU_VERIFY_VERIFIED, .check = "vectors" },
  { "two-without-host", RIGHT, "hostdev3", .has_no_host = TRUE, .verdict = VSMMU_VERIFY_UNKNOWN_YET, .check = "smmu" },
  { "other-smmu", WRONG, "hostdev3", .log = "", .verdict = VSMMU_VERIFY_MISMATCH, .check = "smmu",
    .rule = "host-smmu-mismatch" },
  { "other-smmu-before-the-driver", WRONG, "hostdev3", VSMMU_GUEST_IDLE, .log = "", .verdict = VSMMU_VERIFY_MISMATCH,
    .check = "smmu", .rule = "host-smmu-mismatch" },
  { "other-smmu-before-the-guest-has-it", WRONG, "hostdev3", VSMMU_GUEST_ABSENT, .log = "",
    .verdict = VSMMU_VERIFY_MISMATCH, .check = "smmu", .rule = "host-smmu-mismatch" },
  { "first-beside-a-late-stranger", WRONG, "hostdev2", .log = REFUSED, .verdict = VSMMU_VERIFY_VERIFIED,
    .check = "vectors" },
  { "first-beside-an-early-stranger", WRONG, "hostdev2", .log = UNATTACHED, .verdict = VSMMU_VERIFY_MISMATCH,
    .check = "smmu", .rule = "host-smmu-mismatch" },
  { "first-beside-a-stranger-without-log", WRONG, "hostdev2", .verdict = VSMMU_VERIFY_UNKNOWN_YET, .check = "smmu" },
  { "other-window", ALONE, "hostdev2", .window = 0x09000000, .log = "", .verdict = VSMMU_VERIFY_MISMATCH,
    .check = "window", .rule = "host-msi-window" },
  { "no-controller", NO_ITS, "hostdev2", .log = "", .verdict = VSMMU_VERIFY_MISMATCH, .check = "doorbell",
    .rule = "msi-doorbell-zero" },
  { "other-device", ALONE, "hostdev2", .is_other_device = TRUE, .log = "", .verdict = VSMMU_VERIFY_MISMATCH,
    .check = "place", .rule = "msi-device-on-other-bus" },
  { "absent", ALONE, "hostdev2", VSMMU_GUEST_ABSENT, .log = "", .verdict = VSMMU_VERIFY_UNKNOWN_YET, .check = "place" },
  { "no-driver", ALONE, "hostdev2", VSMMU_GUEST_IDLE, .log = "", .verdict = VSMMU_VERIFY_UNKNOWN_YET,
    .check = "vectors" },
  { "restless", ALONE, "hostdev2", VSMMU_GUEST_UNSTABLE, .log = "", .verdict = VSMMU_VERIFY_UNKNOWN_YET,
    .check = "vectors" },
  { "qemu-refused-it", RIGHT, "hostdev3", .log = "", .log_since_attach = REFUSED, .verdict = VSMMU_VERIFY_MISMATCH,
    .check = "log", .rule = "vsmmu-attach-failed" },
  { "qemu-refused-something", RIGHT, "hostdev3", .log = REFUSED, .verdict = VSMMU_VERIFY_VERIFIED, .check = "vectors" },
  { "route", ALONE, "hostdev2", .log = ROUTE ROUTE, .verdict = VSMMU_VERIFY_VERIFIED, .check = "route" },
  { "other-route", ALONE, "hostdev2", .log = ROUTE OTHER_ROUTE, .verdict = VSMMU_VERIFY_MISMATCH, .check = "route",
    .rule = "msi-doorbell-mismatch" },
};

static void
seen_free (gpointer data)
{
  VsmmuGuestDevice *seen = data;

  g_array_unref (seen->vectors);
  g_free (seen->alias);
  g_free (seen->name);
  g_free (seen->vsmmu);
  g_free (seen->host);
  g_free (seen->reason);
  g_free (seen);
}

/* What vsmmu_guest_read() would make of the device. */
static VsmmuGuest *
guest_new (const VsmmuDomain *domain, const Row *row)
{
  VsmmuGuest *guest = g_new0 (VsmmuGuest, 1);
  VsmmuGuestDevice *seen = g_new0 (VsmmuGuestDevice, 1);

  guest->name = g_strdup ("web");
  vsmmu_msi_machine_of (domain, &guest->machine);
  guest->smmus = g_ptr_array_new ();
  guest->findings = g_ptr_array_new ();
  guest->devices = g_ptr_array_new_with_free_func (seen_free);
  *seen = (VsmmuGuestDevice){
    .alias = g_strdup (row->alias),
    .name = g_strdup ("hostdev"),
    .vsmmu = g_strdup ("iommu0"),
    .bus = 33,
    .has_path = TRUE,
    .path = VSMMU_MSI_PATH_DIRECT,
    .vendor = row->seen == VSMMU_GUEST_ABSENT ? 0 : 0x1b36,
    .device = row->is_other_device ? 0x1234 : 0x0010,
    .interrupts = "msi-x",
    .n_vectors = 65,
    .vectors = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestVector)),
    .verdict = row->seen,
    .reason = row->seen == VSMMU_GUEST_VERIFIED ? NULL : g_strdup ("because"),
  };
  g_ptr_array_add (guest->devices, seen);
  return guest;
}

static VsmmuQemuLog *
log_new (const Row *row)
{
  VsmmuQemuLog *log = g_new0 (VsmmuQemuLog, 1);

  vsmmu_qemu_words_read (&log->since_start, row->log, strlen (row->log));
  log->has_recent = row->log_since_attach != NULL;
  if (log->has_recent)
    vsmmu_qemu_words_read (&log->since_attach, row->log_since_attach, strlen (row->log_since_attach));
  return log;
}

static const VsmmuEvidence *
find_evidence (const VsmmuVerifiedDevice *device, const char *check)
{
  for (guint i = 0; i < device->evidence->len; i++) {
    const VsmmuEvidence *evidence = g_ptr_array_index (device->evidence, i);

    if (strcmp (evidence->check, check) == 0 && evidence->outcome == device->verdict)
      return evidence;
  }
  return NULL;
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (row->xml, strlen (row->xml), "web.xml", NULL);
  g_autoptr (VsmmuHost) host = row->has_no_host ? NULL : host_new (row->window != 0 ? row->window : 0x08000000);
  const VsmmuCheckOptions options = { .host = host };
  g_autoptr (GPtrArray) findings = host != NULL ? vsmmu_check_domain (domain, &options) : NULL;
  g_autoptr (VsmmuGuest) guest = guest_new (domain, row);
  g_autoptr (VsmmuQemuLog) log = row->log != NULL ? log_new (row) : NULL;
  const VsmmuVerifySubject subject = { domain, host, findings, guest, log };
  g_autoptr (VsmmuVerification) verification = vsmmu_verify_judge (&subject);
  const VsmmuVerifiedDevice *device;
  const VsmmuEvidence *evidence;

  g_assert_cmpuint (verification->devices->len, ==, 1);
  device = g_ptr_array_index (verification->devices, 0);
  g_assert_cmpstr (vsmmu_verify_verdict_to_string (device->verdict), ==, vsmmu_verify_verdict_to_string (row->verdict));
  g_assert_cmpint (vsmmu_verification_get_worst (verification), ==, row->verdict);
  evidence = find_evidence (device, row->check);
  g_assert_nonnull (evidence);
  if (row->verdict != VSMMU_VERIFY_VERIFIED)
    g_assert_cmpstr (device->reason, ==, evidence->text);
  g_assert_cmpuint (device->findings->len > 0, ==, row->rule != NULL);
  if (row->rule != NULL) {
    const VsmmuFinding *finding = g_ptr_array_index (device->findings, 0);

    g_assert_cmpstr (finding->rule->id, ==, row->rule);
    g_assert_cmpuint (finding->line, >, 0);
    g_assert_cmpstr (finding->hint, !=, "");
  }
}

static void
test_log_counts_what_was_said_since_the_last_start (void)
{
  static const char text[] = "2026-11-22 10:11:12.1+0000: starting up libvirt version: 12.8.0\n" REFUSED UNATTACHED
                             "2026-11-22 10:12:12.1+0000: starting up libvirt version: 12.8.0\n" REFUSED;
  VsmmuQemuWords words = { 0 };
  const char *start = vsmmu_qemu_log_find_start (text, strlen (text));

  vsmmu_qemu_words_read (&words, start, strlen (start));
  g_assert_cmpuint (words.n_refused, ==, 1);
  g_assert_cmpuint (words.n_unattached, ==, 0);
  g_assert_cmpstr (words.line, ==, "qemu-system-aarch64: IOMMU_VDEVICE_ALLOC failed: Invalid argument");
  vsmmu_qemu_words_clear (&words);
}

/* A line may be cut off anywhere, and have any bytes. */
static void
test_log_may_be_anything (void)
{
  static const char *const words_of_qemu[] = { REFUSED, UNATTACHED, ROUTE };

  for (guint i = 0; i < G_N_ELEMENTS (words_of_qemu); i++)
    for (gsize length = 0; length <= strlen (words_of_qemu[i]); length++) {
      g_autofree char *text = g_memdup2 (words_of_qemu[i], length + 1);
      VsmmuQemuWords words = { 0 };

      if (length > 20)
        text[5] = '\0', text[20] = '\xff';
      vsmmu_qemu_words_read (&words, text, length);
      vsmmu_qemu_words_clear (&words);
    }
}

static void
test_log_is_found_on_this_host_only (void)
{
  static const struct {
    const char *uri;
    const char *domain;
    const char *path;
  } cases[] = {
    { "qemu:///system", "web", "/var/log/libvirt/qemu/web.log" },
    { "qemu+unix:///system", "web", "/var/log/libvirt/qemu/web.log" },
    { "qemu:///system?socket=/run/x", "web", "/var/log/libvirt/qemu/web.log" },
    { "qemu+ssh://host/system", "web", NULL },
    { "qemu+ext:///system?command=x", "web", NULL },
    { "qemu:///system", "../../../etc/passwd", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = vsmmu_qemu_log_find (cases[i].uri, cases[i].domain);

    g_assert_cmpstr (path, ==, cases[i].path);
  }
}

static void
test_a_domain_can_say_what_to_do (void)
{
  static const struct {
    const char *metadata;
    gboolean is_said;
    VsmmuPolicyMismatch action;
  } cases[] = {
    { "", FALSE, VSMMU_POLICY_MISMATCH_REPORT },
    { "<metadata><v:hotplug xmlns:v='" VSMMU_POLICY_NAMESPACE "' on-mismatch='detach'/></metadata>", TRUE,
      VSMMU_POLICY_MISMATCH_DETACH },
    { "<metadata><o:x xmlns:o='urn:o'/><hotplug xmlns='" VSMMU_POLICY_NAMESPACE "' on-mismatch='ignore'/></metadata>",
      TRUE, VSMMU_POLICY_MISMATCH_IGNORE },
    { "<metadata><hotplug on-mismatch='detach'/></metadata>", FALSE, VSMMU_POLICY_MISMATCH_REPORT },
    { "<metadata><v:hotplug xmlns:v='" VSMMU_POLICY_NAMESPACE "' on-mismatch='explode'/></metadata>", FALSE,
      VSMMU_POLICY_MISMATCH_REPORT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *xml = g_strconcat (HEAD, cases[i].metadata, DEVICES TAIL, NULL);
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "web.xml", NULL);
    VsmmuPolicyMismatch action = VSMMU_POLICY_MISMATCH_REPORT;

    g_assert_cmpint (vsmmu_policy_mismatch_of (domain, &action), ==, cases[i].is_said);
    g_assert_cmpint (action, ==, cases[i].action);
  }
}

static void
test_the_schedule_ends (void)
{
  guint before = 0;
  guint attempt;

  for (attempt = 1; vsmmu_verify_delay (attempt) != 0; attempt++) {
    g_assert_cmpuint (vsmmu_verify_delay (attempt), >, before);
    before = vsmmu_verify_delay (attempt);
  }
  g_assert_cmpuint (attempt, <, 20);
  g_assert_cmpuint (vsmmu_verify_delay (0), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/verify/device/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/verify/log/since-start", test_log_counts_what_was_said_since_the_last_start);
  g_test_add_func ("/verify/log/anything", test_log_may_be_anything);
  g_test_add_func ("/verify/log/this-host-only", test_log_is_found_on_this_host_only);
  g_test_add_func ("/verify/policy-of-a-domain", test_a_domain_can_say_what_to_do);
  g_test_add_func ("/verify/schedule", test_the_schedule_ends);
  return g_test_run ();
}
