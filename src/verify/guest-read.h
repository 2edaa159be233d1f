/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verify/guest-pci.h"
#include "verify/guest.h"

/* What does not change while a guest is read. */
typedef struct {
  const VsmmuDomain *domain;
  VsmmuEcam ecam;
  GPtrArray *endpoints;                    /* (element-type VsmmuDevice): borrowed from the domain */
  GPtrArray *forecasts;                    /* (element-type VsmmuMsiDevice): of each */
  gboolean is_needed[VSMMU_PCI_BUSES_MAX]; /* by the index of a bus: whether its number is */
} VsmmuGuestSubject;

/* (transfer full) (element-type VsmmuGuestDevice): empty */
GPtrArray *vsmmu_guest_devices_new (void);

/*
 * vsmmu_guest_read_devices:
 * @guest: with its machine
 * @unknown: (nullable) (element-type VsmmuGuestDevice): what the domain's XML does not have is added here
 *
 * Reads the endpoints of @subject until all is twice the same, and gives up on what is not. Without @unknown, which is
 * a verification, what is right or not there yet is not read twice: each read makes the guest wait.
 *
 * Returns: (transfer full) (element-type VsmmuGuestDevice): in the order of the endpoints; or %NULL with @error set
 */
GPtrArray *vsmmu_guest_read_devices (const VsmmuGuestSubject *subject, const VsmmuGuest *guest, GPtrArray *unknown,
                                     GError **error);
