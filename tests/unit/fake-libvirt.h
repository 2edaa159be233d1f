/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A libvirt with one guest, which is what the test says; loaded in the place of the real one. */
typedef struct {
  GMutex mutex; /* of all of it */
  char *xml;
  int n_refused;          /* so many attempts to detach fail */
  GPtrArray *detached;    /* (element-type utf8): XML of devices that libvirt was asked to detach */
  GPtrArray *commands;    /* (element-type utf8): for QEMU's monitor */
  const char *broken;     /* (nullable): the function that fails; of events, with a space and the id behind it */
  const char *answers[3]; /* (nullable): of QEMU, in the place of the usual one; see FakeAnswer */
  int n_callbacks;        /* that libvirt was given and holds still */
  int keep_alive[2];      /* what it was last told of that: seconds and answers */
} FakeLibvirt;

/* What QEMU is asked. An empty answer is one that libvirt makes an error of. */
typedef enum { FAKE_ANSWER_TRACE_STATE, FAKE_ANSWER_TRACE_SWITCH, FAKE_ANSWER_DOORBELL } FakeAnswer;

FakeLibvirt *fake_libvirt_get (void);

/* As libvirt's event loop does; @id: VIR_DOMAIN_EVENT_ID_… */
void fake_libvirt_emit (int id, const char *alias);
void fake_libvirt_emit_lifecycle (int what, int detail);
void fake_libvirt_emit_reboot (void);
void fake_libvirt_emit_close (void);
