/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/changes.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "vsmmu/error.h"

/* As many wait for others on their domain, and as many are with the daemon. */
#define WAITING_MAX 16
#define CHANGES_MAX 256

struct _VsmmuChanges {
  guint patience; /* milliseconds */
  GMutex lock;    /* of what follows */
  GCond ended;    /* a change, or the connection */
  gboolean has_ended;
  GHashTable *calls; /* serial of a client's call → VsmmuChange */
  GHashTable *busy;  /* UUIDs of domains of which a device is being changed */
  guint n_waiting;   /* calls that wait for one of them */
};

void
vsmmu_change_free (VsmmuChange *change)
{
  g_free (change->uuid);
  g_free (change->xml);
  g_free (change);
}

VsmmuChanges *
vsmmu_changes_new (guint patience)
{
  VsmmuChanges *changes = g_new0 (VsmmuChanges, 1);

  changes->patience = patience;
  g_mutex_init (&changes->lock);
  g_cond_init (&changes->ended);
  changes->calls = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) vsmmu_change_free);
  changes->busy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return changes;
}

void
vsmmu_changes_free (VsmmuChanges *changes)
{
  g_mutex_clear (&changes->lock);
  g_cond_clear (&changes->ended);
  g_hash_table_unref (changes->calls);
  g_hash_table_unref (changes->busy);
  g_free (changes);
}

void
vsmmu_changes_set_patience (VsmmuChanges *changes, guint milliseconds)
{
  changes->patience = milliseconds;
}

void
vsmmu_changes_end (VsmmuChanges *changes)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);

  changes->has_ended = TRUE;
  g_cond_broadcast (&changes->ended);
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
end_turn (VsmmuChanges *changes, const char *uuid)
{
  g_hash_table_remove (changes->busy, uuid);
  g_cond_broadcast (&changes->ended);
}

/*
 * With the lock held: (nullable): the call that @header answers. A client may give its serial to a call of another
 * procedure too, but not to another change.
 */
static const VsmmuChange *
find_change (VsmmuChanges *changes, const VsmmuFrameHeader *header)
{
  const VsmmuChange *change = g_hash_table_lookup (changes->calls, GUINT_TO_POINTER (header->serial));

  return change != NULL && change->procedure == header->procedure ? change : NULL;
}

/* With the lock held. */
static void
remove_change (VsmmuChanges *changes, const VsmmuFrameHeader *header, const VsmmuChange *change)
{
  end_turn (changes, change->uuid);
  g_hash_table_remove (changes->calls, GUINT_TO_POINTER (header->serial));
}

gboolean
vsmmu_changes_want_reply (VsmmuChanges *changes, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);
  const VsmmuChange *change = find_change (changes, header);

  if (change == NULL)
    return FALSE;
  if (change->xml != NULL && header->status == VSMMU_FRAME_OK)
    return TRUE;
  remove_change (changes, header, change);
  return FALSE;
}

/* With the lock held: waits until no other call changes a device of the domain; %FALSE with @error set otherwise. */
static gboolean
wait_for_turn (VsmmuChanges *changes, const char *uuid, GError **error)
{
  gint64 end = g_get_monotonic_time () + changes->patience * G_TIME_SPAN_MILLISECOND;

  if (g_hash_table_contains (changes->busy, uuid) && changes->n_waiting < WAITING_MAX) {
    changes->n_waiting++;
    while (g_hash_table_contains (changes->busy, uuid) && !changes->has_ended &&
           g_cond_wait_until (&changes->ended, &changes->lock, end))
      ;
    changes->n_waiting--;
  }
  if (!g_hash_table_contains (changes->busy, uuid) && !changes->has_ended)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
               _ ("another call on this connection that changes a device of the domain is still unanswered; wait for "
                  "it and try again"));
  return FALSE;
}

gboolean
vsmmu_changes_begin (VsmmuChanges *changes, const VsmmuFrameHeader *header, const VsmmuMessage *message,
                     const char *xml, GError **error)
{
  gpointer serial = GUINT_TO_POINTER (header->serial);
  g_autoptr (VsmmuChange) change = g_new0 (VsmmuChange, 1);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);

  memcpy (change->raw_uuid, vsmmu_message_get_uuid (message), sizeof (change->raw_uuid));
  change->uuid = write_uuid (change->raw_uuid);
  change->procedure = header->procedure;
  change->flags = vsmmu_message_get_flags (message);
  change->xml = g_strdup (xml);
  change->since = g_get_real_time ();
  if (!wait_for_turn (changes, change->uuid, error))
    return FALSE;
  if (g_hash_table_size (changes->calls) >= CHANGES_MAX || g_hash_table_contains (changes->calls, serial)) {
    g_set_error (
        error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
        _ ("too many calls that change devices are unanswered on this connection; wait for them and try again"));
    return FALSE;
  }
  g_hash_table_add (changes->busy, g_strdup (change->uuid));
  g_hash_table_insert (changes->calls, serial, g_steal_pointer (&change));
  return TRUE;
}

void
vsmmu_changes_cancel (VsmmuChanges *changes, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);
  const VsmmuChange *change = find_change (changes, header);

  if (change != NULL)
    remove_change (changes, header, change);
}

VsmmuChange *
vsmmu_changes_take (VsmmuChanges *changes, const VsmmuFrameHeader *header)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);
  gpointer change = NULL;

  if (find_change (changes, header) != NULL)
    g_hash_table_steal_extended (changes->calls, GUINT_TO_POINTER (header->serial), NULL, &change);
  return change;
}

void
vsmmu_changes_end_turn (VsmmuChanges *changes, const VsmmuChange *change)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&changes->lock);

  end_turn (changes, change->uuid);
}
