/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/msi.h"

/* What all functions on one bus have in common. */
typedef struct {
  VsmmuViommu *viommu; /* (nullable): that serves them */
  gint32 id;           /* requester id without slot and function; -1 when the bus has no number */
  guint8 devfn_mask;   /* 0xff, or 0 for a bridge that speaks for them */
} VsmmuMsiService;

/* Immutable. */
struct _VsmmuMsiTopology {
  guint n_buses;
  guint n_regions;
  VsmmuGuestRegion *regions; /* by start */
  VsmmuMsiService services[VSMMU_MSI_BUSES_MAX];
  guint8 present[VSMMU_MSI_BUSES_MAX][VSMMU_MSI_FUNCTIONS_MAX / 8]; /* one bit for each function */
};

/* What serves the function @devfn, or %NULL when there is no such function. */
static inline const VsmmuMsiService *
vsmmu_msi_topology_find (const VsmmuMsiTopology *topology, VsmmuPciDevfn devfn)
{
  guint bus = devfn >> 8;
  guint function = devfn & 0xff;

  if (!(topology->present[bus][function / 8] & 1 << function % 8))
    return NULL;
  return &topology->services[bus];
}

/* The way of MSIs, which QEMU chooses in kvm_arch_fixup_msi_route(). */
static inline VsmmuMsiPath
vsmmu_msi_service_get_path (const VsmmuMsiService *service)
{
  if (service->viommu == NULL)
    return VSMMU_MSI_PATH_IDENTITY;
  return service->viommu->ops->get_msi_direct_gpa != NULL ? VSMMU_MSI_PATH_DIRECT : VSMMU_MSI_PATH_TRANSLATED;
}

/* What lies at @gpa, or %NULL. */
const VsmmuGuestRegion *vsmmu_msi_topology_find_region (const VsmmuMsiTopology *topology, guint64 gpa);
