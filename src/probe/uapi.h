/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is needed of the kernel's interface to VFIO devices and iommufd, since
 * the headers of Debian 12 (Linux 6.1) do not have it. Numbers and layouts are
 * those of the kernel's documentation: Documentation/userspace-api/iommufd.rst
 * and vfio.rst (Linux 6.18).
 */
#include <glib.h>
#include <sys/ioctl.h>

/* Both families use ';'; VFIO numbers start at 100, those of iommufd at 0x80. */
#define VSMMU_VFIO_DEVICE_BIND_IOMMUFD _IO (';', 100 + 18)
#define VSMMU_IOMMU_GET_HW_INFO _IO (';', 0x80 + 10)

/* struct vfio_device_bind_iommufd (Linux 6.6); argsz says that the UUID of later kernels is not there. */
typedef struct {
  guint32 argsz;
  guint32 flags;
  gint32 iommufd;
  guint32 out_devid;
} VsmmuBindIommufd;

/* struct iommu_hw_info; the union of data types is in_data_type and out_data_type. */
typedef struct {
  guint32 size;
  guint32 flags;
  guint32 dev_id;
  guint32 data_len;
  guint64 data_uptr;
  guint32 data_type;
  guint8 out_max_pasid_log2;
  guint8 reserved[3];
  guint64 out_capabilities;
} VsmmuHwInfo;

/* enum iommufd_hw_info_flags: IOMMU_HW_INFO_FLAG_INPUT_TYPE (Linux 6.17) */
#define VSMMU_HW_INFO_INPUT_TYPE (1 << 0)

/* enum iommufd_hw_capabilities: IOMMU_HW_CAP_PCI_PASID_EXEC, _PRIV, IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED (Linux 7.1) */
#define VSMMU_HW_CAP_PASID_EXEC (1 << 1)
#define VSMMU_HW_CAP_PASID_PRIV (1 << 2)
#define VSMMU_HW_CAP_ATS_NOT_SUPPORTED (1 << 3)

/* enum iommu_hw_info_type: IOMMU_HW_INFO_TYPE_ARM_SMMUV3, _TEGRA241_CMDQV */
#define VSMMU_HW_INFO_ARM_SMMUV3 2
#define VSMMU_HW_INFO_TEGRA241_CMDQV 3

/* enum iommu_hw_info_arm_smmuv3_flags: IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI (Linux 7.3) */
#define VSMMU_HW_INFO_REPEAT_TLBI_CFGI (1 << 0)

/* struct iommu_hw_info_arm_smmuv3 */
typedef struct {
  guint32 flags;
  guint32 reserved;
  guint32 idr[6];
  guint32 iidr;
  guint32 aidr;
} VsmmuHwInfoSmmuv3;

/* struct iommu_hw_info_tegra241_cmdqv */
typedef struct {
  guint32 flags;
  guint8 version;
  guint8 log2vcmdqs;
  guint8 log2vsids;
  guint8 reserved;
} VsmmuHwInfoCmdqv;

G_STATIC_ASSERT (sizeof (VsmmuBindIommufd) == 16);
G_STATIC_ASSERT (sizeof (VsmmuHwInfo) == 40);
G_STATIC_ASSERT (sizeof (VsmmuHwInfoSmmuv3) == 40);
G_STATIC_ASSERT (sizeof (VsmmuHwInfoCmdqv) == 8);
