/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "check/finding.h"
#include "check/run.h"
#include "golden.h"
#include "host/host.h"
#include "msi/machine.h"
#include "verify/evidence.h"
#include "verify/guest-output.h"
#include "vsmmu/vsmmu.h"
#include "watch/detachment.h"
#include "xml/xml.h"

#define SMMU_A "smmu3.0x000000000c000000"
#define SMMU_B "smmu3.0x000000000c020000"

#define HEAD                                                                                                           \
  "<domain type='kvm' id='1'><name>web</name><memory unit='MiB'>512</memory><os><type arch='aarch64' "                 \
  "machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features>"
#define DEVICES DEVICES_BEHIND (" accel='on'")
#define DEVICES_BEHIND(accel)                                                                                          \
  "<devices><controller type='usb' model='none'/><controller type='pci' index='0' model='pcie-root'/>"                 \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"        \
  "<iommu model='smmuv3'><driver pciBus='1'" accel "/><alias name='iommu0'/></iommu><memballoon model='none'/>"
#define HOSTDEV(number, bus)                                                                                           \
  "<hostdev type='pci' managed='yes'><driver iommufd='yes'/><source><address bus='0x" bus                              \
  "'/></source><alias name='hostdev" number "'/><address type='pci' bus='" number "'/></hostdev>"
#define TAIL "</devices></domain>"

#define ALONE HEAD DEVICES HOSTDEV ("2", "21") TAIL
#define RIGHT HEAD DEVICES HOSTDEV ("2", "21") HOSTDEV ("3", "22") TAIL
#define WRONG HEAD DEVICES HOSTDEV ("2", "21") HOSTDEV ("3", "61") TAIL
#define EMULATED HEAD DEVICES_BEHIND ("") HOSTDEV ("2", "21") TAIL
#define BEHIND_NONE                                                                                                    \
  HEAD DEVICES "<hostdev type='pci' managed='yes'><source><address bus='0x21'/></source><alias name='hostdev2'/>"      \
               "<address type='pci' slot='9'/></hostdev>" TAIL
#define GIC_OF_THE_HOST                                                                                                \
  "<domain type='kvm' id='1'><name>web</name><memory unit='MiB'>512</memory><os><type arch='aarch64' "                 \
  "machine='virt'>hvm</type></os><features><acpi/><gic version='host'/></features>" DEVICES HOSTDEV ("2", "21") TAIL
#define NOT_UNDERSTOOD                                                                                                 \
  "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"                 \
  "<memory unit='MiB'>512</memory><os><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"            \
  "<gic version='3'/></features><qemu:commandline><qemu:arg value='-global'/><qemu:arg value='arm-smmuv3.ats=on'/>"    \
  "</qemu:commandline>" DEVICES HOSTDEV ("2", "21") TAIL
#define NO_ITS                                                                                                         \
  "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"                 \
  "<memory unit='MiB'>512</memory><os><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"            \
  "<gic version='3'/></features><qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='msi=off'/>"             \
  "</qemu:commandline>" DEVICES HOSTDEV ("2", "21") TAIL

#define REFUSED "2026-11-22T10:11:12.1Z qemu-system-aarch64: IOMMU_VDEVICE_ALLOC failed: Invalid argument\n"
#define UNATTACHED "2026-11-22T10:11:12.1Z qemu-system-aarch64: Failed to attach GBPA hwpt 6 for hiodi devid 7"
#define UNKNOWN_ERROR "2026-11-22T10:11:12.1Z qemu-system-aarch64: vfio: something new went wrong\n"
#define WARNING "2026-11-22T10:11:12.1Z qemu-system-aarch64: warning: something is slow\n"
#define ROUTE "kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8090040\n"
#define OTHER_ROUTE "kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8080040\n"

#define STARTING                                                                                                       \
  "2026-11-22 10:11:12.123+0000: starting up libvirt version: 12.8.0, package: error\nLC_ALL=C \\\n"                   \
  "/usr/bin/qemu-system-aarch64 \\\n-name guest=failed,debug-threads=on \\\n-msg timestamp=on\n"

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
  VsmmuVectorState seen;
  gboolean is_other_device; /* the guest shows another one there */
  gboolean has_no_host;
  guint64 window;  /* 0 for the right one */
  const char *log; /* NULL when it cannot be read */
  const char *log_since_attach;
  gboolean is_partial;      /* the log does not go back far enough */
  gboolean is_log_of_guest; /* the guest can write into it */
  VsmmuOutcome verdict;
  const char *check; /* the evidence that the reason is from */
  const char *rule;
  gboolean silent; /* the log speaks neither for nor against it */
  gboolean has_no_regions;
  gboolean is_asked;            /* QEMU was asked what it offers for another vSMMU, which is accelerated */
  gboolean is_emulated_asked;   /* and for one that is not */
  const char *guest_finding;    /* a rule that the guest's own vectors break */
  gboolean is_finding_of_vsmmu; /* and it is about the vSMMU */
} Row;

static const Row rows[] = {
  { "right", ALONE, "hostdev2", .log = "", .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors" },
  { "right-without-host", ALONE, "hostdev2", .has_no_host = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED,
    .check = "vectors" },
  { "two-of-one-smmu", RIGHT, "hostdev3", .log = "", .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors" },
  { "two-without-host", RIGHT, "hostdev3", .has_no_host = TRUE, .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "smmu" },
  { "other-smmu", WRONG, "hostdev3", .log = "", .verdict = VSMMU_OUTCOME_MISMATCH, .check = "smmu",
    .rule = "host-smmu-mismatch" },
  { "other-smmu-before-the-driver", WRONG, "hostdev3", VSMMU_VECTORS_IDLE, .log = "", .verdict = VSMMU_OUTCOME_MISMATCH,
    .check = "smmu", .rule = "host-smmu-mismatch" },
  { "other-smmu-before-the-guest-has-it", WRONG, "hostdev3", VSMMU_VECTORS_ABSENT, .log = "",
    .verdict = VSMMU_OUTCOME_MISMATCH, .check = "smmu", .rule = "host-smmu-mismatch" },
  { "first-beside-a-late-stranger", WRONG, "hostdev2", .log = REFUSED, .verdict = VSMMU_OUTCOME_VERIFIED,
    .check = "vectors" },
  { "first-beside-an-early-stranger", WRONG, "hostdev2", .log = UNATTACHED, .verdict = VSMMU_OUTCOME_MISMATCH,
    .check = "smmu", .rule = "host-smmu-mismatch" },
  { "first-beside-a-stranger-without-log", WRONG, "hostdev2", .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "smmu" },
  { "other-window", ALONE, "hostdev2", .window = 0x09000000, .log = "", .verdict = VSMMU_OUTCOME_MISMATCH,
    .check = "window", .rule = "host-msi-window" },
  { "no-controller", NO_ITS, "hostdev2", .log = "", .verdict = VSMMU_OUTCOME_MISMATCH, .check = "doorbell",
    .rule = "msi-doorbell-zero" },
  { "other-device", ALONE, "hostdev2", .is_other_device = TRUE, .log = "", .verdict = VSMMU_OUTCOME_MISMATCH,
    .check = "place", .rule = "msi-device-on-other-bus" },
  { "absent", ALONE, "hostdev2", VSMMU_VECTORS_ABSENT, .log = "", .verdict = VSMMU_OUTCOME_UNKNOWN_YET,
    .check = "place" },
  { "no-driver", ALONE, "hostdev2", VSMMU_VECTORS_IDLE, .log = "", .verdict = VSMMU_OUTCOME_UNKNOWN_YET,
    .check = "vectors" },
  { "restless", ALONE, "hostdev2", VSMMU_VECTORS_UNSTABLE, .log = "", .verdict = VSMMU_OUTCOME_UNKNOWN_YET,
    .check = "vectors" },
  { "qemu-refused-it", RIGHT, "hostdev3", .log = "", .log_since_attach = REFUSED, .verdict = VSMMU_OUTCOME_MISMATCH,
    .check = "log", .rule = "vsmmu-attach-failed" },
  { "qemu-refused-something", RIGHT, "hostdev3", .log = REFUSED, .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "log" },
  { "qemu-refused-it-at-the-start", ALONE, "hostdev2", .log = REFUSED, .verdict = VSMMU_OUTCOME_UNKNOWN_YET,
    .check = "log" },
  { "qemu-said-what-is-not-known", RIGHT, "hostdev3", .log = "", .log_since_attach = UNKNOWN_ERROR,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "log" },
  { "qemu-said-what-is-not-known-at-the-start", ALONE, "hostdev2", .log = UNKNOWN_ERROR,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "log" },
  { "what-is-not-known-beside-a-stranger", WRONG, "hostdev2", .log = REFUSED UNKNOWN_ERROR,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "log" },
  { "qemu-warned", ALONE, "hostdev2", .log = WARNING, .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors",
    .silent = TRUE },
  { "log-too-long", RIGHT, "hostdev3", .log = "", .log_since_attach = "", .is_partial = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "refused-in-a-log-too-long", RIGHT, "hostdev3", .log = "", .log_since_attach = REFUSED, .is_partial = TRUE,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "log" },
  { "early-stranger-in-a-log-too-long", WRONG, "hostdev2", .log = UNATTACHED, .is_partial = TRUE,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "smmu" },
  { "complaint-before-it-was-seen", RIGHT, "hostdev3", .log = REFUSED, .log_since_attach = "",
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "guest-says-refused", RIGHT, "hostdev3", .log = REFUSED, .log_since_attach = REFUSED, .is_log_of_guest = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "guest-says-stranger", WRONG, "hostdev2", .log = UNATTACHED, .is_log_of_guest = TRUE,
    .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "smmu" },
  { "guest-says-route", ALONE, "hostdev2", .log = ROUTE, .is_log_of_guest = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED,
    .check = "vectors", .silent = TRUE },
  { "guest-says-other-route", ALONE, "hostdev2", .log = OTHER_ROUTE, .is_log_of_guest = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "guest-says-nothing", ALONE, "hostdev2", .log = "", .is_log_of_guest = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED,
    .check = "vectors", .silent = TRUE },
  { "other-route-in-a-log-too-long", ALONE, "hostdev2", .log = OTHER_ROUTE, .is_partial = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "route", ALONE, "hostdev2", .log = ROUTE ROUTE, .verdict = VSMMU_OUTCOME_VERIFIED, .check = "route" },
  { "other-route", ALONE, "hostdev2", .log = ROUTE OTHER_ROUTE, .verdict = VSMMU_OUTCOME_MISMATCH, .check = "route",
    .rule = "msi-doorbell-mismatch" },
  { "no-regions", ALONE, "hostdev2", .log = "", .has_no_regions = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED,
    .check = "vectors" },
  { "asked", ALONE, "hostdev2", .log = "", .is_asked = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors" },
  { "asked-of-an-emulated-one", ALONE, "hostdev2", .log = "", .is_emulated_asked = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors" },
  { "emulated", EMULATED, "hostdev2", .log = REFUSED OTHER_ROUTE, .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors",
    .silent = TRUE },
  { "emulated-beside-one-that-is-asked", EMULATED, "hostdev2", .log = "", .is_asked = TRUE,
    .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "emulated-with-a-finding-of-the-vsmmu", EMULATED, "hostdev2", .log = "", .guest_finding = "msi-doorbell-mismatch",
    .is_finding_of_vsmmu = TRUE, .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors", .silent = TRUE },
  { "behind-none", BEHIND_NONE, "hostdev2", .log = "", .verdict = VSMMU_OUTCOME_VERIFIED, .check = "vectors",
    .silent = TRUE },
  { "gic-of-the-host", GIC_OF_THE_HOST, "hostdev2", .log = "", .verdict = VSMMU_OUTCOME_UNKNOWN_YET,
    .check = "doorbell" },
  { "not-understood", NOT_UNDERSTOOD, "hostdev2", .log = "", .verdict = VSMMU_OUTCOME_UNKNOWN_YET, .check = "smmu" },
  { "wrong-vector", ALONE, "hostdev2", .log = "", .guest_finding = "msi-address-unmapped",
    .verdict = VSMMU_OUTCOME_MISMATCH, .check = "vectors", .rule = "msi-address-unmapped" },
  { "other-doorbell", ALONE, "hostdev2", .log = "", .guest_finding = "msi-doorbell-mismatch",
    .is_finding_of_vsmmu = TRUE, .verdict = VSMMU_OUTCOME_MISMATCH, .check = "doorbell",
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

static void
add_smmu (VsmmuGuest *guest, gboolean is_accelerated)
{
  VsmmuGuestSmmu *smmu = g_new0 (VsmmuGuestSmmu, 1);

  smmu->is_accelerated = is_accelerated;
  smmu->has_msi_gpa = TRUE;
  g_ptr_array_add (guest->smmus, smmu);
}

static void
add_finding (VsmmuGuest *guest, const VsmmuDomain *domain, const Row *row)
{
  const VsmmuDevice *device = g_ptr_array_index (row->is_finding_of_vsmmu ? domain->iommus : domain->hostdevs, 0);

  g_ptr_array_add (guest->findings, vsmmu_finding_new (vsmmu_rules_find (row->guest_finding), VSMMU_SEVERITY_ERROR,
                                                       domain->file, device->line, vsmmu_device_path (device, ""),
                                                       g_strdup ("a vector is wrong"), g_strdup ("do this")));
}

/* What vsmmu_guest_read() would make of the device. */
static VsmmuGuest *
guest_new (const VsmmuDomain *domain, const Row *row)
{
  VsmmuGuest *guest = g_new0 (VsmmuGuest, 1);
  VsmmuGuestDevice *seen = g_new0 (VsmmuGuestDevice, 1);

  guest->name = g_strdup ("web");
  vsmmu_msi_machine_of (domain, &guest->machine);
  guest->smmus = g_ptr_array_new_with_free_func (g_free);
  guest->findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  if (row->is_asked)
    add_smmu (guest, TRUE);
  if (row->is_emulated_asked)
    add_smmu (guest, FALSE);
  if (row->guest_finding != NULL)
    add_finding (guest, domain, row);
  guest->devices = g_ptr_array_new_with_free_func (seen_free);
  *seen = (VsmmuGuestDevice){
    .alias = g_strdup (row->alias),
    .name = g_strdup ("hostdev"),
    .vsmmu = g_strdup ("iommu0"),
    .host = g_strdup ("0000:21:00.0"),
    .bus = 33,
    .has_path = TRUE,
    .path = VSMMU_MSI_PATH_DIRECT,
    .vendor = row->seen == VSMMU_VECTORS_ABSENT ? 0 : 0x1b36,
    .device = row->is_other_device ? 0x1234 : 0x0010,
    .interrupts = "msi-x",
    .n_vectors = 65,
    .vectors = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestVector)),
    .state = row->seen,
    .reason = row->seen == VSMMU_VECTORS_VERIFIED ? NULL : g_strdup ("because"),
  };
  g_array_set_size (seen->vectors, 2);
  g_ptr_array_add (guest->devices, seen);
  return guest;
}

static VsmmuQemuLog *
log_new (const Row *row)
{
  VsmmuQemuLog *log = g_new0 (VsmmuQemuLog, 1);

  vsmmu_qemu_words_read (&log->since_start, row->log, strlen (row->log));
  log->since_start.is_partial = row->is_partial && row->log_since_attach == NULL;
  log->since_attach.is_partial = row->is_partial;
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

    if (strcmp (evidence->check, check) == 0 && evidence->outcome == device->outcome)
      return evidence;
  }
  return NULL;
}

/* Calls @look with the verdict on a row. */
static void
judge_row (const Row *row, void (*look) (const Row *, const VsmmuVerification *, gpointer), gpointer data)
{
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (row->xml, strlen (row->xml), "web.xml", NULL);
  g_autoptr (VsmmuHost) host = row->has_no_host ? NULL : host_new (row->window != 0 ? row->window : 0x08000000);
  const VsmmuCheckOptions options = { .host = host };
  g_autoptr (GPtrArray) findings = NULL;
  g_autoptr (VsmmuGuest) guest = guest_new (domain, row);
  g_autoptr (VsmmuQemuLog) log = row->log != NULL ? log_new (row) : NULL;
  g_autoptr (VsmmuVerification) verification = NULL;
  VsmmuVerifySubject subject = { domain, host, NULL, guest, log, row->is_log_of_guest };

  for (guint i = 0; host != NULL && i < host->groups->len; i++)
    ((VsmmuHostGroup *) g_ptr_array_index (host->groups, i))->has_regions = !row->has_no_regions;
  subject.host_findings = findings = host != NULL ? vsmmu_check_domain (domain, &options) : NULL;
  verification = vsmmu_verify_judge (&subject);
  look (row, verification, data);
}

static void
check_row (const Row *row, const VsmmuVerification *verification, gpointer data G_GNUC_UNUSED)
{
  const VsmmuVerifiedDevice *device;
  const VsmmuEvidence *evidence;

  g_assert_cmpuint (verification->devices->len, ==, 1);
  device = g_ptr_array_index (verification->devices, 0);
  g_assert_cmpstr (vsmmu_outcome_to_string (device->outcome), ==, vsmmu_outcome_to_string (row->verdict));
  g_assert_cmpint (vsmmu_verification_get_worst (verification), ==, row->verdict);
  evidence = find_evidence (device, row->check);
  g_assert_nonnull (evidence);
  for (guint i = 0; row->silent && i < device->evidence->len; i++) {
    const VsmmuEvidence *one = g_ptr_array_index (device->evidence, i);

    g_assert_cmpstr (one->check, !=, "route");
    g_assert_true (strcmp (one->check, "log") != 0 || one->outcome == VSMMU_OUTCOME_UNKNOWN_YET);
  }
  if (row->verdict != VSMMU_OUTCOME_VERIFIED)
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
test_row (gconstpointer data)
{
  judge_row (data, check_row, NULL);
}

static void
describe_row (const Row *row, const VsmmuVerification *verification, gpointer data)
{
  const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, 0);
  GString *text = data;

  g_string_append_printf (text, "%s\n  %s at %s behind %s%s, %s of %s: %s: %s\n", row->name, device->alias,
                          device->address, device->is_accelerated ? "accelerated " : "", device->vsmmu, device->host,
                          device->smmu, vsmmu_outcome_to_string (device->outcome), device->reason);
  for (guint i = 0; i < device->evidence->len; i++) {
    const VsmmuEvidence *evidence = g_ptr_array_index (device->evidence, i);

    g_string_append_printf (text, "  %s (%s) %s: %s\n", evidence->check, evidence->is_needed ? "needed" : "not needed",
                            vsmmu_outcome_to_string (evidence->outcome), evidence->text);
  }
  for (guint i = 0; i < device->findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (device->findings, i);

    g_string_append_printf (text, "  %s:%u %s\n    %s: %s [%s]\n    hint: %s\n", finding->file, finding->line,
                            finding->element, vsmmu_severity_to_string (finding->severity), finding->message,
                            finding->rule->id, finding->hint);
  }
  g_string_append_c (text, '\n');
}

/* All evidence of all rows, and the findings, in every word. */
static void
test_what_is_said_of_the_rows_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    judge_row (&rows[i], describe_row, text);
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (rows));
  golden_compare ("verify/expected.txt", text->str);
}

static void
test_log_counts_what_was_said_since_the_last_start (void)
{
  static const char text[] = STARTING REFUSED UNATTACHED STARTING REFUSED;
  VsmmuQemuWords words = { 0 };
  const char *start = vsmmu_qemu_log_find_start (text, strlen (text));

  vsmmu_qemu_words_read (&words, start, strlen (start));
  g_assert_cmpuint (words.n_lines[VSMMU_QEMU_LINE_REFUSED], ==, 1);
  g_assert_cmpuint (words.n_lines[VSMMU_QEMU_LINE_UNATTACHED], ==, 0);
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

#define DATE "2026-11-22T10:11:12.123456Z "
#define QEMU DATE "qemu-system-aarch64: "
#define LIBVIRT "2026-11-22 10:11:12.123+0000: "

/* Lines as they are in logs, and what each means. */
static const struct {
  const char *line;
  VsmmuQemuLine meaning;
} lines[] = {
  { QEMU "IOMMU_VDEVICE_ALLOC failed: Invalid argument", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "Device 0x8: Failed to install STE", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "Failed to install all STEs properly", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "[iommufd=24] error attach 0000:21:00.0 (31) pasid 0 to id=7: Invalid argument", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "Failed to allocate hwpt", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "Unable to attach the default HW pagetable: hiodi devid 0x3", VSMMU_QEMU_LINE_REFUSED },
  { QEMU "Failed to attach GBPA hwpt 6 for hiodi devid 7", VSMMU_QEMU_LINE_UNATTACHED },
  { QEMU "IOMMU_HWPT_INVALIDATE failed: total 3 entries, processed 1 entries: Input/output error",
    VSMMU_QEMU_LINE_ERROR },
  { QEMU "vEVENTQ(type 1 id 3): overflowed", VSMMU_QEMU_LINE_ERROR },
  { QEMU "vEVENTQ(type 1 id 3): lost 4 event(s)", VSMMU_QEMU_LINE_ERROR },
  { QEMU "IOMMU_VEVENTQ_ALLOC failed: Cannot allocate memory", VSMMU_QEMU_LINE_ERROR },
  { QEMU
    "SMMUv3: multiple S1 context descriptors require SubstreamID support. Configure ssidsize > 0 (requires accel=on)",
    VSMMU_QEMU_LINE_ERROR },
  { QEMU "Tegra241 CMDQV: failed to mmap VINTF page0", VSMMU_QEMU_LINE_ERROR },
  { QEMU "something that nobody has seen", VSMMU_QEMU_LINE_ERROR },
  { QEMU "-device vfio-pci,id=hostdev0: something new", VSMMU_QEMU_LINE_ERROR },
  { DATE "kvm: something from a program of another name", VSMMU_QEMU_LINE_ERROR },
  { "qemu-system-aarch64: without a date", VSMMU_QEMU_LINE_ERROR },
  { "vfio: an error without a program", VSMMU_QEMU_LINE_ERROR },
  { "smmuv3: Invalid thing", VSMMU_QEMU_LINE_ERROR },
  { "**\nERROR:../hw/arm/smmuv3.c:1:f: assertion failed", VSMMU_QEMU_LINE_ERROR },
  { QEMU "warning: vfio-pci: host kernel reports ATS unsupported; ATS capability will be masked",
    VSMMU_QEMU_LINE_WARNING },
  { QEMU "warning: 0000:21:00.0: dma-buf unavailable, using mmap fallback, P2P DMA will not work",
    VSMMU_QEMU_LINE_WARNING },
  { QEMU "-device vfio-pci: warning: vfio 0000:21:00.0: Could not enable error recovery for the device",
    VSMMU_QEMU_LINE_WARNING },
  { QEMU "info: virtio-blk failed nothing", VSMMU_QEMU_LINE_NONE },
  { QEMU "terminating on signal 15 from pid 1 (<unknown process>)", VSMMU_QEMU_LINE_NONE },
  { "char device redirected to /dev/pts/3 (label charserial0)", VSMMU_QEMU_LINE_NONE },
  { QEMU "char device redirected to /dev/pts/3 (label charserial0)", VSMMU_QEMU_LINE_NONE },
  { LIBVIRT "Domain id=1 is tainted: custom-argv", VSMMU_QEMU_LINE_NONE },
  { LIBVIRT "shutting down, reason=failed", VSMMU_QEMU_LINE_NONE },
  { "smmuv3_accel_install_ste vSID=0xa00 ste type=abort hwpt_id=3", VSMMU_QEMU_LINE_NONE },
  { "kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8090040", VSMMU_QEMU_LINE_NONE },
  { "1970-01-01T00:00:56.458842Z kvm_arm_fixup_msi_route MSI iova = 0xfffff040 is translated into 0x8090040",
    VSMMU_QEMU_LINE_NONE },
  { "2026-11-30T10:11:12.123456Z smmuv3_accel_install_ste vSID=0xa00 ste type=abort hwpt_id=3", VSMMU_QEMU_LINE_NONE },
  { "2026-11-30T10:11:12.123456Z vfio_region_read_error (0000:21:00.0:region0+0x0, 4) failed", VSMMU_QEMU_LINE_ERROR },
  { "", VSMMU_QEMU_LINE_NONE },
};

/* Alone, behind each other one, and with the line feed that QEMU forgets. */
static void
test_log_lines_mean_what_they_mean (void)
{
  guint n_cases = 0;

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    for (guint j = 0; j < G_N_ELEMENTS (lines); j++, n_cases++) {
      g_autofree char *text = g_strconcat (lines[j].line, "\n", lines[i].line, NULL);
      VsmmuQemuLine worst = MAX (lines[i].meaning, lines[j].meaning);
      VsmmuQemuWords words = { 0 };

      g_test_message ("%s", text);
      vsmmu_qemu_words_read (&words, text, strlen (text));
      g_assert_cmpint (words.worst, ==, worst);
      g_assert_cmpint (words.line != NULL, ==, worst != VSMMU_QEMU_LINE_NONE);
      vsmmu_qemu_words_clear (&words);
    }
  g_print ("# %u cases\n", n_cases);
}

/* A log as a guest leaves it, and what is said of it by then. */
static void
write_log (const char *path, gsize padding, const char *since)
{
  g_autoptr (GString) text = g_string_new (STARTING);

  while (text->len < padding)
    g_string_append (text, LIBVIRT "Domain id=1 is tainted: custom-argv\n");
  g_string_append (text, since);
  g_unlink (path);
  g_assert_true (g_file_set_contents_full (path, text->str, (gssize) text->len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void
append_log (const char *path, gsize padding, const char *line)
{
  FILE *file = fopen (path, "a");

  g_assert_nonnull (file);
  for (gsize done = 0; done < padding; done += 64)
    fprintf (file, "%-63s\n", "smmuv3_accel_install_ste vSID=0xa00 ste type=translate");
  fputs (line, file);
  fclose (file);
}

#define MIB ((gsize) 1 << 20)

/* Only a log that is whole since the mark says that there was nothing. */
static void
test_a_log_is_read_from_the_attachment_on_or_said_to_be_partial (void)
{
  static const struct {
    gsize before;
    gsize after;
    enum { SAME, TRUNCATED, ROTATED, OVERWRITTEN } fate;
    gboolean is_partial;       /* since the attachment */
    gboolean is_start_partial; /* since the start */
  } cases[] = {
    { 0, 0, SAME, FALSE, FALSE },
    { 10000, 0, SAME, FALSE, FALSE },
    { 10000, 500000, SAME, FALSE, FALSE },
    { 10000, MIB - 20000, SAME, FALSE, FALSE },
    { 10000, MIB, SAME, TRUE, TRUE },
    { 10000, 3 * MIB, SAME, TRUE, TRUE },
    { 3 * MIB, 10000, SAME, FALSE, TRUE },
    { 3 * MIB, MIB, SAME, TRUE, TRUE },
    { 10000, 0, TRUNCATED, TRUE, TRUE },
    { 10000, 9000, TRUNCATED, TRUE, TRUE },
    { 10000, 20000, TRUNCATED, TRUE, TRUE },
    { 10000, 0, ROTATED, TRUE, FALSE },
    { 10000, 20000, ROTATED, TRUE, FALSE },
    { 10000, 20000, OVERWRITTEN, TRUE, FALSE },
  };
  g_autofree char *directory = g_dir_make_tmp ("log-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "web.log", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (VsmmuQemuLog) log = NULL;
    VsmmuLogMark mark;

    g_test_message ("case %u", i);
    write_log (path, cases[i].before, "");
    mark = vsmmu_qemu_log_mark (path);
    if (cases[i].fate == TRUNCATED)
      g_assert_cmpint (truncate (path, 0), ==, 0);
    if (cases[i].fate == ROTATED) {
      g_autofree char *old = g_strconcat (path, ".0", NULL);

      g_assert_cmpint (g_rename (path, old), ==, 0);
      write_log (path, cases[i].before, "");
      g_assert_cmpint (g_unlink (old), ==, 0);
    }
    if (cases[i].fate == OVERWRITTEN) {
      FILE *file = fopen (path, "r+");

      fseek (file, (long) mark.size - 3, SEEK_SET);
      fputs ("xx", file);
      fclose (file);
    }
    append_log (path, cases[i].after, REFUSED);
    log = vsmmu_qemu_log_read (path, &mark, NULL);
    g_assert_true (log->has_recent);
    g_assert_cmpint (log->since_attach.is_partial, ==, cases[i].is_partial);
    g_assert_cmpint (log->since_start.is_partial, ==, cases[i].is_start_partial);
    /* Never less than there is: what is partial has all that was read. */
    g_assert_cmpuint (log->since_attach.n_lines[VSMMU_QEMU_LINE_REFUSED], ==, 1);
    g_assert_cmpuint (log->since_start.n_lines[VSMMU_QEMU_LINE_REFUSED], ==, 1);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (cases));
  g_assert_cmpuint (vsmmu_qemu_log_mark ("/nonexistent").size, ==, 0);
  g_assert_cmpuint (vsmmu_qemu_log_mark (NULL).size, ==, 0);
  g_unlink (path);
  g_rmdir (directory);
}

#define SERIAL(attributes, content) "<devices><serial " attributes ">" content "</serial></devices>"
#define ARG(value) "<qemu:arg value='" value "'/>"
#define ARGS(content)                                                                                                  \
  "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" content "</qemu:commandline>"

/* Ways of a guest's words into the log of its QEMU, and others. */
static const struct {
  const char *content;
  gboolean may_write;
} ways[] = {
  { "", FALSE },
  { "<devices/>", FALSE },
  { SERIAL ("type='stdio'", ""), TRUE },
  { "<devices><console type='stdio'/></devices>", TRUE },
  { "<devices><parallel type='stdio'/></devices>", TRUE },
  { "<devices><channel type='stdio'/></devices>", TRUE },
  { "<devices><redirdev bus='usb' type='stdio'/></devices>", TRUE },
  { "<devices><smartcard mode='passthrough' type='stdio'/></devices>", TRUE },
  { "<devices><rng model='virtio'><backend model='egd' type='stdio'/></rng></devices>", TRUE },
  { "<devices><serial type='pty'/><serial type='stdio'/></devices>", TRUE },
  { SERIAL ("type='pty'", "<source path='/dev/pts/2'/>"), FALSE },
  { SERIAL ("type='unix'", "<source mode='bind' path='/run/x'/>"), FALSE },
  { SERIAL ("type='tcp'", "<source mode='bind' host='h' service='1'/>"), FALSE },
  { SERIAL ("type='null'", ""), FALSE },
  { SERIAL ("type='file'", "<source path='/srv/console'/>"), FALSE },
  { SERIAL ("type='file'", "<source path='/var/log/libvirt/qemu/web.log'/>"), TRUE },
  { SERIAL ("type='file'", "<source path='/var/log/libvirt/qemu/../qemu/web.log'/>"), TRUE },
  { SERIAL ("type='file'", "<source path='/dev/stdout'/>"), TRUE },
  { SERIAL ("type='file'", "<source path='/dev/fd/2'/>"), TRUE },
  { SERIAL ("type='file'", "<source path='/proc/self/fd/1'/>"), TRUE },
  { SERIAL ("type='file'", "<source path='console'/>"), TRUE },
  { SERIAL ("type='file'", "<source/>"), TRUE },
  { SERIAL ("type='dev'", "<source path='/dev/ttyS0'/>"), TRUE },
  { SERIAL ("type='pipe'", "<source path='/srv/pipe'/>"), FALSE },
  { SERIAL ("type='pipe'", "<source path='/dev/stderr'/>"), TRUE },
  { SERIAL ("type='pty'", "<log file='/srv/log'/>"), FALSE },
  { SERIAL ("type='pty'", "<log file='/dev/stdout' append='on'/>"), TRUE },
  { SERIAL ("type='pty'", "<log file='/var/log/libvirt/qemu/web.log'/>"), TRUE },
  { "<devices><disk type='file'><source file='/dev/stdout'/></disk></devices>", FALSE },
  { ARGS (""), FALSE },
  { ARGS (ARG ("-device") ARG ("arm-smmuv3,accel=on")), FALSE },
  { ARGS (ARG ("-trace") ARG ("kvm_arm_fixup_msi_route")), FALSE },
  { ARGS (ARG ("--trace") ARG ("x") ARG ("-object") ARG ("iommufd,id=i")), FALSE },
  { ARGS (ARG ("-serial") ARG ("stdio")), TRUE },
  { ARGS (ARG ("--serial") ARG ("stdio")), TRUE },
  { ARGS (ARG ("-serial") ARG ("file:/srv/link")), TRUE },
  { ARGS (ARG ("-chardev") ARG ("stdio,id=x")), TRUE },
  { ARGS (ARG ("-nographic")), TRUE },
  { ARGS (ARG ("-semihosting")), TRUE },
  { ARGS (ARG ("-semihosting-config") ARG ("enable=on")), TRUE },
  { ARGS (ARG ("-debugcon") ARG ("stdio")), TRUE },
  { ARGS (ARG ("-monitor") ARG ("stdio")), TRUE },
  { ARGS (ARG ("-readconfig") ARG ("/srv/x")), TRUE },
  { ARGS (ARG ("-set") ARG ("chardev.charserial0.backend=stdio")), TRUE },
  { ARGS (ARG ("-d") ARG ("guest_errors")), TRUE },
  { ARGS (ARG ("-what-comes-next")), TRUE },
  { ARGS (ARG ("-device") ARG ("x") ARG ("-serial") ARG ("stdio")), TRUE },
};

static void
test_what_the_guest_can_write_itself_is_known (void)
{
  g_autofree char *directory = g_dir_make_tmp ("log-XXXXXX", NULL);
  g_autofree char *log = g_build_filename (directory, "log", NULL);
  g_autofree char *other = g_build_filename (directory, "link", NULL);
  g_autofree char *linked =
      g_strdup_printf ("<domain>" SERIAL ("type='file'", "<source path='%s'/>") "</domain>", other);
  g_autoptr (xmlDoc) with_link = NULL;
  guint line;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree char *xml = g_strconcat ("<domain>", ways[i].content, "</domain>", NULL);
    g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), "x", &line, NULL);

    g_test_message ("%s", xml);
    g_assert_cmpint (vsmmu_guest_may_write_log (document, "/var/log/libvirt/qemu/web.log"), ==, ways[i].may_write);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (ways));
  /* The same file by another name. */
  g_assert_true (g_file_set_contents (log, "", 0, NULL));
  with_link = vsmmu_xml_parse (linked, strlen (linked), "x", &line, NULL);
  g_assert_false (vsmmu_guest_may_write_log (with_link, log));
  g_assert_cmpint (symlink (log, other), ==, 0);
  g_assert_true (vsmmu_guest_may_write_log (with_link, log));
  g_unlink (other);
  g_unlink (log);
  g_rmdir (directory);
}

#define LIVE(devices) "<domain type='kvm' id='1'><name>web</name><devices>" devices "</devices></domain>"
#define AT(alias, bus)                                                                                                 \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x" bus                                  \
  "' slot='0x00' function='0x1'/></source><alias name='" alias "'/></hostdev>"

/* A device is detached when it is the one that the verdict was about, and by its address. */
static void
test_only_the_device_that_was_judged_is_detached (void)
{
  static const struct {
    const char *xml;
    gboolean is_described;
  } cases[] = {
    { LIVE (AT ("hostdev1", "21")), TRUE },
    { LIVE (AT ("hostdev0", "61") AT ("hostdev1", "21")), TRUE },
    { LIVE (AT ("hostdev1", "61")), FALSE },
    { LIVE (AT ("hostdev0", "21")), FALSE },
    { LIVE (AT ("hostdev0", "21") AT ("hostdev1", "61")), FALSE },
    { LIVE (AT ("hostdev1", "61") AT ("hostdev1", "21")), FALSE },
    { LIVE (AT ("hostdev1", "21") AT ("hostdev1", "21")), FALSE },
    { LIVE ("<disk type='file'><target dev='vda'/><alias name='hostdev1'/></disk>" AT ("hostdev0", "21")), FALSE },
    { LIVE ("<hostdev mode='subsystem' type='usb'><source><address bus='33' device='1'/></source>"
            "<alias name='hostdev1'/></hostdev>"),
      FALSE },
    { LIVE (""), FALSE },
    { "<domain", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *xml =
        vsmmu_detachment_describe (cases[i].xml, strlen (cases[i].xml), "hostdev1", "0000:21:00.1", &error);

    g_test_message ("%s", cases[i].xml);
    g_assert_cmpint (xml != NULL, ==, cases[i].is_described);
    g_assert_cmpint (error == NULL, ==, cases[i].is_described);
    if (xml != NULL)
      g_assert_cmpstr (xml, ==,
                       "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x21' slot='0x00' "
                       "function='0x1'/></source></hostdev>");
  }
  /* What has no address on the host has not this one either. */
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_null (vsmmu_detachment_describe (cases[i].xml, strlen (cases[i].xml), "hostdev1", "0000:00:00.0", NULL));
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (cases));
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
  g_test_add_func ("/verify/words", test_what_is_said_of_the_rows_was_found_right);
  g_test_add_func ("/verify/log/since-start", test_log_counts_what_was_said_since_the_last_start);
  g_test_add_func ("/verify/log/anything", test_log_may_be_anything);
  g_test_add_func ("/verify/log/this-host-only", test_log_is_found_on_this_host_only);
  g_test_add_func ("/verify/log/lines", test_log_lines_mean_what_they_mean);
  g_test_add_func ("/verify/log/whole-or-partial", test_a_log_is_read_from_the_attachment_on_or_said_to_be_partial);
  g_test_add_func ("/verify/log/of-the-guest", test_what_the_guest_can_write_itself_is_known);
  g_test_add_func ("/verify/detachment", test_only_the_device_that_was_judged_is_detached);
  g_test_add_func ("/verify/schedule", test_the_schedule_ends);
  return g_test_run ();
}
