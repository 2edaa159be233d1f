/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/viommu.h"

VsmmuViommu *
vsmmu_viommu_ref (VsmmuViommu *viommu)
{
  g_atomic_int_inc (&viommu->ref_count);
  return viommu;
}

void
vsmmu_viommu_unref (VsmmuViommu *viommu)
{
  if (viommu != NULL && g_atomic_int_dec_and_test (&viommu->ref_count))
    viommu->kind->free (viommu);
}
