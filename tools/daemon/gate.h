/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Keeps calls out before anybody looks at them, in the thread that reads from the bus: what comes through waits in the
 * main loop, where one sender must not have others wait behind it.
 *
 * A call that wants no answer is dropped: an answer is all that a call can get. Of each sender, whoever it is, only
 * so many calls are let through until they are answered; the others get an error, as long as there are not too many.
 */
typedef struct _VsmmuGate VsmmuGate;

VsmmuGate *vsmmu_gate_new (GDBusConnection *bus);
void vsmmu_gate_free (VsmmuGate *gate);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGate, vsmmu_gate_free)
