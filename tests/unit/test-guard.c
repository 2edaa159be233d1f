/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <unistd.h>

#include "check/finding.h"
#include "host/host.h"
#include "rpc/guard.h"
#include "vsmmu/vsmmu.h"

/* What surrounds a guard: no daemon, so that every answer can be had. */
typedef struct {
  VsmmuTarget target;
  const char *running; /* (nullable): the domain that is asked for */
  const char *defined; /* (nullable): its definition, when that is another */
  gboolean has_no_target;
  gboolean hides_running; /* the daemon does not say */
  gboolean hides_defined;
  guint n_asked; /* for the domain */
  guint n_hosts; /* how often the host was looked at */
  gboolean asked_for_definition;
  GString *said;
} Surroundings;

static gboolean
get_target (gpointer self, VsmmuTarget *target, GError **error)
{
  if (((Surroundings *) self)->has_no_target) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, "no versions");
    return FALSE;
  }
  *target = ((Surroundings *) self)->target;
  return TRUE;
}

static char *
get_domain_xml (gpointer self, const guint8 *uuid, gboolean is_inactive, GError **error)
{
  Surroundings *surroundings = self;

  g_assert_cmpuint (uuid[0], ==, 7);
  surroundings->asked_for_definition = is_inactive;
  surroundings->n_asked++;
  if (is_inactive ? surroundings->hides_defined : surroundings->hides_running) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, "no domain");
    return NULL;
  }
  return g_strdup (is_inactive && surroundings->defined != NULL ? surroundings->defined : surroundings->running);
}

/* A host whose GPUs are devices like others, for guests without the NUMA nodes and the PCI hole that these need. */
static VsmmuHost *
get_host (gpointer self)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "examples", "grace-host.json", NULL);
  VsmmuHost *host = vsmmu_host_new_from_file (path, NULL);

  ((Surroundings *) self)->n_hosts++;
  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    device->device = 0;
    memset (device->bars, 0, sizeof (device->bars));
  }
  return host;
}

static void
say (gpointer self, const char *text)
{
  g_string_append_printf (((Surroundings *) self)->said, "%s\n", text);
}

static const VsmmuGuardOps ops = { get_target, get_domain_xml, get_host, say };

#define HOSTDEV(domain, bus, address)                                                                                  \
  "<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio' iommufd='yes'/><source>"                     \
  "<address domain='" domain "' bus='" bus "' slot='0x00' function='0x0'/></source>" address "</hostdev>"
#define ADDRESS(bus) "<address type='pci' domain='0x0000' bus='" bus "' slot='0x00' function='0x0'/>"
#define LINE(element) "\n  " element "\n"
#define START                                                                                                          \
  "<domain type='kvm'%s><name>guest</name><memory unit='GiB'>4</memory><vcpu>4</vcpu><os firmware='efi'>"              \
  "<type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features>"                  \
  "<devices><controller type='pci' index='0' model='pcie-root'/>"                                                      \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'>"                                                           \
  "<address type='pci' bus='0x01' slot='0x00' function='0x0'/></controller>"                                           \
  "<controller type='pci' index='3' model='pcie-root-port'>"                                                           \
  "<address type='pci' bus='0x01' slot='0x01' function='0x0'/></controller>"                                           \
  "<controller type='pci' index='4' model='pcie-root-port'/>"
#define END "</devices></domain>"
#define VSMMU "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
#define GOOD START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) VSMMU END
#define RNG(address) "<rng model='virtio'><backend model='random'>/dev/random</backend>" address "</rng>"
#define WITHOUT_IOMMUFD                                                                                                \
  "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0009' bus='0x01' slot='0x00' "        \
  "function='0x0'/></source></hostdev>"

static const guint8 uuid[16] = { 7 };

typedef struct {
  Surroundings around;
  VsmmuPolicy *policy;
  VsmmuGuard *guard;
  char *good;    /* an accelerated domain without a fault */
  char *running; /* the same, with an id */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fixture->around.target = (VsmmuTarget){ VSMMU_VERSION_ENCODE (12, 8, 0), VSMMU_VERSION_ENCODE (11, 1, 3) };
  fixture->around.said = g_string_new (NULL);
  fixture->policy = vsmmu_policy_load (FALSE, &error);
  g_assert_no_error (error);
  fixture->guard = vsmmu_guard_new (fixture->policy, &ops, &fixture->around);
  fixture->good = g_strdup_printf (GOOD, "");
  fixture->running = g_strdup_printf (GOOD, " id='3'");
  fixture->around.running = fixture->running;
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  vsmmu_guard_free (fixture->guard);
  vsmmu_policy_free (fixture->policy);
  g_string_free (fixture->around.said, TRUE);
  g_free (fixture->good);
  g_free (fixture->running);
}

static void
set_policy (Fixture *fixture, const char *text)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp ("vsmmu-XXXXXX", &path, NULL);

  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_setenv ("VIRT_VSMMU_CONF", path, TRUE);
  vsmmu_guard_free (fixture->guard);
  vsmmu_policy_free (fixture->policy);
  fixture->policy = vsmmu_policy_load (FALSE, &error);
  g_assert_no_error (error);
  fixture->guard = vsmmu_guard_new (fixture->policy, &ops, &fixture->around);
  g_unsetenv ("VIRT_VSMMU_CONF");
  unlink (path);
}

static void
test_a_good_domain_passes_as_it_is_where_libvirt_knows_it (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_guard_domain (fixture->guard, fixture->good, TRUE, &error));
  g_assert_no_error (error);
}

static void
test_a_good_domain_is_lowered_where_libvirt_does_not (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *lowered = NULL;
  g_autofree char *again = NULL;
  g_autofree char *lifted = NULL;

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  lowered = vsmmu_guard_domain (fixture->guard, fixture->good, TRUE, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (lowered, "arm-smmuv3"));
  again = vsmmu_guard_domain (fixture->guard, lowered, TRUE, &error);
  g_assert_no_error (error);
  g_assert_null (again);
  lifted = vsmmu_guard_lift (fixture->guard, lowered);
  g_assert_cmpstr (lifted, ==, fixture->good);
}

/* A domain of a program that knows no vSMMU, with a device of the host and an SMMUv3 that it cannot use. */
#define UNPREPARED(machine, domain)                                                                                    \
  "<domain type='kvm'><name>guest</name><memory unit='GiB'>4</memory><vcpu>4</vcpu><os firmware='efi'>"                \
  "<type " machine ">hvm</type></os><features><acpi/><gic version='3'/></features><devices>\n"                         \
  "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='" domain "' bus='0x01' slot='0x00' "    \
  "function='0x0'/></source></hostdev>\n<iommu model='smmuv3'/>\n</devices></domain>"
#define VIRT "arch='aarch64' machine='virt'"

static void
test_devices_of_a_new_domain_stay_where_they_are (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_guard_new_domain (fixture->guard, UNPREPARED (VIRT, "0x0009"), &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fixture->around.n_hosts, ==, 0);
}

static void
test_devices_of_a_new_domain_go_behind_vsmmus_if_the_policy_says_so (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *adopted = NULL;
  g_autofree char *lowered = NULL;
  g_autofree char *shown = NULL;

  set_policy (fixture, "[define]\nadopt=yes\n");
  adopted = vsmmu_guard_new_domain (fixture->guard, UNPREPARED (VIRT, "0x0009"), &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (adopted, "accel='on'"));
  g_assert_nonnull (strstr (adopted, "iommufd='yes'"));
  g_assert_null (strstr (adopted, "<iommu model='smmuv3'/>"));
  g_assert_nonnull (strstr (fixture->around.said->str, "0009:01:00.0 was moved to "));
  g_assert_nonnull (strstr (fixture->around.said->str, "was removed"));
  g_assert_null (vsmmu_guard_new_domain (fixture->guard, adopted, &error));
  g_assert_no_error (error);

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  lowered = vsmmu_guard_new_domain (fixture->guard, UNPREPARED (VIRT, "0x0009"), &error);
  g_assert_no_error (error);
  shown = vsmmu_guard_lift (fixture->guard, lowered);
  g_assert_nonnull (strstr (shown, "accel='on'"));
  g_assert_null (vsmmu_guard_new_domain (fixture->guard, lowered, &error));
  g_assert_no_error (error);
  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (12, 8, 0);
  g_assert_null (vsmmu_guard_new_domain (fixture->guard, shown, &error));
  g_assert_no_error (error);
}

static void
test_what_cannot_go_behind_a_vsmmu_is_refused_or_said (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  set_policy (fixture, "[define]\nadopt=yes\n");
  g_assert_null (vsmmu_guard_new_domain (fixture->guard, UNPREPARED (VIRT, "0x0077"), &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, "domain:2: the host has no PCI function 0077:01:00.0"));
  g_clear_error (&error);
  set_policy (fixture, "[policy]\nmode=warn\n[define]\nadopt=yes\n");
  g_assert_null (vsmmu_guard_new_domain (fixture->guard, UNPREPARED (VIRT, "0x0077"), &error));
  g_assert_no_error (error);
  g_assert_nonnull (strstr (fixture->around.said->str, "cannot be put behind vSMMUs: domain:2: "));
}

static void
test_domains_of_other_machines_and_without_devices_are_not_touched (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const documents[] = { UNPREPARED ("arch='x86_64' machine='q35'", "0x0009"), "<domain",
                                           "<network/>",
                                           "<domain type='kvm'><name>g</name><os><type " VIRT
                                           ">hvm</type></os><devices><hostdev mode='subsystem' type='usb'/>"
                                           "<iommu model='smmuv3'/></devices></domain>" };

  set_policy (fixture, "[define]\nadopt=yes\n");
  for (gsize i = 0; i < G_N_ELEMENTS (documents); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_guard_new_domain (fixture->guard, documents[i], &error));
    g_assert_no_error (error);
  }
  g_assert_cmpuint (fixture->around.n_hosts, ==, 0);
}

/* Nothing is changed without a word. */
static void
test_what_lowering_loses_is_noted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *odd = g_strdup_printf (
      START HOSTDEV ("0x0008", "0x01",
                     ADDRESS ("0x02")) "<iommu model='smmuv3'><driver pciBus='1' accel='on'/><banana/></iommu>" END,
      "");
  g_autofree char *lowered = NULL;
  g_autofree char *converted = NULL;

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  lowered = vsmmu_guard_domain (fixture->guard, odd, TRUE, NULL);
  g_assert_nonnull (strstr (lowered, "arm-smmuv3"));
  g_assert_nonnull (strstr (fixture->around.said->str, "<banana> is not part of an SMMUv3 and is dropped\n"));
  g_string_truncate (fixture->around.said, 0);
  converted = vsmmu_guard_domain (fixture->guard, odd, FALSE, NULL);
  g_assert_cmpstr (converted, ==, lowered);
  g_assert_nonnull (strstr (fixture->around.said->str, "<banana> is not part of an SMMUv3 and is dropped\n"));
}

static void
test_a_domain_with_errors_is_refused_and_said_why (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *broken = g_strdup_printf (START HOSTDEV ("0x0008", "0x01", "") VSMMU VSMMU END, "");

  g_assert_null (vsmmu_guard_domain (fixture->guard, broken, TRUE, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, "[pci-bus-shared]"));
}

/* Neither when it is not judged, nor when the policy refuses nothing. */
static void
test_a_domain_that_cannot_be_lowered_is_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (gboolean is_kept = FALSE; is_kept <= TRUE; is_kept++) {
    g_autoptr (GError) error = NULL;

    set_policy (fixture, "[policy]\nmode=off\n");
    fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (8, 1, 0);
    g_assert_null (vsmmu_guard_domain (fixture->guard, fixture->good, is_kept, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_nonnull (strstr (error->message, "8.1"));
  }
}

static void
test_a_domain_only_to_be_converted_is_not_judged (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *broken = g_strdup_printf (START HOSTDEV ("0x0008", "0x01", "") VSMMU VSMMU END, "");

  g_assert_null (vsmmu_guard_domain (fixture->guard, broken, FALSE, &error));
  g_assert_no_error (error);
}

static void
test_other_documents_pass_untouched (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  g_assert_null (vsmmu_guard_domain (fixture->guard, data, TRUE, &error));
  g_assert_no_error (error);
  g_assert_null (vsmmu_guard_lift (fixture->guard, data));
}

/* What libvirt reads and we do not: what is before the root element, and in it. Nothing in it says what it is. */
static const struct {
  const char *before;
  const char *inside;
} unread[] = {
  { "<!DOCTYPE a>", "" },
  { "<!DOCTYPE a [<!ENTITY a 'b'>]>", "&a;" },
  { "<?xml version='1.0' encoding='KOI8-R'?>", "<a/>" },
  { "<?xml version='1.0' encoding='UTF-7'?>", "<a/>" },
  { "<?xml version='2.0'?>", "<a/>" },
  { "\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?>", "<a/>" },
  { "", "\xff" },
};

static char *
make_unread (gsize i, const char *root)
{
  return g_strdup_printf ("%s<%s>%s</%s>", unread[i].before, root, unread[i].inside, root);
}

static void
test_what_cannot_be_read_is_refused_whatever_it_says (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const documents[] = { "domain", "domainsnapshot", "domaincheckpoint" };
  static const char *const devices[] = { "hostdev", "rng", "interface" };

  for (gsize i = 0; i < G_N_ELEMENTS (unread) * 3; i++) {
    g_autofree char *document = make_unread (i / 3, documents[i % 3]);
    g_autofree char *device = make_unread (i / 3, devices[i % 3]);
    g_autoptr (GError) error = NULL;
    g_autoptr (GError) device_error = NULL;

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_null (vsmmu_guard_domain (fixture->guard, document, TRUE, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_null (vsmmu_guard_attach (fixture->guard, uuid, 0, device, &device_error));
    g_assert_error (device_error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  }
}

#define GLOBAL(prefix)                                                                                                 \
  "<" prefix "commandline><" prefix "arg value='-global'/><" prefix "arg value='arm-smmuv3.accel=off'/></" prefix      \
  "commandline>"
#define URI "http://libvirt.org/schemas/domain/qemu/1.0"

/* What is before the attributes of the domain, between them and its contents, and after it. */
static const struct {
  const char *name;
  const char *before;
  const char *attributes;
  const char *arguments;
  const char *after;
  gboolean is_ignored; /* it is no QEMU argument to libvirt */
} parts[] = {
  { "inside", "<domainsnapshot><domain", " xmlns:qemu='" URI "'", GLOBAL ("qemu:"), "</domain></domainsnapshot>",
    FALSE },
  { "around", "<domainsnapshot xmlns:qemu='" URI "'><domain", "", GLOBAL ("qemu:"), "</domain></domainsnapshot>",
    FALSE },
  { "other-prefix", "<domainsnapshot xmlns:q='" URI "'><domain", "", GLOBAL ("q:"), "</domain></domainsnapshot>",
    FALSE },
  { "hidden-by-another", "<domainsnapshot xmlns:q='" URI "'><domain", " xmlns:q='urn:q'", GLOBAL ("q:"),
    "</domain></domainsnapshot>", TRUE },
  { "inactive", "<domainsnapshot xmlns:qemu='" URI "'><inactiveDomain", "", GLOBAL ("qemu:"),
    "</inactiveDomain></domainsnapshot>", FALSE },
  { "spaces", "<domainsnapshot xmlns:qemu='" URI "'><domain\n", "", GLOBAL ("qemu:"), "</domain\n ></domainsnapshot>",
    FALSE },
  { "second", "<domainsnapshot xmlns:qemu='" URI "'><domain/><domain", "", GLOBAL ("qemu:"),
    "</domain></domainsnapshot>", FALSE },
  { "prefixed-root", "<x:domainsnapshot xmlns:x='urn:x' xmlns:qemu='" URI "'><domain", "", GLOBAL ("qemu:"),
    "</domain></x:domainsnapshot>", FALSE },
  { "checkpoint", "<domaincheckpoint xmlns:qemu='" URI "'><domain", "", GLOBAL ("qemu:"),
    "</domain></domaincheckpoint>", FALSE },
};

/* A namespace that is declared around the domain is one of the domain. */
static void
test_a_domain_in_a_document_is_judged_with_its_namespaces (Fixture *fixture, gconstpointer data)
{
  const typeof (parts[0]) *row = data;
  g_autofree char *inner = g_strdup_printf (GOOD, row->attributes);
  const char *rest = inner + strlen ("<domain");
  g_autofree char *document = g_strdup_printf ("%s%.*s%s%s", row->before, (int) (strlen (rest) - strlen ("</domain>")),
                                               rest, row->arguments, row->after);
  g_autoptr (GError) error = NULL;
  g_autofree char *converted = vsmmu_guard_domain (fixture->guard, document, TRUE, &error);

  /* A prefix that is for something else has no place in a domain. */
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  g_assert_null (converted);
  g_assert_nonnull (strstr (error->message, row->is_ignored ? "[ambiguous-xml]" : "[commandline-not-understood]"));
}

static void
test_the_domain_of_a_snapshot_is_lowered_in_its_place (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *snapshot =
      g_strdup_printf ("<domainsnapshot>\n  <name>s</name>%s</domainsnapshot>\n", fixture->good);
  g_autofree char *lowered = NULL;
  g_autofree char *lifted = NULL;

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  lowered = vsmmu_guard_domain (fixture->guard, snapshot, TRUE, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (lowered, "arm-smmuv3"));
  g_assert_true (g_str_has_prefix (lowered, "<domainsnapshot>\n  <name>s</name><domain "));
  g_assert_true (g_str_has_suffix (lowered, "</domain></domainsnapshot>\n"));
  lifted = vsmmu_guard_lift (fixture->guard, lowered);
  g_assert_null (strstr (lifted, "qemu:"));
}

/* Whatever becomes of the other one. */
static void
test_one_wrong_domain_of_two_is_enough (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *broken = g_strdup_printf (START HOSTDEV ("0x0008", "0x01", "") VSMMU VSMMU END, "");
  const char *const pairs[][2] = { { broken, fixture->good }, { fixture->good, broken }, { broken, broken } };

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++) {
    g_autofree char *snapshot = g_strconcat ("<domainsnapshot>", pairs[i][0], pairs[i][1], "</domainsnapshot>", NULL);
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_guard_domain (fixture->guard, snapshot, TRUE, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  }
}

#define NAMED(domain, address) HOSTDEV (domain, "0x01", address "<alias name='ua-h'/>")
#define TWINS NAMED ("0x0008", ADDRESS ("0x02")) NAMED ("0x0009", ADDRESS ("0x03"))
#define NAMESPACE "</devices><qemu:commandline xmlns:qemu='" URI "'/><devices>"

/* It is in a namespace of QEMU's, so it may be lowered, and overrides go by aliases. */
static void
test_a_domain_that_cannot_be_lifted_is_refused_and_shown_as_it_is (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *twins = g_strdup_printf (START TWINS VSMMU NAMESPACE END, "");

  for (gboolean is_kept = FALSE; is_kept <= TRUE; is_kept++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_guard_domain (fixture->guard, twins, is_kept, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_nonnull (strstr (error->message, "'ua-h'"));
  }
  g_assert_cmpstr (fixture->around.said->str, ==, "");
  g_assert_null (vsmmu_guard_lift (fixture->guard, twins));
  g_assert_nonnull (strstr (fixture->around.said->str, "'ua-h'"));
}

/* libvirt keeps the aliases of a guest that runs, and not those of a document that says it would. */
static void
test_an_id_does_not_change_what_an_override_is_for (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *document = g_strdup_printf (
      START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02") "<alias name='other'/>") VSMMU
      "</devices><qemu:override xmlns:qemu='" URI "'><qemu:device alias='hostdev0'><qemu:frontend>"
      "<qemu:property name='x' type='bool' value='true'/></qemu:frontend></qemu:device></qemu:override></domain>",
      " id='3'");
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_guard_domain (fixture->guard, document, TRUE, &error));
  g_assert_no_error (error);
  g_assert_nonnull (strstr (fixture->around.said->str, "commandline-conflict"));
}

/* What is to be attached to a running guest with a device of 0008:01 on port 2 and the free ports 3, behind, and 4. */
static const struct {
  const char *name;
  const char *device;
  const char *becomes; /* %NULL: it passes as it is */
  const char *refused; /* the rule */
} attached[] = {
  { "a-device-of-the-same-smmu-gets-the-port-behind-it", HOSTDEV ("0x0009", "0x01", ""),
    HOSTDEV ("0x0009", "0x01", LINE (ADDRESS ("0x03"))), NULL },
  { "a-device-with-the-right-address-passes", HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")), NULL, NULL },
  { "a-device-of-another-smmu-is-refused", HOSTDEV ("0x0018", "0x01", ""), NULL, "smmu-mismatch" },
  { "even-with-an-address", HOSTDEV ("0x0018", "0x01", ADDRESS ("0x03")), NULL, "hotplug-smmu-mismatch" },
  { "a-device-without-iommufd-gets-it", WITHOUT_IOMMUFD,
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0009' bus='0x01' slot='0x00' "
    "function='0x0'/></source>" LINE (ADDRESS ("0x03") "\n  <driver iommufd='yes'/>") "</hostdev>",
    NULL },
  { "an-emulated-device-goes-outside", "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
    "<rng model='virtio'><backend model='random'>/dev/random</backend>" LINE (ADDRESS ("0x04")) "</rng>", NULL },
  { "an-emulated-device-behind-is-refused",
    "<rng model='virtio'><backend model='random'>/dev/random</backend>" ADDRESS ("0x03") "</rng>", NULL,
    "emulated-endpoint" },
  { "what-is-no-pci-device-passes", "<channel type='pty'><target type='virtio' name='c'/></channel>", NULL, NULL },
  { "what-may-be-a-new-kind-is-refused", "<banana/>", NULL, "unknown kind" },
  { "what-is-no-xml-is-refused", "no", NULL, "device:1" },
  { "what-we-do-not-read-is-refused", "<!DOCTYPE rng><rng model='virtio'/>", NULL, "device:1" },
};

/* Behind the vSMMU that a device belongs to there is no port left; only its user can want it elsewhere. */
static void
test_a_device_whose_ports_are_taken_is_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *device;
    gboolean is_refused;
  } rows[] = { { HOSTDEV ("0x0006", "0x03", ""), TRUE },
               { HOSTDEV ("0x0006", "0x03", "<address type='pci'/>"), TRUE },
               { HOSTDEV ("0x0006", "0x03", ADDRESS ("0x04")), FALSE } };
  g_autofree char *running = g_strdup_printf (START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02"))
                                                  HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")) VSMMU END,
                                              " id='3'");

  fixture->around.running = running;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_guard_attach (fixture->guard, uuid, VIR_DOMAIN_AFFECT_LIVE, rows[i].device, &error));
    g_assert_true ((error != NULL) == rows[i].is_refused);
    g_assert_true (error == NULL || strstr (error->message, "[hotplug-outside-vsmmu]") != NULL);
    g_assert_true ((strstr (fixture->around.said->str, "[hotplug-outside-vsmmu]") != NULL) == !rows[i].is_refused);
  }
}

static void
test_attaching (Fixture *fixture, gconstpointer data)
{
  const typeof (attached[0]) *row = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *becomes = vsmmu_guard_attach (fixture->guard, uuid, VIR_DOMAIN_AFFECT_LIVE, row->device, &error);

  if (row->refused != NULL) {
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_nonnull (strstr (error->message, row->refused));
  } else {
    g_assert_no_error (error);
  }
  g_assert_cmpstr (becomes, ==, row->becomes);
  g_assert_false (fixture->around.asked_for_definition);
}

/* Devices that libvirt attached, and by which name virt-vsmmud has a verdict on them, if it has. */
static const struct {
  const char *name;
  const char *running; /* what is in the domain then; after "id='3'" */
  const char *device;
  const char *alias;
} plugged[] = {
  { "a-device-behind-the-vsmmu",
    HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02"))
        HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03") "<alias name='hostdev9'/>"),
    HOSTDEV ("0x0009", "0x01", ""), "hostdev9" },
  { "the-only-device-behind-the-vsmmu", HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03") "<alias name='hostdev9'/>"),
    HOSTDEV ("0x0009", "0x01", ""), "hostdev9" },
  { "one-behind-no-vsmmu",
    HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02"))
        HOSTDEV ("0x0009", "0x01", ADDRESS ("0x04") "<alias name='hostdev9'/>"),
    HOSTDEV ("0x0009", "0x01", ""), NULL },
  { "one-that-is-gone-already", HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")), HOSTDEV ("0x0009", "0x01", ""), NULL },
  { "no-host-device", HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")), "<rng model='virtio'/>", NULL },
  { "no-device", HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")), "<banana/>", NULL },
  /* The host reports, and a domain may only be stricter. */
  { "ignored-in-this-domain",
    HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03") "<alias name='hostdev9'/>") VSMMU
    "</devices><metadata>"
    "<p:hotplug xmlns:p='" VSMMU_POLICY_NAMESPACE "' on-mismatch='ignore'/></metadata><devices>",
    HOSTDEV ("0x0009", "0x01", ""), "hostdev9" },
};

static void
test_finding_what_was_attached (Fixture *fixture, gconstpointer data)
{
  const typeof (plugged[0]) *row = data;
  g_autofree char *start = g_strdup_printf (START, " id='3'");
  g_autofree char *running = g_strconcat (start, row->running, VSMMU END, NULL);
  g_autofree char *alias = NULL;
  g_autoptr (GError) error = NULL;

  fixture->around.running = running;
  g_assert_true (vsmmu_guard_judge_attached (fixture->guard, uuid, row->device, &alias, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (alias, ==, row->alias);
}

static const struct {
  const char *name;
  VsmmuAnswerState state;
  VsmmuPolicyMismatch action;
  const char *said;    /* (nullable) */
  const char *refused; /* (nullable) */
} judged[] = {
  { "no-virt-vsmmud", VSMMU_ANSWER_NONE, VSMMU_POLICY_MISMATCH_REPORT, NULL, NULL },
  { "verified", VSMMU_ANSWER_VERIFIED, VSMMU_POLICY_MISMATCH_REPORT, NULL, NULL },
  { "unknown", VSMMU_ANSWER_UNKNOWN, VSMMU_POLICY_MISMATCH_REPORT, "it is not known yet", NULL },
  { "reported", VSMMU_ANSWER_MISMATCH, VSMMU_POLICY_MISMATCH_REPORT,
    "interrupts of hostdev9 do not arrive: of another SMMU [host-smmu-mismatch]\n    hint: take another", NULL },
  { "being-detached", VSMMU_ANSWER_MISMATCH, VSMMU_POLICY_MISMATCH_DETACH, NULL,
    "attached as hostdev9 and is being detached: of another SMMU [host-smmu-mismatch]" },
  { "detached", VSMMU_ANSWER_GONE, VSMMU_POLICY_MISMATCH_DETACH, NULL,
    "attached as hostdev9 and detached again: of another SMMU [host-smmu-mismatch]" },
};

static void
test_judging_an_answer (Fixture *fixture, gconstpointer data)
{
  const typeof (judged[0]) *row = data;
  VsmmuFinding finding = { .rule = vsmmu_rules_find ("host-smmu-mismatch"),
                           .severity = VSMMU_SEVERITY_ERROR,
                           .file = (char *) "guest",
                           .line = 3,
                           .element = (char *) "/domain",
                           .message = (char *) "of another SMMU",
                           .hint = (char *) "take another" };
  g_autoptr (GPtrArray) findings = g_ptr_array_new ();
  gboolean has_reason = row->state == VSMMU_ANSWER_MISMATCH || row->state == VSMMU_ANSWER_GONE;
  const VsmmuAnswer answer = { row->state, row->action, has_reason ? findings : NULL };
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (findings, &finding);
  g_assert_true (vsmmu_guard_judge_answer (fixture->guard, "hostdev9", &answer, &error) == (row->refused == NULL));
  g_assert_true ((error != NULL) == (row->refused != NULL));
  g_assert_true (row->refused == NULL || strstr (error->message, row->refused) != NULL);
  g_assert_true ((fixture->around.said->len > 0) == (row->said != NULL));
  g_assert_true (row->said == NULL || strstr (fixture->around.said->str, row->said) != NULL);
}

#define DISK(address)                                                                                                  \
  "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>" address "</disk>"
#define LINES(address)                                                                                                 \
  "<disk type='file' device='disk'>\n\n<source file='/a'/>\n<target dev='vda' bus='virtio'/>\n" address "\n</disk>"
#define PORT "<controller type='pci' index='5' model='pcie-root-port'/>"
#define PLAIN START RNG (ADDRESS ("0x04")) END
#define BOTH (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

#define CMDQV "<iommu model='smmuv3'><driver pciBus='1' accel='on' cmdqv='on'/></iommu>"

#define TWO_HOSTDEVS                                                                                                   \
  START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) HOSTDEV ("0x0018", "0x01", ADDRESS ("0x04")) VSMMU END
#define INTERFACES(one, other)                                                                                         \
  START "<interface type='hostdev'><mac address='52:54:00:00:00:ac'/><driver iommufd='yes'/><source><address "         \
        "type='pci' domain='8' bus='1'/></source>" ADDRESS (                                                           \
            "0x02") "<alias name='" one "'/></interface>"                                                              \
                    "<interface type='user'><mac address='52:54:00:00:00:ab'/><model type='virtio'/>" ADDRESS (        \
                        "0x04") "<alias name='" other "'/></interface>" VSMMU END
#define TWO_INTERFACES INTERFACES ("ua-h", "ua-n")

#define TWO_VSMMUS                                                                                                     \
  START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) VSMMU                                                             \
      "\n<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>" END
#define FOUR RNG ("") RNG ("") RNG ("") RNG ("")
#define SIXTEEN FOUR FOUR FOUR FOUR
#define MANY START VSMMU SIXTEEN RNG ("") END

typedef char *Change (VsmmuGuard *guard, const guint8 *domain, guint flags, const char *xml, GError **error);

static char *
detach_alias (VsmmuGuard *guard, const guint8 *domain, guint flags, const char *alias, GError **error)
{
  vsmmu_guard_detach_alias (guard, domain, flags, alias, error);
  return NULL;
}

/* Definitions of which the flags name one or both. */
static const struct {
  const char *name;
  const char *running; /* %NULL: the guest does not run */
  const char *defined;
  Change *change;
  guint flags;
  const char *device;
  const char *refused; /* (nullable) */
  guint n_asked;
} changes[] = {
  { "both-when-only-the-definition-suffers", PLAIN, GOOD, vsmmu_guard_attach, BOTH, RNG (ADDRESS ("0x03")),
    "emulated-endpoint", 2 },
  { "both-when-only-the-guest-suffers", GOOD, PLAIN, vsmmu_guard_attach, BOTH, RNG (ADDRESS ("0x03")),
    "emulated-endpoint", 2 },
  { "both-when-neither-does", PLAIN, PLAIN, vsmmu_guard_attach, BOTH, RNG (ADDRESS ("0x03")), NULL, 2 },
  { "only-live", PLAIN, GOOD, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_LIVE, RNG (ADDRESS ("0x03")), NULL, 1 },
  { "only-config", GOOD, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG, RNG (ADDRESS ("0x03")), NULL, 1 },
  { "current", GOOD, PLAIN, vsmmu_guard_attach, 0, RNG (ADDRESS ("0x03")), "emulated-endpoint", 1 },
  { "a-guest-that-does-not-run-has-one", NULL, GOOD, vsmmu_guard_attach, BOTH, RNG (ADDRESS ("0x03")),
    "emulated-endpoint", 1 },
  { "different-xml-for-both", GOOD, PLAIN, vsmmu_guard_attach, BOTH, RNG (""), "a separate call", 2 },
  { "a-vsmmu-over-a-port", NULL, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG,
    "<iommu model='smmuv3'><driver pciBus='2' accel='on'/></iommu>", "pci-bus-not-root", 1 },
  { "a-vsmmu-over-a-port-in-other-words", NULL, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG,
    "<iommu model='&#115;mmuv3'><driver pciBus='&#50;' accel='on'/></iommu>", "pci-bus-not-root", 1 },
  { "a-vsmmu-that-is-right", NULL, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG,
    "<iommu model='smmuv3'><driver pciBus='1' accel='on' ats='on' ril='on' ssidsize='0' oas='48' cmdqv='off'/></iommu>",
    NULL, 1 },
  { "a-vsmmu-for-a-guest-that-runs", PLAIN, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_LIVE,
    "<iommu model='smmuv3'><driver pciBus='2' accel='on'/></iommu>", "pci-bus-not-root", 1 },
  { "a-disk-that-moves", NULL, START DISK (ADDRESS ("0x04")) VSMMU END, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    DISK (ADDRESS ("0x03")), "emulated-endpoint", 1 },
  { "a-disk-that-stays", NULL, START DISK (ADDRESS ("0x04")) VSMMU END, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    DISK (ADDRESS ("0x04")), NULL, 1 },
  { "a-disk-without-an-address-stays-in-a-guest", START DISK (ADDRESS ("0x04")) VSMMU END, PLAIN, vsmmu_guard_update,
    VIR_DOMAIN_AFFECT_LIVE, DISK (""), NULL, 1 },
  { "a-disk-without-an-address-goes-to-the-first-port", NULL, START DISK (ADDRESS ("0x04")) VSMMU END,
    vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG, DISK (""), "endpoint-auto-placed", 1 },
  { "a-disk-that-is-not-there", NULL, GOOD, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG, DISK (ADDRESS ("0x03")),
    "emulated-endpoint", 1 },
  { "a-device-that-fits-nowhere",
    START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")) VSMMU END, PLAIN,
    vsmmu_guard_attach, VIR_DOMAIN_AFFECT_LIVE, HOSTDEV ("0x0018", "0x01", ""), "hotplug-outside-vsmmu", 1 },
  { "a-device-that-is-wanted-outside", GOOD, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_LIVE,
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x18' bus='1'/></source>" ADDRESS (
        "4") "</hostdev>",
    NULL, 1 },
  { "one-more-where-one-is-wrong-already", NULL, START DISK (ADDRESS ("0x03")) "\n" VSMMU END, vsmmu_guard_attach,
    VIR_DOMAIN_AFFECT_CONFIG, RNG (ADDRESS ("0x02")), "emulated-endpoint", 1 },
  { "a-right-one-where-one-is-wrong-already", NULL, START DISK (ADDRESS ("0x03")) "\n" VSMMU END, vsmmu_guard_attach,
    VIR_DOMAIN_AFFECT_CONFIG, RNG (ADDRESS ("0x04")), NULL, 1 },
  { "an-update-that-repairs", NULL, START DISK (ADDRESS ("0x03")) VSMMU END, vsmmu_guard_update,
    VIR_DOMAIN_AFFECT_CONFIG, DISK (ADDRESS ("0x04")), NULL, 1 },
  { "an-update-of-what-cannot-be-read", NULL, PLAIN, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    "<!DOCTYPE disk><disk/>", "device:1", 0 },
  { "the-bus-under-a-vsmmu", NULL, GOOD, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<controller type='pci' index='0x1' model='pcie-expander-bus'/>", "pci-bus-missing", 1 },
  { "the-last-device-of-a-vsmmu", NULL, GOOD, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG, HOSTDEV ("2", "0x1", ""),
    "vsmmu-empty", 1 },
  { "the-last-device-in-a-guest", GOOD, PLAIN, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_LIVE, HOSTDEV ("2", "0x1", ""),
    NULL, 1 },
  { "the-wrong-device", NULL, START DISK (ADDRESS ("0x03")) VSMMU END, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    DISK (""), NULL, 1 },
  { "what-a-device-is-called", NULL, START RNG (ADDRESS ("0x04") "<alias name='ua-r'/>") VSMMU END, detach_alias,
    VIR_DOMAIN_AFFECT_CONFIG, "ua-r", NULL, 1 },
  { "a-name-that-nothing-has", NULL, GOOD, detach_alias, VIR_DOMAIN_AFFECT_CONFIG, "ua-x", NULL, 1 },
  { "the-name-of-the-last-device", NULL,
    START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02") "<alias name='ua-h'/>") VSMMU END, detach_alias,
    VIR_DOMAIN_AFFECT_CONFIG, "ua-h", "vsmmu-empty", 1 },
  { "a-device-that-qemu-does-not-let-go", START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) CMDQV END, PLAIN,
    vsmmu_guard_detach, VIR_DOMAIN_AFFECT_LIVE, HOSTDEV ("0x0008", "0x01", ""), "unplug-last-device", 1 },
  { "a-device-that-qemu-does-not-let-go-by-name",
    START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02") "<alias name='hostdev0'/>") CMDQV END, PLAIN, detach_alias,
    VIR_DOMAIN_AFFECT_LIVE, "hostdev0", "unplug-last-device", 1 },
  { "an-update-of-a-device-that-qemu-does-not-let-go", START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) CMDQV END,
    PLAIN, vsmmu_guard_update, VIR_DOMAIN_AFFECT_LIVE, HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")), NULL, 1 },
  { "one-of-two-host-devices", NULL, TWO_HOSTDEVS, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    HOSTDEV ("0x0018", "0x01", ""), NULL, 1 },
  { "one-of-two-host-devices-wherever-it-is", NULL, TWO_HOSTDEVS, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    HOSTDEV ("0x18", "1", ADDRESS ("0x09")), NULL, 1 },
  { "one-of-two-host-devices-that-is-needed", NULL, TWO_HOSTDEVS, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    HOSTDEV ("8", "1", ADDRESS ("0x09")), "vsmmu-empty", 1 },
  { "one-of-the-controllers", NULL, GOOD, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<controller type='pci' index='3' model='pcie-root-port'/>", NULL, 1 },
  { "one-of-two-interfaces-by-address", NULL, TWO_INTERFACES, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<interface type='user'>" ADDRESS ("4") "</interface>", NULL, 1 },
  { "one-of-two-interfaces-by-alias", NULL, TWO_INTERFACES, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<interface type='user'><alias name='ua-n'/></interface>", NULL, 1 },
  { "one-of-two-interfaces-by-what-begins-as-the-other", NULL, INTERFACES ("1", "1n"), vsmmu_guard_detach,
    VIR_DOMAIN_AFFECT_CONFIG, "<interface type='user'><alias name='1n'/></interface>", NULL, 1 },
  { "one-of-two-interfaces-by-what-the-other-begins-as", NULL, INTERFACES ("1h", "1"), vsmmu_guard_detach,
    VIR_DOMAIN_AFFECT_CONFIG, "<interface type='user'><alias name='1'/></interface>", NULL, 1 },
  { "one-of-two-interfaces-by-mac", NULL, TWO_INTERFACES, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<interface type='user'><mac address='52:54:00:00:00:AB'/></interface>", NULL, 1 },
  { "one-of-two-interfaces-by-the-other-mac", NULL, TWO_INTERFACES, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<interface type='user'><mac address='52:54:00:00:00:AC'/></interface>", "vsmmu-empty", 1 },
  { "one-of-two-interfaces-by-nothing", NULL, TWO_INTERFACES, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    "<interface type='user'/>", "vsmmu-empty", 1 },
  { "both-by-an-address-that-only-the-definition-has", START RNG (ADDRESS ("0x03")) VSMMU END, TWO_INTERFACES,
    vsmmu_guard_detach, BOTH, "<interface type='user'><alias name='ua-n'/></interface>", NULL, 2 },
  { "a-name-that-another-device-has", NULL, START NAMED ("0x0008", ADDRESS ("0x02")) VSMMU NAMESPACE END,
    vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG,
    "<hostdev mode='subsystem' type='pci'><source><address domain='9' bus='1'/></source>" ADDRESS (
        "0x03") "<alias name='ua-h'/></hostdev>",
    "cannot read the XML of the domain", 1 },
  { "a-name-that-another-device-has-without-a-vsmmu", NULL, START NAMED ("0x0008", ADDRESS ("0x02")) NAMESPACE END,
    vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG, NAMED ("0x0009", ADDRESS ("0x03")),
    "cannot read the XML of the domain", 1 },
  { "both-when-both-suffer", GOOD, GOOD, vsmmu_guard_attach, BOTH, RNG (ADDRESS ("0x03")), "emulated-endpoint", 2 },
  { "the-bus-under-both", GOOD, GOOD, vsmmu_guard_detach, BOTH,
    "<controller type='pci' index='1' model='pcie-expander-bus'/>", "pci-bus-missing", 2 },
  { "a-device-that-is-completed-and-wrong", GOOD, PLAIN, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_LIVE,
    "<hostdev mode='subsystem' type='pci'><source><address domain='0x18' bus='1'/></source>" ADDRESS (
        "0x03") "</hostdev>",
    "hotplug-smmu-mismatch", 1 },
  { "an-update-gets-no-address", START PORT DISK (ADDRESS ("0x04")) VSMMU END, PLAIN, vsmmu_guard_update,
    VIR_DOMAIN_AFFECT_LIVE, DISK (""), NULL, 1 },
  { "a-device-that-goes-gets-no-iommufd", GOOD, PLAIN, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_LIVE,
    "<hostdev mode='subsystem' type='pci'><source><address domain='8' bus='1'/></source>" ADDRESS ("0x02") "</hostdev>",
    NULL, 1 },
  { "an-update-of-lines-before-what-is-wrong-already", NULL,
    START LINES (ADDRESS ("0x04")) RNG (ADDRESS ("0x03")) VSMMU END, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    DISK (ADDRESS ("0x04")), NULL, 1 },
  { "lines-that-go-before-what-is-wrong-already", NULL, START LINES (ADDRESS ("0x04")) RNG (ADDRESS ("0x03")) VSMMU END,
    vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG, DISK (""), NULL, 1 },
  { "an-update-to-lines-before-what-is-wrong-already", NULL,
    START DISK (ADDRESS ("0x04")) RNG (ADDRESS ("0x03")) VSMMU END, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    LINES (ADDRESS ("0x04")), NULL, 1 },
  { "a-host-device-that-is-not-there", NULL, GOOD, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG,
    HOSTDEV ("0x0019", "0x01", ""), "vsmmu-empty", 1 },
  { "the-first-device", NULL, "<domain%s><name>smmuv3</name><devices></devices></domain>", vsmmu_guard_attach,
    VIR_DOMAIN_AFFECT_CONFIG, RNG (""), NULL, 1 },
  { "one-more-before-what-is-wrong-already", NULL,
    START HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) VSMMU
    "</devices>\n<qemu:commandline xmlns:qemu='" URI "'><qemu:arg value='-global'/><qemu:arg "
    "value='arm-smmuv3.accel=off'/></qemu:commandline></domain>",
    vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG, RNG (ADDRESS ("0x04")), NULL, 1 },
  { "another-vsmmu-that-is-empty", NULL, TWO_VSMMUS, vsmmu_guard_update, VIR_DOMAIN_AFFECT_CONFIG,
    HOSTDEV ("0x0008", "0x01", ADDRESS ("0x04")), "vsmmu-empty", 1 },
  { "a-name-where-nothing-concerns-us", NULL, PLAIN, detach_alias, VIR_DOMAIN_AFFECT_CONFIG, "ua-x", NULL, 1 },
  { "an-unknown-device-without-a-vsmmu", NULL, START NAMESPACE END, vsmmu_guard_attach, VIR_DOMAIN_AFFECT_CONFIG,
    "<banana/>", NULL, 1 },
  { "one-of-too-many", NULL, MANY, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG, RNG (""), "which of 17 devices", 1 },
  { "one-of-too-many-twice", MANY, MANY, vsmmu_guard_detach, BOTH, RNG (""), "which of 17 devices", 2 },
  { "one-of-as-many-as-may-be", NULL, START VSMMU SIXTEEN END, vsmmu_guard_detach, VIR_DOMAIN_AFFECT_CONFIG, RNG (""),
    NULL, 1 },
};

static char *
fill_in (const char *format, const char *id)
{
  g_auto (GStrv) pieces = g_strsplit (format, "%s", 2);

  return g_strjoinv (id, pieces);
}

static void
test_changing_definitions (Fixture *fixture, gconstpointer data)
{
  const typeof (changes[0]) *row = data;
  g_autofree char *running = row->running != NULL ? fill_in (row->running, " id='3'") : fill_in (row->defined, "");
  g_autofree char *defined = fill_in (row->defined, "");
  g_autofree char *becomes = NULL;
  g_autoptr (GError) error = NULL;

  fixture->around.running = running;
  fixture->around.defined = defined;
  becomes = row->change (fixture->guard, uuid, row->flags, row->device, &error);
  if (row->refused != NULL) {
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_nonnull (strstr (error->message, row->refused));
    g_assert_null (becomes);
  } else {
    g_assert_no_error (error);
    g_assert_true (becomes == NULL || row->change == vsmmu_guard_attach);
  }
  g_assert_cmpuint (fixture->around.n_asked, ==, row->n_asked);
}

/* An accelerated SMMUv3 over the root bus, and a bus that is not there. */
static void
test_what_comes_behind_the_root_bus_gets_iommufd (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *bus;
    gboolean gets_it;
  } rows[] = { { "0x00", TRUE }, { "0x02", FALSE }, { "0x05", FALSE }, { "0xff", FALSE } };
  g_autofree char *start = g_strdup_printf (START, " id='3'");
  g_autofree char *running =
      g_strconcat (start, "<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>" END, NULL);

  set_policy (fixture, "[policy]\nmode=off\n");
  fixture->around.running = running;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *device =
        g_strdup_printf ("<hostdev mode='subsystem' type='pci'><source><address domain='8' bus='1'/></source>"
                         "<address type='pci' bus='%s' slot='0x07'/></hostdev>",
                         rows[i].bus);
    g_autoptr (GError) error = NULL;
    g_autofree char *becomes = vsmmu_guard_attach (fixture->guard, uuid, VIR_DOMAIN_AFFECT_LIVE, device, &error);

    g_assert_no_error (error);
    g_assert_true ((becomes != NULL && strstr (becomes, "<driver iommufd='yes'/>") != NULL) == rows[i].gets_it);
  }
}

/* What libvirt may say of a domain that we cannot read, or not as libvirt does. */
static const struct {
  const char *name;
  const char *xml;
  const char *said;
} unreadable[] = {
  { "malformed", "<domain id='3'><name>smmuv3", "domain:1" },
  { "document-type", "<!DOCTYPE domain><domain id='3'/>", "domain:1" },
  { "encoding", "<?xml version='1.0' encoding='KOI8-R'?><domain id='3'/>", "domain:1" },
  { "no-domain", "<network><name>smmuv3</name></network>", "<network>" },
  { "no-devices", "<domain id='3'><name>smmuv3</name></domain>", "no <devices>" },
  { "twins", START TWINS VSMMU NAMESPACE END, "'ua-h'" },
};

/* By the flags, as the guest or the definition of which that is said. */
static void
test_a_change_of_a_domain_that_cannot_be_read_is_refused (Fixture *fixture, gconstpointer data)
{
  static Change *const all[] = { vsmmu_guard_attach, vsmmu_guard_update, vsmmu_guard_detach, detach_alias };
  static const guint flags[] = { 0, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG, BOTH };
  const typeof (unreadable[0]) *row = data;
  g_autofree char *xml = fill_in (row->xml, " id='3'");

  for (guint i = 0; i < G_N_ELEMENTS (all) * G_N_ELEMENTS (flags); i++) {
    Change *change = all[i / G_N_ELEMENTS (flags)];
    guint named = flags[i % G_N_ELEMENTS (flags)];
    g_autoptr (GError) error = NULL;

    fixture->around.running = (named & VIR_DOMAIN_AFFECT_CONFIG) != 0 ? fixture->running : xml;
    fixture->around.defined = (named & VIR_DOMAIN_AFFECT_CONFIG) != 0 ? xml : fixture->good;
    g_assert_null (
        change (fixture->guard, uuid, named, change == detach_alias ? "ua-r" : RNG (ADDRESS ("0x04")), &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
    g_assert_true (g_str_has_prefix (error->message, "cannot read the XML of the domain: "));
    g_assert_nonnull (strstr (error->message, row->said));
  }
}

static void
test_a_change_of_a_domain_that_is_not_told_is_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static Change *const all[] = { vsmmu_guard_attach, vsmmu_guard_update, vsmmu_guard_detach, detach_alias };

  fixture->around.defined = fixture->good;
  for (guint i = 0; i < G_N_ELEMENTS (all) * 2; i++) {
    Change *change = all[i / 2];
    g_autoptr (GError) error = NULL;

    fixture->around.hides_running = i % 2 == 0;
    fixture->around.hides_defined = i % 2 == 1;
    g_assert_null (
        change (fixture->guard, uuid, BOTH, change == detach_alias ? "ua-r" : RNG (ADDRESS ("0x04")), &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
  }
}

/* It came to a guest of which nobody can say what it is now. */
static void
test_what_was_attached_to_a_guest_that_cannot_be_read_goes (Fixture *fixture, gconstpointer data)
{
  const typeof (unreadable[0]) *row = data;
  g_autofree char *xml = fill_in (row->xml, " id='3'");
  g_autofree char *alias = NULL;
  g_autoptr (GError) error = NULL;

  fixture->around.running = xml;
  g_assert_false (vsmmu_guard_judge_attached (fixture->guard, uuid, HOSTDEV ("0x0008", "0x01", ""), &alias, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, row->said));
  g_assert_null (alias);
}

/* Looking at the host takes time, and is needed for what comes behind an accelerated SMMUv3 only. */
static void
test_the_host_is_looked_at_when_it_matters (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *running;
    Change *change;
    const char *device;
    guint n_hosts;
  } rows[] = {
    { GOOD, vsmmu_guard_attach, RNG (ADDRESS ("0x04")), 1 },
    { GOOD, vsmmu_guard_update, RNG (ADDRESS ("0x04")), 0 },
    { GOOD, vsmmu_guard_detach, RNG (ADDRESS ("0x04")), 0 },
    { START NAMESPACE END, vsmmu_guard_attach, RNG (ADDRESS ("0x04")), 0 },
    { START END, vsmmu_guard_attach, RNG (ADDRESS ("0x04")), 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *running = fill_in (rows[i].running, " id='3'");
    g_autoptr (GError) error = NULL;

    fixture->around.running = running;
    fixture->around.n_hosts = 0;
    g_assert_null (rows[i].change (fixture->guard, uuid, 0, rows[i].device, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (fixture->around.n_hosts, ==, rows[i].n_hosts);
  }
}

static void
test_without_the_versions_nothing_that_matters_passes (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static Change *const all[] = { vsmmu_guard_attach, vsmmu_guard_update, vsmmu_guard_detach };

  fixture->around.has_no_target = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (all[i](fixture->guard, uuid, 0, HOSTDEV ("0x0008", "0x01", ""), &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
  }
}

/* Nobody need wait for them. */
static void
test_without_the_versions_what_does_not_matter_passes (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static Change *const all[] = { vsmmu_guard_attach, vsmmu_guard_update, vsmmu_guard_detach };
  g_autofree char *running = g_strdup_printf (START NAMESPACE END, " id='3'");

  fixture->around.has_no_target = TRUE;
  fixture->around.running = running;
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (all[i](fixture->guard, uuid, 0, RNG (ADDRESS ("0x04")), &error));
    g_assert_no_error (error);
  }
}

static void
test_an_old_libvirt_gets_no_vsmmu_by_itself (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *plain = g_strdup_printf (PLAIN, "");

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  fixture->around.running = plain;
  g_assert_null (vsmmu_guard_attach (fixture->guard, uuid, VIR_DOMAIN_AFFECT_CONFIG, VSMMU, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, "define the domain with it"));
}

static void
test_an_old_libvirt_gets_devices_without_iommufd (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    Change *change;
    const char *device;
  } rows[] = {
    { vsmmu_guard_attach, HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")) },
    { vsmmu_guard_update, HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) },
    { vsmmu_guard_detach, HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02")) },
  };

  g_autofree char *lowered = NULL;
  g_autofree char *running = NULL;

  fixture->around.target.libvirt = VSMMU_VERSION_ENCODE (11, 3, 0);
  lowered = vsmmu_guard_domain (fixture->guard, fixture->good, TRUE, NULL);
  running = g_strconcat ("<domain id='3'", lowered + strlen ("<domain"), NULL);
  fixture->around.running = running;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *becomes = rows[i].change (fixture->guard, uuid, 0, rows[i].device, &error);

    g_assert_no_error (error);
    g_assert_nonnull (becomes);
    g_assert_null (strstr (becomes, "iommufd"));
    g_assert_nonnull (strstr (becomes, "<driver name='vfio'/>"));
  }
}

/* A device that was attached to a guest in which others were attached meanwhile; see grace-host.json for the SMMUs. */
#define FIRST HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02"))
#define OURS HOSTDEV ("0x0018", "0x01", ADDRESS ("0x03"))
#define OURS_AS_NIC                                                                                                    \
  "<interface type='hostdev' managed='yes'><driver name='vfio' iommufd='yes'/><source><address type='pci' "            \
  "domain='0x0018' bus='0x01' slot='0x00' function='0x0'/></source>" ADDRESS ("0x03") "</interface>"
static const struct {
  const char *name;
  const char *policy;
  const char *devices;
  const char *device;
  gboolean stays;
  gboolean is_said;
} company[] = {
  { "of-the-same-smmu", "", FIRST HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")), HOSTDEV ("0x0009", "0x01", ""), TRUE,
    FALSE },
  { "no-wait", "[hotplug]\nwait=0\n", FIRST HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")),
    HOSTDEV ("0x0009", "0x01", ""), TRUE, FALSE },
  { "ignored", "[hotplug]\non-mismatch=ignore\n", FIRST HOSTDEV ("0x0009", "0x01", ADDRESS ("0x03")),
    HOSTDEV ("0x0009", "0x01", ""), TRUE, FALSE },
  { "of-another-smmu", "", FIRST OURS, HOSTDEV ("0x0018", "0x01", ""), FALSE, FALSE },
  { "the-first-stays-and-says-it", "", OURS FIRST, HOSTDEV ("0x0018", "0x01", ""), TRUE, TRUE },
  { "of-three-the-second", "", FIRST OURS HOSTDEV ("0x0009", "0x01", ADDRESS ("0x05")), HOSTDEV ("0x0018", "0x01", ""),
    FALSE, FALSE },
  { "of-three-the-third", "", FIRST OURS HOSTDEV ("0x0009", "0x01", ADDRESS ("0x05")), HOSTDEV ("0x0009", "0x01", ""),
    TRUE, FALSE },
  { "of-three-lines-the-third", "", FIRST "\n" OURS "\n" HOSTDEV ("0x0009", "0x01", ADDRESS ("0x05") "\n"),
    HOSTDEV ("0x0009", "0x01", ""), TRUE, FALSE },
  { "the-second-of-several-lines", "", FIRST HOSTDEV ("0x0009", "0x01", ADDRESS ("0x05") "\n") "\n" OURS,
    HOSTDEV ("0x0009", "0x01", ""), TRUE, FALSE },
  { "an-interface", "", OURS_AS_NIC FIRST, OURS_AS_NIC, FALSE, FALSE },
  { "elsewhere", "", FIRST HOSTDEV ("0x0018", "0x01", ADDRESS ("0x04")), HOSTDEV ("0x0018", "0x01", ""), TRUE, FALSE },
  { "off", "[policy]\nmode=off\n", FIRST OURS, HOSTDEV ("0x0018", "0x01", ""), TRUE, FALSE },
  { "warn", "[policy]\nmode=warn\n", FIRST OURS, HOSTDEV ("0x0018", "0x01", ""), TRUE, TRUE },
  { "warn-and-detach", "[policy]\nmode=warn\n[hotplug]\non-mismatch=detach\n", FIRST OURS,
    HOSTDEV ("0x0018", "0x01", ""), FALSE, FALSE },
  { "rule-off", "[rules]\nhost-smmu-mismatch=off\n", FIRST OURS, HOSTDEV ("0x0018", "0x01", ""), TRUE, FALSE },
  { "a-domain-that-wants-it", "[policy]\nmode=warn\n",
    FIRST OURS "</devices><metadata><p:hotplug xmlns:p='" VSMMU_POLICY_NAMESPACE
               "' on-mismatch='detach'/></metadata><devices>",
    HOSTDEV ("0x0018", "0x01", ""), FALSE, FALSE },
};

/* What does not run, or not any more, has nothing attached to it. */
static void
test_only_a_guest_that_runs_is_judged (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *start = g_strdup_printf (START, "");
  g_autofree char *defined = g_strconcat (start, FIRST OURS VSMMU END, NULL);
  const char *const domains[] = { defined, NULL };

  for (guint i = 0; i < G_N_ELEMENTS (domains); i++) {
    g_autofree char *alias = NULL;
    g_autoptr (GError) error = NULL;

    fixture->around.running = domains[i];
    g_assert_true (vsmmu_guard_judge_attached (fixture->guard, uuid, OURS, &alias, &error));
    g_assert_no_error (error);
    g_assert_null (alias);
    g_assert_cmpstr (fixture->around.said->str, ==, "");
  }
}

static void
test_judging_what_came_at_the_same_time (Fixture *fixture, gconstpointer data)
{
  static const char *const without_verdict[] = { "elsewhere", "no-wait", "ignored", NULL };
  const typeof (company[0]) *row = data;
  g_autofree char *start = g_strdup_printf (START, " id='3'");
  g_autofree char *running = g_strconcat (start,
                                          "<controller type='pci' index='5' model='pcie-root-port'>"
                                          "<address type='pci' bus='0x01' slot='0x02' function='0x0'/></controller>",
                                          row->devices, VSMMU END, NULL);
  g_autofree char *alias = NULL;
  g_autoptr (GError) error = NULL;

  set_policy (fixture, row->policy);
  fixture->around.running = running;
  g_assert_true (vsmmu_guard_judge_attached (fixture->guard, uuid, row->device, &alias, &error) == row->stays);
  if (!row->stays)
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED);
  else
    g_assert_no_error (error);
  g_assert_true (row->stays || strstr (error->message, "host-smmu-mismatch") != NULL);
  g_assert_true ((alias != NULL) == (row->stays && !g_strv_contains (without_verdict, row->name)));
  g_assert_true ((fixture->around.said->len > 0) == row->is_said);
  g_assert_true ((strstr (fixture->around.said->str, "another client") != NULL) == row->is_said);
  g_assert_true ((strstr (fixture->around.said->str, "host-smmu-mismatch") != NULL) == row->is_said);
}

static void
test_what_cannot_be_judged_stays_when_the_policy_only_warns (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *policy;
    gboolean stays;
    gboolean is_said;
  } rows[] = {
    { "", FALSE, FALSE },
    { "[policy]\nmode=warn\n", TRUE, TRUE },
    { "[policy]\nmode=off\n", TRUE, FALSE },
  };
  g_autofree char *start = g_strdup_printf (START, " id='3'");
  g_autofree char *running = g_strconcat (start, FIRST OURS VSMMU END, NULL);

  fixture->around.has_no_target = TRUE;
  fixture->around.running = running;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *alias = NULL;
    g_autoptr (GError) error = NULL;

    set_policy (fixture, rows[i].policy);
    g_assert_true (vsmmu_guard_judge_attached (fixture->guard, uuid, OURS, &alias, &error) == rows[i].stays);
    g_assert_true ((error == NULL) == rows[i].stays);
    g_assert_true ((fixture->around.said->len > 0) == rows[i].is_said);
    g_string_truncate (fixture->around.said, 0);
  }
}

/* A domain with an error and a warning, and a plug with an error. */
static void
test_the_mode_says_what_is_refused_and_said (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct {
    const char *policy;
    gboolean is_refused;
    gboolean is_said;
  } rows[] = {
    { "", TRUE, FALSE },
    { "[policy]\nmode=warn\n", FALSE, TRUE },
    { "[policy]\nmode=off\n", FALSE, FALSE },
    { "[rules]\nneeds-acpi=off\n", FALSE, FALSE },
    { "[rules]\nneeds-acpi=warning\n", FALSE, TRUE },
  };
  g_auto (GStrv) halves = g_strsplit (fixture->good, "<acpi/>", 2);
  g_autofree char *broken = g_strjoinv ("", halves);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    set_policy (fixture, rows[i].policy);
    g_assert_null (vsmmu_guard_domain (fixture->guard, broken, TRUE, &error));
    g_assert_true ((error != NULL) == rows[i].is_refused);
    g_assert_true ((strstr (fixture->around.said->str, "[needs-acpi]") != NULL) == rows[i].is_said);
    g_string_truncate (fixture->around.said, 0);
  }
}

static void
test_what_is_attached_is_undone_by_its_source (void)
{
  static const struct {
    const char *given;
    const char *undone;
  } rows[] = {
    { HOSTDEV ("0x0008", "0x01", ADDRESS ("0x02") "<alias name='ua-x'/>"),
      "<hostdev mode='subsystem' type='pci'><source><address domain=\"0x0008\" bus=\"0x01\" slot=\"0x00\" "
      "function=\"0x0\"/></source></hostdev>" },
    { "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='u'/></source></hostdev>",
      "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid=\"u\"/></source></hostdev>" },
    { "<interface type='hostdev'><source>\n<address type='pci' bus='1'/></source></interface>",
      "<hostdev mode='subsystem' type='pci'><source> <address type=\"pci\" bus=\"1\"/></source></hostdev>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *undo = vsmmu_guard_write_undo (rows[i].given);

    g_assert_cmpstr (undo, ==, rows[i].undone);
  }
}

int
main (int argc, char **argv)
{
  static const char *const others[] = {
    "",
    "no xml",
    "<network/>",
    "<domainsnapshot><name>s</name></domainsnapshot>",
    "<domain><name>x</name></domain>",
    "<domain><devices><iommu model='smmuv3'/></devices></domain>",
  };
#define ADD(path, data, test) g_test_add ("/guard/" path, Fixture, data, set_up, test, tear_down)

  g_test_init (&argc, &argv, NULL);
  ADD ("native", NULL, test_a_good_domain_passes_as_it_is_where_libvirt_knows_it);
  ADD ("lowered", NULL, test_a_good_domain_is_lowered_where_libvirt_does_not);
  ADD ("stays", NULL, test_devices_of_a_new_domain_stay_where_they_are);
  ADD ("adopted", NULL, test_devices_of_a_new_domain_go_behind_vsmmus_if_the_policy_says_so);
  ADD ("not-adopted", NULL, test_what_cannot_go_behind_a_vsmmu_is_refused_or_said);
  ADD ("untouched", NULL, test_domains_of_other_machines_and_without_devices_are_not_touched);
  ADD ("refused", NULL, test_a_domain_with_errors_is_refused_and_said_why);
  ADD ("lost", NULL, test_what_lowering_loses_is_noted);
  ADD ("no-port", NULL, test_a_device_whose_ports_are_taken_is_refused);
  ADD ("not-running", NULL, test_only_a_guest_that_runs_is_judged);
  ADD ("mode", NULL, test_the_mode_says_what_is_refused_and_said);
  ADD ("converted", NULL, test_a_domain_only_to_be_converted_is_not_judged);
  ADD ("unread", NULL, test_what_cannot_be_read_is_refused_whatever_it_says);
  ADD ("not-lowered", NULL, test_a_domain_that_cannot_be_lowered_is_refused);
  ADD ("not-lifted", NULL, test_a_domain_that_cannot_be_lifted_is_refused_and_shown_as_it_is);
  ADD ("root-bus", NULL, test_what_comes_behind_the_root_bus_gets_iommufd);
  ADD ("host", NULL, test_the_host_is_looked_at_when_it_matters);
  ADD ("id", NULL, test_an_id_does_not_change_what_an_override_is_for);
  ADD ("one-of-two", NULL, test_one_wrong_domain_of_two_is_enough);
  ADD ("snapshot", NULL, test_the_domain_of_a_snapshot_is_lowered_in_its_place);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *path = g_strdup_printf ("/guard/others/%u", i);

    g_test_add (path, Fixture, others[i], set_up, test_other_documents_pass_untouched, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_autofree char *path = g_strdup_printf ("/guard/parts/%s", parts[i].name);

    g_test_add (path, Fixture, &parts[i], set_up, test_a_domain_in_a_document_is_judged_with_its_namespaces, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (attached); i++) {
    g_autofree char *path = g_strdup_printf ("/guard/attach/%s", attached[i].name);

    g_test_add (path, Fixture, &attached[i], set_up, test_attaching, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (plugged); i++) {
    g_autofree char *path = g_strdup_printf ("/guard/plugged/%s", plugged[i].name);

    g_test_add (path, Fixture, &plugged[i], set_up, test_finding_what_was_attached, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (judged); i++) {
    g_autofree char *path = g_strdup_printf ("/guard/judged/%s", judged[i].name);

    g_test_add (path, Fixture, &judged[i], set_up, test_judging_an_answer, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autofree char *path = g_strconcat ("/guard/changes/", changes[i].name, NULL);

    g_test_add (path, Fixture, &changes[i], set_up, test_changing_definitions, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (company); i++) {
    g_autofree char *path = g_strconcat ("/guard/company/", company[i].name, NULL);

    g_test_add (path, Fixture, &company[i], set_up, test_judging_what_came_at_the_same_time, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (unreadable); i++) {
    g_autofree char *change = g_strconcat ("/guard/unreadable/change/", unreadable[i].name, NULL);
    g_autofree char *guest = g_strconcat ("/guard/unreadable/attached/", unreadable[i].name, NULL);

    g_test_add (change, Fixture, &unreadable[i], set_up, test_a_change_of_a_domain_that_cannot_be_read_is_refused,
                tear_down);
    g_test_add (guest, Fixture, &unreadable[i], set_up, test_what_was_attached_to_a_guest_that_cannot_be_read_goes,
                tear_down);
  }
  ADD ("not-told", NULL, test_a_change_of_a_domain_that_is_not_told_is_refused);
  ADD ("no-versions", NULL, test_without_the_versions_nothing_that_matters_passes);
  ADD ("no-versions-needed", NULL, test_without_the_versions_what_does_not_matter_passes);
  ADD ("old-libvirt-vsmmu", NULL, test_an_old_libvirt_gets_no_vsmmu_by_itself);
  ADD ("old-libvirt-devices", NULL, test_an_old_libvirt_gets_devices_without_iommufd);
  ADD ("not-judged", NULL, test_what_cannot_be_judged_stays_when_the_policy_only_warns);
  g_test_add_func ("/guard/undo", test_what_is_attached_is_undone_by_its_source);
  return g_test_run ();
}
