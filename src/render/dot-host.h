/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "render/dot-graph.h"

/*
 * Adds the host, if it is known, with the physical SMMUs that have something to do with the guest, and how many others
 * there are; after vsmmu_dot_guest_add().
 */
void vsmmu_dot_host_add (VsmmuDotGraph *graph);
