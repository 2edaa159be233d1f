/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <vsmmu/vsmmu.h>

#include "base/budget.h"
#include "guests.h"
#include "host-cache.h"
#include "memory.h"
#include "verdicts.h"

/* org.vsmmu1 on a bus. */
typedef struct _VsmmuService VsmmuService;

/*
 * VsmmuServiceOptions:
 * @bus: where; the caller keeps it until the service is freed
 * @is_session: whether it is the bus of a session, where whoever can call may do all
 * @host: where facts of this host are from
 * @verdicts: what ListVerdicts and the signals report
 * @guests: (nullable): who watches guests
 * @budget: what documents that come with calls are worked on with
 * @memory: released after work
 */
typedef struct {
  GDBusConnection *bus;
  gboolean is_session;
  VsmmuHostSources host;
  VsmmuVerdicts *verdicts;
  VsmmuGuests *guests;
  VsmmuBudget *budget;
  VsmmuMemory *memory;
} VsmmuServiceOptions;

/* Returns: (transfer full): the object, ready for calls, or %NULL with @error set */
VsmmuService *vsmmu_service_new (const VsmmuServiceOptions *options, GError **error);

/* Answers the calls that are in flight, and rejects new ones. */
void vsmmu_service_free (VsmmuService *service);

/* What VsmmuGuests.get_connections() returns is not as before. */
void vsmmu_service_emit_connections (VsmmuService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuService, vsmmu_service_free)
