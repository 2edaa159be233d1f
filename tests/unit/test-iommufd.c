/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "probe/iommufd.h"

/* A kernel with two VFIO devices, as one test after the other wants it to be. */
static struct {
  int open_error[3]; /* of /dev/iommu, vfio0, vfio1; 0 for none */
  int bind_error[3];
  guint32 data_type;
  gboolean has_cmdqv;
  gboolean knows_input_type;
  VsmmuHwInfoCmdqv cmdqv;
  guint8 pasid_bits;
  guint64 capabilities;
  int n_open; /* descriptors that are open now */
  guint n_opened[3];
  int bound; /* descriptor of the device that was bound last */
} kernel;

#define FIRST_FD 100

static int
fake_open (const char *path)
{
  static const char *const paths[] = { "/dev/iommu", "/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1" };

  for (int i = 0; i < (int) G_N_ELEMENTS (paths); i++) {
    if (strcmp (paths[i], path) != 0)
      continue;
    kernel.n_opened[i]++;
    errno = kernel.open_error[i];
    if (kernel.open_error[i] != 0)
      return -1;
    kernel.n_open++;
    return FIRST_FD + i;
  }
  g_assert_not_reached ();
}

static int
fail (int error)
{
  errno = error;
  return -1;
}

static int
fake_bind (int fd, VsmmuBindIommufd *bind)
{
  g_assert_cmpuint (bind->argsz, ==, sizeof (*bind));
  g_assert_cmpuint (bind->flags, ==, 0);
  g_assert_cmpint (bind->iommufd, ==, FIRST_FD);
  if (kernel.bind_error[fd - FIRST_FD] != 0)
    return fail (kernel.bind_error[fd - FIRST_FD]);
  bind->out_devid = (guint32) fd * 7;
  kernel.bound = fd;
  return 0;
}

static int
fake_get_info (VsmmuHwInfo *info)
{
  static const VsmmuHwInfoSmmuv3 smmu = { .idr = { 0x0d44101b, 2, 3, 4, 5, 6 }, .iidr = 7, .aidr = 8 };
  gpointer data = GSIZE_TO_POINTER ((gsize) info->data_uptr);

  g_assert_cmpuint (info->size, ==, sizeof (*info));
  g_assert_cmpuint (info->dev_id, ==, kernel.bound * 7);
  if (info->flags != 0) {
    g_assert_cmpuint (info->data_type, ==, VSMMU_HW_INFO_TEGRA241_CMDQV);
    memcpy (data, &kernel.cmdqv, MIN (sizeof (kernel.cmdqv), info->data_len));
    return kernel.knows_input_type && kernel.has_cmdqv ? 0 : fail (EOPNOTSUPP);
  }
  g_assert_cmpuint (info->data_type, ==, 0);
  info->data_type = kernel.data_type;
  info->out_max_pasid_log2 = kernel.pasid_bits;
  info->out_capabilities = kernel.capabilities;
  memcpy (data, &smmu, MIN (sizeof (smmu), info->data_len));
  return 0;
}

static int
fake_ioctl (int fd, unsigned long request, gpointer argument)
{
  /* The numbers as the kernel's headers work them out. */
  if (request == 0x3b76)
    return fake_bind (fd, argument);
  g_assert_cmphex (request, ==, 0x3b8a);
  g_assert_cmpint (fd, ==, FIRST_FD);
  return fake_get_info (argument);
}

static void
fake_close (int fd)
{
  g_assert_cmpint (fd, >=, FIRST_FD);
  kernel.n_open--;
}

static const VsmmuIommufdKernel fake_kernel = { fake_open, fake_ioctl, fake_close };

/* What the first of the two devices is, and whether the other is probed instead. */
static const struct {
  const char *name;
  guint32 class_code;
  const char *driver;
  int vfs;
  const char *sibling; /* driver of another function of the device */
  gboolean is_avoided;
} firsts[] = {
  { "nvme", 0x010802, "vfio-pci", 0, NULL, FALSE },
  { "gpu", 0x030200, "nvgrace_gpu_vfio_pci", 0, NULL, TRUE },
  { "accelerator", 0x120000, "vfio-pci", 0, NULL, TRUE },
  { "virtual-gpu", 0x010802, "nvidia", 0, NULL, TRUE },
  { "physical-function", 0x020000, "vfio-pci", 4, NULL, TRUE },
  { "sibling-of-the-host", 0x020000, "vfio-pci", 0, "mlx5_core", TRUE },
  { "sibling-for-vfio", 0x020000, "vfio-pci", 0, "vfio-pci", FALSE },
  { "sibling-without-driver", 0x020000, "vfio-pci", 0, "", FALSE },
};

static const typeof (firsts[0]) *first = &firsts[0];

static const char *release;

/* One SMMU with a device of the host's, and two bound to vfio-pci. */
static VsmmuHost *
probe (void)
{
  VsmmuHost *host = vsmmu_host_new ();
  static const char *const nodes[] = { NULL, "vfio0", "vfio1" };

  host->kernel = g_strdup (release);
  host->dev_iommu = VSMMU_FACT (VSMMU_FACT_SOURCE_DEVFS, TRUE);
  g_ptr_array_add (host->smmus, vsmmu_host_smmu_new ("smmu3.0x000000000c000000"));
  for (guint i = 0; i < G_N_ELEMENTS (nodes); i++) {
    g_autofree char *name = g_strdup_printf ("0000:0%u:00.0", i);
    VsmmuHostDevice *device = vsmmu_host_device_new (name);

    device->bus = (guint8) i;
    device->vfio = g_strdup (nodes[i]);
    device->driver = g_strdup (i == 1 ? first->driver : "vfio-pci");
    device->class_code = i == 1 ? first->class_code : 0x010802;
    device->vfs = VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, i == 1 ? first->vfs : 0);
    device->smmu = g_ptr_array_index (host->smmus, 0);
    g_ptr_array_add (host->devices, device);
  }
  if (first->sibling != NULL) {
    VsmmuHostDevice *sibling = vsmmu_host_device_new ("0000:01:00.1");

    sibling->bus = 1;
    sibling->function = 1;
    sibling->driver = *first->sibling != '\0' ? g_strdup (first->sibling) : NULL;
    sibling->smmu = g_ptr_array_index (host->smmus, 0);
    g_ptr_array_add (host->devices, sibling);
  }
  vsmmu_host_sort (host);
  vsmmu_host_connect (host);
  vsmmu_iommufd_probe (host, &fake_kernel);
  g_assert_cmpint (kernel.n_open, ==, 0);
  return host;
}

static void
reset (void)
{
  memset (&kernel, 0, sizeof (kernel));
  kernel.data_type = VSMMU_HW_INFO_ARM_SMMUV3;
}

static const VsmmuHostSmmu *
smmu_of (const VsmmuHost *host)
{
  return g_ptr_array_index (host->smmus, 0);
}

static void
test_registers_come_through_an_idle_device (void)
{
  g_autoptr (VsmmuHost) host = NULL;

  reset ();
  host = probe ();
  g_assert_cmphex (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR0].value, ==, 0x0d44101b);
  g_assert_cmphex (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR5].value, ==, 6);
  g_assert_cmphex (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IIDR].value, ==, 7);
  g_assert_cmphex (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_AIDR].value, ==, 8);
  g_assert_cmpint (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR0].source, ==, VSMMU_FACT_SOURCE_IOMMUFD);
  g_assert_cmpuint (kernel.n_opened[1], ==, 1);
  g_assert_cmpuint (kernel.n_opened[2], ==, 0);
  g_assert_cmpuint (host->unread->len, ==, 0);
}

static void
test_a_device_in_use_is_left_alone_for_the_next (void)
{
  static const int errors[] = { EBUSY, EINVAL, EPERM };

  for (guint i = 0; i < G_N_ELEMENTS (errors); i++) {
    g_autoptr (VsmmuHost) host = NULL;

    reset ();
    kernel.bind_error[1] = errors[i];
    host = probe ();
    g_assert_true (vsmmu_fact_is_known (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR0]));
    g_assert_cmpuint (kernel.n_opened[2], ==, 1);
    g_assert_cmpuint (host->unread->len, ==, 0);
  }
}

static void
test_a_device_whose_reset_hurts_is_taken_last (gconstpointer data)
{
  g_autoptr (VsmmuHost) host = NULL;

  reset ();
  first = data;
  host = probe ();
  g_assert_cmpuint (kernel.n_opened[1], ==, !first->is_avoided);
  g_assert_cmpuint (kernel.n_opened[2], ==, first->is_avoided);
  g_assert_cmpstr (smmu_of (host)->probed, ==, first->is_avoided ? "0000:02:00.0" : "0000:01:00.0");
  g_clear_pointer (&host, vsmmu_host_unref);
  /* Without another one it is. */
  reset ();
  kernel.bind_error[2] = EBUSY;
  host = probe ();
  g_assert_cmpstr (smmu_of (host)->probed, ==, "0000:01:00.0");
  g_assert_cmpuint (host->unread->len, ==, 0);
  first = &firsts[0];
}

static void
test_when_all_are_in_use_that_is_said (void)
{
  g_autoptr (VsmmuHost) host = NULL;
  const VsmmuHostUnread *unread;

  reset ();
  kernel.open_error[1] = EACCES;
  kernel.bind_error[2] = EBUSY;
  host = probe ();
  g_assert_false (vsmmu_fact_is_known (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR0]));
  g_assert_cmpuint (host->unread->len, ==, 1);
  unread = g_ptr_array_index (host->unread, 0);
  g_assert_cmpstr (unread->path, ==, "/dev/vfio/devices/vfio1");
  g_assert_cmpstr (unread->reason, ==, g_strerror (EBUSY));
}

static void
test_without_dev_iommu_nothing_is_opened (void)
{
  g_autoptr (VsmmuHost) host = NULL;

  reset ();
  kernel.open_error[0] = EACCES;
  host = probe ();
  g_assert_cmpuint (kernel.n_opened[1] + kernel.n_opened[2], ==, 0);
  g_assert_cmpstr (((const VsmmuHostUnread *) g_ptr_array_index (host->unread, 0))->path, ==, "/dev/iommu");
}

static void
test_another_kind_of_iommu_tells_no_registers (void)
{
  g_autoptr (VsmmuHost) host = NULL;

  reset ();
  kernel.data_type = 1;
  host = probe ();
  g_assert_cmpstr (((const VsmmuHostUnread *) g_ptr_array_index (host->unread, 0))->reason, ==,
                   g_strerror (EOPNOTSUPP));
  g_assert_false (vsmmu_fact_is_known (smmu_of (host)->registers[VSMMU_SMMU_REGISTER_IDR0]));
}

static void
test_cmdqv_is_there_when_the_kernel_gives_it_out (void)
{
  for (guint i = 0; i < 4; i++) {
    g_autoptr (VsmmuHost) host = NULL;
    VsmmuFact cmdqv;

    reset ();
    kernel.has_cmdqv = (i & 1) != 0;
    kernel.knows_input_type = (i & 2) != 0;
    host = probe ();
    cmdqv = smmu_of (host)->capabilities[VSMMU_SMMU_CMDQV];
    g_assert_cmpint (cmdqv.source, ==, VSMMU_FACT_SOURCE_IOMMUFD);
    g_assert_cmpint (cmdqv.value, ==, i == 3);
  }
}

static VsmmuFact
capability (const VsmmuHost *host, VsmmuSmmuCapability capability)
{
  return smmu_of (host)->capabilities[capability];
}

static void
test_cmdqv_comes_with_its_version_and_sizes (void)
{
  static const guint8 sids[] = { 0, 4, 15, 16, 255 };

  for (guint i = 0; i < G_N_ELEMENTS (sids); i++) {
    g_autoptr (VsmmuHost) host = NULL;

    reset ();
    kernel.has_cmdqv = kernel.knows_input_type = TRUE;
    kernel.cmdqv = (VsmmuHwInfoCmdqv){ .version = 1, .log2vcmdqs = 1, .log2vsids = sids[i] };
    host = probe ();
    g_assert_cmpint (capability (host, VSMMU_SMMU_CMDQV_VERSION).value, ==, 1);
    g_assert_cmpint (capability (host, VSMMU_SMMU_CMDQV_QUEUES).value, ==, 1);
    g_assert_cmpint (vsmmu_fact_is_known (capability (host, VSMMU_SMMU_CMDQV_SIDS)), ==, sids[i] <= 15);
    g_assert_cmpint (capability (host, VSMMU_SMMU_CMDQV_SIDS).value, ==, sids[i] <= 15 ? sids[i] : 0);
    g_assert_cmpint (vsmmu_host_smmu_supports_cmdqv (smmu_of (host)).value, ==, sids[i] != 0);
    g_assert_cmpuint (vsmmu_host_smmu_cmdqv_devices (smmu_of (host)), ==, sids[i] <= 15 ? 1u << sids[i] : 16);
  }
  reset ();
  {
    g_autoptr (VsmmuHost) host = probe ();

    g_assert_false (vsmmu_fact_is_known (capability (host, VSMMU_SMMU_CMDQV_VERSION)));
    g_assert_cmpint (vsmmu_host_smmu_supports_cmdqv (smmu_of (host)).value, ==, FALSE);
  }
}

/* What a kernel says of the device, and what follows for ATS: -1 for nothing. */
static const struct {
  const char *release;
  guint64 capabilities;
  int ats;
} words[] = {
  { "7.1.0", 1 << 3, FALSE },      { "7.1.0", 0, TRUE }, { "7.0.13", 0, -1 },
  { "6.17.0-1014-nvidia", 0, -1 }, { NULL, 0, -1 },      { "6.17.0-1014-nvidia", 1 << 3, FALSE },
};

static void
test_the_kernel_says_what_the_device_can_use (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    g_autoptr (VsmmuHost) host = NULL;
    const VsmmuHostDevice *opened;
    const VsmmuHostDevice *other;

    reset ();
    release = words[i].release;
    kernel.pasid_bits = 20;
    kernel.capabilities = words[i].capabilities | 1 << 1;
    host = probe ();
    opened = vsmmu_host_find_device (host, "0000:01:00.0");
    other = vsmmu_host_find_device (host, "0000:02:00.0");
    g_assert_cmpint (vsmmu_fact_is_known (opened->kernel_ats), ==, words[i].ats >= 0);
    g_assert_cmpint (opened->kernel_ats.value, ==, MAX (words[i].ats, 0));
    g_assert_cmpint (opened->kernel_pasid.value, ==, 20);
    g_assert_cmpint (opened->pasid_exec.value, ==, TRUE);
    g_assert_true (vsmmu_fact_is_false (opened->pasid_priv));
    g_assert_false (vsmmu_fact_is_known (other->kernel_ats) || vsmmu_fact_is_known (other->kernel_pasid));
  }
  release = NULL;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/iommufd/registers-come-through-an-idle-device", test_registers_come_through_an_idle_device);
  g_test_add_func ("/iommufd/a-device-in-use-is-left-alone-for-the-next",
                   test_a_device_in_use_is_left_alone_for_the_next);
  g_test_add_func ("/iommufd/when-all-are-in-use-that-is-said", test_when_all_are_in_use_that_is_said);
  g_test_add_func ("/iommufd/without-dev-iommu-nothing-is-opened", test_without_dev_iommu_nothing_is_opened);
  g_test_add_func ("/iommufd/another-kind-of-iommu-tells-no-registers", test_another_kind_of_iommu_tells_no_registers);
  g_test_add_func ("/iommufd/cmdqv-is-there-when-the-kernel-gives-it-out",
                   test_cmdqv_is_there_when_the_kernel_gives_it_out);
  g_test_add_func ("/iommufd/cmdqv-comes-with-its-version-and-sizes", test_cmdqv_comes_with_its_version_and_sizes);
  g_test_add_func ("/iommufd/the-kernel-says-what-the-device-can-use", test_the_kernel_says_what_the_device_can_use);
  for (guint i = 0; i < G_N_ELEMENTS (firsts); i++) {
    g_autofree char *path = g_strdup_printf ("/iommufd/first/%s", firsts[i].name);

    g_test_add_data_func (path, &firsts[i], test_a_device_whose_reset_hurts_is_taken_last);
  }
  return g_test_run ();
}
