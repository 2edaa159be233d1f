/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/pci-slots.h"

/* So far libvirt goes down for the next pcie-expander-bus without busNr: a number for it, and one for a bridge. */
#define VSMMU_AUTO_BUS_NUMBERS 2

/* Gives PCI controllers the numbers of buses, chassis and ports that libvirt gives them, once all have addresses. */
void vsmmu_numbers_assign (VsmmuPciSlots *slots);

/* Fills in the buses of @domain: for each its controller, its root bus, and the vSMMU of that. */
void vsmmu_buses_publish (VsmmuDomain *domain);
