/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/virt-machine.h"
#include "msi/viommu.h"

/* VSMMU_MSI_BUSES_MAX, VSMMU_MSI_FUNCTIONS_MAX: buses of a guest, functions of a bus */
#define VSMMU_MSI_BUSES_MAX 256
#define VSMMU_MSI_FUNCTIONS_MAX 256

/*
 * VsmmuMsiBus:
 * @kind: what requester ids devices on it have
 * @parent: index of the bus that its bridge or pxb is on, -1 for none
 * @bridge: slot and function of that bridge, slot << 3 | function
 * @number: 0 to 255, or %VSMMU_MSI_BUS_UNNUMBERED
 * @is_bypassing: root buses: made with bypass_iommu
 * @is_per_bus: root buses: @viommu serves this root bus only (an arm-smmuv3
 *   device), not those of pxb-pcie too (`-machine iommu=`)
 * @viommu: (nullable): root buses: the vIOMMU that is set up on it
 */
typedef struct {
  VsmmuMsiBusKind kind;
  int parent;
  guint8 bridge;
  gint16 number;
  gboolean is_bypassing;
  gboolean is_per_bus;
  VsmmuViommu *viommu;
} VsmmuMsiBus;

/*
 * vsmmu_msi_topology_new:
 * @buses: the buses; a vIOMMU is referenced
 * @n_buses: at most %VSMMU_MSI_BUSES_MAX
 * @devices: the functions on them
 * @n_devices: how many
 * @regions: what a translated address may lead to
 * @n_regions: how many
 * @error: %VSMMU_ERROR_VALUE for a tree that is none, or a device on no bus
 *
 * Returns: (transfer full): a topology, or %NULL with @error set
 */
VsmmuMsiTopology *vsmmu_msi_topology_new (const VsmmuMsiBus *buses, guint n_buses, const VsmmuPciDevfn *devices,
                                          guint n_devices, const VsmmuGuestRegion *regions, guint n_regions,
                                          GError **error);

/*
 * VsmmuMsiGuest:
 * @bus_numbers: for each controller index the number that the guest gave its bus,
 *   or %VSMMU_MSI_BUS_UNNUMBERED; what libvirt decides itself (pcie-root,
 *   pcie-expander-bus) need not be given
 * @open_smmu: (nullable): (transfer full): called once for each emulated SMMUv3
 *   with its id in QEMU (`iommu0`; %NULL for the one of the machine) and the GPA of
 *   its registers; %NULL with @error set ends the construction of the topology
 * @data: for @open_smmu
 *
 * What a domain's XML does not say about a guest.
 */
typedef struct {
  gint16 bus_numbers[VSMMU_MSI_BUSES_MAX];
  VsmmuSmmuv3Source *(*open_smmu) (gpointer data, const char *id, guint64 registers, GError **error);
  gpointer data;
} VsmmuMsiGuest;

/*
 * vsmmu_msi_topology_new_for_domain:
 * @domain: a domain of a `virt` machine
 * @guest: (nullable): what is known of the guest that runs; without, emulated
 *   SMMUv3s cannot translate, and only functions on root buses have a requester id
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is no `virt` machine, or libvirt would
 *   refuse the PCI tree; what @guest sets
 *
 * Returns: (transfer full): the topology that QEMU makes of @domain, or %NULL
 *   with @error set
 */
VsmmuMsiTopology *vsmmu_msi_topology_new_for_domain (const VsmmuDomain *domain, const VsmmuMsiGuest *guest,
                                                     GError **error);

/* The properties that all functions on one bus share. */
typedef struct {
  VsmmuViommu *viommu; /* (nullable): that serves them */
  gint32 id;           /* requester id without slot and function; -1 when the bus has no number */
  guint8 devfn_mask;   /* 0xff, or 0 when a bridge replaces their requester ID */
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
  return service->viommu->kind->get_msi_direct_gpa != NULL ? VSMMU_MSI_PATH_DIRECT : VSMMU_MSI_PATH_TRANSLATED;
}

/* What lies at @gpa, or %NULL. */
const VsmmuGuestRegion *vsmmu_msi_topology_find_region (const VsmmuMsiTopology *topology, guint64 gpa);
