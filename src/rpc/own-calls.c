/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/own-calls.h"

#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "probe/target.h"
#include "rpc/error.h"
#include "rpc/libvirt.h"

/* Of libvirt's remote protocol; the numbers are ABI. */
#define GET_VERSION 4
#define GET_XML_DESC 14
#define GET_LIB_VERSION 157
#define DETACH_DEVICE_FLAGS 161

/* A call of ours that a worker waits for. */
typedef struct {
  GBytes *reply; /* %NULL until it is there */
} Question;

struct _VsmmuOwnCalls {
  VsmmuRelay *relay;
  guint timeout; /* milliseconds */
  GMutex lock;   /* of what follows */
  GCond changed; /* a reply came, or the connection ended */
  gboolean has_ended;
  guint32 next_serial;
  GHashTable *questions; /* serial → Question */
  gboolean has_target;
  VsmmuTarget target;
};

VsmmuOwnCalls *
vsmmu_own_calls_new (void)
{
  VsmmuOwnCalls *calls = g_new0 (VsmmuOwnCalls, 1);

  g_mutex_init (&calls->lock);
  g_cond_init (&calls->changed);
  calls->next_serial = VSMMU_OWN_SERIAL_MIN;
  calls->questions = g_hash_table_new (NULL, NULL);
  return calls;
}

void
vsmmu_own_calls_free (VsmmuOwnCalls *calls)
{
  g_mutex_clear (&calls->lock);
  g_cond_clear (&calls->changed);
  g_hash_table_unref (calls->questions);
  g_free (calls);
}

void
vsmmu_own_calls_set_timeout (VsmmuOwnCalls *calls, guint milliseconds)
{
  calls->timeout = milliseconds;
}

void
vsmmu_own_calls_start (VsmmuOwnCalls *calls, VsmmuRelay *relay)
{
  calls->relay = relay;
}

void
vsmmu_own_calls_end (VsmmuOwnCalls *calls)
{
  g_mutex_lock (&calls->lock);
  calls->has_ended = TRUE;
  g_cond_broadcast (&calls->changed);
  g_mutex_unlock (&calls->lock);
}

gboolean
vsmmu_own_calls_pause (VsmmuOwnCalls *calls, guint milliseconds)
{
  gint64 end = g_get_monotonic_time () + milliseconds * G_TIME_SPAN_MILLISECOND;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&calls->lock);

  while (!calls->has_ended && g_cond_wait_until (&calls->changed, &calls->lock, end))
    ;
  return !calls->has_ended;
}

static GBytes *
wait_for_reply (VsmmuOwnCalls *calls, guint32 serial, Question *question)
{
  gint64 end = g_get_monotonic_time () + calls->timeout * G_TIME_SPAN_MILLISECOND;

  while (question->reply == NULL && !calls->has_ended && g_cond_wait_until (&calls->changed, &calls->lock, end))
    ;
  g_hash_table_remove (calls->questions, GUINT_TO_POINTER (serial));
  return question->reply;
}

/* A reply that no call waits for; a reply to a call given up long ago is ignored. */
static guint32
take_serial (VsmmuOwnCalls *calls)
{
  guint32 serial;

  do {
    serial = calls->next_serial;
    calls->next_serial = serial < G_MAXUINT32 ? serial + 1 : VSMMU_OWN_SERIAL_MIN;
  } while (g_hash_table_contains (calls->questions, GUINT_TO_POINTER (serial)));
  return serial;
}

/* (transfer full): the daemon's reply to a call of ours, good or bad; %NULL with @error set when there is none */
static GBytes *
ask (VsmmuOwnCalls *calls, gint32 procedure, xdrproc_t codec, gpointer arguments, GError **error)
{
  VsmmuFrameHeader header = {
    .program = VSMMU_PROGRAM_REMOTE, .version = VSMMU_REMOTE_VERSION, .procedure = procedure, .type = VSMMU_FRAME_CALL
  };
  Question question = { NULL };
  g_autoptr (GBytes) call = NULL;

  g_mutex_lock (&calls->lock);
  header.serial = take_serial (calls);
  call = vsmmu_frame_encode (&header, codec, arguments, error);
  if (call != NULL) {
    g_hash_table_insert (calls->questions, GUINT_TO_POINTER (header.serial), &question);
    vsmmu_relay_send (calls->relay, VSMMU_TO_DAEMON, call);
    if (wait_for_reply (calls, header.serial, &question) == NULL)
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
                   _ ("the libvirt daemon did not answer; check that it is not blocked, and try again"));
  }
  g_mutex_unlock (&calls->lock);
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
                 _ ("cannot check this call because the reply of libvirt to procedure %d cannot be decoded; check the "
                    "libvirt version"),
                 header.procedure);
  return FALSE;
}

/* %FALSE with @error set when the daemon does not say. */
static gboolean
ask_version (VsmmuOwnCalls *calls, gint32 procedure, guint *version, GError **error)
{
  g_autoptr (GBytes) reply = ask (calls, procedure, (xdrproc_t) xdr_void, NULL, error);
  rpc_version answer = { 0 };
  int code = 0;

  if (reply == NULL || !read_reply (reply, (xdrproc_t) xdr_rpc_version, &answer, &code, error))
    return FALSE;
  *version = (guint) answer.release;
  return TRUE;
}

gboolean
vsmmu_own_calls_get_target (VsmmuOwnCalls *calls, VsmmuTarget *target, GError **error)
{
  gboolean is_known;

  g_mutex_lock (&calls->lock);
  is_known = calls->has_target;
  *target = calls->target;
  g_mutex_unlock (&calls->lock);
  if (is_known)
    return TRUE;
  if (!ask_version (calls, GET_LIB_VERSION, &target->libvirt, error) ||
      !ask_version (calls, GET_VERSION, &target->qemu, error))
    return FALSE;
  vsmmu_target_refine (target);
  g_mutex_lock (&calls->lock);
  calls->has_target = TRUE;
  calls->target = *target;
  g_mutex_unlock (&calls->lock);
  return TRUE;
}

char *
vsmmu_own_calls_get_domain_xml (VsmmuOwnCalls *calls, const guint8 *uuid, gboolean is_inactive, GError **error)
{
  rpc_domain_flags arguments = { .domain = { .name = (char *) "", .id = -1 },
                                 .flags = is_inactive ? VIR_DOMAIN_XML_INACTIVE : 0 };
  g_autoptr (GBytes) reply = NULL;
  g_autoptr (GError) problem = NULL;
  rpc_xml answer = { 0 };
  int code = 0;
  char *xml = NULL;

  memcpy (arguments.domain.uuid, uuid, sizeof (arguments.domain.uuid));
  reply = ask (calls, GET_XML_DESC, (xdrproc_t) xdr_rpc_domain_flags, &arguments, error);
  if (reply == NULL)
    return NULL;
  if (read_reply (reply, (xdrproc_t) xdr_rpc_xml, &answer, &code, &problem))
    xml = g_strdup (answer.xml);
  else if (code != VIR_ERR_NO_DOMAIN)
    g_propagate_error (error, g_steal_pointer (&problem));
  xdr_free ((xdrproc_t) xdr_rpc_xml, (char *) &answer);
  return xml;
}

gboolean
vsmmu_own_calls_detach (VsmmuOwnCalls *calls, const guint8 *uuid, const char *xml, guint flags, int *code,
                        GError **error)
{
  rpc_domain_xml_flags arguments = { .domain = { .name = (char *) "", .id = -1 }, .xml = (char *) xml, .flags = flags };
  g_autoptr (GBytes) reply = NULL;

  memcpy (arguments.domain.uuid, uuid, sizeof (arguments.domain.uuid));
  reply = ask (calls, DETACH_DEVICE_FLAGS, (xdrproc_t) xdr_rpc_domain_xml_flags, &arguments, error);
  return reply != NULL && read_reply (reply, (xdrproc_t) xdr_void, NULL, code, error);
}

void
vsmmu_own_calls_take_reply (VsmmuOwnCalls *calls, guint32 serial, GBytes *frame)
{
  Question *question;

  g_mutex_lock (&calls->lock);
  question = g_hash_table_lookup (calls->questions, GUINT_TO_POINTER (serial));
  if (question != NULL && question->reply == NULL) {
    question->reply = g_bytes_ref (frame);
    g_cond_broadcast (&calls->changed);
  }
  g_mutex_unlock (&calls->lock);
}
