/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/binding.h"

#include "domain/vsmmu.h"

const VsmmuHostDevice *
vsmmu_host_device_of (const VsmmuHost *host, const VsmmuDevice *hostdev)
{
  return hostdev->hostdev.is_pci ? vsmmu_host_device_at (host, &hostdev->hostdev.host) : NULL;
}

const VsmmuDevice *
vsmmu_host_hostdev_of (const VsmmuHost *host, const VsmmuDomain *domain, const VsmmuHostDevice *device)
{
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (vsmmu_host_device_of (host, hostdev) == device)
      return hostdev;
  }
  return NULL;
}

const VsmmuHostSmmu *
vsmmu_host_smmu_of (const VsmmuHost *host, const VsmmuDevice *hostdev)
{
  const VsmmuHostDevice *device = host != NULL ? vsmmu_host_device_of (host, hostdev) : NULL;

  return device != NULL ? device->smmu : NULL;
}

void
vsmmu_bindings_find (const VsmmuDomain *domain, const VsmmuHost *host, VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX])
{
  memset (bindings, 0, sizeof (VsmmuBinding) * VSMMU_PCI_BUSES_MAX);
  if (domain->address_error != NULL)
    return;
  /* Only a vSMMU with a root bus of its own has devices behind it; other rules report the rest. */
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (vsmmu_domain_is_effective (domain, iommu))
      bindings[iommu->iommu.pci_bus].iommu = iommu;
  }
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

void
vsmmu_host_look_behind_all (const VsmmuDomain *domain, const VsmmuHost *host, VsmmuBehind behind[VSMMU_PCI_BUSES_MAX])
{
  memset (behind, 0, sizeof (VsmmuBehind) * VSMMU_PCI_BUSES_MAX);
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
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
