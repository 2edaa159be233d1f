/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A libvirt with one guest, which is what the test says; loaded in the place of the real one. */
typedef struct {
  GMutex mutex; /* of all of it */
  char *xml;
  int n_refused;       /* so many attempts to detach fail */
  GPtrArray *detached; /* (element-type utf8): XML of devices that libvirt was asked to detach */
  GPtrArray *commands; /* (element-type utf8): for QEMU's monitor */
} FakeLibvirt;

FakeLibvirt *fake_libvirt_get (void);

/* As libvirt's event loop does; @id: VIR_DOMAIN_EVENT_ID_… */
void fake_libvirt_emit (int id, const char *alias);
