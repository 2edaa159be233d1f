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
} VsmmuChange;

void vsmmu_change_free (VsmmuChange *change);

/*
 * VsmmuChanges: the calls of one connection that change devices. Changes to one domain are judged one after the other,
 * each by what the one before it made of the domain. Several threads may use it.
 */
typedef struct _VsmmuChanges VsmmuChanges;

/* (transfer full): @patience: for how many milliseconds calls wait for each other */
VsmmuChanges *vsmmu_changes_new (guint patience);

void vsmmu_changes_free (VsmmuChanges *changes);

void vsmmu_changes_set_patience (VsmmuChanges *changes, guint milliseconds);

/* The connection is over: nobody waits any longer. */
void vsmmu_changes_end (VsmmuChanges *changes);

/*
 * vsmmu_changes_begin:
 * @xml: (nullable): the device, when it comes to a guest that may run
 *
 * %FALSE with @error set when it has to wait for too long; else its reply ends it, or vsmmu_changes_cancel().
 */
gboolean vsmmu_changes_begin (VsmmuChanges *changes, const VsmmuFrameHeader *header, const VsmmuMessage *message,
                              const char *xml, GError **error);

/* The daemon does not get the call. */
void vsmmu_changes_cancel (VsmmuChanges *changes, const VsmmuFrameHeader *header);

/* Whether there is more to do about the answer to a change; if not, it is over. */
gboolean vsmmu_changes_want_reply (VsmmuChanges *changes, const VsmmuFrameHeader *header);

/* (transfer full) (nullable): the change that is answered; vsmmu_changes_end_turn() ends it */
VsmmuChange *vsmmu_changes_take (VsmmuChanges *changes, const VsmmuFrameHeader *header);

/* The next call may change a device of its domain. */
void vsmmu_changes_end_turn (VsmmuChanges *changes, const VsmmuChange *change);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuChange, vsmmu_change_free)
