/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "render/dot-graph.h"

/* Adds the buses of the guest, their devices and vSMMUs; #VsmmuDotGraph.drawn and @smmus are filled. */
void vsmmu_dot_guest_add (VsmmuDotGraph *graph);
