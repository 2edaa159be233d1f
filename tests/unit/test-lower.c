/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "vsmmu/lower.h"

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
    "second <acpi>" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu></devices><iommufd enabled='yes'/>"
            "<iommufd enabled='no'/><devices>"),
    "only one such element" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/><alias name='ua-a'/></iommu><hostdev type='pci'>"
            "<alias name='ua-a'/></hostdev>"),
    "'ua-a'" },
  { DOMAIN ("<iommu model='smmuv3'><driver pciBus='1'/></iommu><hostdev type='pci'/></devices>"
            "<q:override xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:device alias='hostdev0'><q:frontend>"
            "<q:property name='iommufd' type='string' value='on'/></q:frontend></q:device></q:override><devices>"),
    "'hostdev0'" },
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lower/strategy", test_the_strategy_follows_from_the_versions);
  g_test_add_func ("/lower/device", test_a_device_gets_what_a_lowered_guest_does_not_give_it);
  g_test_add_func ("/lower/refused", test_what_would_get_lost_is_refused);
  g_test_add_func ("/lower/room", test_no_room_for_stand_ins_is_refused);
  g_test_add_func ("/lift/not-lowered", test_lifting_leaves_alone_what_is_not_lowered);
  g_test_add_func ("/lift/one-name", test_lifting_refuses_two_devices_with_one_name);
  return g_test_run ();
}
