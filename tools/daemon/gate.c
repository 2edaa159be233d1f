/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <glib/gi18n.h>

#include "bucket.h"
#include "quota.h"

struct _VsmmuGate {
  GDBusConnection *bus;
  guint filter;
  GMutex mutex;        /* of what is below */
  GHashTable *senders; /* (element-type utf8 Sender): those who wait for an answer */
  gsize n_bytes;       /* of all */
};

/* What was let through and is not answered yet. */
typedef struct {
  GHashTable *calls; /* serial of the call, which no other in flight has (bus_connections_expect_reply()) → its bytes */
  gsize n_bytes;
  VsmmuBucket allowed; /* calls */
  VsmmuBucket told;    /* of its calls that were refused */
} Sender;

static void
sender_free (gpointer data)
{
  Sender *sender = data;

  g_hash_table_unref (sender->calls);
  g_free (sender);
}

/* Forgets callers whose last call is too long ago to matter. */
static gboolean
is_settled (gpointer key, gpointer value, gpointer data)
{
  const Sender *sender = value;
  const gint64 *now = data;

  return g_hash_table_size (sender->calls) == 0 && *now - sender->allowed.time > 10 * G_USEC_PER_SEC;
}

static Sender *
get_sender (VsmmuGate *gate, const char *name)
{
  Sender *sender = g_hash_table_lookup (gate->senders, name);
  gint64 now = g_get_monotonic_time ();

  if (sender != NULL)
    return sender;
  g_hash_table_foreach_remove (gate->senders, is_settled, &now);
  sender = g_new0 (Sender, 1);
  sender->calls = g_hash_table_new (NULL, NULL);
  sender->allowed = sender->told = vsmmu_bucket_full (now);
  g_hash_table_insert (gate->senders, g_strdup (name), sender);
  return sender;
}

/* (nullable): translated: why a call is not let through */
static const char *
find_fault (const VsmmuGate *gate, Sender *sender, GDBusMessage *call, gsize n_bytes)
{
  if (!vsmmu_bucket_take (&sender->allowed, g_get_monotonic_time ()))
    return _ ("too many calls on this connection; call less often");
  if (n_bytes > VSMMU_QUOTA_MESSAGE_BYTES)
    return _ ("the call is larger than 1 MiB; write the document to a memfd_create() file, and pass its file "
              "descriptor");
  if (g_dbus_message_get_num_unix_fds (call) > 1)
    return _ ("the call has more than one file descriptor");
  if (g_hash_table_size (sender->calls) >= VSMMU_QUOTA_USER_CALLS ||
      sender->n_bytes + n_bytes > VSMMU_QUOTA_SENDER_BYTES)
    return _ ("too many calls are in progress on this connection; wait for a reply before the next call");
  if (n_bytes > VSMMU_QUOTA_SMALL_BYTES && gate->n_bytes + n_bytes > VSMMU_QUOTA_ALL_BYTES)
    return _ ("too many calls are in progress; try again later");
  return NULL;
}

/* @fault: (out) (nullable): translated: why not, if that is to be reported */
static gboolean
let_through (VsmmuGate *gate, GDBusMessage *call, const char **fault)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&gate->mutex);
  GVariant *body = g_dbus_message_get_body (call);
  gsize n_bytes = body != NULL ? g_variant_get_size (body) : 0;
  Sender *sender = get_sender (gate, g_dbus_message_get_sender (call));

  *fault = find_fault (gate, sender, call, n_bytes);
  if (*fault != NULL) {
    /* To answer costs the bus what the call did, and a client that keeps calling without waiting does not listen. */
    if (g_hash_table_size (sender->calls) > 0 && !vsmmu_bucket_take (&sender->told, g_get_monotonic_time ()))
      *fault = NULL;
    return FALSE;
  }
  g_hash_table_insert (sender->calls, GUINT_TO_POINTER (g_dbus_message_get_serial (call)), GSIZE_TO_POINTER (n_bytes));
  sender->n_bytes += n_bytes;
  gate->n_bytes += n_bytes;
  return TRUE;
}

static void
take_answer (VsmmuGate *gate, GDBusMessage *answer)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&gate->mutex);
  const char *name = g_dbus_message_get_destination (answer);
  Sender *sender = name != NULL ? g_hash_table_lookup (gate->senders, name) : NULL;
  gpointer serial = GUINT_TO_POINTER (g_dbus_message_get_reply_serial (answer));
  gpointer n_bytes;

  if (sender == NULL || !g_hash_table_steal_extended (sender->calls, serial, NULL, &n_bytes))
    return;
  sender->n_bytes -= GPOINTER_TO_SIZE (n_bytes);
  gate->n_bytes -= GPOINTER_TO_SIZE (n_bytes);
}

/* (transfer full) (nullable): @call, or %NULL when it goes no further */
static GDBusMessage *
judge_call (VsmmuGate *gate, GDBusMessage *call)
{
  g_autoptr (GDBusMessage) refused = NULL;
  g_autoptr (GDBusMessage) error = NULL;
  const char *fault = NULL;

  if ((g_dbus_message_get_flags (call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) != 0) {
    g_object_unref (call);
    return NULL;
  }
  if (let_through (gate, call, &fault))
    return call;
  refused = call;
  if (fault == NULL)
    return NULL;
  error = g_dbus_message_new_method_error_literal (call, "org.freedesktop.DBus.Error.LimitsExceeded", fault);
  g_dbus_connection_send_message (gate->bus, error, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  return NULL;
}

/* In the thread of the connection. */
static GDBusMessage *
judge (GDBusConnection *bus, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  if (is_incoming)
    return type == G_DBUS_MESSAGE_TYPE_METHOD_CALL ? judge_call (data, message) : message;
  if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
    take_answer (data, message);
  return message;
}

/* When the thread is through with it. */
static void
destroy (gpointer data)
{
  VsmmuGate *gate = data;

  g_hash_table_unref (gate->senders);
  g_mutex_clear (&gate->mutex);
  g_free (gate);
}

VsmmuGate *
vsmmu_gate_new (GDBusConnection *bus)
{
  VsmmuGate *gate = g_new0 (VsmmuGate, 1);

  gate->bus = bus;
  g_mutex_init (&gate->mutex);
  gate->senders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, sender_free);
  gate->filter = g_dbus_connection_add_filter (bus, judge, gate, destroy);
  return gate;
}

void
vsmmu_gate_free (VsmmuGate *gate)
{
  g_dbus_connection_remove_filter (gate->bus, gate->filter);
}
