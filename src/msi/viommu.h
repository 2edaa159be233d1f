/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "msi/machine.h"
#include "msi/smmuv3.h"

/*
 * VsmmuViommuKind:
 * @name: what messages call it; not translated
 * @get_msi_direct_gpa: (nullable): the GPA of the doorbell, whatever address the
 *   guest has written; %VSMMU_ERROR_MSI when there is none, and never 0. QEMU's
 *   PCIIOMMUOps has a callback of this name.
 * @translate: (nullable): the GPA that @iova of the device with @stream_id leads
 *   to on a write; %VSMMU_ERROR_MSI for a fault
 * @free: frees the vIOMMU itself
 *
 * What a kind of vIOMMU offers. All but @free may be called by several threads at once.
 */
typedef struct {
  const char *name;
  gboolean (*get_msi_direct_gpa) (const VsmmuViommu *viommu, guint64 *gpa, GError **error);
  gboolean (*translate) (const VsmmuViommu *viommu, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error);
  void (*free) (VsmmuViommu *viommu);
} VsmmuViommuKind;

/*
 * VsmmuViommu:
 *
 * One vIOMMU, reference-counted. Must be the first member of the structure of its kind.
 */
struct _VsmmuViommu {
  const VsmmuViommuKind *kind;
  int ref_count; /* atomic; 1 for a new one */
};

/*
 * vsmmu_viommu_new_accelerated:
 * @machine: what takes the MSIs; without a doorbell, every MSI is
 *   %VSMMU_ERROR_MSI, where QEMU would have a GPA of 0 (`msi-doorbell-zero`)
 *
 * An accelerated SMMUv3 offers its doorbell and nothing else: its tables belong
 * to the hardware, so it has no way to read them.
 *
 * Returns: (transfer full): a vIOMMU
 */
VsmmuViommu *vsmmu_viommu_new_accelerated (const VsmmuMsiMachine *machine);

/*
 * vsmmu_viommu_new_emulated:
 * @source: (transfer full) (nullable): its state; without, every translation is
 *   %VSMMU_ERROR_MSI
 *
 * Returns: (transfer full): an emulated SMMUv3, which walks the guest's tables
 */
VsmmuViommu *vsmmu_viommu_new_emulated (VsmmuSmmuv3Source *source);

/*
 * vsmmu_viommu_new_opaque:
 *
 * Returns: (transfer full): a vIOMMU that translates, but keeps what it needs for
 *   that to itself, as virtio-iommu does: every MSI behind it is %VSMMU_ERROR_MSI
 */
VsmmuViommu *vsmmu_viommu_new_opaque (void);
