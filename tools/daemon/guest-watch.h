/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/vsmmu.h>

#include "base/budget.h"
#include "guests.h"
#include "memory.h"
#include "verdicts.h"

/* Who watches guests: fills the store of verdicts, does what the policy says, and answers what the bus asks of guests.
 */
typedef struct _VsmmuGuestWatch VsmmuGuestWatch;

/*
 * vsmmu_guest_watch_new:
 * @uris: NULL-terminated: of libvirt daemons
 * @verdicts: must outlive it
 * @budget: what the documents of guests are read with
 * @memory: released after work; must outlive it
 *
 * Returns: (transfer full): or %NULL with @error set when there is no client library of libvirt
 */
VsmmuGuestWatch *vsmmu_guest_watch_new (const char *const *uris, VsmmuVerdicts *verdicts, VsmmuBudget *budget,
                                        VsmmuMemory *memory, GError **error);
void vsmmu_guest_watch_free (VsmmuGuestWatch *watch);

/* What the bus asks; owned by @watch. */
VsmmuGuests *vsmmu_guest_watch_get_guests (VsmmuGuestWatch *watch);

/* Calls @changed whenever a libvirt daemon is connected to or lost. */
void vsmmu_guest_watch_set_callback (VsmmuGuestWatch *watch, void (*changed) (gpointer data), gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGuestWatch, vsmmu_guest_watch_free)
