/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/check.h"

/* How well a free port suits a device; the larger, the better. */
typedef enum {
  VSMMU_SUITS_NOT,
  VSMMU_SUITS_MAYBE, /* nothing is known of physical SMMUs */
  VSMMU_SUITS_EMPTY, /* behind a vSMMU that has no device yet */
  VSMMU_SUITS_WELL,
} VsmmuSuitability;

/*
 * vsmmu_check_choose_port:
 * @device: one that is to be attached
 * @with_own: whether the port that libvirt would give it is one of the free ones
 * @port: (out): index of the controller; only set when some port suits
 *
 * Returns: how well @port suits @device, the first of the best
 */
VsmmuSuitability vsmmu_check_choose_port (const VsmmuCheck *check, const VsmmuDevice *device, gboolean with_own,
                                          guint *port);

/* (transfer full): where @device, which is to be attached, could go instead */
char *vsmmu_check_hint_for_port (const VsmmuCheck *check, const VsmmuDevice *device);
