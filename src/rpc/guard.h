/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/answer.h"
#include "vsmmu/hotplug.h"
#include "vsmmu/policy.h"
#include "vsmmu/target.h"

/*
 * VsmmuGuard: what is to become of XML on its way between a client and libvirt.
 * It decides and rewrites; frames are none of its business.
 */
typedef struct _VsmmuGuard VsmmuGuard;

/*
 * VsmmuGuardOps:
 * @get_target: which libvirt and QEMU the daemon has
 * @get_domain_xml: (transfer full): the domain with @uuid (16 bytes) as it runs; when it does not or
 *   @is_inactive, as it is defined
 * @get_host: (transfer full) (nullable): the host that the daemon runs on; %NULL when nothing can be known of it
 * @say: something that is not refused: a finding or a note, in one line
 *
 * What a guard needs of its surroundings; may be called by several threads at once.
 */
typedef struct {
  gboolean (*get_target) (gpointer self, VsmmuTarget *target, GError **error);
  char *(*get_domain_xml) (gpointer self, const guint8 *uuid, gboolean is_inactive, GError **error);
  VsmmuHost *(*get_host) (gpointer self);
  void (*say) (gpointer self, const char *text);
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
 * vsmmu_guard_attach:
 * @uuid: of the domain, 16 bytes
 * @flags: virDomainDeviceModifyFlags
 * @xml: the device
 *
 * As vsmmu_guard_domain(), and gives a device that has no address one behind the right vSMMU.
 */
char *vsmmu_guard_attach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/*
 * vsmmu_guard_find_attached:
 * @xml: of a device that vsmmu_guard_attach() let pass, and libvirt attached
 *
 * Returns: (transfer full) (nullable): its alias; %NULL when it is none that virt-vsmmud has a verdict on, or the
 * policy is not to wait for that
 */
char *vsmmu_guard_find_attached (VsmmuGuard *guard, const guint8 *uuid, const char *xml);

/*
 * vsmmu_guard_judge_answer:
 * @device: alias
 * @error: %VSMMU_ERROR_REFUSED when virt-vsmmud detaches the device
 *
 * Returns: whether it stays; what there is to say of it is said
 */
gboolean vsmmu_guard_judge_answer (VsmmuGuard *guard, const char *device, const VsmmuAnswer *answer, GError **error);

/* As vsmmu_guard_domain(), for a device to be detached: says what to mind, and refuses nothing of its own. */
char *vsmmu_guard_detach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/* As vsmmu_guard_domain(), for a device to be changed. */
char *vsmmu_guard_update (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error);

/* (transfer full) (nullable): what a client is to get instead of @xml from libvirt; %NULL: just that */
char *vsmmu_guard_lift (VsmmuGuard *guard, const char *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGuard, vsmmu_guard_free)
