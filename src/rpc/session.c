/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/session.h"

#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "rpc/device-calls.h"
#include "rpc/error.h"
#include "rpc/guard.h"
#include "rpc/message.h"
#include "rpc/own-calls.h"

#define TIMEOUT_MILLISECONDS 60000

/* How often a device is detached that must not stay, and after what share of our timeout again: a second. */
#define DETACH_ATTEMPTS 15
#define DETACH_SHARE 60

/* Bytes on standard error: what a pipe takes at least, less what comes around each text. */
#define LOGGED_MAX 3072

struct _VsmmuSession {
  const VsmmuPolicy *policy;
  const char *bus;
  int n_logged; /* atomic: bytes */
  VsmmuGuard *guard;
  VsmmuOwnCalls *own_calls;
  VsmmuDeviceCalls *device_calls;
  guint timeout; /* milliseconds */
  GMutex lock;
  GHashTable *asked; /* serial of a client's call for XML → VsmmuProcedure; with the lock held */
};

static gboolean
get_target (gpointer self, VsmmuTarget *target, GError **error)
{
  return vsmmu_own_calls_get_target (((VsmmuSession *) self)->own_calls, target, error);
}

static char *
get_domain_xml (gpointer self, const guint8 *uuid, gboolean is_inactive, GError **error)
{
  return vsmmu_own_calls_get_domain_xml (((VsmmuSession *) self)->own_calls, uuid, is_inactive, error);
}

/* Only files are read: asking iommufd would reset idle devices. */
static VsmmuHost *
get_host (gpointer self G_GNUC_UNUSED)
{
  return vsmmu_host_probe (NULL, VSMMU_HOST_PROBE_NONE, NULL);
}

/*
 * libvirt hides the standard error of its transport programs from users, and reads a kilobyte of it at the end if at
 * all: the journal comes first, and there is never so much that writing would wait for a reader.
 */
static void
write_log (gpointer self, const char *text)
{
  VsmmuSession *session = self;
  const GLogField fields[] = { { "MESSAGE", text, -1 },
                               { "PRIORITY", "4", -1 },
                               { "SYSLOG_IDENTIFIER", "virt-vsmmu-connect", -1 } };

  if (g_log_writer_journald (G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS (fields), NULL) == G_LOG_WRITER_HANDLED)
    return;
  if ((gsize) g_atomic_int_add (&session->n_logged, (int) MIN (strlen (text), LOGGED_MAX)) + strlen (text) <=
      LOGGED_MAX)
    g_printerr ("virt-vsmmu-connect: %s\n", text);
}

static const VsmmuGuardOps guard_ops = { get_target, get_domain_xml, get_host, write_log };

VsmmuSession *
vsmmu_session_new (const VsmmuPolicy *policy, const char *bus)
{
  VsmmuSession *session = g_new0 (VsmmuSession, 1);

  session->policy = policy;
  session->bus = bus;
  session->guard = vsmmu_guard_new (policy, &guard_ops, session);
  g_mutex_init (&session->lock);
  session->own_calls = vsmmu_own_calls_new ();
  session->device_calls = vsmmu_device_calls_new ();
  session->asked = g_hash_table_new (NULL, NULL);
  vsmmu_session_set_timeout (session, TIMEOUT_MILLISECONDS);
  return session;
}

void
vsmmu_session_set_timeout (VsmmuSession *session, guint milliseconds)
{
  session->timeout = milliseconds;
  vsmmu_own_calls_set_timeout (session->own_calls, milliseconds);
  vsmmu_device_calls_set_timeout (session->device_calls, milliseconds);
}

void
vsmmu_session_free (VsmmuSession *session)
{
  vsmmu_guard_free (session->guard);
  g_mutex_clear (&session->lock);
  vsmmu_own_calls_free (session->own_calls);
  vsmmu_device_calls_free (session->device_calls);
  g_hash_table_unref (session->asked);
  g_free (session);
}

/* A reply to it could not be distinguished from one to a call of ours. */
static gboolean
is_ours (const VsmmuFrameHeader *header)
{
  return header->serial >= VSMMU_OWN_SERIAL_MIN;
}

/* A call is wanted when it brings XML, and remembered when its reply will. */
static gboolean
wants_call (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  const VsmmuProcedure *procedure = vsmmu_procedure_find (header->procedure);

  if (header->type != VSMMU_FRAME_CALL && header->type != VSMMU_FRAME_CALL_WITH_FDS)
    return FALSE;
  if (is_ours (header))
    return TRUE;
  if (procedure == NULL)
    return FALSE;
  if (vsmmu_procedure_get_role (procedure) != VSMMU_XML_IS_ASKED)
    return TRUE;
  g_hash_table_insert (session->asked, GUINT_TO_POINTER (header->serial), (gpointer) procedure);
  return FALSE;
}

static gboolean
wants_reply (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  gpointer serial = GUINT_TO_POINTER (header->serial);

  if (header->type != VSMMU_FRAME_REPLY && header->type != VSMMU_FRAME_REPLY_WITH_FDS)
    return FALSE;
  if (is_ours (header) || vsmmu_device_calls_want_reply (session->device_calls, header))
    return TRUE;
  if (header->type == VSMMU_FRAME_REPLY && header->status == VSMMU_FRAME_OK)
    return g_hash_table_contains (session->asked, serial);
  g_hash_table_remove (session->asked, serial);
  return FALSE;
}

static gboolean
wants (gpointer self, VsmmuDirection direction, const VsmmuFrameHeader *header)
{
  VsmmuSession *session = self;
  gboolean is_wanted;

  if (header->program != VSMMU_PROGRAM_REMOTE || header->version != VSMMU_REMOTE_VERSION)
    return FALSE;
  g_mutex_lock (&session->lock);
  is_wanted = direction == VSMMU_TO_DAEMON ? wants_call (session, header) : wants_reply (session, header);
  g_mutex_unlock (&session->lock);
  return is_wanted;
}

static gboolean
may_go_to_a_guest (guint flags)
{
  return (flags & VIR_DOMAIN_DEVICE_MODIFY_LIVE) != 0 || (flags & VIR_DOMAIN_DEVICE_MODIFY_CONFIG) == 0;
}

/* As convert(), for a call that changes a device. */
static char *
convert_change (VsmmuSession *session, const VsmmuFrameHeader *header, const VsmmuMessage *message, VsmmuXmlRole role,
                const char *xml, GError **error)
{
  const guint8 *uuid = vsmmu_message_get_uuid (message);
  guint flags = vsmmu_message_get_flags (message);
  gboolean is_watched = role == VSMMU_XML_ATTACHES && may_go_to_a_guest (flags);
  g_autoptr (GError) problem = NULL;
  char *converted = NULL;

  if (!vsmmu_device_calls_begin (session->device_calls, header, message, is_watched ? xml : NULL, error))
    return NULL;
  if (role == VSMMU_XML_ATTACHES)
    converted = vsmmu_guard_attach (session->guard, uuid, flags, xml, &problem);
  else if (role == VSMMU_XML_UPDATES)
    converted = vsmmu_guard_update (session->guard, uuid, flags, xml, &problem);
  else if (role == VSMMU_XML_DETACHES)
    converted = vsmmu_guard_detach (session->guard, uuid, flags, xml, &problem);
  else
    vsmmu_guard_detach_alias (session->guard, uuid, flags, xml, &problem);
  if (problem != NULL) {
    vsmmu_device_calls_cancel (session->device_calls, header);
    g_propagate_error (error, g_steal_pointer (&problem));
  }
  return converted;
}

/* (transfer full) (nullable): what replaces @xml; %NULL without @error: nothing, keep @xml */
static char *
convert (VsmmuSession *session, const VsmmuFrameHeader *header, const VsmmuMessage *message, VsmmuXmlRole role,
         const char *xml, GError **error)
{
  switch (role) {
  case VSMMU_XML_IS_NEW:
    return vsmmu_guard_new_domain (session->guard, xml, error);
  case VSMMU_XML_DEFINES:
  case VSMMU_XML_CONVERTS:
    return vsmmu_guard_domain (session->guard, xml, role == VSMMU_XML_DEFINES, error);
  case VSMMU_XML_ATTACHES:
  case VSMMU_XML_UPDATES:
  case VSMMU_XML_DETACHES:
  case VSMMU_XML_NAMES:
    return convert_change (session, header, message, role, xml, error);
  case VSMMU_XML_IS_ASKED:
    return vsmmu_guard_lift (session->guard, xml);
  }
  g_assert_not_reached ();
}

/* (transfer full): @frame with its XML converted, itself when there is nothing to convert; %NULL with @error set */
static GBytes *
convert_frame (VsmmuSession *session, const VsmmuProcedure *procedure, const VsmmuFrameHeader *header, GBytes *frame,
               GError **error)
{
  g_autoptr (VsmmuMessage) message = vsmmu_message_decode (procedure, frame, error);
  g_autoptr (GPtrArray) slots = NULL;
  gboolean is_changed = FALSE;
  GBytes *encoded;

  if (message == NULL)
    return NULL;
  slots = vsmmu_message_find_xml (message);
  for (guint i = 0; i < slots->len; i++) {
    char **slot = g_ptr_array_index (slots, i);
    g_autoptr (GError) problem = NULL;
    g_autofree char *converted =
        convert (session, header, message, vsmmu_procedure_get_role (procedure), *slot, &problem);

    if (problem != NULL) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
    is_changed = is_changed || converted != NULL;
    if (converted != NULL)
      vsmmu_message_replace_xml (slot, converted);
  }
  if (!is_changed)
    return g_bytes_ref (frame);
  encoded = vsmmu_message_encode (message, error);
  if (encoded == NULL)
    vsmmu_device_calls_cancel (session->device_calls, header);
  return encoded;
}

/* (transfer full): what the daemon gets, or %NULL with @error set */
static GBytes *
convert_call (VsmmuSession *session, const VsmmuFrameHeader *header, GBytes *frame, GError **error)
{
  if (is_ours (header)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("serial numbers from %u are reserved for virt-vsmmu-connect; open a new connection"),
                 VSMMU_OWN_SERIAL_MIN);
    return NULL;
  }
  if (header->type != VSMMU_FRAME_CALL) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                         _ ("this transport does not support file descriptors"));
    return NULL;
  }
  return convert_frame (session, vsmmu_procedure_find (header->procedure), header, frame, error);
}

static void
handle_call (VsmmuSession *session, const VsmmuFrameHeader *header, GBytes *frame, VsmmuRelayAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  answer->to_daemon = convert_call (session, header, frame, &error);
  if (answer->to_daemon != NULL)
    return;
  text = g_strdup_printf (_ ("unsupported configuration: %s"), error->message);
  answer->to_client = vsmmu_rpc_error_reply (header, VIR_FROM_QEMU, VIR_ERR_CONFIG_UNSUPPORTED, text);
}

/* Whether a call that detaches a device found nothing to detach: somebody else, such as virt-vsmmud, was faster. */
static gboolean
has_gone (int code)
{
  return code == VIR_ERR_DEVICE_MISSING || code == VIR_ERR_NO_DOMAIN;
}

/*
 * QEMU lets no device go as long as the guest powers up its slot, which is for some seconds after it came ("Hot-unplug
 * failed: guest is busy", an internal error of libvirt 12.8).
 */
static gboolean
detach_repeatedly (VsmmuSession *session, const VsmmuDeviceCall *change, guint flag, GError **error)
{
  g_autofree char *xml = vsmmu_guard_write_undo (change->xml);
  gboolean has_ended = FALSE;

  for (guint attempt = 1;; attempt++) {
    g_autoptr (GError) problem = NULL;
    int code = 0;

    if (vsmmu_own_calls_detach (session->own_calls, change->raw_uuid, xml, flag, &code, &problem) || has_gone (code))
      return TRUE;
    if (code != VIR_ERR_INTERNAL_ERROR || attempt == DETACH_ATTEMPTS || has_ended) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    has_ended = !vsmmu_own_calls_pause (session->own_calls, session->timeout / DETACH_SHARE);
  }
}

/*
 * From the guest, and from its definition if it came there too; each by itself, because libvirt detaches from neither
 * when one has it no more. The first error is kept, and the definition is tried all the same.
 */
static gboolean
detach_everywhere (VsmmuSession *session, const VsmmuDeviceCall *change, GError **error)
{
  gboolean is_gone = detach_repeatedly (session, change, VIR_DOMAIN_DEVICE_MODIFY_LIVE, error);

  if ((change->flags & VIR_DOMAIN_DEVICE_MODIFY_CONFIG) == 0)
    return is_gone;
  return detach_repeatedly (session, change, VIR_DOMAIN_DEVICE_MODIFY_CONFIG, is_gone ? error : NULL) && is_gone;
}

/* Sets @error to what became of a device that should not have been attached for @reason. */
static void
undo (VsmmuSession *session, const VsmmuDeviceCall *change, const GError *reason, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (detach_everywhere (session, change, &problem))
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("the device was attached and is being detached again: %s"),
                 reason->message);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("the device was attached and could not be detached again (%s); detach it immediately, because it "
                    "cannot be used: %s"),
                 problem->message, reason->message);
  write_log (session, (*error)->message);
}

/* Whether virt-vsmmud, if there is one, lets the device stay. */
static gboolean
wait_for_verdict (VsmmuSession *session, const VsmmuDeviceCall *change, const char *device, GError **error)
{
  const VsmmuAnswerQuestion question = { .bus = session->bus,
                                         .uuid = change->uuid,
                                         .device = device,
                                         .since = change->since,
                                         .seconds = vsmmu_policy_get_wait (session->policy) };
  g_auto (VsmmuAnswer) answer = { 0 };

  vsmmu_answer_wait (&question, &answer);
  return vsmmu_guard_judge_answer (session->guard, device, &answer, error);
}

/* Whether a device that was attached stays; until that is seen, no other comes to the guest on this connection. */
static gboolean
judge_attached (VsmmuSession *session, const VsmmuDeviceCall *change, GError **error)
{
  g_autofree char *device = NULL;
  g_autoptr (GError) reason = NULL;

  if (!vsmmu_guard_judge_attached (session->guard, change->raw_uuid, change->xml, &device, &reason))
    undo (session, change, reason, error);
  vsmmu_device_calls_end_turn (session->device_calls, change);
  return reason == NULL && (device == NULL || wait_for_verdict (session, change, device, error));
}

/* (transfer full) (nullable): an error instead of the successful reply to a call that attached something */
static GBytes *
refuse_attached (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  g_autoptr (VsmmuDeviceCall) change = vsmmu_device_calls_take (session->device_calls, header);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (change == NULL || judge_attached (session, change, &error))
    return NULL;
  text = g_strdup_printf (_ ("operation failed: %s"), error->message);
  return vsmmu_rpc_error_reply (header, VIR_FROM_QEMU, VIR_ERR_OPERATION_FAILED, text);
}

static void
handle_reply (VsmmuSession *session, const VsmmuFrameHeader *header, GBytes *frame, VsmmuRelayAnswer *answer)
{
  gpointer procedure = NULL;

  g_mutex_lock (&session->lock);
  g_hash_table_steal_extended (session->asked, GUINT_TO_POINTER (header->serial), NULL, &procedure);
  g_mutex_unlock (&session->lock);
  if (procedure != NULL)
    answer->to_client = convert_frame (session, procedure, header, frame, NULL);
  else
    answer->to_client = refuse_attached (session, header);
  /* What we cannot decode the client must see as it is, too. */
  if (answer->to_client == NULL)
    answer->to_client = g_bytes_ref (frame);
}

static void
handle (gpointer self, VsmmuDirection direction, GBytes *frame, VsmmuRelayAnswer *answer)
{
  VsmmuSession *session = self;
  VsmmuFrameHeader header;

  vsmmu_frame_header_read (g_bytes_get_data (frame, NULL), &header);
  if (direction == VSMMU_TO_DAEMON)
    handle_call (session, &header, frame, answer);
  else if (is_ours (&header))
    vsmmu_own_calls_take_reply (session->own_calls, header.serial, frame);
  else
    handle_reply (session, &header, frame, answer);
}

static void
start (gpointer self, VsmmuRelay *relay)
{
  vsmmu_own_calls_start (((VsmmuSession *) self)->own_calls, relay);
}

static void
end (gpointer self)
{
  VsmmuSession *session = self;

  vsmmu_own_calls_end (session->own_calls);
  vsmmu_device_calls_end (session->device_calls);
}

const VsmmuRelayFilter vsmmu_session_filter = { start, wants, handle, end };
