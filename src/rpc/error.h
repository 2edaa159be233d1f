/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/frame.h"

/*
 * vsmmu_rpc_error_reply:
 * @call: the call that is answered
 * @domain: virErrorDomain
 * @code: virErrorNumber
 * @message: as users are to see it
 *
 * Returns: (transfer full): the frame of a reply with which the call fails
 */
GBytes *vsmmu_rpc_error_reply (const VsmmuFrameHeader *call, int domain, int code, const char *message);

/*
 * vsmmu_rpc_error_read:
 * @reply: an error reply
 * @code: (out): virErrorNumber
 *
 * Returns: (transfer full) (nullable): what libvirt says; %NULL when that cannot be decoded
 */
char *vsmmu_rpc_error_read (GBytes *reply, int *code);
