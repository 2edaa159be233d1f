/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/pci.h"

#include <string.h>

/*
 * What libvirt's virDomainPCIAddressBusSetModel() and
 * virDomainPCIControllerModelToConnectType() say, and the QEMU device that
 * qemuBuildControllerPCIDevStr() emits.
 */
static const VsmmuPciModel models[] = {
  {
      .name = "pcie-root",
      .accepts =
          VSMMU_CONNECT_PCIE | VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_DMI_TO_PCI_BRIDGE | VSMMU_CONNECT_PCIE_EXPANDER,
      .min_slot = 1,
      .max_slot = 31,
      .is_root = TRUE,
  },
  {
      .name = "pcie-expander-bus",
      .qemu_driver = "pxb-pcie",
      .demands = VSMMU_CONNECT_PCIE_EXPANDER,
      .accepts = VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_DMI_TO_PCI_BRIDGE,
      .max_slot = 31,
      .is_root = TRUE,
  },
  {
      .name = "pcie-root-port",
      .qemu_driver = "pcie-root-port",
      .demands = VSMMU_CONNECT_ROOT_PORT,
      .accepts = VSMMU_CONNECT_PCIE | VSMMU_CONNECT_UPSTREAM_PORT | VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE |
                 VSMMU_CONNECT_AUTOASSIGN,
      .is_hotplug = TRUE,
  },
  {
      .name = "pcie-switch-upstream-port",
      .qemu_driver = "x3130-upstream",
      .demands = VSMMU_CONNECT_UPSTREAM_PORT,
      .accepts = VSMMU_CONNECT_DOWNSTREAM_PORT,
      .max_slot = 31,
  },
  {
      .name = "pcie-switch-downstream-port",
      .qemu_driver = "xio3130-downstream",
      .demands = VSMMU_CONNECT_DOWNSTREAM_PORT,
      .accepts = VSMMU_CONNECT_PCIE | VSMMU_CONNECT_UPSTREAM_PORT | VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE |
                 VSMMU_CONNECT_AUTOASSIGN,
      .is_hotplug = TRUE,
  },
  {
      .name = "pcie-to-pci-bridge",
      .qemu_driver = "pcie-pci-bridge",
      .demands = VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE,
      .accepts = VSMMU_CONNECT_PCI | VSMMU_CONNECT_PCI_BRIDGE | VSMMU_CONNECT_AUTOASSIGN,
      .min_slot = 1,
      .max_slot = 31,
  },
  {
      .name = "dmi-to-pci-bridge",
      .qemu_driver = "i82801b11-bridge",
      .demands = VSMMU_CONNECT_DMI_TO_PCI_BRIDGE,
      .accepts = VSMMU_CONNECT_PCI | VSMMU_CONNECT_PCI_BRIDGE,
      .max_slot = 31,
  },
  {
      .name = "pci-bridge",
      .qemu_driver = "pci-bridge",
      .demands = VSMMU_CONNECT_PCI_BRIDGE,
      .accepts = VSMMU_CONNECT_PCI | VSMMU_CONNECT_PCI_BRIDGE | VSMMU_CONNECT_AUTOASSIGN,
      .min_slot = 1,
      .max_slot = 31,
  },
};

const VsmmuPciModel *
vsmmu_pci_model_find (const char *name)
{
  for (guint i = 0; name != NULL && i < G_N_ELEMENTS (models); i++)
    if (strcmp (models[i].name, name) == 0)
      return &models[i];
  return NULL;
}

char *
vsmmu_pci_address_to_string (const VsmmuPciAddress *address)
{
  return g_strdup_printf ("%04x:%02x:%02x.%x", address->domain, address->bus, address->slot, address->function);
}

char *
vsmmu_pci_address_to_xml (const VsmmuPciAddress *address)
{
  if (address->function != 0)
    return g_strdup_printf ("<address type='pci' bus='0x%02x' slot='0x%02x' function='0x%x'/>", address->bus,
                            address->slot, address->function);
  return g_strdup_printf ("<address type='pci' bus='0x%02x' slot='0x%02x'/>", address->bus, address->slot);
}
