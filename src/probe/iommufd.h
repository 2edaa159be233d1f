/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"
#include "probe/uapi.h"

/* Fills in the registers of @smmu from what IOMMU_GET_HW_INFO returned for a device behind it. */
void vsmmu_iommufd_decode (const VsmmuHwInfoSmmuv3 *info, VsmmuHostSmmu *smmu);

/* The calls of the kernel that are needed, so that tests can stand in for it; they set errno. */
typedef struct {
  int (*open) (const char *path);
  int (*ioctl) (int fd, unsigned long request, gpointer argument);
  void (*close) (int fd);
} VsmmuIommufdKernel;

extern const VsmmuIommufdKernel vsmmu_iommufd_kernel;

/*
 * vsmmu_iommufd_probe:
 * @kernel: &vsmmu_iommufd_kernel
 *
 * Asks the kernel for the registers of every SMMU of @host, through a device
 * behind it that is bound to a VFIO driver and idle; one whose reset hurts is
 * taken only when there is no other. A device that is open
 * elsewhere refuses to be bound, and nothing happens to it.
 */
void vsmmu_iommufd_probe (VsmmuHost *host, const VsmmuIommufdKernel *kernel);
