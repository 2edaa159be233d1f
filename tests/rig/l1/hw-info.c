/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hw-info BDF: what the kernel says of the SMMU of a function that is bound to vfio-pci and open nowhere else:
 * VFIO_DEVICE_BIND_IOMMUFD, then IOMMU_GET_HW_INFO (Linux include/uapi/linux/iommufd.h). One JSON object.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int
open_cdev (const char *bdf)
{
  char path[300];
  snprintf (path, sizeof path, "/sys/bus/pci/devices/%s/vfio-dev", bdf);
  DIR *directory = opendir (path);
  if (directory == NULL)
    err (2, "%s: not bound to vfio-pci", bdf);
  struct dirent *entry;
  while ((entry = readdir (directory)) != NULL && strncmp (entry->d_name, "vfio", 4) != 0)
    ;
  if (entry == NULL)
    errx (2, "%s is empty", path);
  snprintf (path, sizeof path, "/dev/vfio/devices/%s", entry->d_name);
  int fd = open (path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    err (2, "%s", path);
  return fd;
}

int
main (int argc, char **argv)
{
  if (argc != 2)
    errx (2, "usage: hw-info BDF");
  int iommufd = open ("/dev/iommu", O_RDWR | O_CLOEXEC);
  if (iommufd < 0)
    err (2, "/dev/iommu");
  struct vfio_device_bind_iommufd bind = { .argsz = sizeof bind, .iommufd = iommufd };
  if (ioctl (open_cdev (argv[1]), VFIO_DEVICE_BIND_IOMMUFD, &bind) != 0)
    err (2, "%s: VFIO_DEVICE_BIND_IOMMUFD", argv[1]);

  struct iommu_hw_info_arm_smmuv3 smmu = { 0 };
  struct iommu_hw_info info = {
    .size = sizeof info,
    .dev_id = bind.out_devid,
    .data_len = sizeof smmu,
    .data_uptr = (uintptr_t) &smmu,
  };
  if (ioctl (iommufd, IOMMU_GET_HW_INFO, &info) != 0)
    err (2, "%s: IOMMU_GET_HW_INFO", argv[1]);
  printf ("{\"bdf\": \"%s\", \"type\": %u, \"capabilities\": %llu, \"max_pasid_log2\": %u, \"idr\": [", argv[1],
          info.out_data_type, (unsigned long long) info.out_capabilities, info.out_max_pasid_log2);
  for (int i = 0; i < 6; i++)
    printf ("%s\"0x%08x\"", i > 0 ? ", " : "", smmu.idr[i]);
  printf ("], \"iidr\": \"0x%08x\", \"aidr\": \"0x%08x\"}\n", smmu.iidr, smmu.aidr);
  return 0;
}
