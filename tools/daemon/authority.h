/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "callers.h"

/* What a caller wants to do. */
typedef enum {
  VSMMU_ACTION_READ,
  VSMMU_ACTION_MANAGE,
} VsmmuAction;

/* Who decides: polkit, or where there is none the user and the groups; on the bus of a session nobody has to. */
typedef struct {
  GDBusConnection *bus;
  gboolean is_session;
  gint64 group; /* id of the group libvirt; -1 when there is none */
  int patience; /* milliseconds that polkit has; a user who is asked for a password needs some time */
} VsmmuAuthority;

void vsmmu_authority_init (VsmmuAuthority *authority, GDBusConnection *bus, gboolean is_session);

/*
 * vsmmu_authority_check:
 * @may_ask_user: whether polkit may ask for a password
 *
 * Asks polkit whether @caller may do @action. Where there is no polkit, root may do all, and the members of the group
 * libvirt may read.
 */
void vsmmu_authority_check (const VsmmuAuthority *authority, const VsmmuCaller *caller, VsmmuAction action,
                            gboolean may_ask_user, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer data);

/* Returns: %FALSE with @error set, %G_DBUS_ERROR_ACCESS_DENIED, when it may not */
gboolean vsmmu_authority_check_finish (GAsyncResult *result, GError **error);
