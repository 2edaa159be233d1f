/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "domain/virt-machine.h"
#include "msi/machine.h"
#include "msi/topology.h"
#include "vsmmu/vsmmu.h"

#define ITS_DOORBELL G_GUINT64_CONSTANT (0x08090040)
#define V2M_DOORBELL G_GUINT64_CONSTANT (0x08020040)
#define ADDRESS G_GUINT64_CONSTANT (0x12345fffff040)
#define DATA 0xcafe0007u

static const VsmmuGuestRegion regions[] = { { 0x40000000, 0x1000000, "memory" }, { 0x08080000, 0x20000, "ITS" } };

/* A vIOMMU that has what a test gives it and counts what is asked of it. */
typedef struct {
  VsmmuViommu viommu;
  guint64 gpa;
  gboolean fails;
  guint n_direct;
  guint n_translated;
  guint32 stream_id; /* of the last translation, with the address */
  guint64 iova;
} Double;

static gboolean
answer (Double *self, guint64 *gpa, GError **error)
{
  if (self->fails)
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_MSI, "the double fails");
  else
    *gpa = self->gpa;
  return !self->fails;
}

static gboolean
double_get_msi_direct_gpa (const VsmmuViommu *viommu, guint64 *gpa, GError **error)
{
  Double *self = (Double *) viommu;

  self->n_direct++;
  return answer (self, gpa, error);
}

static gboolean
double_translate (const VsmmuViommu *viommu, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error)
{
  Double *self = (Double *) viommu;

  self->n_translated++;
  self->stream_id = stream_id;
  self->iova = iova;
  return answer (self, gpa, error);
}

static void
double_free (VsmmuViommu *viommu)
{
  g_free (viommu);
}

static const VsmmuViommuKind both = { "double", double_get_msi_direct_gpa, double_translate, double_free };
static const VsmmuViommuKind direct_only = { "double", double_get_msi_direct_gpa, NULL, double_free };
static const VsmmuViommuKind translate_only = { "double", NULL, double_translate, double_free };
static const VsmmuViommuKind neither = { "double", NULL, NULL, double_free };

static Double *
double_new (const VsmmuViommuKind *ops, guint64 gpa)
{
  Double *self = g_new0 (Double, 1);

  self->viommu = (VsmmuViommu){ ops, 1 };
  self->gpa = gpa;
  return self;
}

/* One root bus with @viommu over it and a function 00.1 on it. */
static VsmmuMsiResolver *
resolver_new (VsmmuViommu *viommu, gint16 number)
{
  const VsmmuMsiBus bus = { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .number = number, .viommu = viommu };
  const VsmmuPciDevfn devfn = VSMMU_PCI_DEVFN (0, 0, 1);
  g_autoptr (GError) error = NULL;
  VsmmuMsiTopology *topology = vsmmu_msi_topology_new (&bus, 1, &devfn, 1, regions, G_N_ELEMENTS (regions), &error);

  g_assert_no_error (error);
  return vsmmu_msi_resolver_new (topology);
}

static void
assert_route (VsmmuMsiResolver *resolver, VsmmuPciDevfn devfn, VsmmuMsiPath path, guint64 gpa, guint32 device_id)
{
  g_autoptr (GError) error = NULL;
  VsmmuMsiRoute route;

  g_assert_true (vsmmu_msi_resolve (resolver, devfn, ADDRESS, DATA, &route, &error));
  g_assert_no_error (error);
  g_assert_cmpint (route.path, ==, path);
  g_assert_cmphex (route.address_lo, ==, gpa & G_MAXUINT32);
  g_assert_cmphex (route.address_hi, ==, gpa >> 32);
  g_assert_cmphex (route.data, ==, DATA);
  g_assert_cmphex (route.device_id, ==, device_id);
}

/* A failure is an error with @text in it, and leaves no route behind. */
static void
assert_failure (VsmmuMsiResolver *resolver, VsmmuPciDevfn devfn, const char *text)
{
  g_autoptr (GError) error = NULL;
  const VsmmuMsiRoute untouched = { 1, 2, 3, 4, VSMMU_MSI_PATH_DIRECT };
  VsmmuMsiRoute route = untouched;

  g_assert_false (vsmmu_msi_resolve (resolver, devfn, ADDRESS, DATA, &route, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_cmpmem (&route, sizeof (route), &untouched, sizeof (untouched));
}

static void
test_without_a_viommu_the_address_is_the_gpa (void)
{
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (NULL, 0x12);

  assert_route (resolver, VSMMU_PCI_DEVFN (0, 0, 1), VSMMU_MSI_PATH_IDENTITY, ADDRESS, 0x1201);
}

static void
test_a_direct_doorbell_hides_the_address_and_nothing_is_translated (void)
{
  Double *viommu = double_new (&both, ITS_DOORBELL);
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (&viommu->viommu, 0);

  assert_route (resolver, VSMMU_PCI_DEVFN (0, 0, 1), VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, 1);
  g_assert_cmpuint (viommu->n_direct, ==, 1);
  g_assert_cmpuint (viommu->n_translated, ==, 0);
  /* Where there is no doorbell, translating is no way out. */
  viommu->fails = TRUE;
  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 1), "the double fails");
  g_assert_cmpuint (viommu->n_translated, ==, 0);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_a_direct_doorbell_needs_nothing_to_lie_there (void)
{
  Double *viommu = double_new (&direct_only, G_GUINT64_CONSTANT (0xfffffffffffff040));
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (&viommu->viommu, 0);

  assert_route (resolver, VSMMU_PCI_DEVFN (0, 0, 1), VSMMU_MSI_PATH_DIRECT, viommu->gpa, 1);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_without_a_direct_doorbell_the_address_is_translated (void)
{
  Double *viommu = double_new (&translate_only, ITS_DOORBELL);
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (&viommu->viommu, 0xfe);

  assert_route (resolver, VSMMU_PCI_DEVFN (0, 0, 1), VSMMU_MSI_PATH_TRANSLATED, ITS_DOORBELL, 0xfe01);
  g_assert_cmphex (viommu->stream_id, ==, 0xfe01);
  g_assert_cmphex (viommu->iova, ==, ADDRESS);
  viommu->gpa = 0x40fffffc;
  assert_route (resolver, VSMMU_PCI_DEVFN (0, 0, 1), VSMMU_MSI_PATH_TRANSLATED, 0x40fffffc, 0xfe01);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_a_failed_translation_has_no_route (void)
{
  Double *viommu = double_new (&translate_only, 0x41000000);
  Double *useless = double_new (&neither, 0);
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (&viommu->viommu, 0);
  g_autoptr (VsmmuMsiResolver) second = resolver_new (&useless->viommu, 0);

  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 1), "msi-address-unmapped");
  viommu->gpa = 0x0807ffff;
  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 1), "0x807ffff");
  viommu->fails = TRUE;
  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 1), "the double fails");
  assert_failure (second, VSMMU_PCI_DEVFN (0, 0, 1), "does not translate MSI addresses");
  vsmmu_viommu_unref (&viommu->viommu);
  vsmmu_viommu_unref (&useless->viommu);
}

static void
test_a_missing_function_or_unnumbered_bus_has_no_route (void)
{
  g_autoptr (VsmmuMsiResolver) resolver = resolver_new (NULL, VSMMU_MSI_BUS_UNNUMBERED);

  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 1), "not assigned a number");
  assert_failure (resolver, VSMMU_PCI_DEVFN (0, 0, 0), "no function 00.0 on bus 0");
  assert_failure (resolver, VSMMU_PCI_DEVFN (1, 0, 1), "no function 00.1 on bus 1");
  assert_failure (resolver, VSMMU_PCI_DEVFN (255, 31, 7), "no function 1f.7 on bus 255");
}

static void
test_an_accelerated_smmu_without_a_doorbell_is_an_error_and_never_0 (void)
{
  const VsmmuMsiMachine none = { .controller = VSMMU_MSI_CONTROLLER_NONE };
  const VsmmuMsiMachine unknown = { .controller = VSMMU_MSI_CONTROLLER_UNKNOWN };
  g_autoptr (VsmmuViommu) without = vsmmu_viommu_new_accelerated (&none);
  g_autoptr (VsmmuViommu) undecided = vsmmu_viommu_new_accelerated (&unknown);
  g_autoptr (VsmmuMsiResolver) first = resolver_new (without, 0);
  g_autoptr (VsmmuMsiResolver) second = resolver_new (undecided, 0);

  assert_failure (first, VSMMU_PCI_DEVFN (0, 0, 1), "msi-doorbell-zero");
  assert_failure (second, VSMMU_PCI_DEVFN (0, 0, 1), "<gic version='3'/>");
}

static void
test_an_accelerated_smmu_has_no_way_to_translate (void)
{
  const VsmmuMsiMachine machine = { VSMMU_MSI_CONTROLLER_ITS, 0x08080000, 0x20000, ITS_DOORBELL };
  g_autoptr (VsmmuViommu) viommu = vsmmu_viommu_new_accelerated (&machine);

  g_assert_null (viommu->kind->translate);
}

/* Guest memory must not even be asked for. */
static VsmmuSmmuv3Source *
open_forbidden (G_GNUC_UNUSED gpointer data, const char *id, G_GNUC_UNUSED guint64 registers,
                G_GNUC_UNUSED GError **error)
{
  g_error ("the state of '%s' was asked for", id);
  return NULL;
}

static VsmmuDomain *
read_domain (const char *text)
{
  g_autoptr (GError) error = NULL;
  VsmmuDomain *domain = vsmmu_domain_new_from_data (text, strlen (text), "guest.xml", &error);

  g_assert_no_error (error);
  return domain;
}

#define VIRT(type, machine, features, rest)                                                                            \
  "<domain type='" type "' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><memory>4194304</memory>"           \
  "<os firmware='efi'><type arch='aarch64' machine='" machine "'>hvm</type></os><features>" features                   \
  "</features>" rest "</domain>"
#define GIC(version) "<gic version='" version "'/>"
#define TWO_ARGUMENTS(one, two)                                                                                        \
  "<qemu:commandline><qemu:arg value='" one "'/><qemu:arg value='" two "'/></qemu:commandline>"
#define ARGUMENTS(value) TWO_ARGUMENTS ("-machine", value)

#define ACCELERATED                                                                                                    \
  "<devices><controller type='pci' index='0' model='pcie-root'/>"                                                      \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>"        \
  "<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address domain='0' bus='1' slot='0' "          \
  "function='0'/></source><address type='pci' bus='2' slot='0'/></hostdev>"                                            \
  "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu></devices>"

static void
test_the_tables_of_an_accelerated_smmu_are_never_read (void)
{
  g_autoptr (VsmmuDomain) domain = read_domain (VIRT ("kvm", "virt", GIC ("3"), ACCELERATED));
  VsmmuMsiGuest guest = { .open_smmu = open_forbidden };
  g_autoptr (GError) error = NULL;
  VsmmuMsiTopology *topology;
  g_autoptr (VsmmuMsiResolver) resolver = NULL;

  guest.bus_numbers[2] = 0x41;
  topology = vsmmu_msi_topology_new_for_domain (domain, &guest, &error);
  g_assert_no_error (error);
  resolver = vsmmu_msi_resolver_new (topology);
  assert_route (resolver, VSMMU_PCI_DEVFN (2, 0, 0), VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, 0x4100);
}

static const struct {
  const char *xml;
  VsmmuMsiController controller;
} machines[] = {
  { VIRT ("kvm", "virt", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt-11.1", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("2"), ""), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("host"), ""), VSMMU_MSI_CONTROLLER_UNKNOWN },
  { VIRT ("kvm", "virt", "", ""), VSMMU_MSI_CONTROLLER_UNKNOWN },
  { VIRT ("kvm", "virt-6.1", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_ITS },
  /* QEMU 11.1.3: property msi is "its", and no ITS is there. */
  { VIRT ("qemu", "virt-6.1", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("qemu", "virt-5.2", GIC ("3"), ARGUMENTS ("msi=its")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("qemu", "virt-6.1", GIC ("2"), ""), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("qemu", "virt-6.2", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("qemu", "virt", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("its=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("2"), ARGUMENTS ("its=off")), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("2"), ARGUMENTS ("msi=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=gicv2m")), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("host"), ARGUMENTS ("msi=gicv2m")), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("2"), ARGUMENTS ("msi=its")), VSMMU_MSI_CONTROLLER_NONE },
  /* QEMU 11.1.3: msi= hides its=, in either order. */
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=auto,its=off")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("its=off,msi=its")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("gic-version=x-5")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("gic-version=x-5,msi=gicv2m")), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("gic-version=2")), VSMMU_MSI_CONTROLLER_GICV2M },
  { VIRT ("kvm", "virt", GIC ("2"), ARGUMENTS ("gic-version=4")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("2"), ARGUMENTS ("gic-version=max")), VSMMU_MSI_CONTROLLER_UNKNOWN },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=off,msi=its")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("xmsi=off,msi-off,msi=")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "pc", GIC ("3"), ""), VSMMU_MSI_CONTROLLER_UNKNOWN },
  /* Only what QEMU takes for the value of -machine, by any of its names, is one; commas in a value are doubled. */
  { VIRT ("kvm", "virt", GIC ("3"), TWO_ARGUMENTS ("-M", "its=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), TWO_ARGUMENTS ("--M", "virt,its=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), TWO_ARGUMENTS ("--machine", "its=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), TWO_ARGUMENTS ("-name", "-machine") TWO_ARGUMENTS ("its=off", "-snapshot")),
    VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), TWO_ARGUMENTS ("-append", "-M") TWO_ARGUMENTS ("-machine", "msi=off")),
    VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("firmware=a,,msi=off")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("firmware=a,,b,msi=off")), VSMMU_MSI_CONTROLLER_NONE },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=off") ARGUMENTS ("msi=auto")), VSMMU_MSI_CONTROLLER_ITS },
  { VIRT ("kvm", "virt", GIC ("3"), ARGUMENTS ("msi=off") ARGUMENTS ("usb=off")), VSMMU_MSI_CONTROLLER_NONE },
};

static void
test_the_msi_controller_is_the_one_that_qemu_chooses (void)
{
  static const guint64 doorbells[] = {
    [VSMMU_MSI_CONTROLLER_UNKNOWN] = 0,
    [VSMMU_MSI_CONTROLLER_NONE] = 0,
    [VSMMU_MSI_CONTROLLER_ITS] = ITS_DOORBELL,
    [VSMMU_MSI_CONTROLLER_GICV2M] = V2M_DOORBELL,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (machines); i++) {
    g_autoptr (VsmmuDomain) domain = read_domain (machines[i].xml);
    VsmmuMsiMachine machine;

    vsmmu_msi_machine_of (domain, &machine);
    g_test_message ("%s", machines[i].xml);
    g_assert_cmpstr (vsmmu_msi_controller_to_string (machine.controller), ==,
                     vsmmu_msi_controller_to_string (machines[i].controller));
    g_assert_cmphex (machine.doorbell, ==, doorbells[machine.controller]);
    if (machine.doorbell == 0)
      continue;
    g_assert_cmphex (machine.doorbell, >=, machine.frame_start);
    g_assert_cmphex (machine.doorbell, <, machine.frame_start + machine.frame_size);
    g_assert_cmphex (machine.doorbell, >=, VSMMU_VIRT_MSI_WINDOW_START);
    g_assert_cmphex (machine.doorbell, <=, VSMMU_VIRT_MSI_WINDOW_END);
  }
}

static void
test_a_route_is_held_against_the_machine (void)
{
  static const VsmmuMsiMachine its = { VSMMU_MSI_CONTROLLER_ITS, 0x08080000, 0x20000, ITS_DOORBELL };
  static const VsmmuMsiMachine elsewhere = { VSMMU_MSI_CONTROLLER_ITS, 0x10080000, 0x20000, 0x10090040 };
  static const VsmmuMsiMachine none = { .controller = VSMMU_MSI_CONTROLLER_NONE };
  static const VsmmuMsiMachine unknown = { .controller = VSMMU_MSI_CONTROLLER_UNKNOWN };
  static const struct {
    const VsmmuMsiMachine *machine;
    VsmmuMsiPath path;
    guint64 gpa;
    const char *fault;
  } cases[] = {
    { &its, VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, NULL },
    { &its, VSMMU_MSI_PATH_DIRECT, 0, "msi-doorbell-zero" },
    { &unknown, VSMMU_MSI_PATH_DIRECT, 0, "msi-doorbell-zero" },
    { &its, VSMMU_MSI_PATH_DIRECT, V2M_DOORBELL, "msi-doorbell-not-controller" },
    { &its, VSMMU_MSI_PATH_DIRECT, 0x080a0000, "msi-doorbell-not-controller" },
    { &its, VSMMU_MSI_PATH_DIRECT, 0x0809ffff, "msi-doorbell-mismatch" },
    { &its, VSMMU_MSI_PATH_DIRECT, 0x08080000, "msi-doorbell-mismatch" },
    { &its, VSMMU_MSI_PATH_DIRECT, G_GUINT64_CONSTANT (1) << 32 | ITS_DOORBELL, "msi-doorbell-not-controller" },
    { &elsewhere, VSMMU_MSI_PATH_DIRECT, 0x10090040, "msi-window-mismatch" },
    { &none, VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, "msi-doorbell-not-controller" },
    { &unknown, VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, NULL },
    { &its, VSMMU_MSI_PATH_TRANSLATED, ITS_DOORBELL, NULL },
    { &its, VSMMU_MSI_PATH_TRANSLATED, 0x08080000, "msi-address-wrong-target" },
    { &its, VSMMU_MSI_PATH_IDENTITY, V2M_DOORBELL, "msi-address-wrong-target" },
    { &none, VSMMU_MSI_PATH_IDENTITY, ITS_DOORBELL, "msi-address-wrong-target" },
    { &unknown, VSMMU_MSI_PATH_IDENTITY, 0, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const VsmmuMsiRoute route = {
      .address_lo = (guint32) cases[i].gpa,
      .address_hi = (guint32) (cases[i].gpa >> 32),
      .path = cases[i].path,
    };

    g_assert_cmpstr (vsmmu_msi_route_find_fault (cases[i].machine, &route), ==, cases[i].fault);
  }
}

static const struct {
  const char *reason;
  VsmmuMsiBus buses[3];
  guint n_buses;
  VsmmuPciDevfn devfn;
} broken_trees[] = {
  { "its parent does not exist", { { VSMMU_MSI_BUS_EXPRESS, 1 } }, 1, 0 },
  { "its parent does not exist", { { VSMMU_MSI_BUS_ROOT, -2 } }, 1, 0 },
  { "has no parent and is not a root bus", { { VSMMU_MSI_BUS_BRIDGED, -1 } }, 1, 0 },
  { "form a loop", { { VSMMU_MSI_BUS_EXPRESS, 0 } }, 1, 0 },
  { "form a loop", { { VSMMU_MSI_BUS_ROOT, 2 }, { VSMMU_MSI_BUS_EXPRESS, 0 }, { VSMMU_MSI_BUS_EXPRESS, 1 } }, 3, 0 },
  { "from 0 to 255", { { VSMMU_MSI_BUS_ROOT, -1, 0, 256 } }, 1, 0 },
  { "from 0 to 255", { { VSMMU_MSI_BUS_ROOT, -1, 0, -2 } }, 1, 0 },
  { "it has a device", { { VSMMU_MSI_BUS_ROOT, -1 } }, 1, VSMMU_PCI_DEVFN (1, 0, 0) },
};

static void
test_an_invalid_tree_is_refused (void)
{
  Double *viommu = double_new (&both, 0);
  const VsmmuMsiBus misplaced[] = {
    { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1 },
    { .kind = VSMMU_MSI_BUS_EXPRESS, .parent = 0, .viommu = &viommu->viommu },
  };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (broken_trees); i++) {
    g_autoptr (GError) refusal = NULL;

    g_assert_null (vsmmu_msi_topology_new (broken_trees[i].buses, broken_trees[i].n_buses, &broken_trees[i].devfn, 1,
                                           NULL, 0, &refusal));
    g_assert_error (refusal, VSMMU_ERROR, VSMMU_ERROR_VALUE);
    g_assert_nonnull (strstr (refusal->message, broken_trees[i].reason));
  }
  g_assert_null (vsmmu_msi_topology_new (misplaced, 2, NULL, 0, NULL, 0, &error));
  g_assert_nonnull (strstr (error->message, "is not a root bus"));
  g_clear_error (&error);
  g_assert_null (vsmmu_msi_topology_new (misplaced, VSMMU_MSI_BUSES_MAX + 1, NULL, 0, NULL, 0, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_a_root_bus_that_bypasses_has_no_viommu (void)
{
  Double *viommu = double_new (&both, ITS_DOORBELL);
  const VsmmuMsiBus buses[] = {
    { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .viommu = &viommu->viommu },
    { .kind = VSMMU_MSI_BUS_ROOT, .parent = 0, .number = 64, .is_bypassing = TRUE },
    { .kind = VSMMU_MSI_BUS_EXPRESS, .parent = 1, .number = 65 },
  };
  const VsmmuPciDevfn devices[] = { VSMMU_PCI_DEVFN (0, 1, 0), VSMMU_PCI_DEVFN (2, 0, 0) };
  g_autoptr (VsmmuMsiResolver) resolver =
      vsmmu_msi_resolver_new (vsmmu_msi_topology_new (buses, 3, devices, 2, NULL, 0, NULL));

  assert_route (resolver, devices[0], VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, 0x0008);
  assert_route (resolver, devices[1], VSMMU_MSI_PATH_IDENTITY, ADDRESS, 0x4100);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_a_topology_that_is_replaced_counts_from_then_on (void)
{
  Double *viommu = double_new (&direct_only, ITS_DOORBELL);
  const VsmmuMsiBus bus = { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .viommu = &viommu->viommu };
  const VsmmuPciDevfn devices[] = { VSMMU_PCI_DEVFN (0, 1, 0), VSMMU_PCI_DEVFN (0, 2, 0) };
  g_autoptr (VsmmuMsiResolver) resolver =
      vsmmu_msi_resolver_new (vsmmu_msi_topology_new (&bus, 1, devices, 1, NULL, 0, NULL));

  assert_failure (resolver, devices[1], "no function");
  vsmmu_msi_resolver_set_topology (resolver, vsmmu_msi_topology_new (&bus, 1, devices, 2, NULL, 0, NULL));
  assert_route (resolver, devices[1], VSMMU_MSI_PATH_DIRECT, ITS_DOORBELL, 0x10);
  vsmmu_msi_resolver_set_topology (resolver, vsmmu_msi_topology_new (&bus, 1, devices, 1, NULL, 0, NULL));
  assert_failure (resolver, devices[1], "no function");
  /* What was replaced is gone: one reference is ours, one that of the topology in use. */
  g_assert_cmpint (viommu->viommu.ref_count, ==, 2);
  vsmmu_viommu_unref (&viommu->viommu);
}

static void
test_only_a_virt_machine_with_a_sound_pci_tree_has_a_topology (void)
{
  g_autoptr (VsmmuDomain) other = read_domain (VIRT ("kvm", "pc", "", ""));
  g_autoptr (VsmmuDomain) broken =
      read_domain (VIRT ("kvm", "virt", "",
                         "<devices><rng model='virtio'><address type='pci' bus='9' slot='40' function='0'/></rng>"
                         "<rng model='virtio'><address type='pci' domain='3' bus='0' slot='4'/></rng></devices>"));
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_msi_topology_new_for_domain (other, NULL, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  g_assert_null (vsmmu_msi_topology_new_for_domain (broken, NULL, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "PCI domain 0"));
}

static VsmmuSmmuv3Source *
open_failing (G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED const char *id, G_GNUC_UNUSED guint64 registers,
              GError **error)
{
  g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, "the guest is gone");
  return NULL;
}

static void
test_a_guest_that_cannot_be_asked_has_no_topology (void)
{
  g_autoptr (VsmmuDomain) domain = read_domain (VIRT (
      "kvm", "virt", GIC ("3"),
      "<devices><controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"
      "<iommu model='smmuv3'><driver pciBus='0'/></iommu><iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
      "</devices>"));
  const VsmmuMsiGuest guest = { .open_smmu = open_failing };
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_msi_topology_new_for_domain (domain, &guest, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/msi/no-viommu", test_without_a_viommu_the_address_is_the_gpa);
  g_test_add_func ("/msi/direct", test_a_direct_doorbell_hides_the_address_and_nothing_is_translated);
  g_test_add_func ("/msi/direct-to-nowhere", test_a_direct_doorbell_needs_nothing_to_lie_there);
  g_test_add_func ("/msi/translated", test_without_a_direct_doorbell_the_address_is_translated);
  g_test_add_func ("/msi/translation-fails", test_a_failed_translation_has_no_route);
  g_test_add_func ("/msi/absent", test_a_missing_function_or_unnumbered_bus_has_no_route);
  g_test_add_func ("/msi/no-doorbell", test_an_accelerated_smmu_without_a_doorbell_is_an_error_and_never_0);
  g_test_add_func ("/msi/accelerated-cannot-translate", test_an_accelerated_smmu_has_no_way_to_translate);
  g_test_add_func ("/msi/accelerated-is-not-read", test_the_tables_of_an_accelerated_smmu_are_never_read);
  g_test_add_func ("/msi/controller", test_the_msi_controller_is_the_one_that_qemu_chooses);
  g_test_add_func ("/msi/route", test_a_route_is_held_against_the_machine);
  g_test_add_func ("/msi/broken-trees", test_an_invalid_tree_is_refused);
  g_test_add_func ("/msi/bypass", test_a_root_bus_that_bypasses_has_no_viommu);
  g_test_add_func ("/msi/replaced", test_a_topology_that_is_replaced_counts_from_then_on);
  g_test_add_func ("/msi/unsupported", test_only_a_virt_machine_with_a_sound_pci_tree_has_a_topology);
  g_test_add_func ("/msi/unreachable", test_a_guest_that_cannot_be_asked_has_no_topology);
  return g_test_run ();
}
