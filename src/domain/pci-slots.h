/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/* The slots in use on one PCI bus. */
typedef struct {
  const VsmmuPciModel *model; /* %NULL for a bus that nothing has claimed yet */
  guint accepts;
  guint8 functions[VSMMU_PCI_SLOTS_MAX]; /* bit mask of the functions in use */
  guint32 shared;                        /* slots that root ports share, one function each */
} VsmmuSlotBus;

/* The slots in use on all buses of a domain. */
typedef struct {
  VsmmuDomain *domain;
  gboolean is_dry_run; /* buses may be added, and addresses are thrown away */
  guint n_buses;
  VsmmuSlotBus buses[VSMMU_PCI_BUSES_MAX];
} VsmmuPciSlots;

void vsmmu_slot_bus_set_model (VsmmuSlotBus *bus, const char *name);

/* Whether a device with @connect can be on @bus, which has the index @number; @is_given: whether its address is. */
gboolean vsmmu_slot_bus_accepts (const VsmmuSlotBus *bus, guint number, guint connect, gboolean is_given);

/* Finds a slot on @bus: an empty one, or for a root port a free function among other root ports. */
gboolean vsmmu_slot_bus_find (const VsmmuSlotBus *bus, guint connect, VsmmuPciAddress *address);

/* Records the first rejection in the domain; later ones result from it. */
void vsmmu_pci_slots_refuse (VsmmuPciSlots *slots, const VsmmuDevice *device, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Claims @address; %FALSE when libvirt would reject it. @is_given: whether it is in the document */
gboolean vsmmu_pci_slots_reserve (VsmmuPciSlots *slots, const VsmmuDevice *device, VsmmuPciAddress *address,
                                  gboolean is_given);

/* Claims the next free address, and assigns it to @device unless this is a dry run; %FALSE when there is none. */
gboolean vsmmu_pci_slots_reserve_next (VsmmuPciSlots *slots, VsmmuDevice *device, guint8 function);
