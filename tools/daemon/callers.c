/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "callers.h"

#include <glib/gi18n.h>

#define BUS_TIMEOUT_MS 5000

struct _VsmmuCallers {
  GDBusConnection *bus;
  GHashTable *senders; /* (element-type utf8 Sender): by unique name */
  guint watch;         /* of whoever leaves the bus; there is one while there are senders */
};

/* One unique name. A reference is held by the table, and one while the bus is asked. */
typedef struct {
  VsmmuCallers *callers;
  VsmmuCaller *caller;
  gboolean is_known;
  GQueue waiting; /* (element-type Waiting) */
} Sender;

typedef struct {
  VsmmuCallerFunc func;
  gpointer data;
} Waiting;

static void
clear_caller (gpointer data)
{
  VsmmuCaller *caller = data;

  g_free (caller->name);
  g_clear_pointer (&caller->groups, g_array_unref);
  g_object_unref (caller->gone);
}

VsmmuCaller *
vsmmu_caller_ref (VsmmuCaller *caller)
{
  return g_rc_box_acquire (caller);
}

void
vsmmu_caller_unref (VsmmuCaller *caller)
{
  g_rc_box_release_full (caller, clear_caller);
}

static void
clear_sender (gpointer data)
{
  vsmmu_caller_unref (((Sender *) data)->caller);
}

static void
sender_unref (gpointer sender)
{
  g_rc_box_release_full (sender, clear_sender);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sender, sender_unref)

static void
forget (VsmmuCallers *callers, const char *name)
{
  g_hash_table_remove (callers->senders, name);
  if (g_hash_table_size (callers->senders) > 0 || callers->watch == 0)
    return;
  g_dbus_connection_signal_unsubscribe (callers->bus, callers->watch);
  callers->watch = 0;
}

static void
owner_changed (GDBusConnection *bus, const char *from, const char *path, const char *interface, const char *signal,
               GVariant *parameters, gpointer data)
{
  VsmmuCallers *callers = data;
  const char *name;
  const Sender *sender;

  g_variant_get (parameters, "(&s&s&s)", &name, NULL, NULL);
  sender = g_hash_table_lookup (callers->senders, name);
  if (sender == NULL)
    return;
  g_cancellable_cancel (sender->caller->gone);
  forget (callers, name);
}

/* Only while somebody is known, so that others on the bus do not wake us up. */
static void
watch_bus (VsmmuCallers *callers)
{
  if (callers->watch == 0)
    callers->watch = g_dbus_connection_signal_subscribe (callers->bus, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                         "NameOwnerChanged", "/org/freedesktop/DBus", NULL,
                                                         G_DBUS_SIGNAL_FLAGS_NONE, owner_changed, callers, NULL);
}

static gboolean
read_credentials (VsmmuCaller *caller, GVariant *reply, GError **error)
{
  g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) groups = g_variant_lookup_value (credentials, "UnixGroupIDs", G_VARIANT_TYPE ("au"));
  gsize n_groups;
  const guint32 *ids;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &caller->uid)) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                         _ ("the bus did not report the user of the "
                            "caller"));
    return FALSE;
  }
  if (groups == NULL)
    return TRUE;
  ids = g_variant_get_fixed_array (groups, &n_groups, sizeof (guint32));
  caller->groups = g_array_append_vals (g_array_new (FALSE, FALSE, sizeof (guint32)), ids, (guint) n_groups);
  return TRUE;
}

/* Who called in the meantime waits too. */
static void
take_credentials (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Sender) sender = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  Waiting *waiting;

  sender->is_known = reply != NULL && read_credentials (sender->caller, reply, &error);
  while ((waiting = g_queue_pop_head (&sender->waiting)) != NULL) {
    waiting->func (sender->is_known ? sender->caller : NULL, error, waiting->data);
    g_free (waiting);
  }
  if (!sender->is_known && g_hash_table_lookup (sender->callers->senders, sender->caller->name) == sender)
    forget (sender->callers, sender->caller->name);
}

static Sender *
sender_new (VsmmuCallers *callers, const char *name)
{
  Sender *sender = g_rc_box_new0 (Sender);

  sender->callers = callers;
  sender->caller = g_rc_box_new0 (VsmmuCaller);
  sender->caller->name = g_strdup (name);
  sender->caller->gone = g_cancellable_new ();
  g_hash_table_insert (callers->senders, sender->caller->name, sender);
  watch_bus (callers);
  g_dbus_connection_call (callers->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "GetConnectionCredentials", g_variant_new ("(s)", name), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NONE, BUS_TIMEOUT_MS, NULL, take_credentials, g_rc_box_acquire (sender));
  return sender;
}

void
vsmmu_callers_identify (VsmmuCallers *callers, const char *name, VsmmuCallerFunc func, gpointer data)
{
  Sender *sender = g_hash_table_lookup (callers->senders, name);
  Waiting *waiting;

  if (sender == NULL)
    sender = sender_new (callers, name);
  if (sender->is_known) {
    func (sender->caller, NULL, data);
    return;
  }
  waiting = g_new (Waiting, 1);
  *waiting = (Waiting){ func, data };
  g_queue_push_tail (&sender->waiting, waiting);
}

VsmmuCallers *
vsmmu_callers_new (GDBusConnection *bus)
{
  VsmmuCallers *callers = g_new0 (VsmmuCallers, 1);

  callers->bus = bus;
  callers->senders = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, sender_unref);
  return callers;
}

void
vsmmu_callers_free (VsmmuCallers *callers)
{
  if (callers->watch != 0)
    g_dbus_connection_signal_unsubscribe (callers->bus, callers->watch);
  g_hash_table_unref (callers->senders);
  g_free (callers);
}
