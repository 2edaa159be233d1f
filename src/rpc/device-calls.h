/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/message.h"

/* A client's call that changes a device, until it is answered. */
typedef struct {
  char *uuid; /* in letters; no other call changes a device of this domain meanwhile */
  guint8 raw_uuid[16];
  gint32 procedure;
  guint flags;
  char *xml;    /* (nullable): of a device that comes to a guest that may run */
  gint64 since; /* microseconds since 1970 */
} VsmmuDeviceCall;

void vsmmu_device_call_free (VsmmuDeviceCall *call);

/*
 * VsmmuDeviceCalls: the calls of one connection that change devices. Changes to one domain are judged one after the
 * other, each by what the one before it made of the domain. Several threads may use it.
 */
typedef struct _VsmmuDeviceCalls VsmmuDeviceCalls;

/* (transfer full): vsmmu_device_calls_set_timeout() is called before it is used */
VsmmuDeviceCalls *vsmmu_device_calls_new (void);

void vsmmu_device_calls_free (VsmmuDeviceCalls *calls);

/* How long calls wait for each other. */
void vsmmu_device_calls_set_timeout (VsmmuDeviceCalls *calls, guint milliseconds);

/* The connection has ended: nobody waits any longer. */
void vsmmu_device_calls_end (VsmmuDeviceCalls *calls);

/*
 * vsmmu_device_calls_begin:
 * @xml: (nullable): the device, when it comes to a guest that may run
 *
 * %FALSE with @error set when it has to wait for too long; else its reply ends it, or vsmmu_device_calls_cancel().
 */
gboolean vsmmu_device_calls_begin (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header, const VsmmuMessage *message,
                                   const char *xml, GError **error);

/* The daemon does not get the call. */
void vsmmu_device_calls_cancel (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header);

/* Whether the answer to a change needs more work; if not, the change is done. */
gboolean vsmmu_device_calls_want_reply (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header);

/* (transfer full) (nullable): the change that is answered; vsmmu_device_calls_end_turn() ends it */
VsmmuDeviceCall *vsmmu_device_calls_take (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header);

/* The next call may change a device of its domain. */
void vsmmu_device_calls_end_turn (VsmmuDeviceCalls *calls, const VsmmuDeviceCall *call);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDeviceCall, vsmmu_device_call_free)
