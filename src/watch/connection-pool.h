/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/budget.h"
#include "libvirt/connection.h"
#include "libvirt/events.h"

/*
 * Connections to one libvirt daemon, which jobs share; closed by the last user, never in the main context. A call that
 * hangs holds its connection, on which libvirt takes only five at a time; so each job has one for itself.
 */
typedef struct _VsmmuConnectionPool VsmmuConnectionPool;

/*
 * vsmmu_connection_pool_open:
 * @event: called with each event in the main context, with @data, an atomic reference counted box
 * @running: (out) (element-type utf8): as vsmmu_connection_list_running()
 *
 * Returns: (transfer full): or %NULL with @error set
 */
VsmmuConnectionPool *vsmmu_connection_pool_open (const char *uri, VsmmuEventFunc event, gpointer data,
                                                 GPtrArray **running, GError **error);
VsmmuConnectionPool *vsmmu_connection_pool_ref (VsmmuConnectionPool *pool);
void vsmmu_connection_pool_unref (VsmmuConnectionPool *pool);

/* (transfer full): one whose documents are read with @budget (nullable); or %NULL with @error set */
VsmmuConnection *vsmmu_connection_pool_borrow (VsmmuConnectionPool *pool, VsmmuBudget *budget, GError **error);

/* @connection (nullable) (transfer full); @error (nullable): what went wrong with it */
void vsmmu_connection_pool_return (VsmmuConnectionPool *pool, VsmmuConnection *connection, const GError *error);
