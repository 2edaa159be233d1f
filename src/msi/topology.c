/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/topology.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static gboolean
refuse (GError **error, guint bus, const char *reason)
{
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, _ ("bus %u of the topology: %s"), bus, reason);
  return FALSE;
}

static gboolean
check_bus (const VsmmuMsiBus *buses, guint n_buses, guint index, GError **error)
{
  const VsmmuMsiBus *bus = &buses[index];
  guint steps = 0;

  if (bus->parent < -1 || bus->parent >= (int) n_buses)
    return refuse (error, index, _ ("its parent does not exist"));
  if (bus->number < VSMMU_MSI_BUS_UNNUMBERED || bus->number > G_MAXUINT8)
    return refuse (error, index, _ ("its number is not in the range from 0 to 255"));
  if (bus->kind != VSMMU_MSI_BUS_ROOT && bus->parent == -1)
    return refuse (error, index, _ ("it has no parent and is not a root bus"));
  if (bus->kind != VSMMU_MSI_BUS_ROOT && bus->viommu != NULL)
    return refuse (error, index, _ ("it has a vIOMMU, but is not a root bus"));
  for (int up = bus->parent; up >= 0 && up < (int) n_buses; up = buses[up].parent)
    if (++steps > n_buses)
      return refuse (error, index, _ ("its parents form a loop"));
  return TRUE;
}

static guint
find_root (const VsmmuMsiBus *buses, guint index)
{
  while (buses[index].kind != VSMMU_MSI_BUS_ROOT)
    index = (guint) buses[index].parent;
  return index;
}

/*
 * What QEMU's pci_device_get_iommu_bus_devfn() finds out on the way up from each function: a bridge to conventional
 * PCI replaces the requester ID of all functions behind it, with the bus number behind it when it is a PCI Express
 * bridge, otherwise with its own address. pci_req_id_cache_get() has the same result.
 */
static void
find_service (const VsmmuMsiBus *buses, guint index, VsmmuMsiService *service)
{
  guint current = index;
  guint alias = index;
  guint8 devfn = 0;

  service->devfn_mask = 0xff;
  while (buses[current].viommu == NULL && buses[current].parent >= 0) {
    guint parent = (guint) buses[current].parent;

    if (buses[current].kind == VSMMU_MSI_BUS_BRIDGED) {
      alias = current;
      devfn = 0;
      service->devfn_mask = 0;
    } else if (buses[current].kind == VSMMU_MSI_BUS_CONVENTIONAL) {
      alias = parent;
      devfn = buses[current].bridge;
      service->devfn_mask = 0;
    } else if (buses[current].kind == VSMMU_MSI_BUS_ROOT && buses[parent].is_per_bus) {
      /* A pxb-pcie is on pcie.0, but an SMMUv3 that is for pcie.0 alone does not serve it. */
      break;
    }
    current = parent;
  }
  service->id = buses[alias].number == VSMMU_MSI_BUS_UNNUMBERED ? -1 : buses[alias].number << 8 | devfn;
  if (buses[current].viommu != NULL && !buses[find_root (buses, alias)].is_bypassing)
    service->viommu = vsmmu_viommu_ref (buses[current].viommu);
}

static int
compare_starts (gconstpointer a, gconstpointer b)
{
  const VsmmuGuestRegion *left = a;
  const VsmmuGuestRegion *right = b;

  return (left->start > right->start) - (left->start < right->start);
}

VsmmuMsiTopology *
vsmmu_msi_topology_new (const VsmmuMsiBus *buses, guint n_buses, const VsmmuPciDevfn *devices, guint n_devices,
                        const VsmmuGuestRegion *regions, guint n_regions, GError **error)
{
  g_autoptr (VsmmuMsiTopology) topology = g_new0 (VsmmuMsiTopology, 1);

  if (n_buses > VSMMU_MSI_BUSES_MAX) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, _ ("the topology has %u buses, but only %d are supported"),
                 n_buses, VSMMU_MSI_BUSES_MAX);
    return NULL;
  }
  for (guint i = 0; i < n_buses; i++)
    if (!check_bus (buses, n_buses, i, error))
      return NULL;
  topology->n_buses = n_buses;
  for (guint i = 0; i < n_buses; i++)
    find_service (buses, i, &topology->services[i]);
  for (guint i = 0; i < n_devices; i++) {
    guint bus = devices[i] >> 8;
    guint function = devices[i] & 0xff;

    if (bus >= n_buses) {
      refuse (error, bus, _ ("it has a device, but does not exist"));
      return NULL;
    }
    topology->present[bus][function / 8] |= (guint8) (1 << function % 8);
  }
  topology->n_regions = n_regions;
  topology->regions = g_memdup2 (regions, n_regions * sizeof (*regions));
  if (n_regions > 0)
    qsort (topology->regions, n_regions, sizeof (*regions), compare_starts);
  return g_steal_pointer (&topology);
}

void
vsmmu_msi_topology_free (VsmmuMsiTopology *topology)
{
  if (topology == NULL)
    return;
  for (guint i = 0; i < topology->n_buses; i++)
    if (topology->services[i].viommu != NULL)
      vsmmu_viommu_unref (topology->services[i].viommu);
  g_free (topology->regions);
  g_free (topology);
}

const VsmmuGuestRegion *
vsmmu_msi_topology_find_region (const VsmmuMsiTopology *topology, guint64 gpa)
{
  guint low = 0;
  guint high = topology->n_regions;

  while (low < high) {
    guint middle = low + (high - low) / 2;
    const VsmmuGuestRegion *region = &topology->regions[middle];

    if (gpa < region->start)
      high = middle;
    else if (gpa - region->start < region->size)
      return region;
    else
      low = middle + 1;
  }
  return NULL;
}
