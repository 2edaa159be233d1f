/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/events.h"

/* An event of libvirt's, in the main context; @link is the box that the job was given. */
void vsmmu_watcher_on_event (const VsmmuEvent *event, gpointer link);
