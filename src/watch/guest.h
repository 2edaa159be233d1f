/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "watch/record.h"

/*
 * Follows one guest: when its devices are verified, and what is done about the verdicts.
 */

/* Verifies all devices, now. */
void vsmmu_watched_guest_verify_all (VsmmuWatchedGuest *guest);

/* A device came. */
void vsmmu_watched_guest_on_added (VsmmuWatchedGuest *guest, const char *alias);

/* A device left. */
void vsmmu_watched_guest_on_removed (VsmmuWatchedGuest *guest, const char *alias);

/* The guest restarted in the same QEMU. */
void vsmmu_watched_guest_on_reboot (VsmmuWatchedGuest *guest);

/* The connection was lost: events may be missed. */
void vsmmu_watched_guest_on_disconnected (VsmmuWatchedGuest *guest);

/* Ends the trace of MSI routes, if there is one. */
void vsmmu_watched_guest_stop_trace (VsmmuWatchedGuest *guest);

/* Starts @job, which left the queue; %FALSE when nobody wants it any more. */
gboolean vsmmu_watched_guest_start (VsmmuJob *job);

/* Its QEMU has not answered @job for @seconds. */
void vsmmu_watched_guest_on_overdue (VsmmuJob *job, guint seconds);
