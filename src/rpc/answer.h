/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/policy.h"
#include "vsmmu/finding.h"

/* What virt-vsmmud reports for a device, in its words on the bus; see data/org.vsmmu1.xml. */
typedef enum {
  VSMMU_ANSWER_NONE, /* there is no virt-vsmmud, or it does not let us ask */
  VSMMU_ANSWER_UNKNOWN,
  VSMMU_ANSWER_VERIFIED,
  VSMMU_ANSWER_MISMATCH,
  VSMMU_ANSWER_GONE, /* the device was a mismatch, and is no more */
} VsmmuAnswerState;

typedef struct {
  VsmmuAnswerState state;
  VsmmuPolicyMismatch action; /* what virt-vsmmud does about a mismatch */
  GPtrArray *findings;        /* (nullable) (element-type VsmmuFinding): of a mismatch */
} VsmmuAnswer;

/*
 * VsmmuAnswerQuestion:
 * @bus: address of a bus, as D-Bus has them
 * @uuid: of a domain, in letters
 * @device: alias
 * @since: what is older is of another device with that alias, in microseconds since 1970
 * @seconds: to wait for
 *
 * A device that was attached at the time @since.
 */
typedef struct {
  const char *bus;
  const char *uuid;
  const char *device;
  gint64 since;
  guint seconds;
} VsmmuAnswerQuestion;

/*
 * vsmmu_answer_wait:
 * @answer: empty; to be cleared with vsmmu_answer_clear()
 *
 * Asks virt-vsmmud and waits until it knows, and when it detaches the device, until that is gone; no longer than
 * @question allows, whatever the bus and virt-vsmmud do. Neither is started for it. For any thread, which it blocks.
 */
void vsmmu_answer_wait (const VsmmuAnswerQuestion *question, VsmmuAnswer *answer);

void vsmmu_answer_clear (VsmmuAnswer *answer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuAnswer, vsmmu_answer_clear)
