/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "libvirt/connection.h"
#include "vsmmu/guest.h"
#include "vsmmu/policy.h"

/*
 * vsmmu_guest_read:
 * @domain: the domain as it runs
 * @reader: reads devices with the width that is asked for
 * @error: VSMMU_ERROR_UNSUPPORTED, VSMMU_ERROR_MSI when there is no PCI host bridge, or what @reader sets
 *
 * Returns: (transfer full): what is seen in the guest without its monitor, or %NULL with @error set
 */
VsmmuGuest *vsmmu_guest_read (const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error);

/* Which devices of a domain to read. */
typedef struct {
  const char *alias;        /* (nullable): this one only */
  gboolean is_guarded_only; /* those behind a vSMMU only */
} VsmmuGuestScope;

/*
 * vsmmu_guest_read_known:
 * @error: also VSMMU_ERROR_VALUE when there is no device of the alias
 *
 * The same without looking for devices that @domain does not have. With no device in @scope nothing is read.
 */
VsmmuGuest *vsmmu_guest_read_known (const VsmmuDomain *domain, const VsmmuGuestScope *scope,
                                    const VsmmuMemoryReader *reader, GError **error);

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

/* Fills in and judges what QEMU says of each vSMMU; %FALSE with @error set when it does not answer. */
gboolean vsmmu_guest_ask_monitor (VsmmuGuest *guest, const VsmmuDomain *domain, VsmmuConnectionDomain *running,
                                  GError **error);
