/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/run.h"
#include "domain/domain.h"
#include "rpc/guard.h"

/* What messages call documents that have no file. */
#define VSMMU_GUARD_DOMAIN "domain"
#define VSMMU_GUARD_DEVICE "device"

struct _VsmmuGuard {
  const VsmmuPolicy *policy;
  const VsmmuGuardOps *ops;
  gpointer self;
};

/* Reports a sentence: nothing is changed silently, and no mismatch is left alone silently. */
void vsmmu_guard_log (const VsmmuGuard *guard, const char *format, ...) G_GNUC_PRINTF (2, 3);

void vsmmu_guard_log_notes (const VsmmuGuard *guard, const GPtrArray *notes);

/*
 * vsmmu_guard_judge:
 * @findings: (transfer full): of a domain or device that a client hands to libvirt
 * @error: %VSMMU_ERROR_REFUSED
 *
 * Returns: whether the policy lets it pass; what is not refused is said
 */
gboolean vsmmu_guard_judge (const VsmmuGuard *guard, GPtrArray *findings, GError **error);

/*
 * vsmmu_guard_judge_unread:
 * @xml: a document that defines, creates, changes or restores something, and that we cannot read
 * @problem: why; of vsmmu_xml_parse(), vsmmu_domain_new_from_data(), lifting
 * @error: %VSMMU_ERROR_REFUSED with @problem and what to do; not set when libvirt may get it
 *
 * What no parser reads is left to libvirt, which is certain to refuse it, so that the user gets its words. All else
 * that we cannot read is refused here, whatever is written in it: limits, encodings and document types that libvirt
 * takes would hide anything.
 */
void vsmmu_guard_judge_unread (const char *xml, const GError *problem, GError **error);

/* (transfer full): @xml as the user would write it, or %NULL with @error set */
char *vsmmu_guard_lift_document (const char *xml, gsize *length, GError **error);
