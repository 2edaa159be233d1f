/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "rpc/guard.h"
#include "vsmmu/check.h"

/* What messages call documents that have no file. */
#define VSMMU_GUARD_DOMAIN "domain"
#define VSMMU_GUARD_DEVICE "device"

/* Without this word a document has nothing to do with us. */
#define VSMMU_GUARD_WORD "smmuv3"

struct _VsmmuGuard {
  const VsmmuPolicy *policy;
  const VsmmuGuardOps *ops;
  gpointer self;
};

/* Says a sentence: nothing is changed, and no mismatch left alone, without a word. */
void vsmmu_guard_say (const VsmmuGuard *guard, const char *format, ...) G_GNUC_PRINTF (2, 3);

void vsmmu_guard_say_notes (const VsmmuGuard *guard, const GPtrArray *notes);

/*
 * vsmmu_guard_judge:
 * @findings: (transfer full): of a domain or device that a client hands to libvirt
 * @error: %VSMMU_ERROR_REFUSED
 *
 * Returns: whether the policy lets it pass; what is not refused is said
 */
gboolean vsmmu_guard_judge (const VsmmuGuard *guard, GPtrArray *findings, GError **error);

/* Says @findings (transfer full), and refuses nothing. */
void vsmmu_guard_mention (const VsmmuGuard *guard, GPtrArray *findings);

/*
 * A document that we cannot read for @problem is for libvirt to refuse, unless it may be one that libvirt would spoil:
 * then %FALSE with @error set.
 */
gboolean vsmmu_guard_may_pass_unread (const char *xml, const GError *problem, GError **error);

/* (transfer full): @xml as the user would write it, or %NULL with @error set */
char *vsmmu_guard_lift_document (const char *xml, gsize *length, GError **error);
