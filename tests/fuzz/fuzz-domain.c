/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything that libvsmmu does with domain XML from strangers: read, place,
 * check with all rules, attach and detach a device, generate QEMU arguments,
 * render. Input that is a device is attached to a guest of our own and detached
 * from it. Any input must be answered with findings, arguments or a GError; a
 * warning of GLib counts as a crash.
 */
#include <stdint.h>
#include <string.h>

#include <libxml/parser.h>

#include "check/finding.h"
#include "check/run.h"
#include "check/suppression.h"
#include "domain/concern.h"
#include "domain/domain.h"
#include "domain/hotplug.h"
#include "plan/plan.h"
#include "render/report.h"
#include "schema/schema.h"
#include "stop.h"
#include "turn.h"
#include "vsmmu/vsmmu.h"
#include "xml/metadata.h"

#define NAME "domain.xml"

/* What is not done for every input, and for one of how many it is. */
typedef enum {
  TURN_TEXT,
  TURN_JSON,
  TURN_SARIF,
  TURN_DOT,
  TURN_ARGUMENTS,
  TURN_LEGACY,
  TURN_PLAN,
  TURN_ADOPT,
  TURN_DETACH
} Turn;

static const guint every[] = {
  [TURN_TEXT] = 2,   [TURN_JSON] = 4, [TURN_SARIF] = 16, [TURN_DOT] = 8,    [TURN_ARGUMENTS] = 2,
  [TURN_LEGACY] = 4, [TURN_PLAN] = 4, [TURN_ADOPT] = 4,  [TURN_DETACH] = 2,
};

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* One per branch of the target rules. */
static const VsmmuTarget targets[] = {
  { 0, 0 },
  { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (10, 2, 0) },
  { VSMMU_VERSION_ENCODE (12, 0, 0), VSMMU_VERSION_ENCODE (11, 0, 0) },
  { VSMMU_VERSION_ENCODE (12, 8, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
};

/* A guest with two vSMMUs, and ports of all kinds. */
#define GUEST                                                                                                          \
  "<domain type='kvm'><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"         \
  "<gic version='3'/></features><devices><controller type='pci' index='0' model='pcie-root'/>"                         \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"        \
  "<controller type='pci' index='4' model='pcie-expander-bus'><target busNr='128'/></controller>"                      \
  "<controller type='pci' index='5' model='pcie-root-port'><address type='pci' bus='4' slot='1'/></controller>"        \
  "<controller type='pci' index='6' model='pcie-root-port'><target hotplug='off'/></controller>"                       \
  "<controller type='pci' index='7' model='pcie-to-pci-bridge'/>"                                                      \
  "<hostdev type='pci'><driver iommufd='yes'/><source><address bus='9'/></source><address type='pci' bus='2'/>"        \
  "</hostdev><hostdev type='mdev' model='vfio-pci'><source><address uuid='0'/></source></hostdev>"                     \
  "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu><iommu model='smmuv3'><driver pciBus='4' "             \
  "accel='on' ats='on' ril='on' ssidsize='0' oas='44'/></iommu></devices></domain>"

#define PLAIN                                                                                                          \
  "<domain type='kvm'><name>a</name><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features>"  \
  "<acpi/><gic version='3'/></features><devices/></domain>"

#define UNPREPARED                                                                                                                  \
  "<domain type='kvm'><name>a</name><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features>"               \
  "<acpi/><gic version='3'/></features><devices><hostdev type='pci' managed='yes'><source><address bus='0x55'/></source></hostdev>" \
  "<iommu model='smmuv3'><driver intremap='on'/></iommu></devices></domain>"

#define DEVICE "<hostdev type='pci'><driver iommufd='yes'/><source><address bus='9'/></source></hostdev>"

static VsmmuDomain *guest;
static VsmmuHotplug *plugs[2]; /* by #VsmmuHotplugAction */

/* From FUZZ_SCHEMA, the path of a domain.rng; validation takes many times as long as the rules. */
static VsmmuSchema *schema;

/* A host with two SMMUs and little else, so that every host rule finds something to say. */
static const char facts[] =
    "{\"version\":1,\"nodes\":{\"/dev/kvm\":{\"value\":false,\"source\":\"given\"}},"
    "\"hugepages\":[{\"size_kib\":2048,\"total\":4096,\"free\":1}],"
    "\"smmus\":[{\"name\":\"smmu3.0x0000000000000001\",\"numa_node\":{\"value\":1,\"source\":\"given\"},"
    "\"capabilities\":{\"ats\":{\"value\":false,\"source\":\"given\"},"
    "\"gran16k\":{\"value\":false,\"source\":\"given\"},\"oas\":{\"value\":40,\"source\":\"given\"}}},"
    "{\"name\":\"smmu3.0x0000000000000002\",\"capabilities\":{\"nesting\":{\"value\":false,\"source\":\"given\"}}}],"
    "\"groups\":[{\"number\":0,\"regions\":[]},{\"number\":1}],"
    "\"devices\":[{\"address\":\"0000:01:00.0\",\"smmu\":\"smmu3.0x0000000000000001\",\"group\":0},"
    "{\"address\":\"0009:01:00.0\",\"smmu\":\"smmu3.0x0000000000000001\",\"group\":0,\"driver\":\"vfio-pci\"},"
    "{\"address\":\"0019:01:00.0\",\"smmu\":\"smmu3.0x0000000000000002\",\"group\":1,\"driver\":\"nvme\"},"
    "{\"address\":\"0000:00:00.0\"}]}";

static VsmmuHost *host;

/* A host that has a device to give. */
static const char good_facts[] =
    "{\"version\":1,\"smmus\":[{\"name\":\"smmu3.0x0000000000000001\",\"capabilities\":{"
    "\"nesting\":{\"value\":true,\"source\":\"given\"},\"canwbs\":{\"value\":true,\"source\":\"given\"}}}],"
    "\"groups\":[{\"number\":0,\"regions\":[{\"start\":\"0x8000000\",\"end\":\"0x80fffff\",\"type\":\"msi\"}]}],"
    "\"devices\":[{\"address\":\"0000:55:00.0\",\"smmu\":\"smmu3.0x0000000000000001\",\"group\":0}]}";

static VsmmuHost *good_host;

/* Gives the guest a device; what comes out is a domain with all that went in. Returns whether there was a plan. */
static gboolean
plan (const char *data, gsize size)
{
  static const char *const devices[] = { "0000:55:00.0", NULL };
  const VsmmuPlanOptions options = {
    .spare_ports = 1,
    .guest = data,
    .guest_length = size,
    .guest_name = NAME,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuPlan) planned = vsmmu_plan_new (good_host, devices, &options, &error);
  g_autoptr (VsmmuDomain) domain = NULL;

  if ((planned == NULL) != (error != NULL))
    g_error ("neither or both of a plan and an error");
  if (planned == NULL)
    return FALSE;
  domain = vsmmu_domain_new_from_data (planned->xml, planned->length, NAME, NULL);
  if (domain == NULL || planned->length < size)
    g_error ("the plan is no domain, or lost something");
  return TRUE;
}

/* Puts the devices of the guest behind vSMMUs. Returns whether that was possible without an error. */
static gboolean
adopt (const char *data, gsize size)
{
  static const char *const no_devices[] = { NULL };
  VsmmuPlanOptions options = { .guest = data, .guest_length = size, .guest_name = NAME, .adopts = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuPlan) adopted = vsmmu_plan_new (good_host, no_devices, &options, &error);
  g_autoptr (VsmmuPlan) again = NULL;

  if ((adopted == NULL) != (error != NULL))
    g_error ("neither or both of a plan and an error");
  if (adopted == NULL || vsmmu_findings_count (adopted->findings, VSMMU_SEVERITY_ERROR) > 0)
    return FALSE;
  options.guest = adopted->xml;
  options.guest_length = adopted->length;
  again = vsmmu_plan_new (good_host, no_devices, &options, &error);
  if (again == NULL || !again->is_unchanged)
    g_error ("what was adopted is not left alone: %s", error != NULL ? error->message : again->xml);
  return TRUE;
}

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  const char *path = g_getenv ("FUZZ_SCHEMA");
  g_autoptr (GError) error = NULL;

  guest = vsmmu_domain_new_from_data (GUEST, strlen (GUEST), "guest.xml", &error);
  for (guint action = 0; action < G_N_ELEMENTS (plugs); action++)
    plugs[action] = vsmmu_hotplug_new_from_data (action, DEVICE, strlen (DEVICE), "device.xml", NULL);
  if (guest == NULL || plugs[0] == NULL || plugs[1] == NULL)
    g_error ("our own guest or device cannot be read");
  if (path != NULL && (schema = vsmmu_schema_new (path, &error)) == NULL)
    g_error ("FUZZ_SCHEMA: %s", error->message);
  host = vsmmu_host_new_from_data (facts, strlen (facts), "facts.json", &error);
  if (host == NULL)
    g_error ("%s", error->message);
  good_host = vsmmu_host_new_from_data (good_facts, strlen (good_facts), "facts.json", &error);
  if (good_host == NULL)
    g_error ("%s", error->message);
  if (!plan (PLAIN, strlen (PLAIN)))
    g_error ("there is no plan for a plain guest");
  if (!adopt (UNPREPARED, strlen (UNPREPARED)))
    g_error ("the device of a guest cannot be put behind a vSMMU");
  return 0;
}

/* Takes over @rendered. */
static void
expect_utf8 (char *rendered)
{
  if (!g_utf8_validate (rendered, -1, NULL))
    g_error ("a renderer printed what is not UTF-8");
  g_free (rendered);
}

static gboolean
has_turn (guint32 hash, Turn turn)
{
  return is_turn (hash, turn, every[turn]);
}

static void
render (const GPtrArray *findings, guint32 hash)
{
  if (has_turn (hash, TURN_TEXT))
    expect_utf8 (vsmmu_render_text (findings, TRUE));
  if (has_turn (hash, TURN_JSON))
    expect_utf8 (vsmmu_render_json (findings, 1));
  if (has_turn (hash, TURN_SARIF)) {
    expect_utf8 (vsmmu_render_sarif (findings));
    expect_utf8 (vsmmu_render_checkstyle (findings));
    expect_utf8 (vsmmu_render_gitlab (findings));
  }
}

/* A document that is no domain has findings too; one that is has been read already. */
static GPtrArray *
check (const char *data, gsize size, const VsmmuDomain *domain, const VsmmuCheckOptions *options)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *findings;

  if (domain != NULL)
    return vsmmu_check_domain (domain, options);
  findings = vsmmu_check_data (data, size, NAME, options, &error);
  if ((findings == NULL) != (error != NULL))
    g_error ("neither or both of findings and an error");
  return findings;
}

static void
generate (const VsmmuDomain *domain, VsmmuArgumentSyntax syntax)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = vsmmu_arguments_new (domain, syntax, &error);

  if ((arguments == NULL) != (error != NULL))
    g_error ("neither or both of arguments and an error");
}

/* Attaches a device to our guest, or detaches it. */
static void
plug (const char *data, gsize size, VsmmuHotplugAction action, guint32 hash)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHotplug) hotplug = vsmmu_hotplug_new_from_data (action, data, size, "device.xml", &error);
  const VsmmuCheckOptions options = { .hotplug = hotplug };
  g_autoptr (GPtrArray) findings = NULL;

  if ((hotplug == NULL) != (error != NULL))
    g_error ("neither or both of a device and an error");
  if (hotplug == NULL)
    return;
  findings = vsmmu_check_domain (guest, &options);
  render (findings, hash);
}

/* What others keep in <metadata> makes no difference to a domain, read or not. */
static void
expect_same_without_metadata (const char *data, gsize size, const VsmmuDomain *domain)
{
  g_autoptr (GArray) unread = vsmmu_metadata_find (data, size, VSMMU_METADATA_NONE);
  gsize length;
  g_autofree char *rest = vsmmu_metadata_remove (data, size, unread, &length);
  g_autoptr (VsmmuDomain) without = unread->len > 0 ? vsmmu_domain_new_from_data (rest, length, NAME, NULL) : NULL;

  if (unread->len == 0)
    return;
  if (without == NULL || without->devices->len != domain->devices->len ||
      without->arguments->len != domain->arguments->len || without->problems->len != domain->problems->len ||
      vsmmu_domain_is_accelerated (without) != vsmmu_domain_is_accelerated (domain))
    g_error ("a domain is another one without its metadata");
}

/* What is left to libvirt to refuse is refused with its options, too: those of virXMLParseHelper(). */
static void
expect_refused_by_libvirt (const char *data, gsize size)
{
  g_autofree char *text = g_strndup (data, size);
  xmlDocPtr document;

  if (!vsmmu_xml_is_malformed (text, strlen (text)))
    return;
  xmlSetStructuredErrorFunc (NULL, vsmmu_xml_ignore_error);
  document = xmlReadDoc ((const xmlChar *) text, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOWARNING);
  xmlSetStructuredErrorFunc (NULL, NULL);
  if (document != NULL)
    g_error ("libvirt reads what we say that nobody reads");
}

static void
use_domain (const char *data, gsize size, const VsmmuDomain *domain, const GPtrArray *findings, guint32 hash)
{
  if (vsmmu_domain_is_accelerated (domain) && !vsmmu_document_may_concern (data, size))
    g_error ("the look at the bytes missed an SMMUv3");
  expect_same_without_metadata (data, size, domain);
  if (has_turn (hash, TURN_ARGUMENTS))
    generate (domain, VSMMU_ARGUMENT_SYNTAX_JSON);
  if (has_turn (hash, TURN_LEGACY))
    generate (domain, VSMMU_ARGUMENT_SYNTAX_LEGACY);
  if (has_turn (hash, TURN_DOT))
    expect_utf8 (vsmmu_render_dot (domain, NULL, findings));
  if (has_turn (hash, TURN_PLAN))
    plan (data, size);
  if (has_turn (hash, TURN_ADOPT))
    adopt (data, size);
}

/* The input itself chooses what else to look at, so that inputs are plain XML. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;
  guint32 hash = fingerprint (data, size);
  const VsmmuCheckOptions options = {
    .target = &targets[size % G_N_ELEMENTS (targets)],
    .host = size % 2 == 0 ? host : NULL,
    .schema = schema,
    .hotplug = size % 3 < G_N_ELEMENTS (plugs) ? plugs[size % 3] : NULL,
    .domains_only = size % 5 == 0,
  };
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (text, size, NAME, NULL);
  g_autoptr (GPtrArray) findings = check (text, size, domain, &options);

  if (domain != NULL)
    vsmmu_suppressions_apply (text, size, NAME, findings);
  if (findings != NULL)
    render (findings, hash);
  if (domain != NULL) {
    use_domain (text, size, domain, findings, hash);
  } else {
    expect_refused_by_libvirt (text, size);
    plug (text, size, has_turn (hash, TURN_DETACH) ? VSMMU_HOTPLUG_DETACH : VSMMU_HOTPLUG_ATTACH, hash);
  }
  return 0;
}
