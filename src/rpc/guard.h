/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"
#include "check/policy.h"
#include "domain/hotplug.h"
#include "rpc/answer.h"
#include "vsmmu/host.h"

/*
 * VsmmuGuard: decides on XML between a client and libvirt, and rewrites it. It does not deal with frames.
 */
typedef struct _VsmmuGuard VsmmuGuard;

/*
 * VsmmuGuardOps:
 * @get_target: which libvirt and QEMU the daemon has
 * @get_domain_xml: (transfer full) (nullable): the domain with @uuid (16 bytes) as it runs; when it does not or
 *   @is_inactive, as it is defined; %NULL without @error set: there is none
 * @get_host: (transfer full) (nullable): the host that the daemon runs on; %NULL when nothing can be known of it
 * @log: something that is not refused: a finding or a note, in one line
 *
 * What a guard needs of its surroundings; may be called by several threads at once.
 */
typedef struct {
  gboolean (*get_target) (gpointer self, VsmmuTarget *target, GError **error);
  char *(*get_domain_xml) (gpointer self, const guint8 *uuid, gboolean is_inactive, GError **error);
  VsmmuHost *(*get_host) (gpointer self);
  void (*log) (gpointer self, const char *text);
} VsmmuGuardOps;

/*
 * vsmmu_guard_new:
 * @policy: must outlive the guard
 *
 * Returns: (transfer full): a guard that several threads may use
 */
VsmmuGuard *vsmmu_guard_new (const VsmmuPolicy *policy, const VsmmuGuardOps *ops, gpointer self);

void vsmmu_guard_free (VsmmuGuard *guard);

/*
 * vsmmu_guard_domain:
 * @xml: a domain, or a snapshot or checkpoint with one inside, that a client hands to libvirt
 * @is_kept: whether libvirt is to do something with it, so that it is to be checked
 * @error: %VSMMU_ERROR_REFUSED with what is wrong with it, or why it cannot be passed on
 *
 * Returns: (transfer full) (nullable): what libvirt is to get instead; %NULL without an error: just that
 */
char *vsmmu_guard_domain (VsmmuGuard *guard, const char *xml, gboolean is_kept, GError **error);

/*
 * vsmmu_guard_new_domain:
 * @xml: a domain to define or create
 *
 * As vsmmu_guard_domain(), but puts the PCI devices that the domain has behind vSMMUs before, if the policy says so.
 */
char *vsmmu_guard_new_domain (VsmmuGuard *guard, const char *xml, GError **error);

/*
 * vsmmu_guard_attach:
 * @uuid: of the domain, 16 bytes
 * @flags: virDomainDeviceModifyFlags
 * @xml: the device
 *
 * Judges what each definition that @flags name becomes with the device, and gives a device without an address one
 * behind the right vSMMU.
 */
char *vsmmu_guard_attach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/*
 * vsmmu_guard_judge_attached:
 * @xml: of a device that vsmmu_guard_attach() let pass, and libvirt attached
 * @alias: (out) (transfer full) (nullable): of the device, when virt-vsmmud will have a verdict on it, and the policy
 * is to wait for that
 * @error: %VSMMU_ERROR_REFUSED, or why that cannot be found out
 *
 * Looks at the guest once more: another client may have attached a device at the same time.
 *
 * Returns: %FALSE with @error set when the device is to be detached again; anything else is logged
 */
gboolean vsmmu_guard_judge_attached (VsmmuGuard *guard, const guint8 *uuid, const char *xml, char **alias,
                                     GError **error);

/* (transfer full): a device for libvirt to detach, to undo that @xml was attached: by its source, whatever its alias is
 */
char *vsmmu_guard_write_undo (const char *xml);

/*
 * vsmmu_guard_judge_answer:
 * @device: alias
 * @error: %VSMMU_ERROR_REFUSED when virt-vsmmud detaches the device
 *
 * Returns: whether it stays; anything else is logged
 */
gboolean vsmmu_guard_judge_answer (VsmmuGuard *guard, const char *device, const VsmmuAnswer *answer, GError **error);

/* As vsmmu_guard_domain(), for a device to be detached: refuses what leaves errors that were not there before. */
char *vsmmu_guard_detach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/* The same for the device that is called @alias. */
void vsmmu_guard_detach_alias (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *alias, GError **error);

/* As vsmmu_guard_domain(), for a device to be changed. */
char *vsmmu_guard_update (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/* (transfer full) (nullable): what a client is to get instead of @xml from libvirt; %NULL: just that */
char *vsmmu_guard_lift (VsmmuGuard *guard, const char *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGuard, vsmmu_guard_free)
