/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/policy.h"
#include "rpc/relay.h"

/*
 * VsmmuSession: one client's connection to a daemon, on which the calls that carry XML of domains and devices are seen
 * by a VsmmuGuard. What must be asked of the daemon for that is asked on the same connection, between the client's
 * calls: with the client's rights, and without logging in once more.
 */
typedef struct _VsmmuSession VsmmuSession;

/*
 * vsmmu_session_new:
 * @policy: must outlive the session
 * @bus: address of the bus on which virt-vsmmud may be, which must outlive the session
 *
 * Returns: (transfer full): a session for one vsmmu_relay_run() with vsmmu_session_filter
 */
VsmmuSession *vsmmu_session_new (const VsmmuPolicy *policy, const char *bus);

/* For how many milliseconds the daemon is waited for, and calls for each other; a minute when it is not set. */
void vsmmu_session_set_timeout (VsmmuSession *session, guint milliseconds);

void vsmmu_session_free (VsmmuSession *session);

extern const VsmmuRelayFilter vsmmu_session_filter;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuSession, vsmmu_session_free)
