/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"
#include "rpc/relay.h"

/*
 * VsmmuOwnCalls: calls of our own to the daemon, on a client's connection and between the client's calls. Several
 * threads may use it.
 */
typedef struct _VsmmuOwnCalls VsmmuOwnCalls;

/* Version of libvirt's remote program. */
#define VSMMU_REMOTE_VERSION 1u

/* Clients count their calls from 1; calls from here on are ours, whoever waits for their replies. */
#define VSMMU_OWN_SERIAL_MIN 0xf0000000u

/* (transfer full): vsmmu_own_calls_set_timeout() is called before it is used */
VsmmuOwnCalls *vsmmu_own_calls_new (void);

void vsmmu_own_calls_free (VsmmuOwnCalls *calls);

/* How long the daemon is waited for. */
void vsmmu_own_calls_set_timeout (VsmmuOwnCalls *calls, guint milliseconds);

/* Before any call: @relay sends them. */
void vsmmu_own_calls_start (VsmmuOwnCalls *calls, VsmmuRelay *relay);

/* The connection has ended: waiting calls fail. */
void vsmmu_own_calls_end (VsmmuOwnCalls *calls);

/* Passes the reply to one of these calls to the waiting thread; if that has given up, the reply is dropped. */
void vsmmu_own_calls_take_reply (VsmmuOwnCalls *calls, guint32 serial, GBytes *frame);

/* Waits; %FALSE when the connection ended meanwhile. */
gboolean vsmmu_own_calls_pause (VsmmuOwnCalls *calls, guint milliseconds);

/* Which libvirt and QEMU the daemon has; asked once. %FALSE with @error set when it does not answer. */
gboolean vsmmu_own_calls_get_target (VsmmuOwnCalls *calls, VsmmuTarget *target, GError **error);

/* As #VsmmuGuardOps.get_domain_xml */
char *vsmmu_own_calls_get_domain_xml (VsmmuOwnCalls *calls, const guint8 *uuid, gboolean is_inactive, GError **error);

/* Detaches the device @xml from the domain @uuid; %FALSE with @error set, and libvirt's @code when there is one. */
gboolean vsmmu_own_calls_detach (VsmmuOwnCalls *calls, const guint8 *uuid, const char *xml, guint flags, int *code,
                                 GError **error);
