/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "msi/viommu.h"

/*
 * Only the doorbell, and nothing to read memory with: the tables of an accelerated SMMUv3 are the hardware's,
 * and a walk of them in software would race with the guest's invalidations, which bypass QEMU.
 */
typedef struct {
  VsmmuViommu viommu;
  VsmmuMsiController controller;
  guint64 doorbell;
} Accelerated;

static gboolean
get_msi_direct_gpa (const VsmmuViommu *viommu, guint64 *gpa, GError **error)
{
  const Accelerated *self = (const Accelerated *) viommu;

  if (self->doorbell != 0) {
    *gpa = self->doorbell;
    return TRUE;
  }
  if (self->controller == VSMMU_MSI_CONTROLLER_UNKNOWN)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the doorbell is not known because the GIC version depends on the host; set <gic version='3'/>"));
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("msi-doorbell-zero: the machine has no MSI controller, so the accelerated SMMUv3 has no doorbell; "
                    "use an ITS or a GICv2m frame"));
  return FALSE;
}

static void
accelerated_free (VsmmuViommu *viommu)
{
  g_free (viommu);
}

static const VsmmuViommuKind accelerated_kind = {
  .name = "accelerated SMMUv3",
  .get_msi_direct_gpa = get_msi_direct_gpa,
  .free = accelerated_free,
};

VsmmuViommu *
vsmmu_viommu_new_accelerated (const VsmmuMsiMachine *machine)
{
  Accelerated *self = g_new0 (Accelerated, 1);

  self->viommu = (VsmmuViommu){ &accelerated_kind, 1 };
  self->controller = machine->controller;
  self->doorbell = machine->doorbell;
  return &self->viommu;
}
