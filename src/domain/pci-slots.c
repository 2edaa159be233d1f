/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/pci-slots.h"

#include <glib/gi18n-lib.h>

void
vsmmu_pci_slots_refuse (VsmmuPciSlots *slots, const VsmmuDevice *device, const char *format, ...)
{
  va_list arguments;

  if (slots->domain->address_error != NULL)
    return;
  va_start (arguments, format);
  slots->domain->address_error = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  slots->domain->address_error_device = device;
}

void
vsmmu_slot_bus_set_model (VsmmuSlotBus *bus, const char *name)
{
  bus->model = vsmmu_pci_model_find (name);
  bus->accepts = bus->model->accepts;
}

static gboolean
takes_pci_bridge (const VsmmuPciSlots *slots)
{
  for (guint i = 0; i < slots->n_buses; i++)
    if (slots->buses[i].accepts & VSMMU_CONNECT_PCI_BRIDGE)
      return TRUE;
  return FALSE;
}

/*
 * virDomainPCIAddressSetGrow(): adds buses until @bus exists, of a kind that accepts a device with @connect.
 */
static gboolean
grow (VsmmuPciSlots *slots, const VsmmuDevice *device, guint connect, guint8 *bus)
{
  guint add = *bus + 1 - slots->n_buses;
  const char *model = "pcie-root-port";
  gboolean needs_bridge = FALSE;

  if (connect & VSMMU_CONNECT_PCI) {
    model = "pci-bridge";
    needs_bridge = !takes_pci_bridge (slots);
    /* A bridge for conventional PCI needs a root port of its own. */
    if (needs_bridge && add == 1) {
      add++;
      (*bus)++;
    }
  } else if (!(connect & (VSMMU_CONNECT_PCIE | VSMMU_CONNECT_UPSTREAM_PORT | VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE))) {
    vsmmu_pci_slots_refuse (slots, device, _ ("no free slot for it, and libvirt cannot add a controller that has one"));
    return FALSE;
  }

  if (slots->n_buses + add > VSMMU_PCI_BUSES_MAX || (needs_bridge && *bus == 0)) {
    vsmmu_pci_slots_refuse (slots, device, _ ("the domain would need more than %d PCI controllers"),
                            VSMMU_PCI_BUSES_MAX);
    return FALSE;
  }
  for (guint i = 0; i < add; i++) {
    VsmmuSlotBus *new_bus = &slots->buses[slots->n_buses++];

    memset (new_bus, 0, sizeof (*new_bus));
    if (needs_bridge && i == 0) {
      vsmmu_slot_bus_set_model (new_bus, "pcie-root-port");
      /* Reserved for the bridge in this run. */
      new_bus->accepts = VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE;
    } else if (needs_bridge && i == 1) {
      vsmmu_slot_bus_set_model (new_bus, "pcie-to-pci-bridge");
    } else {
      vsmmu_slot_bus_set_model (new_bus, model);
    }
  }
  return TRUE;
}

gboolean
vsmmu_slot_bus_accepts (const VsmmuSlotBus *bus, guint number, guint connect, gboolean is_given)
{
  guint accepts = bus->accepts;

  if (connect & VSMMU_CONNECT_INTEGRATED) {
    if (number != 0)
      return FALSE;
    accepts |= VSMMU_CONNECT_PCI | VSMMU_CONNECT_AUTOASSIGN;
  }
  if (is_given) {
    if (accepts & VSMMU_CONNECT_ENDPOINT)
      accepts |= VSMMU_CONNECT_ENDPOINT;
    if (connect & VSMMU_CONNECT_PCI_BRIDGE)
      connect |= VSMMU_CONNECT_PCI;
  } else if ((connect & VSMMU_CONNECT_AUTOASSIGN) && !(accepts & VSMMU_CONNECT_AUTOASSIGN)) {
    return FALSE;
  }
  return (accepts & connect & VSMMU_CONNECT_TYPES) != 0;
}

gboolean
vsmmu_pci_slots_reserve (VsmmuPciSlots *slots, const VsmmuDevice *device, VsmmuPciAddress *address, gboolean is_given)
{
  /* libvirt lets a device that does not need PCI keep its explicit address. */
  guint connect = device->connect != VSMMU_CONNECT_NONE ? device->connect : VSMMU_CONNECT_PCI;
  VsmmuSlotBus *bus;

  if (address->domain != 0) {
    vsmmu_pci_slots_refuse (slots, device, _ ("a guest has only PCI domain 0, not PCI domain %u"), address->domain);
    return FALSE;
  }
  if (address->bus >= slots->n_buses && slots->is_dry_run && !grow (slots, device, connect, &address->bus))
    return FALSE;
  if (address->bus >= slots->n_buses) {
    vsmmu_pci_slots_refuse (slots, device, _ ("no PCI controller has index %u"), address->bus);
    return FALSE;
  }
  bus = &slots->buses[address->bus];
  if (!vsmmu_slot_bus_accepts (bus, address->bus, connect, is_given)) {
    vsmmu_pci_slots_refuse (slots, device, _ ("%s with index %u does not accept this device"), bus->model->name,
                            address->bus);
    return FALSE;
  }
  if (address->slot < bus->model->min_slot || address->slot > bus->model->max_slot) {
    vsmmu_pci_slots_refuse (slots, device, _ ("slot %u does not exist: %s with index %u has slots %u to %u"),
                            address->slot, bus->model->name, address->bus, bus->model->min_slot, bus->model->max_slot);
    return FALSE;
  }
  if (bus->functions[address->slot] & 1 << address->function) {
    vsmmu_pci_slots_refuse (slots, device, _ ("PCI address %02x:%02x.%x is used twice"), address->bus, address->slot,
                            address->function);
    return FALSE;
  }
  if (bus->functions[address->slot] == 0 && (connect & VSMMU_CONNECT_ROOT_PORT))
    bus->shared |= 1u << address->slot;
  bus->functions[address->slot] |= (guint8) (1 << address->function);
  return TRUE;
}

gboolean
vsmmu_slot_bus_find (const VsmmuSlotBus *bus, guint connect, VsmmuPciAddress *address)
{
  for (guint slot = bus->model->min_slot; slot <= bus->model->max_slot; slot++) {
    guint function = address->function;

    address->slot = (guint8) slot;
    if (bus->functions[slot] == 0)
      return TRUE;
    if (!(connect & VSMMU_CONNECT_ROOT_PORT) || !(bus->shared & 1u << slot))
      continue;
    while (function < VSMMU_PCI_FUNCTIONS_MAX && (bus->functions[slot] & 1 << function))
      function++;
    if (function < VSMMU_PCI_FUNCTIONS_MAX) {
      address->function = (guint8) function;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
find_address (VsmmuPciSlots *slots, const VsmmuDevice *device, VsmmuPciAddress *address)
{
  guint connect = device->connect;

  for (guint i = 0; i < slots->n_buses; i++) {
    address->bus = (guint8) i;
    if (vsmmu_slot_bus_accepts (&slots->buses[i], i, connect, FALSE) &&
        vsmmu_slot_bus_find (&slots->buses[i], connect, address))
      return TRUE;
  }
  if (!slots->is_dry_run) {
    vsmmu_pci_slots_refuse (slots, device, _ ("no free PCI slot for it"));
    return FALSE;
  }
  if (slots->n_buses >= VSMMU_PCI_BUSES_MAX) {
    vsmmu_pci_slots_refuse (slots, device, _ ("the domain would need more than %d PCI controllers"),
                            VSMMU_PCI_BUSES_MAX);
    return FALSE;
  }
  address->bus = (guint8) slots->n_buses;
  if (!grow (slots, device, connect, &address->bus))
    return FALSE;
  address->slot = slots->buses[address->bus].model->min_slot;
  return TRUE;
}

gboolean
vsmmu_pci_slots_reserve_next (VsmmuPciSlots *slots, VsmmuDevice *device, guint8 function)
{
  VsmmuPciAddress address = { .function = function };

  if (!find_address (slots, device, &address) || !vsmmu_pci_slots_reserve (slots, device, &address, FALSE))
    return FALSE;
  if (!slots->is_dry_run) {
    address.multifunction = device->address.multifunction;
    device->address = address;
    device->address_kind = VSMMU_ADDRESS_PCI;
  }
  return TRUE;
}
