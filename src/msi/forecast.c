/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "domain/acceleration.h"
#include "domain/domain.h"
#include "domain/reach.h"
#include "msi/forecast.h"
#include "msi/topology.h"

void
vsmmu_msi_device_free (VsmmuMsiDevice *device)
{
  if (device == NULL)
    return;
  g_free (device->name);
  g_free (device->alias);
  g_free (device->address);
  g_free (device->host);
  g_free (device->vsmmu);
  g_free (device->reason);
  g_free (device);
}

static void
device_free (gpointer device)
{
  vsmmu_msi_device_free (device);
}

const char *
vsmmu_msi_forecast_to_string (VsmmuMsiForecast forecast)
{
  static const char *const names[] = {
    [VSMMU_MSI_CERTAIN] = "certain",
    [VSMMU_MSI_UP_TO_GUEST] = "up-to-guest",
    [VSMMU_MSI_UNRESOLVABLE] = "unresolvable",
  };

  return names[forecast];
}

static void
set_unresolvable (VsmmuMsiDevice *made, const char *reason)
{
  made->forecast = VSMMU_MSI_UNRESOLVABLE;
  made->reason = g_strdup (reason);
}

/* What the path of the MSIs means for the device. */
static void
judge (VsmmuMsiDevice *made, const VsmmuDevice *device, const VsmmuMsiService *service, const VsmmuMsiMachine *machine)
{
  g_autoptr (GError) error = NULL;
  guint64 doorbell;

  made->forecast = made->path == VSMMU_MSI_PATH_DIRECT ? VSMMU_MSI_CERTAIN : VSMMU_MSI_UP_TO_GUEST;
  if (made->path == VSMMU_MSI_PATH_DIRECT) {
    if (!service->viommu->kind->get_msi_direct_gpa (service->viommu, &doorbell, &error))
      set_unresolvable (made, error->message);
  } else if (machine->controller == VSMMU_MSI_CONTROLLER_NONE) {
    set_unresolvable (made, _ ("the machine has no MSI controller"));
  } else if (made->path == VSMMU_MSI_PATH_TRANSLATED && made->vsmmu != NULL && vsmmu_device_is_hostdev (device)) {
    set_unresolvable (made, _ ("QEMU rejects VFIO devices behind an emulated SMMUv3"));
  }
}

/* The SMMUv3 over the device's root bus, or that of the machine. */
static const char *
find_vsmmu (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  const VsmmuDevice *iommu = vsmmu_domain_vsmmu_of (domain, device);

  if (iommu == NULL && domain->iommus->len > 0)
    iommu = g_ptr_array_index (domain->iommus, 0);
  if (iommu == NULL || !iommu->iommu.is_smmuv3)
    return NULL;
  return iommu->alias != NULL ? iommu->alias : iommu->id;
}

static VsmmuMsiDevice *
device_new (const VsmmuDomain *domain, const VsmmuDevice *device, const VsmmuMsiService *service,
            const VsmmuMsiMachine *machine, const VsmmuReach *unclear)
{
  VsmmuMsiDevice *made = g_new0 (VsmmuMsiDevice, 1);

  made->name = vsmmu_device_describe (device);
  made->alias = g_strdup (device->alias);
  made->line = device->ordinal != 0 ? device->line : 0;
  made->address = vsmmu_pci_address_to_string (&device->address);
  if (vsmmu_device_is_hostdev (device) && device->hostdev.is_pci)
    made->host = vsmmu_pci_address_to_string (&device->hostdev.host);
  made->path = vsmmu_msi_service_get_path (service);
  if (made->path != VSMMU_MSI_PATH_IDENTITY)
    made->vsmmu = g_strdup (find_vsmmu (domain, device));
  if (unclear == NULL)
    judge (made, device, service, machine);
  else
    set_unresolvable (made, _ ("QEMU arguments, overrides or capabilities affect an SMMUv3 or a VFIO device and "
                               "cannot be checked; 'virt-vsmmu check' lists them"));
  return made;
}

GPtrArray *
vsmmu_msi_forecast (const VsmmuDomain *domain, GError **error)
{
  g_autoptr (VsmmuMsiTopology) topology = vsmmu_msi_topology_new_for_domain (domain, NULL, error);
  const VsmmuReach *unclear;
  GPtrArray *devices;
  VsmmuMsiMachine machine;

  if (topology == NULL)
    return NULL;
  unclear = vsmmu_domain_first_reach (domain);
  vsmmu_msi_machine_of (domain, &machine);
  devices = g_ptr_array_new_with_free_func (device_free);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    const VsmmuPciAddress *address = &device->address;
    const VsmmuMsiService *service;

    if (device->address_kind != VSMMU_ADDRESS_PCI || vsmmu_device_is_pci_controller (device))
      continue;
    service = vsmmu_msi_topology_find (topology, VSMMU_PCI_DEVFN (address->bus, address->slot, address->function));
    /* A bus without a root bus is a finding of its own. */
    if (service != NULL)
      g_ptr_array_add (devices, device_new (domain, device, service, &machine, unclear));
  }
  return devices;
}
