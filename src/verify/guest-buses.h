/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "msi/topology.h"
#include "verify/guest-pci.h"

/* Sets which buses of @domain lead to @endpoints (element-type VsmmuDevice); each costs a read of the guest. */
void vsmmu_guest_find_needed_buses (const VsmmuDomain *domain, const GPtrArray *endpoints,
                                    gboolean is_needed[VSMMU_PCI_BUSES_MAX]);

/*
 * vsmmu_guest_number_buses:
 * @numbers: its bus numbers are filled in
 * @is_needed: by the index of a bus: whether its number is
 * @error: what the reader of @ecam sets
 *
 * The number of a bus behind a bridge is what the guest wrote into that, from the root buses on.
 */
gboolean vsmmu_guest_number_buses (VsmmuMsiGuest *numbers, const VsmmuDomain *domain, const VsmmuEcam *ecam,
                                   const gboolean *is_needed, GError **error);
