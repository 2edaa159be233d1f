/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"
#include "vsmmu/arguments.h"

#define DOMAIN(features, devices)                                                                                      \
  "<domain type='kvm'><os><type arch='aarch64' machine='virt-11.1'>hvm</type></os>" features "<devices>" devices       \
  "</devices></domain>"
#define ROOT "<controller type='pci' index='0' model='pcie-root'/>"
#define EXPANDER "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"
#define VSMMU "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
#define SOURCE(bus) "<source><address domain='0x0' bus='" bus "' slot='0x0' function='0x1'/></source>"

static const struct {
  const char *name;
  const char *xml;
} domains[] = {
  { "everything-that-can-be-said",
    DOMAIN ("<features><acpi/><gic version='3'/></features>",
            "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='KiB'>1048576</pcihole64></controller>"
            "<controller type='pci' index='1' model='pcie-expander-bus'><target "
            "busNr='64'><node>1</node></target></controller>"
            "<controller type='pci' index='2' model='pcie-root-port'><model name='ioh3420'/>"
            "<target chassis='7' port='0x8' hotplug='off' memReserve='2048'/>"
            "<address type='pci' bus='1' slot='1' function='0' multifunction='on'/></controller>"
            "<controller type='pci' index='3' model='pcie-root-port'><target hotplug='on'/>"
            "<address type='pci' bus='1' slot='1' function='1'/></controller>"
            "<controller type='pci' index='4' model='pcie-to-pci-bridge'/>"
            "<controller type='pci' index='5' model='pci-bridge'><target chassisNr='9'/><address type='pci' bus='4' "
            "slot='1'/>"
            "</controller>"
            "<iommu model='smmuv3'><driver pciBus='1' accel='on' ats='on' ril='off' ssidsize='5' oas='48' "
            "cmdqv='off'/></iommu>"
            "<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/>" SOURCE (
                "0x3") "<boot order='2'/>"
                       "<rom bar='off' file='/a,b'/><acpi index='11' nodeset='2-3,9'/><address type='pci' "
                       "bus='2'/></hostdev>"
                       "<hostdev mode='subsystem' type='pci'><driver iommufd='no'/>" SOURCE (
                           "0x4") "<rom bar='on'/>"
                                  "<address type='pci' bus='5' slot='3'/></hostdev>"
                                  "<interface type='hostdev'>" SOURCE (
                                      "0x5") "<address type='pci' bus='3'/></interface>"
                                             "<hostdev mode='subsystem' type='pci'>" SOURCE (
                                                 "0x6") "<address type='unassigned'/></hostdev>"
                                                        "<hostdev mode='subsystem' type='usb'><source><address bus='1' "
                                                        "device='2'/></source></hostdev>") },
  { "gic-2-of-the-host", DOMAIN ("<features><gic version='2'/></features>", ROOT EXPANDER VSMMU) },
  { "gic-of-the-host", DOMAIN ("<features><gic version='host'/></features>", ROOT EXPANDER VSMMU) },
  { "the-smallest-values",
    DOMAIN ("",
            ROOT "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='1'><node>0</node></target>"
                 "</controller><controller type='pci' index='2' model='pcie-root-port'>"
                 "<target chassis='0' port='0' memReserve='0'/><address type='pci' bus='1'/></controller>"
                 "<iommu model='smmuv3'><driver pciBus='1' accel='on' ssidsize='0' oas='44'/></iommu>"
                 "<hostdev type='pci'>" SOURCE ("0x3") "<boot order='1'/><acpi index='1' nodeset='0,63-64,127'/>"
                                                       "<address type='pci' bus='2'/></hostdev>") },
  { "ports-in-another-order",
    DOMAIN (
        "", ROOT
        "<controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='1' slot='2'/></controller>"
        "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"
        "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' "
        "slot='0'/></controller>" EXPANDER VSMMU) },
  { "nothing-given", DOMAIN ("", ROOT EXPANDER VSMMU) },
  { "options-that-are-off",
    DOMAIN ("", ROOT EXPANDER VSMMU
            "<iommu model='smmuv3'><driver pciBus='0' accel='off' ats='off' ril='on' cmdqv='on'/></iommu>") },
  { "vsmmu-on-the-root-has-all-ports",
    DOMAIN ("", ROOT "<controller type='pci' index='1' model='pcie-root-port'/>"
                     "<controller type='pci' index='2' model='pcie-root-port'/>"
                     "<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>") },
  { "ports-of-the-root-only-with-a-device",
    DOMAIN ("", ROOT EXPANDER
            "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='0' slot='3'/>"
            "</controller><controller type='pci' index='3' model='pcie-root-port'>"
            "<address type='pci' bus='0' slot='4'/></controller>" VSMMU
            "<hostdev type='pci'>" SOURCE ("0x3") "<address type='pci' bus='3'/></hostdev>") },
  { "bus-after-what-is-on-it",
    DOMAIN (
        "", ROOT
        "<controller type='pci' index='1' model='pcie-root-port'><address type='pci' bus='2' slot='0'/></controller>"
        "<controller type='pci' index='2' model='pcie-expander-bus'/>"
        "<iommu model='smmuv3'><driver pciBus='2' accel='on'/></iommu>") },
  { "vsmmu-without-bus-and-of-another-kind",
    DOMAIN ("", ROOT EXPANDER VSMMU "<iommu model='virtio'/><iommu model='smmuv3'/>") },
  { "vsmmu-of-a-bus-that-is-not-there",
    DOMAIN ("", ROOT EXPANDER VSMMU "<iommu model='smmuv3'><driver pciBus='9' accel='on'/></iommu>") },
  { "not-accelerated", DOMAIN ("", ROOT EXPANDER "<iommu model='smmuv3'><driver pciBus='1'/></iommu>") },
  { "no-vsmmu", DOMAIN ("", ROOT EXPANDER) },
  { "not-on-a-root-bus", DOMAIN ("", ROOT "<controller type='pci' index='1' model='pcie-root-port'/>" VSMMU) },
  { "one-address-twice",
    DOMAIN ("", ROOT EXPANDER VSMMU "<hostdev type='pci'>" SOURCE (
                    "0x3") "<address type='pci' bus='0' slot='9'/></hostdev>"
                           "<hostdev type='pci'>" SOURCE ("0x4") "<address type='pci' bus='0' slot='9'/></hostdev>") },
};

static void
describe (GString *text, const VsmmuDomain *domain, VsmmuArgumentSyntax syntax)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = vsmmu_arguments_new (domain, syntax, &error);

  g_assert_true ((arguments == NULL) == (error != NULL));
  if (error != NULL)
    g_string_append_printf (text, "  refused: %s\n", error->message);
  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i += 2) {
    g_assert_nonnull (arguments[i + 1]);
    g_string_append_printf (text, "  %s %s\n", arguments[i], arguments[i + 1]);
  }
}

static void
test_the_arguments_are_what_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (domains); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuDomain) domain =
        vsmmu_domain_new_from_data (domains[i].xml, strlen (domains[i].xml), "domain.xml", &error);

    g_assert_no_error (error);
    g_string_append_printf (text, "%s\n", domains[i].name);
    describe (text, domain, VSMMU_ARGUMENT_SYNTAX_JSON);
    describe (text, domain, VSMMU_ARGUMENT_SYNTAX_LEGACY);
    g_string_append_c (text, '\n');
  }
  golden_compare ("arguments.txt", text->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/arguments/found-right", test_the_arguments_are_what_was_found_right);
  return g_test_run ();
}
