/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "domain/virt-machine.h"
#include "vsmmu/msi.h"

/*
 * VsmmuMsiMachine:
 * @controller: which MSI controller the machine has
 * @frame_start: GPA of the frame that the doorbell is in; 0 without a controller
 * @frame_size: bytes
 * @doorbell: GPA that an MSI write must go to; 0 without a controller
 *
 * The part of a machine that decides where MSIs go. Addresses are those of QEMU's
 * base_memmap, which is the same for every version of `virt`.
 */
typedef struct {
  VsmmuMsiController controller;
  guint64 frame_start;
  guint64 frame_size;
  guint64 doorbell;
} VsmmuMsiMachine;

/*
 * vsmmu_msi_machine_of:
 * @domain: a domain
 * @machine: (out): what is known of its MSI controller
 *
 * Uses the GIC version, the machine type's version, and `its=` and `msi=`
 * given with `<qemu:commandline>`.
 */
void vsmmu_msi_machine_of (const VsmmuDomain *domain, VsmmuMsiMachine *machine);

/*
 * vsmmu_msi_controller_to_string:
 *
 * Returns: `unknown`, `none`, `its` or `gicv2m`; not translated
 */
const char *vsmmu_msi_controller_to_string (VsmmuMsiController controller);

/*
 * vsmmu_msi_controller_get_name:
 * @controller: an ITS or a GICv2m frame
 *
 * Returns: `ITS` or `GICv2m`, for messages
 */
const char *vsmmu_msi_controller_get_name (VsmmuMsiController controller);

/*
 * vsmmu_msi_route_find_fault:
 * @machine: what takes the MSIs
 * @route: the route of one MSI
 *
 * The doorbell that a vIOMMU offers (path %VSMMU_MSI_PATH_DIRECT) must be that of
 * the machine, in the frame of its controller and in the window that the guest
 * was told; a GPA that an address led to must be the doorbell.
 *
 * Returns: (nullable): the id of the rule that @route breaks: `msi-doorbell-zero`,
 *   `msi-doorbell-not-controller`, `msi-window-mismatch`, `msi-doorbell-mismatch` or
 *   `msi-address-wrong-target`; static; %NULL when it is right, or when the
 *   controller is not known
 */
const char *vsmmu_msi_route_find_fault (const VsmmuMsiMachine *machine, const VsmmuMsiRoute *route);

/* Which MSI controller a machine has, and what decides it. */
typedef struct {
  VsmmuMsiController controller;
  const VsmmuPassthrough *argument; /* (nullable): the argument of -machine without which it would be another */
  gboolean is_refused;              /* there is none because QEMU does not start */
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
