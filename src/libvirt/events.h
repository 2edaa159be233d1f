/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/connection.h"

typedef enum {
  VSMMU_EVENT_STARTED, /* also when it came from another host */
  VSMMU_EVENT_STOPPED,
  VSMMU_EVENT_REBOOTED,
  VSMMU_EVENT_ADDED,
  VSMMU_EVENT_REMOVED,
  VSMMU_EVENT_REMOVAL_FAILED,
  VSMMU_EVENT_CLOSED, /* the connection is lost */
} VsmmuEventKind;

typedef struct {
  VsmmuEventKind kind;
  const char *uuid;  /* (nullable): of the domain */
  const char *name;  /* (nullable) */
  const char *alias; /* (nullable): of the device */
} VsmmuEvent;

typedef void (*VsmmuEventFunc) (const VsmmuEvent *event, gpointer data);

/*
 * vsmmu_events_prepare:
 *
 * Has libvirt's event loop run in GLib's default main context, for this process and for ever; to be called before a
 * connection is opened. Since libvirt 6.0 that is what virEventRegisterDefaultImpl() does (virEventGLibRegister()).
 */
gboolean vsmmu_events_prepare (GError **error);

/*
 * vsmmu_connection_subscribe:
 * @func: called in the main context
 * @data: an atomic reference counted box (g_atomic_rc_box_new()), which the subscription holds references to
 * @error: VSMMU_ERROR_PROBE
 *
 * Once for each connection, until it is closed. Blocks.
 */
gboolean vsmmu_connection_subscribe (VsmmuConnection *connection, VsmmuEventFunc func, gpointer data, GError **error);

/*
 * (transfer full) (element-type utf8): UUID and name of each domain that runs, one after the other, or %NULL with
 * @error set (VSMMU_ERROR_PROBE)
 */
GPtrArray *vsmmu_connection_list_running (VsmmuConnection *connection, GError **error);

/* Asks the guest to release the device that @xml describes; VSMMU_ERROR_PROBE. */
gboolean vsmmu_connection_domain_detach (VsmmuConnectionDomain *domain, const char *xml, GError **error);
