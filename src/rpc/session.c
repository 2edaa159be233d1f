/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/session.h"

#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "rpc/error.h"
#include "rpc/guard.h"
#include "rpc/libvirt.h"
#include "rpc/message.h"

/* Of libvirt's remote protocol; the numbers are ABI. */
#define VERSION 1u
#define GET_VERSION 4
#define GET_XML_DESC 14
#define GET_LIB_VERSION 157

/* Clients count their calls from 1. */
#define FIRST_SERIAL 0xf0000000u
#define ANSWER_SECONDS 60

/* Bytes on standard error: what a pipe takes at least, less what comes around each text. */
#define SAID_MAX 3072

/* A call of ours that a worker waits for. */
typedef struct {
  GBytes *reply; /* %NULL until it is there */
} Question;

/* A device that a client has the daemon attach to a running guest. */
typedef struct {
  guint8 uuid[16];
  char *xml;
  gint64 since; /* microseconds since 1970 */
} Attachment;

struct _VsmmuSession {
  const VsmmuPolicy *policy;
  const char *bus;
  int n_said; /* atomic: bytes */
  VsmmuGuard *guard;
  VsmmuRelay *relay;
  GMutex lock;    /* of what follows */
  GCond answered; /* a reply came, or the connection ended */
  gboolean has_ended;
  guint32 next_serial;
  GHashTable *questions; /* serial → Question */
  GHashTable *asked;     /* serial of a client's call for XML → VsmmuProcedure */
  GHashTable *attached;  /* serial of a client's call → Attachment */
  gboolean has_target;
  VsmmuTarget target;
};

static void
attachment_free (gpointer data)
{
  Attachment *attachment = data;

  g_free (attachment->xml);
  g_free (attachment);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Attachment, attachment_free)

/* (transfer full): as libvirt writes it */
static char *
write_uuid (const guint8 *uuid)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 16; i++)
    g_string_append_printf (text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return g_string_free (text, FALSE);
}

static GBytes *
wait_for_reply (VsmmuSession *session, guint32 serial, Question *question)
{
  gint64 end = g_get_monotonic_time () + ANSWER_SECONDS * G_TIME_SPAN_SECOND;

  while (question->reply == NULL && !session->has_ended && g_cond_wait_until (&session->answered, &session->lock, end))
    ;
  g_hash_table_remove (session->questions, GUINT_TO_POINTER (serial));
  return question->reply;
}

/* (transfer full): the daemon's reply to a call of ours, good or bad; %NULL with @error set when there is none */
static GBytes *
ask (VsmmuSession *session, gint32 procedure, xdrproc_t codec, gpointer arguments, GError **error)
{
  VsmmuFrameHeader header = {
    .program = VSMMU_PROGRAM_REMOTE, .version = VERSION, .procedure = procedure, .type = VSMMU_FRAME_CALL
  };
  Question question = { NULL };
  g_autoptr (GBytes) call = NULL;

  g_mutex_lock (&session->lock);
  header.serial = session->next_serial++;
  call = vsmmu_frame_encode (&header, codec, arguments, error);
  if (call != NULL) {
    g_hash_table_insert (session->questions, GUINT_TO_POINTER (header.serial), &question);
    vsmmu_relay_send (session->relay, VSMMU_TO_DAEMON, call);
    if (wait_for_reply (session, header.serial, &question) == NULL)
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("the libvirt daemon gave no answer"));
  }
  g_mutex_unlock (&session->lock);
  return question.reply;
}

static gboolean
is_good (GBytes *reply, VsmmuFrameHeader *header)
{
  vsmmu_frame_header_read (g_bytes_get_data (reply, NULL), header);
  return header->status == VSMMU_FRAME_OK;
}

/* %FALSE with @error set when there was no answer; 0 when the daemon does not know. */
static gboolean
ask_version (VsmmuSession *session, gint32 procedure, guint *version, GError **error)
{
  g_autoptr (GBytes) reply = ask (session, procedure, (xdrproc_t) xdr_void, NULL, error);
  rpc_version answer = { 0 };
  VsmmuFrameHeader header;

  if (reply == NULL)
    return FALSE;
  if (is_good (reply, &header))
    vsmmu_frame_decode (reply, (xdrproc_t) xdr_rpc_version, &answer, NULL);
  *version = (guint) answer.release;
  return TRUE;
}

static gboolean
get_target (gpointer self, VsmmuTarget *target, GError **error)
{
  VsmmuSession *session = self;
  gboolean is_known;

  g_mutex_lock (&session->lock);
  is_known = session->has_target;
  *target = session->target;
  g_mutex_unlock (&session->lock);
  if (is_known)
    return TRUE;
  if (!ask_version (session, GET_LIB_VERSION, &target->libvirt, error) ||
      !ask_version (session, GET_VERSION, &target->qemu, error))
    return FALSE;
  g_mutex_lock (&session->lock);
  session->has_target = TRUE;
  session->target = *target;
  g_mutex_unlock (&session->lock);
  return TRUE;
}

static char *
get_domain_xml (gpointer self, const guint8 *uuid, gboolean is_inactive, GError **error)
{
  rpc_domain_flags arguments = { .domain = { .name = (char *) "", .id = -1 },
                                 .flags = is_inactive ? VIR_DOMAIN_XML_INACTIVE : 0 };
  g_autoptr (GBytes) reply = NULL;
  rpc_xml answer = { 0 };
  VsmmuFrameHeader header;
  char *xml = NULL;

  memcpy (arguments.domain.uuid, uuid, sizeof (arguments.domain.uuid));
  reply = ask (self, GET_XML_DESC, (xdrproc_t) xdr_rpc_domain_flags, &arguments, error);
  if (reply != NULL && is_good (reply, &header) && vsmmu_frame_decode (reply, (xdrproc_t) xdr_rpc_xml, &answer, error))
    xml = g_strdup (answer.xml);
  xdr_free ((xdrproc_t) xdr_rpc_xml, (char *) &answer);
  return xml;
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
say (gpointer self, const char *text)
{
  VsmmuSession *session = self;
  const GLogField fields[] = { { "MESSAGE", text, -1 },
                               { "PRIORITY", "4", -1 },
                               { "SYSLOG_IDENTIFIER", "virt-vsmmu-connect", -1 } };

  if (g_log_writer_journald (G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS (fields), NULL) == G_LOG_WRITER_HANDLED)
    return;
  if ((gsize) g_atomic_int_add (&session->n_said, (int) MIN (strlen (text), SAID_MAX)) + strlen (text) <= SAID_MAX)
    g_printerr ("virt-vsmmu-connect: %s\n", text);
}

static const VsmmuGuardOps guard_ops = { get_target, get_domain_xml, get_host, say };

VsmmuSession *
vsmmu_session_new (const VsmmuPolicy *policy, const char *bus)
{
  VsmmuSession *session = g_new0 (VsmmuSession, 1);

  session->policy = policy;
  session->bus = bus;
  session->guard = vsmmu_guard_new (policy, &guard_ops, session);
  g_mutex_init (&session->lock);
  g_cond_init (&session->answered);
  session->next_serial = FIRST_SERIAL;
  session->questions = g_hash_table_new (NULL, NULL);
  session->asked = g_hash_table_new (NULL, NULL);
  session->attached = g_hash_table_new_full (NULL, NULL, NULL, attachment_free);
  return session;
}

void
vsmmu_session_free (VsmmuSession *session)
{
  if (session == NULL)
    return;
  vsmmu_guard_free (session->guard);
  g_mutex_clear (&session->lock);
  g_cond_clear (&session->answered);
  g_hash_table_unref (session->questions);
  g_hash_table_unref (session->asked);
  g_hash_table_unref (session->attached);
  g_free (session);
}

/* A call is wanted when it brings XML, and remembered when its reply will. */
static gboolean
wants_call (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  const VsmmuProcedure *procedure = vsmmu_procedure_find (header->procedure);

  if (procedure == NULL || (header->type != VSMMU_FRAME_CALL && header->type != VSMMU_FRAME_CALL_WITH_FDS))
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

  if (header->type != VSMMU_FRAME_REPLY)
    return FALSE;
  if (g_hash_table_contains (session->questions, serial))
    return TRUE;
  if (header->status == VSMMU_FRAME_OK)
    return g_hash_table_contains (session->asked, serial) || g_hash_table_contains (session->attached, serial);
  g_hash_table_remove (session->asked, serial);
  g_hash_table_remove (session->attached, serial);
  return FALSE;
}

static gboolean
wants (gpointer self, VsmmuDirection direction, const VsmmuFrameHeader *header)
{
  VsmmuSession *session = self;
  gboolean is_wanted;

  if (header->program != VSMMU_PROGRAM_REMOTE || header->version != VERSION)
    return FALSE;
  g_mutex_lock (&session->lock);
  is_wanted = direction == VSMMU_TO_DAEMON ? wants_call (session, header) : wants_reply (session, header);
  g_mutex_unlock (&session->lock);
  return is_wanted;
}

/* Before the daemon gets the call. */
static void
remember_attachment (VsmmuSession *session, guint32 serial, const guint8 *uuid, const char *xml)
{
  Attachment *attachment = g_new0 (Attachment, 1);

  memcpy (attachment->uuid, uuid, sizeof (attachment->uuid));
  attachment->xml = g_strdup (xml);
  attachment->since = g_get_real_time ();
  g_mutex_lock (&session->lock);
  g_hash_table_replace (session->attached, GUINT_TO_POINTER (serial), attachment);
  g_mutex_unlock (&session->lock);
}

static char *
convert_attached (VsmmuSession *session, guint32 serial, const VsmmuMessage *message, const char *xml, GError **error)
{
  const guint8 *uuid = vsmmu_message_get_uuid (message);
  guint flags = vsmmu_message_get_flags (message);
  g_autoptr (GError) problem = NULL;
  g_autofree char *converted = vsmmu_guard_attach (session->guard, uuid, flags, xml, &problem);

  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  else if ((flags & VIR_DOMAIN_DEVICE_MODIFY_LIVE) != 0 || (flags & VIR_DOMAIN_DEVICE_MODIFY_CONFIG) == 0)
    remember_attachment (session, serial, uuid, xml);
  return g_steal_pointer (&converted);
}

/* (transfer full) (nullable): what is to stand in the place of @xml; %NULL without @error: just that */
static char *
convert (VsmmuSession *session, guint32 serial, const VsmmuMessage *message, VsmmuXmlRole role, const char *xml,
         GError **error)
{
  const guint8 *uuid = vsmmu_message_get_uuid (message);
  guint flags = vsmmu_message_get_flags (message);

  switch (role) {
  case VSMMU_XML_DEFINES:
  case VSMMU_XML_CONVERTS:
    return vsmmu_guard_domain (session->guard, xml, role == VSMMU_XML_DEFINES, error);
  case VSMMU_XML_ATTACHES:
    return convert_attached (session, serial, message, xml, error);
  case VSMMU_XML_UPDATES:
    return vsmmu_guard_update (session->guard, uuid, flags, xml, error);
  case VSMMU_XML_DETACHES:
    return vsmmu_guard_detach (session->guard, uuid, flags, xml, error);
  case VSMMU_XML_IS_ASKED:
    return vsmmu_guard_lift (session->guard, xml);
  }
  g_assert_not_reached ();
}

/* (transfer full): @frame with its XML converted, itself when there is nothing to convert; %NULL with @error set */
static GBytes *
convert_frame (VsmmuSession *session, const VsmmuProcedure *procedure, guint32 serial, GBytes *frame, GError **error)
{
  g_autoptr (VsmmuMessage) message = vsmmu_message_decode (procedure, frame, error);
  g_autoptr (GPtrArray) slots = NULL;
  gboolean is_changed = FALSE;

  if (message == NULL)
    return NULL;
  slots = vsmmu_message_find_xml (message);
  for (guint i = 0; i < slots->len; i++) {
    char **slot = g_ptr_array_index (slots, i);
    g_autoptr (GError) problem = NULL;
    g_autofree char *converted =
        convert (session, serial, message, vsmmu_procedure_get_role (procedure), *slot, &problem);

    if (problem != NULL) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
    is_changed = is_changed || converted != NULL;
    if (converted != NULL)
      vsmmu_message_replace_xml (slot, converted);
  }
  return is_changed ? vsmmu_message_encode (message, error) : g_bytes_ref (frame);
}

static void
handle_call (VsmmuSession *session, const VsmmuFrameHeader *header, GBytes *frame, VsmmuRelayAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (header->type == VSMMU_FRAME_CALL)
    answer->to_daemon =
        convert_frame (session, vsmmu_procedure_find (header->procedure), header->serial, frame, &error);
  else
    g_set_error_literal (&error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("this transport carries no file descriptors"));
  if (answer->to_daemon != NULL)
    return;
  text = g_strdup_printf (_ ("unsupported configuration: %s"), error->message);
  answer->to_client = vsmmu_rpc_error_reply (header, VIR_FROM_QEMU, VIR_ERR_CONFIG_UNSUPPORTED, text);
}

/* Whether @frame is the reply to a question of ours, which a worker is waiting for. */
static gboolean
hand_over (VsmmuSession *session, guint32 serial, GBytes *frame)
{
  Question *question;

  g_mutex_lock (&session->lock);
  question = g_hash_table_lookup (session->questions, GUINT_TO_POINTER (serial));
  if (question != NULL && question->reply == NULL) {
    question->reply = g_bytes_ref (frame);
    g_cond_broadcast (&session->answered);
  }
  g_mutex_unlock (&session->lock);
  return question != NULL;
}

/* Whether a device that was attached stays: virt-vsmmud knows, if there is one. */
static gboolean
judge_attachment (VsmmuSession *session, const Attachment *attachment, GError **error)
{
  g_autofree char *device = vsmmu_guard_find_attached (session->guard, attachment->uuid, attachment->xml);
  g_autofree char *uuid = write_uuid (attachment->uuid);
  const VsmmuAnswerQuestion question = { .bus = session->bus,
                                         .uuid = uuid,
                                         .device = device,
                                         .since = attachment->since,
                                         .seconds = vsmmu_policy_get_wait (session->policy) };
  g_auto (VsmmuAnswer) answer = { 0 };

  if (device == NULL)
    return TRUE;
  vsmmu_answer_wait (&question, &answer);
  return vsmmu_guard_judge_answer (session->guard, device, &answer, error);
}

/* (transfer full) (nullable): an error in the place of the good reply to a call that attached something */
static GBytes *
refuse_attachment (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  g_autoptr (Attachment) attachment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gpointer stolen = NULL;

  g_mutex_lock (&session->lock);
  g_hash_table_steal_extended (session->attached, GUINT_TO_POINTER (header->serial), NULL, &stolen);
  g_mutex_unlock (&session->lock);
  attachment = stolen;
  if (attachment == NULL || judge_attachment (session, attachment, &error))
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
    answer->to_client = convert_frame (session, procedure, header->serial, frame, NULL);
  else
    answer->to_client = refuse_attachment (session, header);
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
  else if (!hand_over (session, header.serial, frame))
    handle_reply (session, &header, frame, answer);
}

static void
start (gpointer self, VsmmuRelay *relay)
{
  VsmmuSession *session = self;

  session->relay = relay;
}

static void
end (gpointer self)
{
  VsmmuSession *session = self;

  g_mutex_lock (&session->lock);
  session->has_ended = TRUE;
  g_cond_broadcast (&session->answered);
  g_mutex_unlock (&session->lock);
}

const VsmmuRelayFilter vsmmu_session_filter = { start, wants, handle, end };
