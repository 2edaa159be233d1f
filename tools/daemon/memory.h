/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Gives memory back to the system that was needed for what is done. For the main thread only. */
typedef struct _VsmmuMemory VsmmuMemory;

VsmmuMemory *vsmmu_memory_new (void);
void vsmmu_memory_free (VsmmuMemory *memory);

/* Something was done: what it took goes back within a second, and again each second until nothing more was done. */
void vsmmu_memory_settle (VsmmuMemory *memory);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMemory, vsmmu_memory_free)
