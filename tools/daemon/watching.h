/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/vsmmu.h>

#include "base/budget.h"
#include "guests.h"
#include "memory.h"
#include "verdicts.h"

/* Who watches guests: fills the store of verdicts, does what the policy says, and answers what the bus asks of guests.
 */
typedef struct _VsmmuWatching VsmmuWatching;

/*
 * vsmmu_watching_new:
 * @uris: NULL-terminated: of libvirt daemons
 * @verdicts: must outlive it
 * @budget: what the documents of guests are read with
 * @memory: told of what was done; must outlive it
 *
 * Returns: (transfer full): or %NULL with @error set when there is no client library of libvirt
 */
VsmmuWatching *vsmmu_watching_new (const char *const *uris, VsmmuVerdicts *verdicts, VsmmuBudget *budget,
                                   VsmmuMemory *memory, GError **error);
void vsmmu_watching_free (VsmmuWatching *watching);

/* What the bus asks; owned by @watching. */
VsmmuGuests *vsmmu_watching_get_guests (VsmmuWatching *watching);

/* Calls @changed whenever a libvirt daemon is connected to or lost. */
void vsmmu_watching_listen (VsmmuWatching *watching, void (*changed) (gpointer data), gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuWatching, vsmmu_watching_free)
