/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/numbering.h"

#include <glib/gi18n-lib.h>

/* libvirt counts down from 256. */
static void
assign_bus_numbers (VsmmuPciSlots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;
  int lowest = 256;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuController *controller = &((const VsmmuDevice *) g_ptr_array_index (controllers, i))->controller;

    if (controller->bus_nr >= 0)
      lowest = MIN (lowest, controller->bus_nr);
  }
  for (guint i = 0; i < controllers->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (controllers, i);

    if (!(device->controller.pci->demands & VSMMU_CONNECT_PCIE_EXPANDER) || device->controller.bus_nr >= 0)
      continue;
    if (lowest <= VSMMU_AUTO_BUS_NUMBERS) {
      vsmmu_pci_slots_refuse (slots, device, _ ("no bus number below %d is left for it; set busNr in <target>"),
                              lowest);
      return;
    }
    lowest -= VSMMU_AUTO_BUS_NUMBERS;
    device->controller.bus_nr = lowest;
  }
}

static void
assign_port_numbers (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->controllers, i);
    VsmmuController *controller = &device->controller;
    guint demands = controller->pci->demands;

    if ((demands & VSMMU_CONNECT_PCI_BRIDGE) && controller->chassis_nr < 0)
      controller->chassis_nr = controller->index;
    if (!(demands & (VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_DOWNSTREAM_PORT)))
      continue;
    if (controller->chassis < 0)
      controller->chassis = controller->index;
    if (controller->port < 0)
      controller->port = demands & VSMMU_CONNECT_ROOT_PORT ? (device->address.slot << 3) + device->address.function
                                                           : device->address.slot;
  }
}

void
vsmmu_numbers_assign (VsmmuPciSlots *slots)
{
  assign_bus_numbers (slots);
  assign_port_numbers (slots->domain);
}

/* Walks up from every bus to its root bus; a loop has none. */
static void
find_roots (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->n_buses; i++) {
    guint at = i;

    domain->buses[i].root = -1;
    for (guint steps = 0; steps < domain->n_buses && at < domain->n_buses; steps++) {
      const VsmmuBus *bus = &domain->buses[at];

      if (bus->controller == NULL)
        break;
      if (bus->model->is_root) {
        domain->buses[i].root = (int) at;
        break;
      }
      if (bus->controller->address_kind != VSMMU_ADDRESS_PCI)
        break;
      at = bus->controller->address.bus;
    }
  }
}

void
vsmmu_buses_publish (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (domain->controllers, i);
    guint index = (guint) controller->controller.index;

    if (controller->controller.pci == NULL)
      continue;
    domain->buses[index].controller = controller;
    domain->buses[index].model = controller->controller.pci;
    domain->n_buses = MAX (domain->n_buses, index + 1);
  }
  find_roots (domain);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *iommu = g_ptr_array_index (domain->devices, i);

    if (vsmmu_device_is_iommu (iommu) && iommu->iommu.is_smmuv3 && iommu->iommu.has_pci_bus &&
        iommu->iommu.pci_bus < domain->n_buses && domain->buses[iommu->iommu.pci_bus].vsmmu == NULL)
      domain->buses[iommu->iommu.pci_bus].vsmmu = iommu;
  }
}
