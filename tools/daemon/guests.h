/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * VsmmuGuests:
 *
 * What the bus asks of whoever watches guests; its first member, so that the functions find the rest. All return at
 * once; strings are theirs only until then.
 */
typedef struct _VsmmuGuests VsmmuGuests;
struct _VsmmuGuests {
  /*
   * In the main thread.
   * @connection: (nullable): URI; %NULL for whichever has the domain
   * @domain: name or UUID
   * @task: gets a GVariant, (s), as Resolve of data/org.vsmmu1.xml has it; the function holds a reference as long as it
   *   needs it
   */
  void (*resolve) (VsmmuGuests *guests, const char *connection, const char *domain, GTask *task);

  /*
   * In the main thread.
   * @device: alias; empty for all devices behind accelerated vSMMUs
   * @task: gets a GVariant, (aa{sv}), as Verify of data/org.vsmmu1.xml has it
   */
  void (*verify) (VsmmuGuests *guests, const char *connection, const char *domain, const char *device, GTask *task);

  /* In any thread. Returns: (transfer floating): a(ss): each URI, and `connected` or `disconnected` */
  GVariant *(*get_connections) (VsmmuGuests *guests);
};
