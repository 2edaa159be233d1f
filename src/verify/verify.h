/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/verify.h"

/*
 * vsmmu_verify_domain_traced:
 * @options: how
 * @is_traced: (nullable) (inout): whether the caller has QEMU write down its MSI routes, see
 * vsmmu_monitor_start_trace(); if not, and there is an accelerated vSMMU, that is started, and is for the caller to
 * stop
 *
 * vsmmu_verify_domain(), which with @is_traced also sees what KVM is given for a device whose driver is still to come.
 */
VsmmuVerification *vsmmu_verify_domain_traced (VsmmuConnection *connection, const char *name,
                                               const VsmmuVerifyOptions *options, gboolean *is_traced, GError **error);
