/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "vsmmu/msi.h"

/* Which MSI controller a machine has, and what decides it. */
typedef struct {
  VsmmuMsiController controller;
  const VsmmuPassthrough *argument; /* (nullable): the argument of -machine without which it would be another */
  gboolean is_refused;              /* there is none because QEMU does not start with that */
} VsmmuMsiChoice;

/*
 * vsmmu_msi_choice_of:
 *
 * What QEMU 11.1 does in finalize_msi_controller(), as tried on 11.1.3: `msi=` hides `its=`, whichever
 * comes first; machine types up to virt-6.1 have no ITS without KVM, whatever their property `msi` says.
 */
VsmmuMsiChoice vsmmu_msi_choice_of (const VsmmuDomain *domain);

/*
 * vsmmu_msi_regions_of:
 *
 * Returns: (transfer full) (element-type VsmmuGuestRegion): what lies in the physical address space of @domain,
 *   by start: QEMU's base_memmap, memory, and all above it
 */
GArray *vsmmu_msi_regions_of (const VsmmuDomain *domain);
