/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/pci-slots.h"

/* Gives PCI controllers the numbers of buses, chassis and ports that libvirt gives them, once all have addresses. */
void vsmmu_numbers_assign (VsmmuPciSlots *slots);

/* Fills in the buses of @domain: for each its controller, its root bus, and the vSMMU of that. */
void vsmmu_buses_publish (VsmmuDomain *domain);
