/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check/port.h"
#include "vsmmu/vsmmu.h"

/*
 * Two vSMMUs with a device of the first and of the second physical SMMU of the example host and a free port each, and
 * behind no vSMMU the port 7. Each %s may add devices or vSMMUs.
 */
#define GUEST                                                                                                          \
  "<domain type='kvm'><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"         \
  "<gic version='3'/></features><devices><controller type='pci' index='0' model='pcie-root'/>"                         \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"        \
  "<controller type='pci' index='4' model='pcie-expander-bus'><target busNr='96'/></controller>"                       \
  "<controller type='pci' index='5' model='pcie-root-port'><address type='pci' bus='4'/></controller>"                 \
  "<controller type='pci' index='6' model='pcie-root-port'><address type='pci' bus='4' slot='1'/></controller>"        \
  "<controller type='pci' index='7' model='pcie-root-port'/>%s" HOSTDEV ("2", "1", "2") HOSTDEV ("6", "1", "5")        \
      VSMMU ("1") VSMMU ("4") "</devices></domain>"
#define VSMMU(bus) "<iommu model='smmuv3'><driver pciBus='" bus "' accel='on'/></iommu>"
#define SOURCE(domain, bus) "<source><address domain='" domain "' bus='" bus "'/></source>"
#define HOSTDEV(domain, bus, port)                                                                                     \
  "<hostdev type='pci'><driver iommufd='yes'/>" SOURCE (domain, bus) "<address type='pci' bus='" port "'/></hostdev>"
#define EMPTY_VSMMU                                                                                                    \
  "<controller type='pci' index='8' model='pcie-expander-bus'><target busNr='128'/></controller>"                      \
  "<controller type='pci' index='9' model='pcie-root-port'><address type='pci' bus='8'/></controller>" VSMMU ("8")
#define NEW(domain, bus) "<hostdev type='pci'><driver iommufd='yes'/>" SOURCE (domain, bus) "</hostdev>"

static const struct {
  const char *name;
  const char *more;
  const char *device;
  gboolean without_host;
  VsmmuHotplugPlace place;
  guint bus;
} cases[] = {
  { "goes-behind-the-vsmmu-of-its-smmu", "", NEW ("6", "2"), FALSE, VSMMU_PLACE_CHOSEN, 6 },
  { "and-another-behind-its-own", "", NEW ("2", "2"), FALSE, VSMMU_PLACE_CHOSEN, 3 },
  { "goes-to-an-empty-vsmmu-when-its-smmu-is-new", EMPTY_VSMMU, NEW ("8", "1"), FALSE, VSMMU_PLACE_CHOSEN, 9 },
  { "fits-no-vsmmu", "", NEW ("8", "1"), FALSE, VSMMU_PLACE_NONE, 0 },
  { "finds-its-vsmmu-full", HOSTDEV ("6", "9", "6"), NEW ("6", "2"), FALSE, VSMMU_PLACE_NONE, 0 },
  { "is-on-an-unknown-smmu", "", NEW ("6", "2"), TRUE, VSMMU_PLACE_UNKNOWN, 0 },
  { "keeps-the-address-it-has", "", HOSTDEV ("6", "2", "3"), FALSE, VSMMU_PLACE_KEPT, 0 },
  { "is-emulated-and-goes-outside", "", "<interface type='user'><model type='virtio'/></interface>", FALSE,
    VSMMU_PLACE_CHOSEN, 7 },
  { "is-emulated-and-finds-no-port-outside", "<rng model='virtio'><address type='pci' bus='7'/></rng>",
    "<interface type='user'><model type='virtio'/></interface>", FALSE, VSMMU_PLACE_NONE, 0 },
  { "needs-no-port", "", "<channel type='pty'><target type='virtio'/></channel>", FALSE, VSMMU_PLACE_KEPT, 0 },
};

static void
test_a_device_without_address (gconstpointer data)
{
  const typeof (cases[0]) *row = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (GUEST, row->more);
  g_autoptr (VsmmuDomain) guest = vsmmu_domain_new_from_data (text, strlen (text), "guest.xml", &error);
  g_autoptr (VsmmuHotplug) attach =
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, row->device, strlen (row->device), "device.xml", &error);
  g_autofree char *facts = g_test_build_filename (G_TEST_DIST, "examples", "grace-host.json", NULL);
  g_autoptr (VsmmuHost) host = row->without_host ? NULL : vsmmu_host_new_from_file (facts, &error);
  guint bus = 0;

  g_assert_no_error (error);
  g_assert_cmpint (vsmmu_hotplug_choose_bus (attach, guest, host, &bus), ==, row->place);
  g_assert_cmpuint (row->place == VSMMU_PLACE_CHOSEN ? bus : 0, ==, row->bus);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/port/a-device-that/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], test_a_device_without_address);
  }
  return g_test_run ();
}
