/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/kernel.h"

#define IOMMUFD_NODE "/dev/iommu"

/* Devices that are tried for one SMMU; a machine with many busy ones is not searched to the end. */
#define ATTEMPTS_MAX 8

void
vsmmu_iommufd_decode (const VsmmuHwInfoSmmuv3 *info, VsmmuHostSmmu *smmu)
{
  for (guint i = 0; i < G_N_ELEMENTS (info->idr); i++)
    smmu->registers[VSMMU_SMMU_REGISTER_IDR0 + i] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, info->idr[i]);
  smmu->capabilities[VSMMU_SMMU_REPEAT_TLBI] =
      VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, (info->flags & VSMMU_HW_INFO_REPEAT_TLBI_CFGI) != 0);
  smmu->registers[VSMMU_SMMU_REGISTER_IIDR] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, info->iidr);
  smmu->registers[VSMMU_SMMU_REGISTER_AIDR] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, info->aidr);
}

static int
real_open (const char *path)
{
  return open (path, O_RDWR | O_CLOEXEC);
}

static int
real_ioctl (int fd, unsigned long request, gpointer argument)
{
  return ioctl (fd, request, argument);
}

static void
real_close (int fd)
{
  close (fd);
}

const VsmmuIommufdKernel vsmmu_iommufd_kernel = { real_open, real_ioctl, real_close };

static gboolean
get_info (const VsmmuIommufdKernel *kernel, int iommufd, guint32 device_id, guint32 flags, guint32 type, gpointer data,
          guint32 length, VsmmuHwInfo *info)
{
  *info = (VsmmuHwInfo){
    .size = sizeof (*info),
    .flags = flags,
    .dev_id = device_id,
    .data_len = length,
    .data_uptr = (guint64) (gsize) data,
    .data_type = flags != 0 ? type : 0,
  };

  if (kernel->ioctl (iommufd, VSMMU_IOMMU_GET_HW_INFO, info) != 0)
    return FALSE;
  errno = EOPNOTSUPP;
  return info->data_type == type;
}

/* Of a size that no hardware has, nothing is believed. */
static VsmmuFact
power_of_two (guint8 log2)
{
  return log2 <= 15 ? VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, log2) : VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
}

/* A kernel without the flag cannot give a guest command queues either. */
static void
ask_cmdqv (const VsmmuIommufdKernel *kernel, int iommufd, guint32 device_id, VsmmuHostSmmu *smmu)
{
  VsmmuHwInfo info;
  VsmmuHwInfoCmdqv cmdqv = { 0 };
  gboolean has_cmdqv = get_info (kernel, iommufd, device_id, VSMMU_HW_INFO_INPUT_TYPE, VSMMU_HW_INFO_TEGRA241_CMDQV,
                                 &cmdqv, sizeof (cmdqv), &info);

  smmu->capabilities[VSMMU_SMMU_CMDQV] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, has_cmdqv);
  if (!has_cmdqv)
    return;
  smmu->capabilities[VSMMU_SMMU_CMDQV_VERSION] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, cmdqv.version);
  smmu->capabilities[VSMMU_SMMU_CMDQV_QUEUES] = power_of_two (cmdqv.log2vcmdqs);
  smmu->capabilities[VSMMU_SMMU_CMDQV_SIDS] = power_of_two (cmdqv.log2vsids);
}

/* What the kernel lets @device use; older kernels leave the bit for ATS 0 whatever it can. */
static void
read_device (const VsmmuHwInfo *info, VsmmuHostDevice *device, const char *release)
{
  gboolean has_ats = (info->out_capabilities & VSMMU_HW_CAP_ATS_NOT_SUPPORTED) == 0;

  if (!has_ats || vsmmu_kernel_has (release, VSMMU_KERNEL_REPORTS_ATS) == VSMMU_KERNEL_YES)
    device->kernel_ats = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, has_ats);
  device->kernel_pasid = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, MIN (info->out_max_pasid_log2, 20));
  device->pasid_exec = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, (info->out_capabilities & VSMMU_HW_CAP_PASID_EXEC) != 0);
  device->pasid_priv = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, (info->out_capabilities & VSMMU_HW_CAP_PASID_PRIV) != 0);
}

static gboolean
ask (const VsmmuIommufdKernel *kernel, int iommufd, guint32 device_id, VsmmuHostDevice *device, const char *release)
{
  VsmmuHwInfo info;
  VsmmuHwInfoSmmuv3 registers = { 0 };

  if (!get_info (kernel, iommufd, device_id, 0, VSMMU_HW_INFO_ARM_SMMUV3, &registers, sizeof (registers), &info))
    return FALSE;
  vsmmu_iommufd_decode (&registers, device->smmu);
  read_device (&info, device, release);
  ask_cmdqv (kernel, iommufd, device_id, device->smmu);
  return TRUE;
}

/* Binds the device @path, if nobody else has it, for as long as it takes to ask; errno says why when that fails. */
static gboolean
ask_through (const VsmmuIommufdKernel *kernel, int iommufd, const char *path, VsmmuHostDevice *device,
             const char *release)
{
  VsmmuBindIommufd bind = { .argsz = sizeof (bind), .iommufd = iommufd };
  int fd = kernel->open (path);
  gboolean is_done;
  int saved;

  if (fd < 0)
    return FALSE;
  is_done = kernel->ioctl (fd, VSMMU_VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0 &&
            ask (kernel, iommufd, bind.out_devid, device, release);
  saved = errno;
  kernel->close (fd);
  errno = saved;
  return is_done;
}

/* Whether another function of the same device has a driver of the host, which a reset of the bus takes by surprise. */
static gboolean
has_busy_sibling (const VsmmuHostSmmu *smmu, const VsmmuHostDevice *device)
{
  for (guint i = 0; i < smmu->devices->len; i++) {
    const VsmmuHostDevice *other = g_ptr_array_index (smmu->devices, i);

    if (other != device && other->domain == device->domain && other->bus == device->bus &&
        other->slot == device->slot && other->driver != NULL && !vsmmu_host_device_is_for_vfio (other))
      return TRUE;
  }
  return FALSE;
}

/*
 * Opening a device resets it. For a GPU with memory of its own that takes up to half a minute, a physical function
 * loses its virtual functions, and a driver such as nvidia has more to do with a device than to give it to VFIO.
 */
static gboolean
is_harmless (const VsmmuHostSmmu *smmu, const VsmmuHostDevice *device)
{
  return !vsmmu_host_device_is_gpu (device) && !vsmmu_fact_is_true (device->vfs) &&
         vsmmu_host_device_has_vfio_driver (device) && !has_busy_sibling (smmu, device);
}

/* (transfer container): the devices of @smmu that may be opened, the harmless ones first */
static GPtrArray *
list_candidates (const VsmmuHostSmmu *smmu)
{
  GPtrArray *candidates = g_ptr_array_new ();

  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < smmu->devices->len; i++) {
      VsmmuHostDevice *device = g_ptr_array_index (smmu->devices, i);

      if (device->vfio != NULL && is_harmless (smmu, device) == (pass == 0))
        g_ptr_array_add (candidates, device);
    }
  return candidates;
}

/* Devices in use are not reported as long as one of the others answers. */
static void
probe_smmu (const VsmmuIommufdKernel *kernel, int iommufd, VsmmuHost *host, VsmmuHostSmmu *smmu)
{
  g_autoptr (GPtrArray) candidates = list_candidates (smmu);
  g_autofree char *failed = NULL;
  int error = 0;

  for (guint i = 0; i < MIN (candidates->len, ATTEMPTS_MAX); i++) {
    VsmmuHostDevice *device = g_ptr_array_index (candidates, i);
    g_autofree char *path = g_build_filename ("/dev/vfio/devices", device->vfio, NULL);

    if (ask_through (kernel, iommufd, path, device, host->kernel)) {
      smmu->probed = g_strdup (device->name);
      return;
    }
    error = errno;
    g_free (failed);
    failed = g_steal_pointer (&path);
  }
  if (failed != NULL)
    vsmmu_host_add_unread (host, failed, g_strerror (error));
}

void
vsmmu_iommufd_probe (VsmmuHost *host, const VsmmuIommufdKernel *kernel)
{
  int iommufd;

  if (!vsmmu_fact_is_true (host->dev_iommu) || host->smmus->len == 0)
    return;
  iommufd = kernel->open (IOMMUFD_NODE);
  if (iommufd < 0) {
    vsmmu_host_add_unread (host, IOMMUFD_NODE, g_strerror (errno));
    return;
  }
  for (guint i = 0; i < host->smmus->len; i++)
    probe_smmu (kernel, iommufd, host, g_ptr_array_index (host->smmus, i));
  kernel->close (iommufd);
}
