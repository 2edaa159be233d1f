/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/number.h"
#include "domain/virt-machine.h"
#include "host/device-model.h"
#include "host/pci-hole.h"

/* (transfer full): a function with BARs 0, 2 and 4 of these sizes, all of them 64-bit and prefetchable */
static VsmmuHostDevice *
make_device (guint16 id, const char *driver, guint64 bar0, guint64 bar2, guint64 bar4)
{
  VsmmuHostDevice *device = vsmmu_host_device_new ("0009:01:00.0");
  const guint64 sizes[] = { bar0, 0, bar2, 0, bar4 };

  device->vendor = 0x10de;
  device->device = id;
  device->driver = g_strdup (driver);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    device->bars[i] = (VsmmuHostBar){ .size = sizes[i], .is_64bit = TRUE, .is_prefetchable = TRUE };
  return device;
}

static VsmmuHost *
host_with (VsmmuHostDevice *device)
{
  VsmmuHost *host = vsmmu_host_new ();

  g_ptr_array_add (host->devices, device);
  return host;
}

/* Host BARs of real machines, and what VFIO makes of them: Linux, drivers/vfio/pci/nvgrace-gpu/main.c. */
static const struct {
  const char *name;
  guint16 id;
  const char *driver;
  guint64 bars[3];
  guint64 shown[3];
  guint n_nodes;
} devices[] = {
  { "GH200 with 96 GB",
    0x2342,
    "nvidia",
    { 16 * VSMMU_MIB, 128 * VSMMU_GIB, 32 * VSMMU_MIB },
    { 16 * VSMMU_MIB, 2 * VSMMU_GIB, 128 * VSMMU_GIB },
    8 },
  { "GH200 with 144 GB",
    0x2348,
    NULL,
    { 16 * VSMMU_MIB, 256 * VSMMU_GIB, 32 * VSMMU_MIB },
    { 16 * VSMMU_MIB, 2 * VSMMU_GIB, 256 * VSMMU_GIB },
    8 },
  { "GB200",
    0x2941,
    "nvgrace_gpu_vfio_pci",
    { 64 * VSMMU_MIB, 256 * VSMMU_GIB, 32 * VSMMU_MIB },
    { 64 * VSMMU_MIB, 256 * VSMMU_GIB, 256 * VSMMU_GIB },
    8 },
  { "GB300",
    0x31c2,
    "vfio-pci",
    { 64 * VSMMU_MIB, 512 * VSMMU_GIB, 32 * VSMMU_MIB },
    { 64 * VSMMU_MIB, 512 * VSMMU_GIB, 512 * VSMMU_GIB },
    8 },
  { "GPU that is not in the table",
    0x3fff,
    "nvgrace_gpu_vfio_pci",
    { 64 * VSMMU_MIB, 512 * VSMMU_GIB, 0 },
    { 64 * VSMMU_MIB, 512 * VSMMU_GIB, 512 * VSMMU_GIB },
    8 },
  { "other GPU",
    0x2331,
    "vfio-pci",
    { 16 * VSMMU_MIB, 128 * VSMMU_GIB, 32 * VSMMU_MIB },
    { 16 * VSMMU_MIB, 128 * VSMMU_GIB, 32 * VSMMU_MIB },
    0 },
};

static void
test_bars_are_those_that_vfio_shows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (devices); i++) {
    VsmmuHostDevice *device =
        make_device (devices[i].id, devices[i].driver, devices[i].bars[0], devices[i].bars[1], devices[i].bars[2]);
    g_autoptr (VsmmuHost) host = host_with (device);
    VsmmuHostBar bars[VSMMU_HOST_BARS_MAX];

    g_test_message ("%s", devices[i].name);
    vsmmu_host_device_bars (device, bars);
    for (guint b = 0; b < 3; b++)
      g_assert_cmpuint (bars[2 * b].size, ==, devices[i].shown[b]);
    g_assert_cmpuint (vsmmu_host_device_memory_nodes (device), ==, devices[i].n_nodes);
  }
}

/* What KubeVirt and NVIDIA's guide write for so many GPUs, and for one GH200 less than they do. */
static const struct {
  guint16 id;
  guint64 bar2;
  guint count;
  guint64 gib;
} holes[] = {
  { 0x2342, 128 * VSMMU_GIB, 1, 512 },  { 0x2348, 256 * VSMMU_GIB, 1, 512 },  { 0x2941, 256 * VSMMU_GIB, 1, 1024 },
  { 0x2941, 256 * VSMMU_GIB, 2, 2048 }, { 0x2941, 256 * VSMMU_GIB, 4, 4096 }, { 0x31c2, 512 * VSMMU_GIB, 4, 8192 },
};

static void
test_the_hole_is_as_large_as_guides_say (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (holes); i++) {
    VsmmuHostDevice *device = make_device (holes[i].id, NULL, 64 * VSMMU_MIB, holes[i].bar2, 32 * VSMMU_MIB);
    g_autoptr (VsmmuHost) host = host_with (device);
    VsmmuPciHole hole = { 0 };

    g_test_message ("%u of %04x", holes[i].count, holes[i].id);
    for (guint d = 0; d < holes[i].count; d++)
      vsmmu_pci_hole_add (&hole, device);
    g_assert_cmpuint (vsmmu_pci_hole_size (&hole, 32 * VSMMU_KIB_PER_GIB), ==, holes[i].gib * VSMMU_KIB_PER_GIB);
  }
}

static void
test_windows_are_aligned_to_the_largest_bar (void)
{
  VsmmuHostDevice *device = make_device (0x2331, NULL, 3 * VSMMU_GIB, VSMMU_GIB, 1);
  g_autoptr (VsmmuHost) host = host_with (device);
  VsmmuPciHole hole = { 0 };

  vsmmu_pci_hole_add (&hole, device);
  g_assert_cmpuint (hole.need, ==, 5 * VSMMU_KIB_PER_GIB + 1);
  vsmmu_pci_hole_add (&hole, device);
  g_assert_cmpuint (hole.need, ==, 13 * VSMMU_KIB_PER_GIB + 1);
}

static void
test_what_is_not_in_the_hole_takes_nothing (void)
{
  VsmmuHostDevice *device = make_device (0x2331, NULL, VSMMU_GIB, VSMMU_GIB, VSMMU_GIB);
  g_autoptr (VsmmuHost) host = host_with (device);
  VsmmuPciHole hole = { 0 };

  device->bars[0].is_64bit = FALSE;
  device->bars[2].is_prefetchable = FALSE;
  device->bars[4].is_io = TRUE;
  vsmmu_pci_hole_add (&hole, device);
  g_assert_cmpuint (hole.need, ==, 0);
  g_assert_cmpuint (vsmmu_pci_hole_size (&hole, 0), ==, VSMMU_VIRT_HOLE_MIN);
}

static void
test_no_hole_is_large_enough_for_absurd_facts (void)
{
  VsmmuHostDevice *device = make_device (0x2331, NULL, G_MAXUINT64, G_MAXUINT64, G_MAXUINT64);
  g_autoptr (VsmmuHost) host = host_with (device);
  VsmmuPciHole hole = { 0 };

  for (guint i = 0; i < 1000; i++)
    vsmmu_pci_hole_add (&hole, device);
  g_assert_cmpuint (vsmmu_pci_hole_size (&hole, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device-model/bars-are-those-that-vfio-shows", test_bars_are_those_that_vfio_shows);
  g_test_add_func ("/pci-hole/is-as-large-as-guides-say", test_the_hole_is_as_large_as_guides_say);
  g_test_add_func ("/pci-hole/windows-are-aligned-to-the-largest-bar", test_windows_are_aligned_to_the_largest_bar);
  g_test_add_func ("/pci-hole/what-is-not-in-it-takes-nothing", test_what_is_not_in_the_hole_takes_nothing);
  g_test_add_func ("/pci-hole/none-is-large-enough-for-absurd-facts", test_no_hole_is_large_enough_for_absurd_facts);
  return g_test_run ();
}
