/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "watch/job.h"

/*
 * Verifications that wait for their turn, and those that run. A QEMU that hangs must not stop those of other guests,
 * so jobs that take too long are not counted, within limits.
 */
typedef struct _VsmmuVerificationQueue VsmmuVerificationQueue;

/* Begins @job (transfer full); %FALSE, without taking it, when nobody wants it any more. */
typedef gboolean (*VsmmuVerificationStart) (VsmmuJob *job);

/* QEMU has not answered @job for @seconds. */
typedef void (*VsmmuVerificationOverdue) (VsmmuJob *job, guint seconds);

/* (transfer full): @budget (nullable): while jobs wait for it, they are not overdue */
VsmmuVerificationQueue *vsmmu_verification_queue_new (VsmmuVerificationStart start, VsmmuVerificationOverdue overdue,
                                                      VsmmuBudget *budget);

/* Also frees what waits. Jobs that run go on, and do not belong to it. */
void vsmmu_verification_queue_free (VsmmuVerificationQueue *queue);

/* Adds @job (transfer full), and starts those that may. */
void vsmmu_verification_queue_push (VsmmuVerificationQueue *queue, VsmmuJob *job);

/* @job is done; vsmmu_verification_queue_advance() starts others in its place. */
void vsmmu_verification_queue_remove (VsmmuVerificationQueue *queue, VsmmuJob *job);

/* Starts those that may begin. */
void vsmmu_verification_queue_advance (VsmmuVerificationQueue *queue);
