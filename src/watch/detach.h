/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "watch/record.h"

/*
 * Attempts to detach a device, until it is gone: QEMU refuses while the guest is still taking it in, and a guest whose
 * driver is busy with it ignores what QEMU asked of it.
 */

/* Begins the next attempt, now. */
void vsmmu_detach_begin (VsmmuWatchedGuest *guest, const char *alias);

/* Plans the next attempt in no less than @min_delay milliseconds; @reason (translated): why the last one failed. */
void vsmmu_detach_schedule (VsmmuWatchedGuest *guest, const char *alias, guint min_delay, const char *reason);
