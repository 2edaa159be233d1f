/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "adapt/lower.h"
#include "domain/domain.h"
#include "golden.h"

#define VERSION VSMMU_VERSION_ENCODE

static const struct {
  VsmmuTarget target;
  int strategy; /* or the error as a negative number, less one */
} strategies[] = {
  { { VERSION (8, 1, 0), 0 }, -1 - VSMMU_ERROR_UNSUPPORTED },
  { { VERSION (8, 2, 0), 0 }, VSMMU_STRATEGY_STAND_IN },
  { { VERSION (11, 3, 0), VERSION (11, 1, 3) }, VSMMU_STRATEGY_STAND_IN },
  { { VERSION (11, 9, 999), VERSION (11, 0, 0) }, VSMMU_STRATEGY_STAND_IN },
  { { VERSION (11, 10, 0), 0 }, VSMMU_STRATEGY_OVERRIDE },
  { { VERSION (12, 6, 0), 0 }, VSMMU_STRATEGY_OVERRIDE },
  { { VERSION (12, 7, 0), 0 }, VSMMU_STRATEGY_NATIVE },
  { { VERSION (13, 0, 0), VERSION (12, 0, 0) }, VSMMU_STRATEGY_NATIVE },
  { { VERSION (12, 8, 0), VERSION (10, 2, 0) }, -1 - VSMMU_ERROR_UNSUPPORTED },
  { { VERSION (11, 3, 0), VERSION (10, 2, 999) }, -1 - VSMMU_ERROR_UNSUPPORTED },
  { { 0, VERSION (11, 1, 0) }, -1 - VSMMU_ERROR_VALUE },
};

static void
test_the_strategy_follows_from_the_versions (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (strategies); i++) {
    g_autoptr (GError) error = NULL;
    VsmmuStrategy strategy = VSMMU_STRATEGY_NATIVE;
    gboolean is_chosen = vsmmu_strategy_choose (&strategies[i].target, &strategy, &error);

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_cmpint (is_chosen ? (int) strategy : -1 - error->code, ==, strategies[i].strategy);
  }
}

#define HOSTDEV(driver, rest)                                                                                          \
  "<hostdev mode='subsystem' type='pci'>" driver "<source><address bus='1'/></source>" rest "</hostdev>"

/* A device, what comes of it, or %NULL when it is refused, and how many notes there are. */
static const struct {
  guint libvirt;
  const char *xml;
  const char *lowered;
  guint n_notes;
} devices[] = {
  { VERSION (11, 3, 0), HOSTDEV ("<driver name='vfio'  iommufd=\"yes\" />", ""), HOSTDEV ("<driver name='vfio' />", ""),
    0 },
  { VERSION (12, 0, 0), HOSTDEV ("<driver iommufd='yes'/>", ""), HOSTDEV ("<driver/>", ""), 0 },
  { VERSION (12, 1, 0), HOSTDEV ("<driver iommufd='yes'/>", "<acpi nodeset='2'/>"),
    HOSTDEV ("<driver iommufd='yes'/>", "<acpi nodeset='2'/>"), 0 },
  { VERSION (12, 8, 0), HOSTDEV ("<driver iommufd='yes'/>", ""), HOSTDEV ("<driver iommufd='yes'/>", ""), 0 },
  { VERSION (11, 3, 0), HOSTDEV ("<driver iommufd='no'/>", ""), HOSTDEV ("<driver/>", ""), 1 },
  { VERSION (11, 3, 0), HOSTDEV ("", ""), HOSTDEV ("", ""), 1 },
  { VERSION (11, 3, 0), HOSTDEV ("<driver iommufd='perhaps'/>", ""), NULL, 0 },
  { VERSION (11, 3, 0), HOSTDEV ("<driver iommufd='yes'/>", "<acpi nodeset='2-9'/>"), HOSTDEV ("<driver/>", ""), 1 },
  { VERSION (11, 3, 0), HOSTDEV ("<driver iommufd='yes'/>", "<acpi index='7' nodeset='2'/>"),
    HOSTDEV ("<driver/>", "<acpi index='7'/>"), 1 },
  { VERSION (11, 10, 0), HOSTDEV ("<driver iommufd='yes'/>", "<acpi nodeset='2-9'/>"),
    HOSTDEV ("<driver/>", "<acpi nodeset='2-9'/>"), 0 },
  { VERSION (11, 3, 0), "<interface type='hostdev'><driver name='vfio' iommufd='yes'/></interface>",
    "<interface type='hostdev'><driver name='vfio'/></interface>", 0 },
  { VERSION (11, 3, 0), "<interface type='network'/>", "<interface type='network'/>", 0 },
  { VERSION (11, 3, 0), "<rng model='virtio'/>", "<rng model='virtio'/>", 0 },
  { VERSION (11, 3, 0), "<hostdev type='usb'/>", "<hostdev type='usb'/>", 0 },
  { VERSION (11, 3, 0), "<iommu model='smmuv3'><driver pciBus='1'/></iommu>", NULL, 0 },
  { VERSION (11, 10, 0), "<iommu model='smmuv3'><driver pciBus='1'/></iommu>",
    "<iommu model='smmuv3'><driver pciBus='1'/></iommu>", 0 },
  { VERSION (11, 10, 0), "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>", NULL, 0 },
  { VERSION (12, 7, 0), "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>",
    "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>", 0 },
  { VERSION (11, 3, 0), "<domain/>", NULL, 0 },
  { VERSION (8, 1, 0), "<rng model='virtio'/>", NULL, 0 },
};

static void
test_a_device_gets_what_a_lowered_guest_does_not_give_it (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (devices); i++) {
    const VsmmuTarget target = { devices[i].libvirt, 0 };
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    gsize length = 0;
    g_autofree char *lowered =
        vsmmu_lower_device (devices[i].xml, strlen (devices[i].xml), "device.xml", &target, notes, &length, &error);

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_cmpstr (lowered, ==, devices[i].lowered);
    g_assert_true ((lowered == NULL) == (error != NULL));
    g_assert_cmpuint (notes->len, ==, devices[i].n_notes);
    if (lowered != NULL)
      g_assert_cmpuint (length, ==, strlen (lowered));
  }
}

#define DOMAIN(rest)                                                                                                   \
  "<domain><os><type arch='aarch64' machine='virt'>hvm</type></os><devices>"                                           \
  "<controller type='pci' index='0' model='pcie-root'/>"                                                               \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='8'/></controller>" rest                   \
  "</devices></domain>"

/* What cannot be lowered, and words of the message. */
static const struct {
  const char *xml;
  const char *words;
} refused[] = {
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='7'/></iommu>"), "pciBus='7'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='x'/></iommu>"), "'x'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1' accel='yes'/></iommu>"), "'on' or 'off'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1' ssidsize='21'/></iommu>"), "0 to 20" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu>"
            "<rng model='virtio'><address type='pci' bus='9'/></rng>"
            "<rng model='virtio'><address type='pci' bus='9'/></rng>"),
    "PCI address" },
  { "<domain><devices><iommu model='smmuv3'><driver pciBus='1'/></iommu></devices></domain>", "arch='aarch64'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu></devices>"
            "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
            "<q:arg value='-object'/><q:arg value='iommufd,id=vsmmu-iommufd'/></q:commandline><devices>"),
    "'vsmmu-iommufd'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu><hostdev type='pci'><acpi nodeset='1'/>"
            "<acpi nodeset='2'/></hostdev>"),
    "duplicate <acpi>" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu></devices><iommufd enabled='yes'/>"
            "<iommufd enabled='no'/><devices>"),
    "duplicate <iommufd>" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/><alias name='ua-a'/></iommu><hostdev type='pci'>"
            "<alias name='ua-a'/></hostdev>"),
    "'ua-a'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu><hostdev type='pci'/></devices>"
            "<q:override xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:device alias='hostdev0'><q:frontend>"
            "<q:property name='iommufd' type='string' value='on'/></q:frontend></q:device></q:override><devices>"),
    "'hostdev0'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu></devices>"
            "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
            "<q:arg value='-global'/><q:arg value='vfio-pci.iommufd=other'/></q:commandline><devices>"),
    "changes the iommufd of VFIO devices" },
};

static void
test_what_would_get_lost_is_refused (void)
{
  const VsmmuTarget target = { VERSION (11, 3, 0), 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    gsize length = 0;

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_null (
        vsmmu_lower_domain (refused[i].xml, strlen (refused[i].xml), "domain.xml", &target, notes, &length, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, refused[i].words));
  }
}

/* More vSMMUs than there are functions on pcie-root, or indexes. */
static void
test_no_room_for_stand_ins_is_refused (void)
{
  const VsmmuTarget target = { VERSION (11, 3, 0), 0 };
  g_autoptr (GString) iommus = g_string_new (NULL);
  g_autofree char *xml = NULL;
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize length = 0;

  for (guint i = 0; i < 300; i++)
    g_string_append (iommus, "<iommu model='smmuv3'><driver pciBus='1'/></iommu>");
  xml = g_strconcat ("<domain><os><type arch='aarch64' machine='virt'>hvm</type></os><devices>"
                     "<controller type='pci' index='1' model='pcie-expander-bus'/>",
                     iommus->str, "</devices></domain>", NULL);
  g_assert_null (vsmmu_lower_domain (xml, strlen (xml), "domain.xml", &target, notes, &length, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
}

/* So many stand-ins that they have bus numbers of their own, after which libvirt would count from another one. */
static void
test_what_would_get_another_bus_number_is_refused (void)
{
  const VsmmuTarget target = { VERSION (11, 3, 0), 0 };
  g_autoptr (GString) xml = g_string_new ("<domain><os><type arch='aarch64' machine='virt'>hvm</type></os><devices>\n");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize length = 0;

  for (guint i = 1; i <= 8; i++)
    g_string_append_printf (xml, "<controller type='pci' index='%u' model='pcie-expander-bus'/>\n", i);
  for (guint i = 0; i < 120; i++)
    g_string_append (xml, "<iommu model='smmuv3'><driver pciBus='1'/></iommu>\n");
  g_string_append (xml, "</devices></domain>");
  g_assert_null (vsmmu_lower_domain (xml->str, xml->len, "domain.xml", &target, notes, &length, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
  g_assert_cmpstr (
      error->message, ==,
      "domain.xml:2: pcie-expander-bus with index 1 would have a different PCI address than with a newer libvirt; add an <address>");
}

static const char *const not_lowered[] = {
  "",
  "no XML at all",
  "<a",
  "<domain/>",
  "<network><domain name='example.org'/></network>",
  "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:commandline><qemu:arg value='-machine'/>"
  "<qemu:arg value='highmem-mmio-size=1T'/></qemu:commandline></domain>",
};

static void
test_lifting_leaves_alone_what_is_not_lowered (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (not_lowered); i++) {
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    gsize length = 0;
    g_autofree char *lifted = vsmmu_lift (not_lowered[i], strlen (not_lowered[i]), "document", notes, &length, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (lifted, ==, not_lowered[i]);
    g_assert_cmpuint (length, ==, strlen (not_lowered[i]));
  }
}

/* Overrides name devices by alias, so with two of one name nobody can say what is meant. */
static void
test_lifting_refuses_two_devices_with_one_name (void)
{
  static const char xml[] =
      DOMAIN ("<hostdev type='pci'><alias name='ua-a'/></hostdev><hostdev type='pci'><alias name='ua-a'/></hostdev>"
              "</devices><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'/><devices>");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize length = 0;

  g_assert_null (vsmmu_lift (xml, strlen (xml), "document", notes, &length, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "'ua-a'"));
}

#define Q "xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'"
#define HEAD(name)                                                                                                     \
  "<domain type='kvm'>\n<name>" name "</name>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"   \
  "<controller type='pci' index='0' model='pcie-root'/>\n"                                                             \
  "<controller type='pci' index='1' model='pcie-root-port'><address type='pci' slot='2'/></controller>\n"
#define IOMMUFD_DEVICE                                                                                                 \
  "<hostdev type='pci'><driver name='vfio' iommufd='yes'/><source><address bus='9'/></source>"                         \
  "<address type='pci' bus='1'/></hostdev>\n"
#define PLAIN_DEVICE "<hostdev type='pci'><source><address bus='9'/></source><address type='pci' bus='1'/></hostdev>\n"
#define MOVED                                                                                                          \
  "<q:override " Q ">\n<q:device alias='pci.1'><q:frontend><q:property name='bus' type='string' value='root1'/>"       \
  "<q:property name='addr' type='string' value='0x0'/></q:frontend></q:device>\n</q:override>\n"

/* Guests with these arguments of QEMU: by hand, as somebody writes them for an older libvirt. */
static const struct {
  const char *name;
  const char *devices;
  gboolean is_port_moved;
  const char *arguments[8];
} by_hand[] = {
  { "pcie-root", PLAIN_DEVICE, FALSE, { "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "lone-first", PLAIN_DEVICE, FALSE, { "-S", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "lone-twice", PLAIN_DEVICE, FALSE, { "-S", "-S", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "lone-last", PLAIN_DEVICE, FALSE, { "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on", "-S" } },
  { "lone-alone", PLAIN_DEVICE, FALSE, { "-S" } },
  { "device-last", PLAIN_DEVICE, FALSE, { "-device" } },
  { "device-last-behind-a-vsmmu",
    PLAIN_DEVICE,
    FALSE,
    { "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on", "-device" } },
  { "device-last-with-two-dashes", PLAIN_DEVICE, FALSE, { "--device" } },
  { "object-last", PLAIN_DEVICE, FALSE, { "-object" } },
  { "global-last", PLAIN_DEVICE, FALSE, { "-global" } },
  { "machine-last", PLAIN_DEVICE, FALSE, { "-machine" } },
  { "set-last", PLAIN_DEVICE, FALSE, { "-set" } },
  { "device-is-empty", PLAIN_DEVICE, FALSE, { "-device", "" } },
  { "argument-is-empty", PLAIN_DEVICE, FALSE, { "", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "value-first", PLAIN_DEVICE, FALSE, { "x", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "not-known-first", PLAIN_DEVICE, FALSE, { "-nosuch", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "device-takes-a-device", PLAIN_DEVICE, FALSE, { "-device", "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on" } },
  { "expander",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e", "-device", "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "bus-number",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e.3,bus_nr=8", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "numa-node",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,numa_node=1", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "bus-number-and-numa-node",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,bus_nr=8,numa_node=0", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on,ats=on,ril=off,ssidsize=5,oas=48" } },
  { "numa-node-too-large",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,numa_node=256", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "numa-node-is-no-number",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,numa_node=x", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "expander-with-more",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,romfile=x", "-device",
      "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "slot-past-the-last",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x20", "-device", "arm-smmuv3,primary-bus=root1,accel=on" } },
  { "bus-named-once-more",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e", "-device", "arm-smmuv3,primary-bus=root1,accel=on",
      "-device", "virtio-rng-pci,bus=root1" } },
  { "vsmmu-without-bus", PLAIN_DEVICE, FALSE, { "-device", "arm-smmuv3,accel=on" } },
  { "vsmmu-with-more", PLAIN_DEVICE, FALSE, { "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on,stage=nested" } },
  { "two-and-one-stays",
    PLAIN_DEVICE,
    TRUE,
    { "-device", "pxb-pcie,id=root1,bus=pcie.0,addr=0x1e", "-device", "arm-smmuv3,primary-bus=root1,accel=on",
      "-device", "arm-smmuv3,primary-bus=nosuch,accel=on" } },
};

static char *
write_by_hand (guint number)
{
  g_autoptr (GString) xml = g_string_new (HEAD ("by-hand"));

  g_string_append_printf (xml, "%s</devices>\n<q:commandline " Q ">\n", by_hand[number].devices);
  for (guint i = 0; i < G_N_ELEMENTS (by_hand[number].arguments) && by_hand[number].arguments[i] != NULL; i++)
    g_string_append_printf (xml, "<q:arg value='%s'/>\n", by_hand[number].arguments[i]);
  g_string_append_printf (xml, "</q:commandline>\n%s</domain>\n", by_hand[number].is_port_moved ? MOVED : "");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}

/* What became of a document: the words said of it, and what it is then, or the lines that went and came. */
static void
describe (GString *text, const char *name, const char *before, const char *after, const GPtrArray *notes,
          const GError *error)
{
  g_auto (GStrv) was = g_strsplit (before, "\n", -1);
  g_auto (GStrv) is = g_strsplit (after != NULL ? after : before, "\n", -1);

  g_string_append_printf (text, "%s\n", name);
  if (error != NULL)
    g_string_append_printf (text, "  refused: %s\n", error->message);
  for (guint i = 0; i < notes->len; i++)
    g_string_append_printf (text, "  note: %s\n", (const char *) g_ptr_array_index (notes, i));
  for (guint i = 0; was[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) is, was[i]))
      g_string_append_printf (text, "  - %s\n", was[i]);
  for (guint i = 0; is[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) was, is[i]))
      g_string_append_printf (text, "  + %s\n", is[i]);
  g_string_append_c (text, '\n');
}

static void
test_what_is_written_by_hand_is_lifted_as_it_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (by_hand); i++) {
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    g_autofree char *xml = write_by_hand (i);
    gsize length = 0;
    g_autofree char *lifted = vsmmu_lift (xml, strlen (xml), "domain.xml", notes, &length, &error);

    g_assert_true ((lifted == NULL) == (error != NULL));
    describe (text, by_hand[i].name, "", lifted, notes, error);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (by_hand));
  golden_compare ("lower/lifted.txt", text->str);
}

/* The same ones are lifted before they are lowered, and what is said of that is said too. */
static void
test_what_is_written_by_hand_is_lowered_as_it_was_found_right (void)
{
  static const VsmmuTarget target = { VERSION (11, 3, 0), 0 };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (by_hand); i++) {
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    g_autofree char *hand = write_by_hand (i);
    /* What libvirt's newest words add, so that there is something to lower. */
    g_autofree char *xml = g_strconcat (
        HEAD ("both") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64'/></controller>\n"
                      "<iommu model='smmuv3'><driver pciBus='2' accel='on'/></iommu>\n",
        hand + strlen (HEAD ("by-hand")), NULL);
    gsize length = 0;
    g_autofree char *lowered = vsmmu_lower_domain (xml, strlen (xml), "domain.xml", &target, notes, &length, &error);

    g_assert_true ((lowered == NULL) == (error != NULL));
    /* What it is lowered to is above; here it is what is said. */
    describe (text, by_hand[i].name, xml, NULL, notes, error);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (by_hand));
  golden_compare ("lower/lowered-by-hand.txt", text->str);
}

#define EXPANDER "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64'/></controller>\n"
#define VSMMU "<iommu model='smmuv3'>\n<driver pciBus='2' accel='on'/>\n</iommu>\n"
#define PLAIN_VSMMU "<iommu model='smmuv3'>\n<driver pciBus='2'/>\n</iommu>\n"
#define ARGUMENT(value) "<q:arg value='" value "'/>\n"
#define ARGUMENTS(rest) "<q:commandline " Q ">\n" rest "</q:commandline>\n"
#define PROPERTY(name, type, value) "<q:property name='" name "' type='" type "' value='" value "'/>\n"
#define REMOVED(name) "<q:property name='" name "' type='remove'/>\n"
#define OVERRIDE(alias, rest)                                                                                          \
  "<q:override " Q ">\n<q:device alias='" alias "'>\n<q:frontend>\n" rest "</q:frontend>\n</q:device>\n</"             \
  "q:override>\n"
#define BODY(rest, after) HEAD ("web") EXPANDER rest "</devices>\n" after "</domain>\n"

/* What a vSMMU is lowered to. */
#define STAND_IN                                                                                                       \
  "<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommu0'/>\n"                           \
  "<address type='pci' bus='0' slot='31'/>\n</controller>\n"
#define STAND_IN_OVERRIDE                                                                                              \
  OVERRIDE ("ua-iommu0", PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.2"))

static const struct {
  const char *name;
  guint libvirt;
  const char *xml;
} lowered[] = {
  { "devices-are-known", VERSION (12, 1, 0), BODY (IOMMUFD_DEVICE VSMMU, "") },
  { "devices-are-known-and-not-the-domain", VERSION (12, 1, 0),
    BODY (IOMMUFD_DEVICE VSMMU, "<iommufd enabled='yes'/>\n") },
  { "the-domain-is-known", VERSION (12, 2, 0), BODY (IOMMUFD_DEVICE VSMMU, "<iommufd enabled='yes'/>\n") },
  { "neither-is-known", VERSION (12, 0, 0), BODY (IOMMUFD_DEVICE VSMMU, "") },
  { "stand-in", VERSION (11, 3, 0), BODY (IOMMUFD_DEVICE VSMMU, "") },
  { "iommufd-of-the-domain", VERSION (11, 3, 0), BODY (PLAIN_DEVICE VSMMU, "<iommufd enabled='yes'/>\n") },
  { "no-iommufd", VERSION (11, 3, 0), BODY (PLAIN_DEVICE VSMMU, "") },
  { "alias-twice", VERSION (11, 3, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2'/><alias name='ua-a'/></iommu>\n"
          "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-a'/></rng>\n",
          "") },
  { "alias-of-two-vsmmus", VERSION (11, 10, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2' accel='on'/><alias name='ua-a'/></iommu>\n"
          "<iommu model='smmuv3'><driver pciBus='0' accel='on'/><alias name='ua-a'/></iommu>\n",
          "") },
  { "alias-of-two-others", VERSION (11, 3, 0),
    BODY (VSMMU "<rng model='virtio'><alias name='ua-a'/></rng>\n<rng model='virtio'><alias name='ua-a'/></rng>\n",
          "") },
  { "alias-that-is-taken", VERSION (11, 3, 0),
    BODY (VSMMU "<rng model='virtio'><alias name='ua-iommu0'/></rng>\n", "") },
  { "attribute-not-carried", VERSION (11, 3, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2' accel='on' stage='2'/><x/></iommu>\n", "") },
  { "numa-node", VERSION (11, 3, 0),
    HEAD ("web") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64'><node>1</node></target>"
                 "</controller>\n" VSMMU "</devices>\n</domain>\n" },
  { "hole", VERSION (11, 3, 0),
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"
    "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='KiB'>1024</pcihole64></controller>\n"
    "<controller type='pci' index='2' model='pcie-expander-bus'/>\n" VSMMU "</devices>\n</domain>\n" },
  { "initiators", VERSION (11, 3, 0),
    BODY ("<hostdev type='pci'><acpi nodeset='1,3'/><source><address bus='9'/></source></hostdev>\n"
          "<hostdev type='pci'><acpi index='7' nodeset='0'/><source><address bus='8'/></source></hostdev>\n" VSMMU,
          "") },
  { "iommufd-and-no-acceleration", VERSION (11, 3, 0), BODY (IOMMUFD_DEVICE PLAIN_VSMMU, "") },
  { "iommufd-of-the-domain-and-no-acceleration", VERSION (11, 3, 0),
    BODY (PLAIN_DEVICE PLAIN_VSMMU, "<iommufd enabled='yes'/>\n") },
  { "nothing-but-the-iommufd-of-a-device", VERSION (11, 10, 0), BODY (IOMMUFD_DEVICE PLAIN_VSMMU, "") },
  { "nothing-but-a-device-without-iommufd", VERSION (11, 10, 0), BODY (PLAIN_DEVICE PLAIN_VSMMU, "") },
  { "nothing-but-the-iommufd-of-the-domain", VERSION (12, 1, 0), BODY (PLAIN_VSMMU, "<iommufd enabled='no'/>\n") },
  { "no-device-has-the-iommufd-of-the-domain", VERSION (11, 3, 0),
    BODY (PLAIN_DEVICE PLAIN_VSMMU, "<iommufd enabled='no'/>\n") },
  { "nothing-that-is-not-known", VERSION (12, 2, 0), BODY (IOMMUFD_DEVICE PLAIN_VSMMU, "<iommufd enabled='no'/>\n") },
  { "last-slot-is-taken", VERSION (11, 3, 0),
    BODY (VSMMU "<rng model='virtio'><address type='pci' bus='0' slot='31'/></rng>\n", "") },
  { "override-of-the-vsmmu", VERSION (11, 3, 0),
    BODY (VSMMU, OVERRIDE ("iommu0", PROPERTY ("stage", "string", "nested"))) },
  { "override-of-a-vsmmu-with-an-alias", VERSION (11, 3, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2' accel='on'/><alias name='ua-a'/></iommu>\n",
          OVERRIDE ("ua-a", PROPERTY ("stage", "string", "nested"))) },
  { "container-without-prefix", VERSION (11, 3, 0),
    BODY (VSMMU, "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>\n<arg value='-S'/>\n"
                 "</commandline>\n") },
  { "fdgroup-and-what-else-is-not-known", VERSION (9, 0, 0),
    HEAD ("web") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64' "
                 "memReserve='8'/></controller>\n" VSMMU
                 "<hostdev type='pci'><driver name='vfio' model='x'/><source><address "
                 "bus='9'/></source></hostdev>\n</devices>\n"
                 "<iommufd enabled='yes' fdgroup='f'/>\n</domain>\n" },
  { "known-since-this-version", VERSION (10, 3, 0),
    HEAD ("web") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64' "
                 "memReserve='8'/></controller>\n" VSMMU
                 "<hostdev type='pci'><driver name='vfio' model='x'/><source><address "
                 "bus='9'/></source></hostdev>\n</devices>\n</domain>\n" },
  { "container-that-is-empty", VERSION (11, 3, 0),
    BODY (VSMMU, "<q:commandline " Q "/>\n<q:override " Q ">\n</q:override>\n") },
  { "override-with-the-name-of-a-stand-in", VERSION (11, 3, 0),
    BODY (VSMMU, OVERRIDE ("ua-iommu0", PROPERTY ("x", "string", "y"))) },
  { "alias-with-a-libvirt-that-has-the-vsmmu", VERSION (11, 10, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2' accel='on'/><alias name='ua-a'/></iommu>\n", "") },
  { "alias-of-libvirt-with-a-libvirt-that-has-the-vsmmu", VERSION (11, 10, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='2' accel='on'/><alias name='iommu0'/></iommu>\n", "") },
  { "bus-right-behind-the-last", VERSION (11, 3, 0),
    BODY ("<iommu model='smmuv3'><driver pciBus='3' accel='on'/></iommu>\n", "") },
  { "bus-number-below-which-there-is-no-room", VERSION (11, 3, 0),
    HEAD ("web") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='2'/></controller>\n" VSMMU
                 "</devices>\n</domain>\n" },
  { "bus-number-below-which-there-is-just-room", VERSION (11, 3, 0),
    HEAD ("web") "<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='3'/></controller>\n" VSMMU
                 "</devices>\n</domain>\n" },
  { "nine-vsmmus", VERSION (11, 3, 0), BODY (VSMMU VSMMU VSMMU VSMMU VSMMU VSMMU VSMMU VSMMU VSMMU, "") },
  { "largest-nodes", VERSION (11, 3, 0),
    BODY ("<hostdev type='pci'><acpi nodeset='63-64,127'/><source><address bus='9'/></source></hostdev>\n" VSMMU, "") },
  { "lowered-already", VERSION (11, 3, 0), BODY (PLAIN_DEVICE STAND_IN, STAND_IN_OVERRIDE) },
  { "lowered-already-and-with-acpi-of-another-kind", VERSION (11, 3, 0),
    BODY ("<hostdev type='pci'><acpi index='7'/><source><address bus='9'/></source></hostdev>\n" STAND_IN,
          STAND_IN_OVERRIDE) },
  { "lowered-already-and-then-nodes", VERSION (11, 3, 0),
    BODY ("<hostdev type='pci'><acpi nodeset='2'/><source><address bus='9'/></source></hostdev>\n" STAND_IN,
          STAND_IN_OVERRIDE) },
  { "lowered-already-and-then-iommufd", VERSION (11, 3, 0), BODY (IOMMUFD_DEVICE STAND_IN, STAND_IN_OVERRIDE) },
  { "lowered-already-and-then-iommufd-of-the-domain", VERSION (11, 3, 0),
    BODY (STAND_IN, "<iommufd enabled='yes'/>\n" STAND_IN_OVERRIDE) },
  { "lowered-already-and-then-a-hole", VERSION (11, 3, 0),
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"
    "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='KiB'>1024</pcihole64></controller>\n" EXPANDER
        STAND_IN "</devices>\n" STAND_IN_OVERRIDE "</domain>\n" },
  { "no-vsmmu", VERSION (11, 3, 0), BODY (IOMMUFD_DEVICE "<iommu model='smmuv3'/>\n<iommu model='virtio'/>\n", "") },
  { "running", VERSION (11, 3, 0),
    "<domain type='kvm' id='3'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n" EXPANDER
    "<iommu model='smmuv3'><driver pciBus='2' accel='on'/><alias name='iommu7'/></iommu>\n</devices>\n</domain>\n" },
  { "bus-missing", VERSION (11, 3, 0), BODY ("<iommu model='smmuv3'><driver pciBus='9' accel='on'/></iommu>\n", "") },
  { "nothing-new", VERSION (11, 10, 0), BODY ("<iommu model='smmuv3'><driver pciBus='2'/></iommu>\n", "") },
  { "too-old", VERSION (8, 1, 0), BODY (VSMMU, "") },
};

static void
test_what_is_lowered_is_what_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (lowered); i++) {
    const VsmmuTarget target = { lowered[i].libvirt, 0 };
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    gsize length = 0;
    g_autofree char *xml =
        vsmmu_lower_domain (lowered[i].xml, strlen (lowered[i].xml), "domain.xml", &target, notes, &length, &error);

    g_assert_true ((xml == NULL) == (error != NULL));
    describe (text, lowered[i].name, lowered[i].xml, xml, notes, error);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (lowered));
  golden_compare ("lower/lowered.txt", text->str);
}

/* Lowered by us or by hand; what they are for a libvirt that has words for all of it. */
static const struct {
  const char *name;
  const char *xml;
} documents[] = {
  { "iommufd-is-seen-at-the-domain",
    BODY (PLAIN_VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT ("-global")
                                      ARGUMENT ("vfio-pci.iommufd=a"))) },
  { "iommufd-is-seen-at-a-device",
    BODY (PLAIN_DEVICE PLAIN_VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT ("-global")
                                                   ARGUMENT ("vfio-pci.iommufd=a"))) },
  { "iommufd-is-seen-at-the-vsmmu", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT (
                                                     "-global") ARGUMENT ("vfio-pci.iommufd=a"))) },
  { "iommufd-of-the-domain-is-off",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=vsmmu-iommufd-no")
                                             ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=vsmmu-iommufd-no"))) },
  { "iommufd-of-the-domain-is-on",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=vsmmu-iommufd-yes")
                                             ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=vsmmu-iommufd-yes"))) },
  { "no-device-has-iommufd",
    BODY (PLAIN_DEVICE PLAIN_VSMMU, ARGUMENTS (ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd="))) },
  { "iommufd-of-the-domain-is-there",
    BODY (PLAIN_DEVICE VSMMU, "<iommufd enabled='no'/>\n" ARGUMENTS (
                                  ARGUMENT ("-object") ARGUMENT ("iommufd,id=vsmmu-iommufd-yes") ARGUMENT ("-global")
                                      ARGUMENT ("vfio-pci.iommufd=vsmmu-iommufd-yes"))) },
  { "device-without-iommufd",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT ("-global") ARGUMENT (
                                  "vfio-pci.iommufd=a")) OVERRIDE ("hostdev0", PROPERTY ("iommufd", "string", ""))) },
  { "device-without-that-of-the-domain",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=vsmmu-iommufd-yes")
                                             ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=vsmmu-iommufd-yes"))
                                  OVERRIDE ("hostdev0", PROPERTY ("iommufd", "string", ""))) },
  { "device-with-its-own-iommufd",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a"))
                                  OVERRIDE ("hostdev0", PROPERTY ("iommufd", "string", "a"))) },
  { "device-with-an-iommufd-that-is-not-there",
    BODY (PLAIN_DEVICE VSMMU, OVERRIDE ("hostdev0", PROPERTY ("iommufd", "string", "a"))) },
  { "device-of-which-iommufd-is-removed", BODY (PLAIN_DEVICE VSMMU, OVERRIDE ("hostdev0", REMOVED ("iommufd"))) },
  { "iommufd-that-is-used-elsewhere",
    BODY (PLAIN_DEVICE VSMMU,
          ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=a")
                         ARGUMENT ("-device") ARGUMENT ("vfio-pci,host=a.1,iommufd=a"))) },
  { "iommufd-with-a-descriptor",
    BODY (PLAIN_DEVICE VSMMU, ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a,fd=5") ARGUMENT ("-global")
                                             ARGUMENT ("vfio-pci.iommufd=a"))) },
  { "initiators",
    BODY ("<hostdev type='pci'>\n<source><address bus='9'/></source>\n</hostdev>\n"
          "<hostdev type='pci'>\n<source><address bus='8'/></source>\n<acpi index='7'/>\n</hostdev>\n"
          "<hostdev type='pci'>\n<source><address bus='7'/></source>\n<acpi nodeset='1'/>\n</hostdev>\n" VSMMU,
          ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("acpi-generic-initiator,id=a,pci-dev=hostdev0,node=2") ARGUMENT (
              "-object") ARGUMENT ("qom-type=acpi-generic-initiator,id=b,pci-dev=hostdev0,node=3") ARGUMENT ("-object")
                         ARGUMENT ("acpi-generic-initiator,id=c,pci-dev=hostdev0,node=4") ARGUMENT ("-object")
                             ARGUMENT ("acpi-generic-initiator,id=d,pci-dev=hostdev0,node=9") ARGUMENT ("-object")
                                 ARGUMENT ("acpi-generic-initiator,id=e,pci-dev=hostdev0,node=63") ARGUMENT ("-object")
                                     ARGUMENT ("acpi-generic-initiator,id=f,pci-dev=hostdev1,node=0"))) },
  { "expander-on-the-last-function",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=1f.7")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-past-the-last-function",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=1f.8")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-of-three-parts",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=1f.1.1")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-on-an-empty-place",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-on-no-number",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=x")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-the-largest-numbers",
    BODY (PLAIN_DEVICE,
          ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,bus_nr=254,numa_node=255")
                         ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-the-smallest-numbers",
    BODY (PLAIN_DEVICE,
          ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,bus_nr=1,numa_node=0")
                         ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-the-smallest-bus-number",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,bus_nr=1")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-the-smallest-node",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,numa_node=0")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-a-bus-number-too-large",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,bus_nr=255")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-with-a-bus-number-too-small",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2,bus_nr=0")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-by-its-driver",
    BODY (PLAIN_DEVICE,
          ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("driver=pxb-pcie,id=root1,bus=pcie.0,addr=2") ARGUMENT ("-device")
                         ARGUMENT ("driver=arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-that-is-a-port",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pcie-root-port,id=root1,bus=pcie.0,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "expander-that-is-elsewhere",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pci.1,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))) },
  { "two-expanders",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on")
                                           ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root2,bus=pcie.0,addr=3")
                                               ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root2"))) },
  { "expander-where-only-the-root-is",
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n</devices>\n" ARGUMENTS (
        ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2") ARGUMENT ("-device")
            ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on")) "</domain>\n" },
  { "port-without-an-address",
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"
    "<controller type='pci' index='1' model='pcie-root-port'>\n<target "
    "chassis='1'/>\n</controller>\n</devices>\n" ARGUMENTS (ARGUMENT ("-device") ARGUMENT (
        "pxb-pcie,id=root1,bus=pcie.0,addr=2") ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))
        MOVED "</domain>\n" },
  { "port-of-which-the-place-is-removed",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))
                            OVERRIDE ("pci.1", PROPERTY ("bus", "string", "root1") REMOVED ("addr"))) },
  { "port-of-which-the-bus-is-removed",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))
                            OVERRIDE ("pci.1", REMOVED ("bus") PROPERTY ("addr", "string", "0"))) },
  { "port-of-which-only-the-bus-is-said",
    BODY (PLAIN_DEVICE, ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("pxb-pcie,id=root1,bus=pcie.0,addr=2")
                                       ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=root1,accel=on"))
                            OVERRIDE ("pci.1", PROPERTY ("bus", "string", "root1"))) },
  { "iommufd-is-seen-at-a-vsmmu-in-the-arguments",
    BODY ("", ARGUMENTS (ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=a") ARGUMENT ("-object") ARGUMENT (
                  "iommufd,id=a") ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=pcie.0,accel=on"))) },
  { "iommufd-of-a-vsmmu-in-the-arguments-that-is-not-accelerated",
    BODY ("", ARGUMENTS (ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=a") ARGUMENT ("-object") ARGUMENT (
                  "qom-type=iommufd,id=a") ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=pcie.0"))) },
  { "iommufd-twice", BODY (PLAIN_DEVICE VSMMU,
                           ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("iommufd,id=a") ARGUMENT ("-object")
                                          ARGUMENT ("iommufd,id=b") ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=a")
                                              ARGUMENT ("-global") ARGUMENT ("vfio-pci.iommufd=b"))) },
  { "initiators-of-the-largest-nodes",
    BODY (PLAIN_DEVICE VSMMU,
          ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("acpi-generic-initiator,id=a,pci-dev=hostdev0,node=63") ARGUMENT (
              "-object") ARGUMENT ("acpi-generic-initiator,id=b,pci-dev=hostdev0,node=64") ARGUMENT ("-object")
                         ARGUMENT ("acpi-generic-initiator,id=c,pci-dev=hostdev0,node=127"))) },
  { "hole-of-the-largest-size",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=16777215T"))) },
  { "hole-where-only-the-root-is",
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"
    "<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>\n</devices>\n" ARGUMENTS (
        ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G")) "</domain>\n" },
  { "driver-of-a-vsmmu", BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("driver", "string", "arm-smmuv3"))) },
  { "driver-of-a-vsmmu-that-is-something-else",
    BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("driver", "string", "virtio-iommu-pci"))) },
  { "bus-of-a-vsmmu", BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("primary-bus", "string", "pcie.0"))) },
  { "bus-of-a-vsmmu-that-is-not-there",
    BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("primary-bus", "string", "pci.9"))) },
  { "bus-of-a-vsmmu-that-is-removed", BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", REMOVED ("primary-bus"))) },
  { "initiators-that-stay",
    BODY ("<hostdev type='pci'>\n<source><address bus='9'/></source>\n</hostdev>\n"
          "<hostdev type='pci'>\n<source><address bus='7'/></source>\n<acpi nodeset='1'/>\n</hostdev>\n" VSMMU,
          ARGUMENTS (ARGUMENT ("-object") ARGUMENT ("acpi-generic-initiator,id=a,pci-dev=hostdev1,node=2") ARGUMENT (
              "-object") ARGUMENT ("acpi-generic-initiator,id=b,pci-dev=hostdev2,node=2") ARGUMENT ("-object")
                         ARGUMENT ("acpi-generic-initiator,id=c,pci-dev=hostdev0,node=x") ARGUMENT ("-object")
                             ARGUMENT ("acpi-generic-initiator,id=d,pci-dev=hostdev0,node=128") ARGUMENT ("-object")
                                 ARGUMENT ("acpi-generic-initiator,pci-dev=hostdev0,node=2") ARGUMENT ("-object")
                                     ARGUMENT ("acpi-generic-initiator,id=e,pci-dev=hostdev0,node=2,x=y"))) },
  { "hole-in-bytes", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=549755813888"))) },
  { "hole-in-bytes-with-a-suffix",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=549755813888B"))) },
  { "hole-in-gibibytes", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-M") ARGUMENT ("highmem-mmio-size=512g"))) },
  { "hole-that-is-no-multiple", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=1500"))) },
  { "hole-that-is-no-number", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=G"))) },
  { "hole-with-another-suffix", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512Q"))) },
  { "hole-with-more-than-a-suffix",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512GB"))) },
  { "hole-that-is-too-large", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=16E"))) },
  { "hole-and-more", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G,its=on"))) },
  { "hole-twice-and-more-in-the-first",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G,its=on") ARGUMENT ("-machine")
                                ARGUMENT ("highmem-mmio-size=1T"))) },
  { "hole-and-another-option-of-the-machine",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("its=on") ARGUMENT ("-machine")
                                ARGUMENT ("highmem-mmio-size=1T"))) },
  { "hole-twice", BODY (VSMMU, ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G")
                                              ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=1T"))) },
  { "hole-of-an-option-that-is-not-the-machine",
    BODY (VSMMU, ARGUMENTS (ARGUMENT ("-global") ARGUMENT ("highmem-mmio-size=512G"))) },
  { "hole-without-a-root",
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n" EXPANDER VSMMU
    "</devices>\n" ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G")) "</domain>\n" },
  { "hole-that-is-there",
    "<domain type='kvm'>\n<os><type arch='aarch64' machine='virt'>hvm</type></os>\n<devices>\n"
    "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='KiB'>1024</pcihole64></controller>\n" EXPANDER
        VSMMU "</devices>\n" ARGUMENTS (ARGUMENT ("-machine") ARGUMENT ("highmem-mmio-size=512G")) "</domain>\n" },
  { "options", BODY (PLAIN_VSMMU,
                     OVERRIDE ("iommu0", PROPERTY ("accel", "bool", "true") PROPERTY ("ssidsize", "string", "5")
                                             PROPERTY ("cmdqv", "string", "on") PROPERTY ("oas", "string", "auto"))) },
  { "options-that-are-removed",
    BODY ("<iommu model='smmuv3'>\n<driver pciBus='2' accel='on' ats='on' oas='48'/>\n</iommu>\n",
          OVERRIDE ("iommu0", REMOVED ("ats") REMOVED ("oas"))) },
  { "options-of-which-one-stays", BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("accel", "bool", "true")
                                                                             PROPERTY ("stage", "string", "nested"))) },
  { "options-that-libvirt-has-no-words-for",
    BODY (VSMMU, OVERRIDE ("iommu0", PROPERTY ("stage", "string", "nested"))) },
  { "options-of-a-vsmmu-without-bus",
    BODY ("<iommu model='smmuv3'/>\n" VSMMU, OVERRIDE ("iommu0", PROPERTY ("accel", "bool", "true"))) },
  { "options-of-another-iommu",
    BODY ("<iommu model='virtio'/>\n" VSMMU, OVERRIDE ("iommu0", PROPERTY ("accel", "bool", "true"))) },
  { "stand-in",
    BODY ("<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommu0'/>\n</controller>\n",
          OVERRIDE ("ua-iommu0", PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.2")
                                     PROPERTY ("accel", "bool", "true") REMOVED ("bus_nr") REMOVED ("addr"))) },
  { "stand-in-of-the-second",
    BODY ("<iommu model='smmuv3'><driver pciBus='0'/></iommu>\n"
          "<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommu7'/>\n</controller>\n",
          OVERRIDE ("ua-iommu7", PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.2")
                                     PROPERTY ("stage", "string", "nested") REMOVED ("chassis"))) },
  { "stand-in-with-an-alias",
    BODY ("<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-a'/>\n</controller>\n",
          OVERRIDE ("ua-a", PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.2")
                                PROPERTY ("stage", "string", "nested"))) },
  { "stand-in-with-an-alias-like-ours",
    BODY ("<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommus'/>\n</controller>\n",
          OVERRIDE ("ua-iommus",
                    PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.2"))) },
  { "stand-in-without-bus",
    BODY ("<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommu0'/>\n</controller>\n",
          OVERRIDE ("ua-iommu0", PROPERTY ("driver", "string", "arm-smmuv3"))) },
  { "stand-in-of-a-bus-that-is-not-there",
    BODY ("<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-iommu0'/>\n</controller>\n",
          OVERRIDE ("ua-iommu0",
                    PROPERTY ("driver", "string", "arm-smmuv3") PROPERTY ("primary-bus", "string", "pci.9"))) },
  { "driver-of-something-else",
    BODY (VSMMU "<controller type='pci' index='3' model='pcie-expander-bus'>\n<alias name='ua-a'/>\n</controller>\n",
          OVERRIDE ("ua-a", PROPERTY ("driver", "string", "pxb-pcie") PROPERTY ("primary-bus", "string", "pci.2"))) },
};

static void
test_documents_are_lifted_as_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (documents); i++) {
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    const char *xml = documents[i].xml;
    gsize length = 0;
    g_autofree char *lifted = vsmmu_lift (xml, strlen (xml), "domain.xml", notes, &length, &error);

    g_assert_true ((lifted == NULL) == (error != NULL));
    describe (text, documents[i].name, xml, lifted, notes, error);
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (documents));
  golden_compare ("lower/documents.txt", text->str);
}

/* What differs from the document before it was lowered. */
static void
test_what_was_lowered_is_lifted_as_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (lowered); i++) {
    const VsmmuTarget target = { lowered[i].libvirt, 0 };
    g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    gsize length = 0;
    g_autofree char *xml =
        vsmmu_lower_domain (lowered[i].xml, strlen (lowered[i].xml), "domain.xml", &target, ignored, &length, NULL);
    g_autofree char *lifted = NULL;

    if (xml == NULL)
      continue;
    lifted = vsmmu_lift (xml, length, "domain.xml", notes, &length, &error);
    g_assert_true ((lifted == NULL) == (error != NULL));
    describe (text, lowered[i].name, lowered[i].xml, lifted, notes, error);
  }
  golden_compare ("lower/lifted-again.txt", text->str);
}

/* Whichever of them it is that there is something to lift in. */
static void
test_a_domain_is_read_as_it_is_lifted (void)
{
  static const char *const texts[] = {
    BODY ("", ARGUMENTS (ARGUMENT ("-device") ARGUMENT ("arm-smmuv3,primary-bus=pcie.0,accel=on"))),
    BODY (PLAIN_VSMMU, OVERRIDE ("iommu0", PROPERTY ("accel", "bool", "true"))),
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (texts[i], strlen (texts[i]), "domain.xml", &error);

    g_assert_no_error (error);
    g_assert_cmpuint (domain->iommus->len, ==, 1);
    g_assert_cmpint (((const VsmmuDevice *) g_ptr_array_index (domain->iommus, 0))->iommu.accel, ==, VSMMU_SWITCH_ON);
  }
}

static void
test_files_are_read_and_those_that_are_not_there_refused (void)
{
  static const VsmmuTarget target = { VERSION (11, 3, 0), 0 };
  static const char xml[] = BODY (VSMMU, "");
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("vsmmu-XXXXXX", &error);
  g_autofree char *path = g_build_filename (directory, "guest.xml", NULL);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *from_file = NULL;
  g_autofree char *from_text = NULL;
  g_autofree char *lifted = NULL;
  gsize length = 0;

  g_assert_no_error (error);
  g_assert_null (vsmmu_lower_domain_file (path, &target, notes, &length, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_null (vsmmu_lift_file (path, notes, &length, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, xml, -1, &error));
  from_file = vsmmu_lower_domain_file (path, &target, notes, &length, &error);
  g_assert_no_error (error);
  from_text = vsmmu_lower_domain (xml, strlen (xml), path, &target, notes, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (from_file, ==, from_text);
  g_assert_cmpstr (from_file, !=, xml);
  g_assert_true (g_file_set_contents (path, from_file, -1, &error));
  lifted = vsmmu_lift_file (path, notes, &length, &error);
  g_assert_no_error (error);
  g_assert_null (strstr (lifted, "override"));
  g_unlink (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lower/strategy", test_the_strategy_follows_from_the_versions);
  g_test_add_func ("/lower/device", test_a_device_gets_what_a_lowered_guest_does_not_give_it);
  g_test_add_func ("/lower/refused", test_what_would_get_lost_is_refused);
  g_test_add_func ("/lower/room", test_no_room_for_stand_ins_is_refused);
  g_test_add_func ("/lower/bus-numbers", test_what_would_get_another_bus_number_is_refused);
  g_test_add_func ("/lift/not-lowered", test_lifting_leaves_alone_what_is_not_lowered);
  g_test_add_func ("/lift/one-name", test_lifting_refuses_two_devices_with_one_name);
  g_test_add_func ("/lower/words", test_what_is_lowered_is_what_was_found_right);
  g_test_add_func ("/lower/by-hand", test_what_is_written_by_hand_is_lowered_as_it_was_found_right);
  g_test_add_func ("/lift/by-hand", test_what_is_written_by_hand_is_lifted_as_it_was_found_right);
  g_test_add_func ("/lift/documents", test_documents_are_lifted_as_was_found_right);
  g_test_add_func ("/lift/again", test_what_was_lowered_is_lifted_as_was_found_right);
  g_test_add_func ("/lift/read", test_a_domain_is_read_as_it_is_lifted);
  g_test_add_func ("/lower/files", test_files_are_read_and_those_that_are_not_there_refused);
  return g_test_run ();
}
