/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check/run.h"
#include "domain/hotplug.h"
#include "vsmmu/vsmmu.h"

#define THREADS 8
#define ROUNDS 100

#define GUEST                                                                                                          \
  "<domain type='kvm'><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/>"         \
  "<gic version='3'/></features><devices><controller type='pci' index='0' model='pcie-root'/>"                         \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"        \
  "<hostdev type='pci'><driver iommufd='yes'/><source><address bus='9'/></source><address type='pci' bus='2'/>"        \
  "</hostdev><iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu></devices></domain>"

#define GPU "<hostdev type='pci'>\n<driver iommufd='no'/><source><address bus='8'/></source></hostdev>"

static VsmmuDomain *
read_guest (void)
{
  g_autoptr (GError) error = NULL;
  VsmmuDomain *guest = vsmmu_domain_new_from_data (GUEST, strlen (GUEST), "guest.xml", &error);

  g_assert_no_error (error);
  return guest;
}

static VsmmuHotplug *
read_device (VsmmuHotplugAction action, const char *text)
{
  g_autoptr (GError) error = NULL;
  VsmmuHotplug *hotplug = vsmmu_hotplug_new_from_data (action, text, strlen (text), "device.xml", &error);

  g_assert_no_error (error);
  return hotplug;
}

/* (transfer full): what a check says, as JSON */
static char *
look_at (const VsmmuDomain *guest, const VsmmuHotplug *hotplug)
{
  const VsmmuCheckOptions options = { .hotplug = hotplug };
  g_autoptr (GPtrArray) findings = vsmmu_check_domain (guest, &options);

  return vsmmu_render_json (findings, 1);
}

/* What is no device, and why. */
static const struct {
  const char *name;
  const char *text;
  VsmmuError code;
} refused[] = {
  { "domain", "<domain/>", VSMMU_ERROR_NOT_DEVICE },
  { "unknown", "<banana/>", VSMMU_ERROR_NOT_DEVICE },
  { "upper-case", "<HOSTDEV/>", VSMMU_ERROR_NOT_DEVICE },
  { "devices", "<devices><hostdev/></devices>", VSMMU_ERROR_NOT_DEVICE },
  { "empty", "", VSMMU_ERROR_XML },
  { "cut-off", "<hostdev>", VSMMU_ERROR_XML },
  { "two", "<hostdev/><hostdev/>", VSMMU_ERROR_XML },
  { "doctype", "<!DOCTYPE hostdev><hostdev/>", VSMMU_ERROR_XML },
};

static void
test_other_root_elements_are_refused (gconstpointer data)
{
  const typeof (refused[0]) *row = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, row->text, strlen (row->text), "device.xml", &error));
  g_assert_error (error, VSMMU_ERROR, (int) row->code);
  g_assert_true (g_str_has_prefix (error->message, "device.xml:1: "));
}

static void
test_a_file_that_is_not_there_is_an_error (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_hotplug_new_from_file (VSMMU_HOTPLUG_ATTACH, "/nonexistent/device.xml", &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
}

static void
test_the_guest_does_not_change (void)
{
  g_autoptr (VsmmuDomain) guest = read_guest ();
  g_autoptr (VsmmuHotplug) attach = read_device (VSMMU_HOTPLUG_ATTACH, GPU);
  g_autofree char *before = look_at (guest, NULL);
  g_autofree char *attached = look_at (guest, attach);
  g_autofree char *again = look_at (guest, attach);
  g_autofree char *after = look_at (guest, NULL);

  g_assert_cmpstr (before, ==, after);
  g_assert_cmpstr (attached, ==, again);
  g_assert_cmpstr (before, !=, attached);
}

static void
test_an_attached_device_has_an_address_and_a_path_of_its_own (void)
{
  g_autoptr (VsmmuDomain) guest = read_guest ();
  g_autoptr (VsmmuHotplug) attach = read_device (VSMMU_HOTPLUG_ATTACH, GPU);
  g_autoptr (VsmmuDomain) changed = vsmmu_hotplug_apply (attach, guest);
  const VsmmuDevice *device = changed->plug->device;
  g_autofree char *path = vsmmu_device_path (device, "/driver");

  g_assert_cmpint (changed->plug->outcome, ==, VSMMU_PLUG_PLACED);
  g_assert_cmpuint (device->address.bus, ==, 3);
  g_assert_cmpstr (path, ==, "/hostdev/driver");
  g_assert_cmpuint (changed->hostdevs->len, ==, guest->hostdevs->len + 1);
  g_assert_true (vsmmu_domain_vsmmu_of (changed, device) == g_ptr_array_index (guest->iommus, 0));
}

static void
test_a_detached_device_is_found_by_its_source (void)
{
  g_autoptr (VsmmuDomain) guest = read_guest ();
  g_autoptr (VsmmuHotplug) there =
      read_device (VSMMU_HOTPLUG_DETACH, "<hostdev type='pci'><source><address bus='0x09'/></source></hostdev>");
  g_autoptr (VsmmuHotplug) gone = read_device (VSMMU_HOTPLUG_DETACH, GPU);
  g_autoptr (VsmmuDomain) with = vsmmu_hotplug_apply (there, guest);
  g_autoptr (VsmmuDomain) without = vsmmu_hotplug_apply (gone, guest);

  g_assert_true (with->plug->target == g_ptr_array_index (guest->hostdevs, 0));
  g_assert_null (without->plug->target);
  g_assert_cmpuint (with->hostdevs->len, ==, guest->hostdevs->len);
}

typedef struct {
  const VsmmuDomain *guest;
  const VsmmuHotplug *hotplug;
  const char *expected;
} Shared;

static gpointer
look_often (gpointer data)
{
  const Shared *shared = data;

  for (guint round = 0; round < ROUNDS; round++) {
    g_autofree char *seen = look_at (shared->guest, shared->hotplug);

    g_assert_cmpstr (seen, ==, shared->expected);
  }
  return NULL;
}

static void
test_a_guest_and_a_device_are_shared_by_several_threads (void)
{
  g_autoptr (VsmmuDomain) guest = read_guest ();
  g_autoptr (VsmmuHotplug) attach = read_device (VSMMU_HOTPLUG_ATTACH, GPU);
  g_autofree char *expected = look_at (guest, attach);
  Shared shared = { guest, attach, expected };
  GThread *threads[THREADS];

  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("attach", look_often, &shared);
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autofree char *path = g_strdup_printf ("/hotplug/refused/%s", refused[i].name);

    g_test_add_data_func (path, &refused[i], test_other_root_elements_are_refused);
  }
  g_test_add_func ("/hotplug/no-file", test_a_file_that_is_not_there_is_an_error);
  g_test_add_func ("/hotplug/guest-does-not-change", test_the_guest_does_not_change);
  g_test_add_func ("/hotplug/address-and-path", test_an_attached_device_has_an_address_and_a_path_of_its_own);
  g_test_add_func ("/hotplug/detached", test_a_detached_device_is_found_by_its_source);
  g_test_add_func ("/hotplug/threads", test_a_guest_and_a_device_are_shared_by_several_threads);
  return g_test_run ();
}
