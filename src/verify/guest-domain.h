/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/policy.h"
#include "domain/domain.h"
#include "libvirt/connection.h"

/* What libvirt's answer says besides the devices, before anything was lifted out of it. */
typedef struct {
  gboolean has_action; /* whether the metadata say what to do about a mismatch */
  VsmmuPolicyMismatch action;
  gboolean may_write_log; /* whether the guest may write into the log of its QEMU */
} VsmmuGuestTerms;

/*
 * vsmmu_guest_read_domain:
 * @name: what messages call it
 * @log: (nullable): path of the log of its QEMU, for @terms
 * @terms: (out) (nullable):
 * @may_concern: (out) (optional): whether it can have a vSMMU; when it cannot, it is not parsed
 *
 * Returns: (transfer full): the model of a domain as it runs, with its name as libvirt has it; or %NULL with @error
 * set, or without it when it cannot concern who asks for @may_concern
 */
VsmmuDomain *vsmmu_guest_read_domain (VsmmuConnectionDomain *running, const char *name, const char *log,
                                      VsmmuGuestTerms *terms, gboolean *may_concern, GError **error);
