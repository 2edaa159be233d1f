/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/device-calls.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "vsmmu/error.h"

/* As many wait for others on their domain, and as many are with the daemon. */
#define WAITING_MAX 16
#define CHANGES_MAX 256

struct _VsmmuDeviceCalls {
  guint timeout; /* milliseconds */
  GMutex lock;   /* of what follows */
  GCond ended;   /* a change, or the connection */
  gboolean has_ended;
  GHashTable *by_serial; /* serial of a client's call → VsmmuDeviceCall */
  GHashTable *busy;      /* UUIDs of domains with a device that is being changed */
  guint n_waiting;       /* calls that wait for one of them */
};

void
vsmmu_device_call_free (VsmmuDeviceCall *call)
{
  g_free (call->uuid);
  g_free (call->xml);
  g_free (call);
}

VsmmuDeviceCalls *
vsmmu_device_calls_new (void)
{
  VsmmuDeviceCalls *calls = g_new0 (VsmmuDeviceCalls, 1);

  g_mutex_init (&calls->lock);
  g_cond_init (&calls->ended);
  calls->by_serial = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) vsmmu_device_call_free);
  calls->busy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return calls;
}

void
vsmmu_device_calls_free (VsmmuDeviceCalls *calls)
{
  g_mutex_clear (&calls->lock);
  g_cond_clear (&calls->ended);
  g_hash_table_unref (calls->by_serial);
  g_hash_table_unref (calls->busy);
  g_free (calls);
}

void
vsmmu_device_calls_set_timeout (VsmmuDeviceCalls *calls, guint milliseconds)
{
  calls->timeout = milliseconds;
}

void
vsmmu_device_calls_end (VsmmuDeviceCalls *calls)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);

  calls->has_ended = TRUE;
  g_cond_broadcast (&calls->ended);
}

/* (transfer full): as libvirt writes it */
static char *
write_uuid (const guint8 *uuid)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 16; i++)
    g_string_append_printf (text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return g_string_free (text, FALSE);
}

/* With the lock held: the next call may change a device of that domain. */
static void
end_turn (VsmmuDeviceCalls *calls, const char *uuid)
{
  g_hash_table_remove (calls->busy, uuid);
  g_cond_broadcast (&calls->ended);
}

/*
 * With the lock held: (nullable): the call that @header answers. A client may give its serial to a call of another
 * procedure too, but not to another change.
 */
static const VsmmuDeviceCall *
find_call (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header)
{
  const VsmmuDeviceCall *call = g_hash_table_lookup (calls->by_serial, GUINT_TO_POINTER (header->serial));

  return call != NULL && call->procedure == header->procedure ? call : NULL;
}

/* With the lock held. */
static void
remove_call (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header, const VsmmuDeviceCall *call)
{
  end_turn (calls, call->uuid);
  g_hash_table_remove (calls->by_serial, GUINT_TO_POINTER (header->serial));
}

gboolean
vsmmu_device_calls_want_reply (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);
  const VsmmuDeviceCall *call = find_call (calls, header);

  if (call == NULL)
    return FALSE;
  if (call->xml != NULL && header->status == VSMMU_FRAME_OK)
    return TRUE;
  remove_call (calls, header, call);
  return FALSE;
}

/* With the lock held: waits until no other call changes a device of the domain; %FALSE with @error set otherwise. */
static gboolean
wait_for_turn (VsmmuDeviceCalls *calls, const char *uuid, GError **error)
{
  gint64 end = g_get_monotonic_time () + calls->timeout * G_TIME_SPAN_MILLISECOND;

  if (g_hash_table_contains (calls->busy, uuid) && calls->n_waiting < WAITING_MAX) {
    calls->n_waiting++;
    while (g_hash_table_contains (calls->busy, uuid) && !calls->has_ended &&
           g_cond_wait_until (&calls->ended, &calls->lock, end))
      ;
    calls->n_waiting--;
  }
  if (!g_hash_table_contains (calls->busy, uuid) && !calls->has_ended)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
               _ ("another call that changes a device of the domain is still in progress on this connection; wait for "
                  "it, and try again"));
  return FALSE;
}

gboolean
vsmmu_device_calls_begin (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header, const VsmmuMessage *message,
                          const char *xml, GError **error)
{
  gpointer serial = GUINT_TO_POINTER (header->serial);
  g_autoptr (VsmmuDeviceCall) call = g_new0 (VsmmuDeviceCall, 1);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);

  memcpy (call->raw_uuid, vsmmu_message_get_uuid (message), sizeof (call->raw_uuid));
  call->uuid = write_uuid (call->raw_uuid);
  call->procedure = header->procedure;
  call->flags = vsmmu_message_get_flags (message);
  call->xml = g_strdup (xml);
  call->since = g_get_real_time ();
  if (!wait_for_turn (calls, call->uuid, error))
    return FALSE;
  if (g_hash_table_size (calls->by_serial) >= CHANGES_MAX || g_hash_table_contains (calls->by_serial, serial)) {
    g_set_error (
        error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
        _ ("too many calls that change devices are in progress on this connection; wait for them, and try again"));
    return FALSE;
  }
  g_hash_table_add (calls->busy, g_strdup (call->uuid));
  g_hash_table_insert (calls->by_serial, serial, g_steal_pointer (&call));
  return TRUE;
}

void
vsmmu_device_calls_cancel (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);
  const VsmmuDeviceCall *call = find_call (calls, header);

  if (call != NULL)
    remove_call (calls, header, call);
}

VsmmuDeviceCall *
vsmmu_device_calls_take (VsmmuDeviceCalls *calls, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);
  gpointer call = NULL;

  if (find_call (calls, header) != NULL)
    g_hash_table_steal_extended (calls->by_serial, GUINT_TO_POINTER (header->serial), NULL, &call);
  return call;
}

void
vsmmu_device_calls_end_turn (VsmmuDeviceCalls *calls, const VsmmuDeviceCall *call)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);

  end_turn (calls, call->uuid);
}
