/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/binding.h"

#include "domain/acceleration.h"
#include "domain/vsmmu.h"

const VsmmuHostDevice *
vsmmu_host_device_of (const VsmmuHost *host, const VsmmuDevice *hostdev)
{
  return hostdev->hostdev.is_pci ? vsmmu_host_device_at (host, &hostdev->hostdev.host) : NULL;
}

const VsmmuHostSmmu *
vsmmu_host_smmu_of (const VsmmuHost *host, const VsmmuDevice *hostdev)
{
  const VsmmuHostDevice *device = host != NULL ? vsmmu_host_device_of (host, hostdev) : NULL;

  return device != NULL ? device->smmu : NULL;
}

/* Only a vSMMU over a root bus of its own has devices behind it; what is wrong with others is for other rules. */
static void
bind_vsmmus (const VsmmuDomain *domain, VsmmuBinding *bindings)
{
  for (guint i = 0; i < domain->n_buses; i++) {
    const VsmmuBus *bus = &domain->buses[i];

    if (bus->model != NULL && bus->model->is_root && bus->vsmmu != NULL && vsmmu_iommu_is_accelerated (bus->vsmmu))
      bindings[i].iommu = bus->vsmmu;
  }
}

void
vsmmu_bindings_find (const VsmmuDomain *domain, const VsmmuHost *host, VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX])
{
  memset (bindings, 0, sizeof (VsmmuBinding) * VSMMU_PCI_BUSES_MAX);
  if (domain->address_error != NULL)
    return;
  bind_vsmmus (domain, bindings);
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (domain, hostdev);
    const VsmmuHostDevice *device = vsmmu_host_device_of (host, hostdev);
    VsmmuBinding *binding = vsmmu != NULL ? &bindings[vsmmu->iommu.pci_bus] : NULL;

    if (binding == NULL || binding->iommu != vsmmu || binding->smmu != NULL || device == NULL || device->smmu == NULL)
      continue;
    binding->hostdev = hostdev;
    binding->smmu = device->smmu;
  }
}

/* By the index of the root bus. */
void
vsmmu_host_look_behind_all (const VsmmuDomain *domain, const VsmmuHost *host, VsmmuBehind behind[VSMMU_PCI_BUSES_MAX])
{
  memset (behind, 0, sizeof (VsmmuBehind) * VSMMU_PCI_BUSES_MAX);
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (domain->hostdevs, i);
    const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (domain, hostdev);

    if (hostdev->is_plug || vsmmu == NULL)
      continue;
    behind[vsmmu->iommu.pci_bus].count++;
    if (behind[vsmmu->iommu.pci_bus].smmu == NULL)
      behind[vsmmu->iommu.pci_bus].smmu = vsmmu_host_smmu_of (host, hostdev);
  }
}

VsmmuBehind
vsmmu_host_look_behind (const VsmmuDomain *domain, const VsmmuHost *host, const VsmmuDevice *vsmmu)
{
  VsmmuBehind behind[VSMMU_PCI_BUSES_MAX];

  vsmmu_host_look_behind_all (domain, host, behind);
  return behind[vsmmu->iommu.pci_bus];
}
