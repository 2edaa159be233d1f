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

#define DETACH_DEVICE_FLAGS 161

/* Clients count their calls from 1; calls from here on are ours, whoever waits for their replies. */
#define FIRST_SERIAL 0xf0000000u
#define PATIENCE_MILLISECONDS 60000

/* How often a device is detached that must not stay, and after what share of our patience again: a second. */
#define DETACH_ATTEMPTS 15
#define DETACH_SHARE 60

/* Calls that change devices: as many wait for others on their domain, and as many are with the daemon. */
#define WAITING_MAX 16
#define CHANGES_MAX 256

/* Bytes on standard error: what a pipe takes at least, less what comes around each text. */
#define SAID_MAX 3072

/* A call of ours that a worker waits for. */
typedef struct {
  GBytes *reply; /* %NULL until it is there */
} Question;

/* A client's call that changes a device, until it is answered. */
typedef struct {
  char *uuid; /* in letters; no other call changes a device of this domain meanwhile */
  guint8 raw_uuid[16];
  gint32 procedure;
  guint flags;
  char *xml;    /* (nullable): of a device that comes to a guest that may run */
  gint64 since; /* microseconds since 1970 */
} Change;

struct _VsmmuSession {
  const VsmmuPolicy *policy;
  const char *bus;
  int n_said; /* atomic: bytes */
  VsmmuGuard *guard;
  VsmmuRelay *relay;
  guint patience; /* milliseconds */
  GMutex lock;    /* of what follows */
  GCond answered; /* a reply came, or the connection ended */
  gboolean has_ended;
  guint32 next_serial;
  GHashTable *questions; /* serial → Question */
  GHashTable *asked;     /* serial of a client's call for XML → VsmmuProcedure */
  GHashTable *changes;   /* serial of a client's call → Change */
  GHashTable *busy;      /* UUIDs of domains of which a device is being changed */
  guint n_waiting;       /* calls that wait for one of them */
  gboolean has_target;
  VsmmuTarget target;
};

static void
change_free (gpointer data)
{
  Change *change = data;

  g_free (change->uuid);
  g_free (change->xml);
  g_free (change);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Change, change_free)

/* (transfer full): as libvirt writes it */
static char *
write_uuid (const guint8 *uuid)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 16; i++)
    g_string_append_printf (text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return g_string_free (text, FALSE);
}

/* Waits with the lock held; %FALSE when there is no more patience or no more daemon. */
static gboolean
wait_until (VsmmuSession *session, gint64 end)
{
  return !session->has_ended && g_cond_wait_until (&session->answered, &session->lock, end);
}

static gint64
end_of_patience (const VsmmuSession *session)
{
  return g_get_monotonic_time () + session->patience * G_TIME_SPAN_MILLISECOND;
}

static GBytes *
wait_for_reply (VsmmuSession *session, guint32 serial, Question *question)
{
  gint64 end = end_of_patience (session);

  while (question->reply == NULL && wait_until (session, end))
    ;
  g_hash_table_remove (session->questions, GUINT_TO_POINTER (serial));
  return question->reply;
}

/* One that no question waits for; a reply to one given up long ago counts for nothing. */
static guint32
take_serial (VsmmuSession *session)
{
  guint32 serial;

  do {
    serial = session->next_serial;
    session->next_serial = serial < G_MAXUINT32 ? serial + 1 : FIRST_SERIAL;
  } while (g_hash_table_contains (session->questions, GUINT_TO_POINTER (serial)));
  return serial;
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
  header.serial = take_serial (session);
  call = vsmmu_frame_encode (&header, codec, arguments, error);
  if (call != NULL) {
    g_hash_table_insert (session->questions, GUINT_TO_POINTER (header.serial), &question);
    vsmmu_relay_send (session->relay, VSMMU_TO_DAEMON, call);
    if (wait_for_reply (session, header.serial, &question) == NULL)
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
                   _ ("the libvirt daemon did not answer; check that it is not blocked, and try again"));
  }
  g_mutex_unlock (&session->lock);
  return question.reply;
}

/*
 * Whether @reply is a good one, and decoded into @answer; else %FALSE with @error set and, when libvirt says what is
 * wrong, @code.
 */
static gboolean
read_reply (GBytes *reply, xdrproc_t codec, gpointer answer, int *code, GError **error)
{
  VsmmuFrameHeader header;
  g_autofree char *message = NULL;

  vsmmu_frame_header_read (g_bytes_get_data (reply, NULL), &header);
  if (header.type == VSMMU_FRAME_REPLY && header.status == VSMMU_FRAME_OK)
    return vsmmu_frame_decode (reply, codec, answer, error);
  if (header.type == VSMMU_FRAME_REPLY && header.status == VSMMU_FRAME_ERROR)
    message = vsmmu_rpc_error_read (reply, code);
  if (message != NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
                 _ ("cannot check this call because a query to libvirt failed (%s); fix the cause and try again"),
                 message);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
                 _ ("cannot check this call because libvirt's reply to procedure %d cannot be decoded; check the "
                    "libvirt version"),
                 header.procedure);
  return FALSE;
}

/* %FALSE with @error set when the daemon does not say. */
static gboolean
ask_version (VsmmuSession *session, gint32 procedure, guint *version, GError **error)
{
  g_autoptr (GBytes) reply = ask (session, procedure, (xdrproc_t) xdr_void, NULL, error);
  rpc_version answer = { 0 };
  int code = 0;

  if (reply == NULL || !read_reply (reply, (xdrproc_t) xdr_rpc_version, &answer, &code, error))
    return FALSE;
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
  g_autoptr (GError) problem = NULL;
  rpc_xml answer = { 0 };
  int code = 0;
  char *xml = NULL;

  memcpy (arguments.domain.uuid, uuid, sizeof (arguments.domain.uuid));
  reply = ask (self, GET_XML_DESC, (xdrproc_t) xdr_rpc_domain_flags, &arguments, error);
  if (reply == NULL)
    return NULL;
  if (read_reply (reply, (xdrproc_t) xdr_rpc_xml, &answer, &code, &problem))
    xml = g_strdup (answer.xml);
  else if (code != VIR_ERR_NO_DOMAIN)
    g_propagate_error (error, g_steal_pointer (&problem));
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
  session->changes = g_hash_table_new_full (NULL, NULL, NULL, change_free);
  session->busy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  session->patience = PATIENCE_MILLISECONDS;
  return session;
}

void
vsmmu_session_set_patience (VsmmuSession *session, guint milliseconds)
{
  session->patience = milliseconds;
}

void
vsmmu_session_free (VsmmuSession *session)
{
  vsmmu_guard_free (session->guard);
  g_mutex_clear (&session->lock);
  g_cond_clear (&session->answered);
  g_hash_table_unref (session->questions);
  g_hash_table_unref (session->asked);
  g_hash_table_unref (session->changes);
  g_hash_table_unref (session->busy);
  g_free (session);
}

/* A reply to it could not be told from one to a call of ours. */
static gboolean
is_ours (const VsmmuFrameHeader *header)
{
  return header->serial >= FIRST_SERIAL;
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

/* With the lock held: the next call may change a device of that domain. */
static void
end_turn (VsmmuSession *session, const char *uuid)
{
  g_hash_table_remove (session->busy, uuid);
  g_cond_broadcast (&session->answered);
}

/*
 * With the lock held: (nullable): the call that @header answers. A client may give its serial to a call of another
 * procedure too, but not to another change.
 */
static const Change *
find_change (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  const Change *change = g_hash_table_lookup (session->changes, GUINT_TO_POINTER (header->serial));

  return change != NULL && change->procedure == header->procedure ? change : NULL;
}

/* With the lock held. Whether there is more to do about the answer to a call that changes a device. */
static gboolean
wants_answer (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  const Change *change = find_change (session, header);

  if (change == NULL)
    return FALSE;
  if (change->xml != NULL && header->status == VSMMU_FRAME_OK)
    return TRUE;
  end_turn (session, change->uuid);
  g_hash_table_remove (session->changes, GUINT_TO_POINTER (header->serial));
  return FALSE;
}

static gboolean
wants_reply (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  gpointer serial = GUINT_TO_POINTER (header->serial);

  if (header->type != VSMMU_FRAME_REPLY && header->type != VSMMU_FRAME_REPLY_WITH_FDS)
    return FALSE;
  if (is_ours (header) || wants_answer (session, header))
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

  if (header->program != VSMMU_PROGRAM_REMOTE || header->version != VERSION)
    return FALSE;
  g_mutex_lock (&session->lock);
  is_wanted = direction == VSMMU_TO_DAEMON ? wants_call (session, header) : wants_reply (session, header);
  g_mutex_unlock (&session->lock);
  return is_wanted;
}

/* With the lock held: waits until no other call changes a device of the domain; %FALSE with @error set otherwise. */
static gboolean
wait_for_turn (VsmmuSession *session, const char *uuid, GError **error)
{
  gint64 end = end_of_patience (session);

  if (g_hash_table_contains (session->busy, uuid) && session->n_waiting < WAITING_MAX) {
    session->n_waiting++;
    while (g_hash_table_contains (session->busy, uuid) && wait_until (session, end))
      ;
    session->n_waiting--;
  }
  if (!g_hash_table_contains (session->busy, uuid) && !session->has_ended)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
               _ ("another call on this connection that changes a device of the domain is still unanswered; wait for "
                  "it and try again"));
  return FALSE;
}

/*
 * Changes to one domain are judged one after the other, each by what the one before it made of the domain. %FALSE with
 * @error set when that takes too long; else end_change() or the reply ends it.
 */
static gboolean
begin_change (VsmmuSession *session, const VsmmuFrameHeader *header, const VsmmuMessage *message, const char *xml,
              GError **error)
{
  gpointer serial = GUINT_TO_POINTER (header->serial);
  g_autoptr (Change) change = g_new0 (Change, 1);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&session->lock);

  memcpy (change->raw_uuid, vsmmu_message_get_uuid (message), sizeof (change->raw_uuid));
  change->uuid = write_uuid (change->raw_uuid);
  change->procedure = header->procedure;
  change->flags = vsmmu_message_get_flags (message);
  change->xml = g_strdup (xml);
  change->since = g_get_real_time ();
  if (!wait_for_turn (session, change->uuid, error))
    return FALSE;
  if (g_hash_table_size (session->changes) >= CHANGES_MAX || g_hash_table_contains (session->changes, serial)) {
    g_set_error (
        error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
        _ ("too many calls that change devices are unanswered on this connection; wait for them and try again"));
    return FALSE;
  }
  g_hash_table_add (session->busy, g_strdup (change->uuid));
  g_hash_table_insert (session->changes, serial, g_steal_pointer (&change));
  return TRUE;
}

/* The daemon does not get the call. */
static void
end_change (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  const Change *change;

  g_mutex_lock (&session->lock);
  change = find_change (session, header);
  if (change != NULL) {
    end_turn (session, change->uuid);
    g_hash_table_remove (session->changes, GUINT_TO_POINTER (header->serial));
  }
  g_mutex_unlock (&session->lock);
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

  if (!begin_change (session, header, message, is_watched ? xml : NULL, error))
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
    end_change (session, header);
    g_propagate_error (error, g_steal_pointer (&problem));
  }
  return converted;
}

/* (transfer full) (nullable): what is to stand in the place of @xml; %NULL without @error: just that */
static char *
convert (VsmmuSession *session, const VsmmuFrameHeader *header, const VsmmuMessage *message, VsmmuXmlRole role,
         const char *xml, GError **error)
{
  switch (role) {
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
    end_change (session, header);
  return encoded;
}

/* (transfer full): what the daemon gets, or %NULL with @error set */
static GBytes *
convert_call (VsmmuSession *session, const VsmmuFrameHeader *header, GBytes *frame, GError **error)
{
  if (is_ours (header)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("serial numbers from %u on are reserved for virt-vsmmu-connect; open a new connection"),
                 FIRST_SERIAL);
    return NULL;
  }
  if (header->type != VSMMU_FRAME_CALL) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("this transport carries no file descriptors"));
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

/* Gives the reply to a call of ours to who waits for it. When nobody does any more, nobody else may have it. */
static void
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
}

/* Has libvirt detach a device that a client attached; %FALSE with @error set, and its @code, when it does not. */
static gboolean
detach (VsmmuSession *session, const Change *change, int *code, GError **error)
{
  g_autofree char *xml = vsmmu_guard_write_undo (change->xml);
  guint named = change->flags & (VIR_DOMAIN_DEVICE_MODIFY_LIVE | VIR_DOMAIN_DEVICE_MODIFY_CONFIG);
  rpc_domain_xml_flags arguments = { .domain = { .name = (char *) "", .id = -1 },
                                     .xml = xml,
                                     .flags = named != 0 ? named : VIR_DOMAIN_DEVICE_MODIFY_LIVE };
  g_autoptr (GBytes) reply = NULL;

  memcpy (arguments.domain.uuid, change->raw_uuid, sizeof (arguments.domain.uuid));
  reply = ask (session, DETACH_DEVICE_FLAGS, (xdrproc_t) xdr_rpc_domain_xml_flags, &arguments, error);
  return reply != NULL && read_reply (reply, (xdrproc_t) xdr_void, NULL, code, error);
}

/*
 * QEMU lets no device go as long as the guest powers up its slot, which is for some seconds after it came ("Hot-unplug
 * failed: guest is busy", an internal error of libvirt 12.8).
 */
static gboolean
detach_patiently (VsmmuSession *session, const Change *change, GError **error)
{
  gboolean has_ended = FALSE;

  for (guint attempt = 1;; attempt++) {
    g_autoptr (GError) problem = NULL;
    gint64 end = g_get_monotonic_time () + session->patience * G_TIME_SPAN_MILLISECOND / DETACH_SHARE;
    int code = 0;

    if (detach (session, change, &code, &problem))
      return TRUE;
    if (code != VIR_ERR_INTERNAL_ERROR || attempt == DETACH_ATTEMPTS || has_ended) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    g_mutex_lock (&session->lock);
    while (!session->has_ended && g_cond_wait_until (&session->answered, &session->lock, end))
      ;
    has_ended = session->has_ended;
    g_mutex_unlock (&session->lock);
  }
}

/* Sets @error to what became of a device that should not have been attached for @reason. */
static void
undo (VsmmuSession *session, const Change *change, const GError *reason, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (detach_patiently (session, change, &problem))
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("the device was attached, and is being detached again: %s"), reason->message);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("the device was attached, must not stay, and cannot be detached again (%s): detach it at once: %s"),
                 problem->message, reason->message);
  say (session, (*error)->message);
}

/* Whether virt-vsmmud, if there is one, lets the device stay. */
static gboolean
wait_for_verdict (VsmmuSession *session, const Change *change, const char *device, GError **error)
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
judge_attached (VsmmuSession *session, const Change *change, GError **error)
{
  g_autofree char *device = NULL;
  g_autoptr (GError) reason = NULL;

  if (!vsmmu_guard_judge_attached (session->guard, change->raw_uuid, change->xml, &device, &reason))
    undo (session, change, reason, error);
  g_mutex_lock (&session->lock);
  end_turn (session, change->uuid);
  g_mutex_unlock (&session->lock);
  return reason == NULL && (device == NULL || wait_for_verdict (session, change, device, error));
}

/* (transfer full) (nullable): an error in the place of the good reply to a call that attached something */
static GBytes *
refuse_attached (VsmmuSession *session, const VsmmuFrameHeader *header)
{
  g_autoptr (Change) change = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gpointer stolen = NULL;

  g_mutex_lock (&session->lock);
  if (find_change (session, header) != NULL)
    g_hash_table_steal_extended (session->changes, GUINT_TO_POINTER (header->serial), NULL, &stolen);
  g_mutex_unlock (&session->lock);
  change = stolen;
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
    hand_over (session, header.serial, frame);
  else
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
