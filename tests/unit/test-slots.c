/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "domain/acceleration.h"
#include "domain/domain.h"
#include "golden.h"

#define ROOT_PORT "<controller type='pci' model='pcie-root-port'/>"

static VsmmuDomain *
read_guest (const char *devices)
{
  g_autofree char *text = g_strdup_printf ("<domain><os><type arch='aarch64' machine='virt'>hvm</type></os><devices>"
                                           "<controller type='pci' index='0' model='pcie-root'/>%s</devices></domain>",
                                           devices);
  g_autoptr (GError) error = NULL;
  VsmmuDomain *domain = vsmmu_domain_new_from_data (text, strlen (text), "guest.xml", &error);

  g_assert_no_error (error);
  return domain;
}

/* (transfer full): @devices so many times */
static char *
repeat (const char *devices, guint count)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < count; i++)
    g_string_append (text, devices);
  return g_string_free (text, FALSE);
}

/* (transfer full): the addresses of all devices called @element that are on PCI, as "01:00.0 02:00.0" */
static char *
addresses (const VsmmuDomain *domain, const char *element)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (strcmp (device->element, element) == 0 && device->address_kind == VSMMU_ADDRESS_PCI)
      g_string_append_printf (text, "%s%02x:%02x.%x", text->len > 0 ? " " : "", device->address.bus,
                              device->address.slot, device->address.function);
  }
  return g_string_free (text, FALSE);
}

/* Devices, and where those of one kind are put; tried with libvirt 12.8. */
static const struct {
  const char *name;
  const char *devices;
  const char *element;
  const char *addresses;
} placements[] = {
  { "nothing-given", "<rng model='virtio'/><memballoon model='virtio'/>", "rng", "02:00.0" },
  { "ports-share-a-slot", ROOT_PORT ROOT_PORT ROOT_PORT, "controller", "00:01.0 00:01.1 00:01.2" },
  { "the-ninth-port-takes-the-next-slot",
    ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT ROOT_PORT, "controller",
    "00:01.0 00:01.1 00:01.2 00:01.3 00:01.4 00:01.5 00:01.6 00:01.7 00:02.0" },
  { "a-gap-in-the-indexes-is-a-port", "<controller type='pci' index='3' model='pcie-root-port'/><rng model='virtio'/>",
    "rng", "01:00.0" },
  { "address-0-means-choose-one", ROOT_PORT "<rng model='virtio'><address type='pci' bus='0' slot='0'/></rng>", "rng",
    "01:00.0" },
  { "a-given-address-is-kept",
    ROOT_PORT ROOT_PORT "<rng model='virtio'><address type='pci' bus='2' slot='0'/></rng><rng model='virtio'/>", "rng",
    "02:00.0 01:00.0" },
  { "an-expander-takes-no-endpoint",
    "<controller type='pci' index='1' model='pcie-expander-bus'/><controller type='pci' index='2' "
    "model='pcie-root-port'/><rng model='virtio'/>",
    "rng", "02:00.0" },
  { "conventional-pci-needs-a-bridge", "<sound model='ac97'/>", "sound", "02:01.0" },
  { "parts-of-a-usb2-controller-share-a-slot",
    "<controller type='usb' index='0' model='ich9-ehci1'/><controller type='usb' index='0' model='ich9-uhci1'><master "
    "startport='0'/></controller>"
    "<controller type='usb' index='0' model='ich9-uhci2'><master startport='2'/></controller>",
    "controller", "02:01.7 02:01.0 02:01.1 00:01.0 01:00.0 00:01.1" },
};

static void
test_devices_go_where_libvirt_puts_them (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (placements); i++) {
    g_autoptr (VsmmuDomain) domain = read_guest (placements[i].devices);
    g_autofree char *found = addresses (domain, placements[i].element);

    g_test_message ("%s: %s", placements[i].name, found);
    g_assert_cmpstr (domain->address_error, ==, NULL);
    g_assert_cmpstr (found, ==, placements[i].addresses);
  }
}

static void
test_255_ports_fit_and_no_more (void)
{
  g_autofree char *ports = repeat (ROOT_PORT, 248);
  g_autofree char *fits = repeat ("<rng model='virtio'/>", 248);
  g_autofree char *full = g_strconcat (ports, fits, NULL);
  g_autofree char *over = repeat ("<rng model='virtio'/>", 400);
  g_autoptr (VsmmuDomain) good = read_guest (full);
  g_autoptr (VsmmuDomain) bad = read_guest (over);

  /* pcie-root has 31 slots of 8 ports. */
  g_assert_cmpstr (good->address_error, ==, NULL);
  g_assert_cmpuint (good->n_buses, ==, 249);
  g_assert_nonnull (bad->address_error);
}

/* busNr of the expanders with the indexes 1 and 2, given or -1; then what they get, or 0 for a refusal. */
static const struct {
  int given[2];
  int numbers[2];
} bus_numbers[] = {
  { { -1, -1 }, { 254, 252 } },  { { 64, -1 }, { 64, 62 } }, { { -1, 64 }, { 62, 64 } }, { { 64, 128 }, { 64, 128 } },
  { { 4, -1 }, { 4, 2 } },       { { 3, -1 }, { 3, 1 } },    { { 2, -1 }, { 0, 0 } },    { { 1, -1 }, { 0, 0 } },
  { { 254, -1 }, { 254, 252 } }, { { 1, 254 }, { 1, 254 } },
};

static void
test_bus_numbers_are_counted_down_in_twos (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bus_numbers); i++) {
    GString *devices = g_string_new (NULL);

    for (guint e = 0; e < 2; e++) {
      g_string_append_printf (devices, "<controller type='pci' index='%u' model='pcie-expander-bus'>", e + 1);
      if (bus_numbers[i].given[e] >= 0)
        g_string_append_printf (devices, "<target busNr='%d'/>", bus_numbers[i].given[e]);
      g_string_append (devices, "</controller>");
    }
    g_test_message ("%s", devices->str);
    {
      g_autoptr (VsmmuDomain) domain = read_guest (devices->str);

      g_assert_cmpint (domain->address_error != NULL, ==, bus_numbers[i].numbers[0] == 0);
      for (guint e = 0; e < 2 && domain->address_error == NULL; e++)
        g_assert_cmpint (domain->buses[e + 1].controller->controller.bus_nr, ==, bus_numbers[i].numbers[e]);
    }
    g_string_free (devices, TRUE);
  }
}

/* The bus of each switch port 1, 2, 3, and the root bus that each comes to hang off. */
static const struct {
  guint8 parents[3];
  int roots[3];
} trees[] = {
  { { 0, 1, 2 }, { 0, 0, 0 } },    { { 1, 2, 3 }, { -1, -1, -1 } }, { { 2, 1, 1 }, { -1, -1, -1 } },
  { { 3, 1, 2 }, { -1, -1, -1 } }, { { 0, 3, 2 }, { 0, -1, -1 } },  { { 200, 1, 1 }, { -1, -1, -1 } },
};

static void
test_a_cycle_of_controllers_has_no_root (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (trees); i++) {
    GString *devices = g_string_new (NULL);

    for (guint e = 0; e < 3; e++)
      g_string_append_printf (devices,
                              "<controller type='pci' index='%u' model='pcie-root-port'><address type='pci' bus='%u' "
                              "slot='%u'/></controller>",
                              e + 1, trees[i].parents[e], trees[i].parents[e] == 0 ? 5 : 0);
    g_test_message ("%s", devices->str);
    {
      g_autoptr (VsmmuDomain) domain = read_guest (devices->str);

      for (guint e = 0; e < 3; e++)
        g_assert_cmpint (domain->buses[e + 1].root, ==, trees[i].roots[e]);
    }
    g_string_free (devices, TRUE);
  }
}

static void
test_function_0_of_a_shared_slot_becomes_multifunction (void)
{
  g_autoptr (VsmmuDomain) domain =
      read_guest (ROOT_PORT ROOT_PORT "<controller type='pci' model='pcie-root-port'>"
                                      "<address type='pci' bus='0' slot='9'/></controller>");

  g_assert_true (domain->buses[1].controller->address.multifunction);
  g_assert_false (domain->buses[2].controller->address.multifunction);
  g_assert_false (domain->buses[3].controller->address.multifunction);
}

static void
test_chassis_and_port_follow_from_index_and_address (void)
{
  g_autoptr (VsmmuDomain) domain =
      read_guest ("<controller type='pci' index='7' model='pcie-root-port'>"
                  "<address type='pci' bus='0' slot='5' function='3'/></controller>"
                  "<controller type='pci' index='8' model='pcie-root-port'><target chassis='3' port='0x7'/>"
                  "<address type='pci' bus='0' slot='6'/></controller>");
  const VsmmuController *implied = &domain->buses[7].controller->controller;
  const VsmmuController *given = &domain->buses[8].controller->controller;

  g_assert_cmpstr (domain->address_error, ==, NULL);
  g_assert_cmpint (implied->chassis, ==, 7);
  g_assert_cmpint (implied->port, ==, 5 * 8 + 3);
  g_assert_cmpint (given->chassis, ==, 3);
  g_assert_cmpint (given->port, ==, 7);
}

static void
test_the_first_refusal_is_told_with_its_device (void)
{
  g_autoptr (VsmmuDomain) domain =
      read_guest (ROOT_PORT "<rng model='virtio'><address type='pci' bus='1' slot='0'/></rng>"
                            "<rng model='virtio'><address type='pci' bus='1' slot='0'/></rng>"
                            "<rng model='virtio'><address type='pci' bus='1' slot='0'/></rng>");

  g_assert_nonnull (domain->address_error);
  g_assert_cmpstr (domain->address_error_device->element, ==, "rng");
  g_assert_cmpuint (domain->address_error_device->ordinal, ==, 2);
}

static void
test_the_first_vsmmu_of_a_bus_serves_it (void)
{
  g_autoptr (VsmmuDomain) domain = read_guest (
      "<controller type='pci' index='1' model='pcie-expander-bus'/>"
      "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>"
      "<hostdev mode='subsystem' type='pci'><address type='pci' bus='2' slot='0'/></hostdev>"
      "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
      "<iommu model='smmuv3'><driver pciBus='1'/></iommu>"
      "<iommu model='smmuv3'><driver pciBus='200' accel='on'/></iommu>");
  const VsmmuDevice *hostdev = g_ptr_array_index (domain->hostdevs, 0);
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (domain, hostdev);

  g_assert_true (vsmmu == g_ptr_array_index (domain->iommus, 0));
  g_assert_true (vsmmu_iommu_is_accelerated (vsmmu));
  g_assert_null (domain->buses[0].vsmmu);
}

#define RNG(bus, slot, function, rest)                                                                                 \
  "<rng model='virtio'><address type='pci' bus='" bus "' slot='" slot "' function='" function "' " rest "/></rng>"

/* Devices so many times behind others, and what libvirt makes of their addresses or says against them. */
static const struct {
  const char *name;
  const char *devices;
  const char *repeated;
  guint count;
} described[] = {
  { "one-function", RNG ("0", "5", "0", "") },
  { "multifunction-on", RNG ("0", "5", "0", "multifunction='on'") RNG ("0", "5", "1", "") },
  { "multifunction-not-given", RNG ("0", "5", "0", "") RNG ("0", "5", "1", "") },
  { "multifunction-off", RNG ("0", "5", "0", "multifunction='off'") RNG ("0", "5", "1", "") },
  { "multifunction-off-second", RNG ("0", "5", "1", "") RNG ("0", "5", "0", "multifunction='off'") },
  { "multifunction-off-alone", RNG ("0", "5", "0", "multifunction='off'") },
  { "function-1-alone", RNG ("0", "5", "1", "") },
  { "same-address", RNG ("0", "5", "0", "") RNG ("0", "5", "0", "") },
  { "other-domain", "<rng model='virtio'><address type='pci' domain='1' bus='0' slot='5'/></rng>" },
  { "slot-0-of-pcie-root", RNG ("0", "0", "1", "") },
  { "slot-1-of-a-port", ROOT_PORT RNG ("1", "1", "0", "") },
  { "bus-added", RNG ("9", "0", "0", "") },
  { "last-bus-added", RNG ("255", "0", "0", "") },
  { "port-on-a-port",
    ROOT_PORT "<controller type='pci' model='pcie-root-port'><address type='pci' bus='1'/></controller>" },
  { "expander-on-a-missing-bus",
    "<controller type='pci' index='1' model='pcie-expander-bus'><address type='pci' bus='9' slot='1'/></controller>" },
  { "conventional-on-a-missing-bus", "<sound model='ac97'><address type='pci' bus='4' slot='1'/></sound>" },
  { "conventional-on-the-last-bus", "<sound model='ac97'><address type='pci' bus='255' slot='1'/></sound>" },
  { "too-many-expanders", "", "<controller type='pci' model='pcie-expander-bus'/>", 40 },
  { "too-many-devices", "", "<rng model='virtio'/>", 400 },
  { "too-many-conventional-devices", "", "<sound model='ac97'/>", 8000 },
};

static void
test_what_becomes_of_addresses_is_what_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (described); i++) {
    g_autofree char *repeated = repeat (described[i].repeated != NULL ? described[i].repeated : "", described[i].count);
    g_autofree char *devices = g_strconcat (described[i].devices, repeated, NULL);
    g_autoptr (VsmmuDomain) domain = read_guest (devices);

    g_string_append_printf (text, "%s\n  %u buses; %s\n", described[i].name, domain->n_buses, domain->address_error);
    for (guint d = 0; d < domain->devices->len && described[i].count == 0; d++) {
      const VsmmuDevice *device = g_ptr_array_index (domain->devices, d);

      if (device->address_kind == VSMMU_ADDRESS_PCI && device->ordinal != 0)
        g_string_append_printf (text, "  %s %02x:%02x.%x%s%s\n", device->element, device->address.bus,
                                device->address.slot, device->address.function,
                                device->address.multifunction ? " multifunction" : "",
                                device->address_given ? "" : " chosen");
    }
    g_string_append_c (text, '\n');
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (described));
  golden_compare ("slots.txt", text->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/slots/devices-go-where-libvirt-puts-them", test_devices_go_where_libvirt_puts_them);
  g_test_add_func ("/slots/255-ports-fit-and-no-more", test_255_ports_fit_and_no_more);
  g_test_add_func ("/slots/bus-numbers-are-counted-down-in-twos", test_bus_numbers_are_counted_down_in_twos);
  g_test_add_func ("/slots/a-cycle-of-controllers-hangs-off-no-root", test_a_cycle_of_controllers_has_no_root);
  g_test_add_func ("/slots/function-0-of-a-shared-slot-becomes-multifunction",
                   test_function_0_of_a_shared_slot_becomes_multifunction);
  g_test_add_func ("/slots/chassis-and-port-follow-from-index-and-address",
                   test_chassis_and_port_follow_from_index_and_address);
  g_test_add_func ("/slots/the-first-refusal-is-told-with-its-device", test_the_first_refusal_is_told_with_its_device);
  g_test_add_func ("/slots/the-first-vsmmu-of-a-bus-stands-over-it", test_the_first_vsmmu_of_a_bus_serves_it);
  g_test_add_func ("/slots/words", test_what_becomes_of_addresses_is_what_was_found_right);
  return g_test_run ();
}
