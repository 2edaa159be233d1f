/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Who calls, as the bus knows it. */
typedef struct {
  char *name; /* unique name on the bus */
  guint uid;
  GArray *groups;     /* (nullable): guint32: all groups of its process; %NULL when the bus does not say */
  GCancellable *gone; /* cancelled when it leaves the bus */
} VsmmuCaller;

VsmmuCaller *vsmmu_caller_ref (VsmmuCaller *caller);
void vsmmu_caller_unref (VsmmuCaller *caller);

/* Everybody who has called and is still on the bus, each asked for once. For the main thread only. */
typedef struct _VsmmuCallers VsmmuCallers;

/* @caller is %NULL, and @error set, when it is unknown, as when it went away; both are borrowed. */
typedef void (*VsmmuCallerFunc) (VsmmuCaller *caller, const GError *error, gpointer data);

VsmmuCallers *vsmmu_callers_new (GDBusConnection *bus);
/* Nothing may be asked. */
void vsmmu_callers_free (VsmmuCallers *callers);

/*
 * vsmmu_callers_identify:
 * @name: unique name
 * @func: called once, also before this returns
 *
 * Asks the bus who @name is, if that is not known yet.
 */
void vsmmu_callers_identify (VsmmuCallers *callers, const char *name, VsmmuCallerFunc func, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuCallers, vsmmu_callers_free)
