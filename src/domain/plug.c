/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/plug.h"

#include <glib/gi18n-lib.h>

#include "domain/pci-slots.h"

/* The buses as they are while the guest runs. */
static void
read_buses (VsmmuPciSlots *slots, const VsmmuDomain *domain)
{
  slots->n_buses = domain->n_buses;
  for (guint i = 0; i < domain->n_buses; i++) {
    VsmmuSlotBus *bus = &slots->buses[i];

    bus->model = domain->buses[i].model;
    if (bus->model == NULL)
      continue;
    bus->accepts = bus->model->accepts;
    if (domain->buses[i].controller->controller.hotplug == VSMMU_SWITCH_OFF)
      bus->accepts &= ~(guint) VSMMU_CONNECT_AUTOASSIGN;
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI && device->address.bus < domain->n_buses)
      slots->buses[device->address.bus].functions[device->address.slot] |= (guint8) (1 << device->address.function);
  }
}

/* The address that the document names, in the order of libvirt's own checks. */
static VsmmuPlugOutcome
plug_given (const VsmmuPciSlots *slots, const VsmmuDevice *device, char **reason)
{
  const VsmmuPciAddress *address = &device->address;
  const VsmmuSlotBus *bus = &slots->buses[address->bus];

  if (address->function != 0) {
    *reason = g_strdup (_ ("only function 0 of a slot can be attached to a running guest"));
    return VSMMU_PLUG_REFUSED;
  }
  if (address->domain != 0) {
    *reason = g_strdup_printf (_ ("a guest has only PCI domain 0, not PCI domain %u"), address->domain);
    return VSMMU_PLUG_REFUSED;
  }
  if (address->bus >= slots->n_buses || bus->model == NULL)
    return VSMMU_PLUG_NO_BUS;
  if (!(bus->accepts & VSMMU_CONNECT_AUTOASSIGN) || !vsmmu_slot_bus_accepts (bus, address->bus, device->connect, TRUE))
    return VSMMU_PLUG_NO_HOTPLUG;
  if (address->slot < bus->model->min_slot || address->slot > bus->model->max_slot) {
    *reason = g_strdup_printf (_ ("slot %u does not exist: %s with index %u has slots %u to %u"), address->slot,
                               bus->model->name, address->bus, bus->model->min_slot, bus->model->max_slot);
    return VSMMU_PLUG_REFUSED;
  }
  return bus->functions[address->slot] & 1 ? VSMMU_PLUG_TAKEN : VSMMU_PLUG_PLACED;
}

static VsmmuPlugOutcome
plug_anywhere (const VsmmuPciSlots *slots, VsmmuDevice *device)
{
  for (guint i = 0; i < slots->n_buses; i++) {
    VsmmuPciAddress address = { .bus = (guint8) i };

    if (slots->buses[i].model == NULL || !vsmmu_slot_bus_accepts (&slots->buses[i], i, device->connect, FALSE) ||
        !vsmmu_slot_bus_find (&slots->buses[i], device->connect, &address))
      continue;
    device->address = address;
    device->address_kind = VSMMU_ADDRESS_PCI;
    return VSMMU_PLUG_PLACED;
  }
  return VSMMU_PLUG_TAKEN;
}

VsmmuPlugOutcome
vsmmu_plug_place (const VsmmuDomain *domain, VsmmuDevice *device, char **reason)
{
  g_autofree VsmmuPciSlots *slots = NULL;
  VsmmuPlugOutcome outcome;

  if (device->connect == VSMMU_CONNECT_NONE || device->address_kind == VSMMU_ADDRESS_OTHER)
    return VSMMU_PLUG_PLACED;
  if (domain->address_error != NULL || !vsmmu_domain_is_virt (domain)) {
    device->address_kind = VSMMU_ADDRESS_NONE;
    return VSMMU_PLUG_UNKNOWN;
  }
  slots = g_new0 (VsmmuPciSlots, 1);
  read_buses (slots, domain);
  if (!device->address_given)
    return plug_anywhere (slots, device);
  outcome = plug_given (slots, device, reason);
  /* Rules that look at the address report nothing about an address that libvirt rejects. */
  if (outcome != VSMMU_PLUG_PLACED)
    device->address_kind = VSMMU_ADDRESS_NONE;
  return outcome;
}
