/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/pci-slots.h"

/* Where the PCI tree of a domain has room, for hints that name a place; what is taken is not offered again. */
typedef struct {
  const VsmmuDomain *domain;
  guint next_index; /* of a PCI controller */
  gboolean is_free_port[VSMMU_PCI_BUSES_MAX];
  gboolean has_vsmmu[VSMMU_PCI_BUSES_MAX];
  VsmmuSlotBus buses[VSMMU_PCI_BUSES_MAX];
} VsmmuRoom;

void vsmmu_room_init (VsmmuRoom *room, const VsmmuDomain *domain);

/* Takes an empty port below @root that accepts devices while the guest runs; %FALSE when there is none. */
gboolean vsmmu_room_take_port (VsmmuRoom *room, guint root, guint *bus);

/* Takes a place for a controller that @connect describes on @bus; %FALSE when there is none. */
gboolean vsmmu_room_take_slot (VsmmuRoom *room, guint bus, guint connect, VsmmuPciAddress *address);

/* Takes an index that no PCI controller has; %FALSE when there is none. */
gboolean vsmmu_room_take_index (VsmmuRoom *room, guint *index);

/* Takes a pcie-expander-bus without an SMMUv3, one with VFIO devices first; %FALSE when there is none. */
gboolean vsmmu_room_take_expander (VsmmuRoom *room, guint *index);
