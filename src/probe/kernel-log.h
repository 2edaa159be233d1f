/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * vsmmu_kernel_log_read:
 * @host: with its SMMUs, whose platform devices the log names
 * @text: what /dev/kmsg or dmesg has; changed
 *
 * Fills in what the driver of the SMMUs said at boot: feature bits, output address size, and whether command queue
 * virtualization is used. Where two lines are about the same, the later one counts. A line that is cut off or garbled
 * says nothing.
 */
void vsmmu_kernel_log_read (VsmmuHost *host, char *text);
