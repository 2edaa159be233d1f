/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/relay.h"

/*
 * VsmmuOpening:
 * @next: the filter for everything else
 * @next_self: handed to @next
 *
 * What vsmmu_opening_filter gets as its self.
 */
typedef struct {
  const VsmmuRelayFilter *next;
  gpointer next_self;
} VsmmuOpening;

/*
 * For a client of an ordinary user on the socket of the system's daemon, which must
 * not open qemu:///session there: the daemon takes it for qemu:///system
 * (virConnectValidateURIPath()), and the user would see the wrong guests. All
 * else is for the next filter.
 */
extern const VsmmuRelayFilter vsmmu_opening_filter;
