/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * VsmmuPciAddress: a guest or host PCI address, as libvirt writes it: domain
 * 0–0xffffffff, bus 0–255, slot 0–31, function 0–7. In a guest, bus is the
 * index of a controller, not a bus number.
 */
typedef struct {
  guint32 domain;
  guint8 bus;
  guint8 slot;
  guint8 function;
  gboolean multifunction;
} VsmmuPciAddress;

/*
 * VsmmuConnect: what a device requires of its bus, and what a bus accepts; libvirt's virDomainPCIConnectFlags.
 */
typedef enum {
  VSMMU_CONNECT_NONE = 0,
  VSMMU_CONNECT_PCI = 1 << 0,
  VSMMU_CONNECT_PCIE = 1 << 1,
  VSMMU_CONNECT_ROOT_PORT = 1 << 2,
  VSMMU_CONNECT_UPSTREAM_PORT = 1 << 3,
  VSMMU_CONNECT_DOWNSTREAM_PORT = 1 << 4,
  VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE = 1 << 5,
  VSMMU_CONNECT_DMI_TO_PCI_BRIDGE = 1 << 6,
  VSMMU_CONNECT_PCI_BRIDGE = 1 << 7,
  VSMMU_CONNECT_PCIE_EXPANDER = 1 << 8,
  /* device: only where the bus says so too; bus: takes devices without an address */
  VSMMU_CONNECT_AUTOASSIGN = 1 << 9,
  /* device: belongs on bus 0 */
  VSMMU_CONNECT_INTEGRATED = 1 << 10,
} VsmmuConnect;

#define VSMMU_CONNECT_ENDPOINT (VSMMU_CONNECT_PCI | VSMMU_CONNECT_PCIE)
#define VSMMU_CONNECT_TYPES                                                                                            \
  (VSMMU_CONNECT_ENDPOINT | VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_UPSTREAM_PORT | VSMMU_CONNECT_DOWNSTREAM_PORT |    \
   VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE | VSMMU_CONNECT_DMI_TO_PCI_BRIDGE | VSMMU_CONNECT_PCI_BRIDGE |                     \
   VSMMU_CONNECT_PCIE_EXPANDER)

/*
 * VsmmuPciModel: one row for each `<controller type='pci' model=…>` that a virt
 * machine can have.
 */
typedef struct {
  const char *name;
  const char *qemu_driver; /* %NULL for pcie-root, which is part of the machine */
  guint demands;           /* VsmmuConnect: what the controller itself needs */
  guint accepts;           /* VsmmuConnect: what goes on its bus */
  guint8 min_slot;
  guint8 max_slot;
  gboolean is_root;    /* its bus is a root bus */
  gboolean is_hotplug; /* its bus accepts a VFIO device while the guest runs */
} VsmmuPciModel;

/* The row for @name, or %NULL; NULL and the empty string have none. */
const VsmmuPciModel *vsmmu_pci_model_find (const char *name);

/* libvirt's limits: `PCI controller index 256 too high, maximum is 255`. */
#define VSMMU_PCI_BUSES_MAX 256
#define VSMMU_PCI_SLOTS_MAX 32
#define VSMMU_PCI_FUNCTIONS_MAX 8

/* (transfer full): dddd:bb:ss.f, as sysfs and QEMU write it. */
char *vsmmu_pci_address_to_string (const VsmmuPciAddress *address);

/* (transfer full): the <address> that libvirt writes for @address, which is that of a guest. */
char *vsmmu_pci_address_to_xml (const VsmmuPciAddress *address);
