/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/vsmmu.h"

#include "domain/acceleration.h"

const VsmmuBus *
vsmmu_domain_bus_of (const VsmmuDomain *domain, const VsmmuDevice *iommu)
{
  if (!iommu->iommu.has_pci_bus || !vsmmu_domain_is_virt (domain))
    return NULL;
  return &domain->buses[iommu->iommu.pci_bus];
}

gboolean
vsmmu_domain_is_behind_accelerated (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (domain, device);

  return vsmmu != NULL && vsmmu_iommu_is_accelerated (vsmmu);
}

gboolean
vsmmu_domain_is_effective (const VsmmuDomain *domain, const VsmmuDevice *iommu)
{
  const VsmmuBus *bus = vsmmu_domain_bus_of (domain, iommu);

  return vsmmu_iommu_is_accelerated (iommu) && bus != NULL && bus->model != NULL && bus->model->is_root &&
         bus->vsmmu == iommu && domain->address_error == NULL;
}

const VsmmuDevice *
vsmmu_domain_machine_wide (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->iommus->len; i++)
    if (vsmmu_domain_iommu_at (domain, i)->iommu.is_smmuv3 && !vsmmu_domain_iommu_at (domain, i)->iommu.names_pci_bus)
      return vsmmu_domain_iommu_at (domain, i);
  return NULL;
}

gboolean
vsmmu_domain_is_unclear (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);
    const VsmmuBus *bus = vsmmu_domain_bus_of (domain, iommu);

    if (iommu->iommu.names_pci_bus && (bus == NULL || bus->model == NULL || !bus->model->is_root))
      return TRUE;
  }
  return FALSE;
}

const VsmmuDevice *
vsmmu_domain_accelerated_over (const VsmmuDomain *domain, const VsmmuDevice *hostdev)
{
  gboolean is_behind =
      domain->address_error == NULL && hostdev->hostdev.is_pci && vsmmu_domain_is_behind_accelerated (domain, hostdev);

  return is_behind ? vsmmu_domain_vsmmu_of (domain, hostdev) : NULL;
}

const VsmmuDevice *
vsmmu_domain_first_accelerated (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (vsmmu_iommu_is_accelerated (iommu))
      return iommu;
  }
  return NULL;
}

void
vsmmu_domain_find_free_ports (const VsmmuDomain *domain, gboolean is_free[VSMMU_PCI_BUSES_MAX])
{
  memset (is_free, 0, sizeof (gboolean) * VSMMU_PCI_BUSES_MAX);
  for (guint i = 0; i < domain->n_buses; i++) {
    const VsmmuBus *bus = &domain->buses[i];

    is_free[i] = bus->root >= 0 && bus->model->is_hotplug && bus->controller->controller.hotplug != VSMMU_SWITCH_OFF;
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI)
      is_free[device->address.bus] = FALSE;
  }
}
