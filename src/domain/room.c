/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/room.h"

#include "domain/vsmmu.h"

void
vsmmu_room_init (VsmmuRoom *room, const VsmmuDomain *domain)
{
  memset (room, 0, sizeof (*room));
  room->domain = domain;
  room->next_index = domain->n_buses;
  vsmmu_domain_find_free_ports (domain, room->is_free_port);
  for (guint i = 0; i < domain->n_buses; i++) {
    room->buses[i].model = domain->buses[i].model;
    room->has_vsmmu[i] = domain->buses[i].vsmmu != NULL;
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    VsmmuSlotBus *bus = &room->buses[device->address.bus];

    if (device->address_kind != VSMMU_ADDRESS_PCI || device->address.slot >= VSMMU_PCI_SLOTS_MAX)
      continue;
    if (bus->functions[device->address.slot] == 0 && (device->connect & VSMMU_CONNECT_ROOT_PORT))
      bus->shared |= 1u << device->address.slot;
    bus->functions[device->address.slot] |= (guint8) (1 << device->address.function);
  }
}

gboolean
vsmmu_room_take_port (VsmmuRoom *room, guint root, guint *bus)
{
  for (guint i = 0; i < room->domain->n_buses; i++)
    if (room->is_free_port[i] && room->domain->buses[i].root == (int) root) {
      room->is_free_port[i] = FALSE;
      *bus = i;
      return TRUE;
    }
  return FALSE;
}

gboolean
vsmmu_room_take_slot (VsmmuRoom *room, guint bus, guint connect, VsmmuPciAddress *address)
{
  *address = (VsmmuPciAddress){ .bus = (guint8) bus };
  /* libvirt lets root ports share a slot; a slot of its own is easier to read. */
  if (room->buses[bus].model == NULL || (!vsmmu_slot_bus_find (&room->buses[bus], VSMMU_CONNECT_NONE, address) &&
                                         !vsmmu_slot_bus_find (&room->buses[bus], connect, address)))
    return FALSE;
  room->buses[bus].functions[address->slot] |= (guint8) (1 << address->function);
  return TRUE;
}

gboolean
vsmmu_room_take_index (VsmmuRoom *room, guint *index)
{
  if (room->next_index >= VSMMU_PCI_BUSES_MAX)
    return FALSE;
  *index = room->next_index++;
  return TRUE;
}

static gboolean
has_hostdev (const VsmmuDomain *domain, guint root)
{
  for (guint i = 0; i < domain->hostdevs->len && domain->address_error == NULL; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (hostdev->address_kind == VSMMU_ADDRESS_PCI && domain->buses[hostdev->address.bus].root == (int) root)
      return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_room_take_expander (VsmmuRoom *room, guint *index)
{
  gboolean is_found = FALSE;

  for (guint i = 0; i < room->domain->n_buses; i++) {
    const VsmmuPciModel *model = room->domain->buses[i].model;

    if (model == NULL || model->demands != VSMMU_CONNECT_PCIE_EXPANDER || room->has_vsmmu[i] ||
        (is_found && !has_hostdev (room->domain, i)))
      continue;
    *index = i;
    is_found = TRUE;
    if (has_hostdev (room->domain, i))
      break;
  }
  if (is_found)
    room->has_vsmmu[*index] = TRUE;
  return is_found;
}
