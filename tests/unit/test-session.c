/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/target.h"
#include "rpc/error.h"
#include "rpc/libvirt.h"
#include "rpc/session.h"
#include "vsmmu/vsmmu.h"

#define SECONDS_MAX 10
#define QUIET_MILLISECONDS 50
#define SHORT_MILLISECONDS 100
#define FIRST_SERIAL 0xf0000000u

enum {
  GET_VERSION = 4,
  ATTACH = 8,
  CREATE = 10,
  DEFINE = 11,
  DETACH = 13,
  GET_XML = 14,
  PING = 60, /* any that is not looked at */
  TO_NATIVE = 136,
  GET_LIB_VERSION = 157,
  ATTACH_FLAGS = 160,
  DETACH_FLAGS = 161,
  UPDATE_FLAGS = 174,
  DETACH_ALIAS = 392,
};

/* The journal, in the place of the one that GLib knows; and what is printed where there is none. */
static struct {
  GMutex lock;
  gboolean has_journal;
  GString *journal;
  GString *printed;
  gsize n_printed;
} said;

GLogWriterOutput
g_log_writer_journald (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&said.lock);

  if (!said.has_journal)
    return G_LOG_WRITER_UNHANDLED;
  g_assert_cmpint (level, ==, G_LOG_LEVEL_WARNING);
  for (gsize i = 0; i < n_fields; i++)
    g_string_append_printf (said.journal, "%s=%s\n", fields[i].key, (const char *) fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static void
print (const char *text)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&said.lock);

  g_string_append (said.printed, text);
  said.n_printed++;
}

static void
start_listening (gboolean has_journal)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&said.lock);

  said.has_journal = has_journal;
  said.n_printed = 0;
  g_string_truncate (said.journal, 0);
  g_string_truncate (said.printed, 0);
}

/* A client and a daemon, which are the tests, with a session between them. */
typedef struct {
  int client;
  int daemon;
  int session_client;
  int session_daemon;
  VsmmuSession *session;
  GThread *thread;
} Bed;

/* Loaded once, before there is any thread. */
static VsmmuPolicy *enforcing;
static VsmmuPolicy *warning;
static VsmmuPolicy *impatient;

static gpointer
run (gpointer data)
{
  Bed *bed = data;

  vsmmu_relay_run (bed->session_client, bed->session_client, bed->session_daemon, -1, &vsmmu_session_filter,
                   bed->session, NULL);
  close (bed->session_client);
  close (bed->session_daemon);
  return NULL;
}

static void
make_pair (int *ours, int *theirs)
{
  const struct timeval timeout = { .tv_sec = SECONDS_MAX };
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
  *ours = fds[0];
  *theirs = fds[1];
  setsockopt (*ours, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof (timeout));
}

/* (transfer full): of a file with @text */
static VsmmuPolicy *
load_policy (const char *text)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp ("vsmmu-XXXXXX", &path, NULL);
  VsmmuPolicy *policy;

  close (fd);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_setenv ("VIRT_VSMMU_CONF", path, TRUE);
  policy = vsmmu_policy_load (FALSE, &error);
  g_assert_no_error (error);
  g_unsetenv ("VIRT_VSMMU_CONF");
  g_unlink (path);
  return policy;
}

static void
bed_start_with (Bed *bed, guint milliseconds, const VsmmuPolicy *policy, const char *bus)
{
  *bed = (Bed){ .session = vsmmu_session_new (policy, bus) };
  vsmmu_session_set_timeout (bed->session, milliseconds);
  make_pair (&bed->client, &bed->session_client);
  make_pair (&bed->daemon, &bed->session_daemon);
  bed->thread = g_thread_new ("relay", run, bed);
}

static void
bed_start (Bed *bed, guint milliseconds)
{
  bed_start_with (bed, milliseconds, enforcing, "unix:path=/nonexistent");
}

static void
bed_end (Bed *bed)
{
  close (bed->client);
  g_thread_join (bed->thread);
  close (bed->daemon);
  vsmmu_session_free (bed->session);
}

static void
put (int fd, GBytes *frame)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  g_assert_cmpint (send (fd, bytes, size, MSG_NOSIGNAL), ==, (gssize) size);
}

static GBytes *
get (int fd, VsmmuFrameHeader *header)
{
  guint8 bytes[VSMMU_FRAME_HEADER_BYTES];
  g_autofree guint8 *whole = NULL;

  g_assert_cmpint (recv (fd, bytes, sizeof (bytes), MSG_WAITALL), ==, sizeof (bytes));
  vsmmu_frame_header_read (bytes, header);
  whole = g_malloc (header->length);
  memcpy (whole, bytes, sizeof (bytes));
  if (header->length > sizeof (bytes))
    g_assert_cmpint (recv (fd, whole + sizeof (bytes), header->length - sizeof (bytes), MSG_WAITALL), ==,
                     (gssize) (header->length - sizeof (bytes)));
  return g_bytes_new_take (g_steal_pointer (&whole), header->length);
}

static void
say (int fd, gint32 procedure, guint32 type, guint32 serial, guint32 status, xdrproc_t codec, gpointer payload)
{
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, procedure, type, serial, status };
  g_autoptr (GBytes) frame = vsmmu_frame_encode (&header, codec, payload, NULL);

  put (fd, frame);
}

static void
say_nothing (int fd, gint32 procedure, guint32 type, guint32 serial)
{
  say (fd, procedure, type, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_void, NULL);
}

/* A call about a device of the domain whose UUID begins with @domain. */
static void
call (Bed *bed, gint32 procedure, guint32 serial, guint8 domain, const char *xml, guint flags)
{
  rpc_domain_xml_flags arguments = { { (char *) "guest", { (char) domain }, -1 }, (char *) xml, flags };
  rpc_domain_xml short_arguments = { { (char *) "guest", { (char) domain }, -1 }, (char *) xml };
  gboolean has_flags = procedure != ATTACH && procedure != DETACH;

  say (bed->client, procedure, VSMMU_FRAME_CALL, serial, VSMMU_FRAME_OK,
       has_flags ? (xdrproc_t) xdr_rpc_domain_xml_flags : (xdrproc_t) xdr_rpc_domain_xml,
       has_flags ? (gpointer) &arguments : &short_arguments);
}

static void
expect_silence (int fd)
{
  struct pollfd input = { .fd = fd, .events = POLLIN };

  g_assert_cmpint (poll (&input, 1, QUIET_MILLISECONDS), ==, 0);
}

/* The client has nothing more to say, and the daemon has got it all. */
static void
expect_end (Bed *bed)
{
  char byte;

  shutdown (bed->client, SHUT_WR);
  g_assert_cmpint (recv (bed->daemon, &byte, 1, 0), ==, 0);
}

static void
expect (int fd, gint32 procedure, guint32 type, guint32 serial)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (fd, &header);

  g_assert_cmpint (header.procedure, ==, procedure);
  g_assert_cmpuint (header.type, ==, type);
  g_assert_cmpuint (header.serial, ==, serial);
}

/* (transfer full): what the client is told in the reply to its call */
static char *
expect_error (Bed *bed, guint32 serial, int code)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->client, &header);
  int found = 0;
  char *message = vsmmu_rpc_error_read (frame, &found);

  g_assert_cmpuint (header.type, ==, VSMMU_FRAME_REPLY);
  g_assert_cmpuint (header.status, ==, VSMMU_FRAME_ERROR);
  g_assert_cmpuint (header.serial, ==, serial);
  g_assert_cmpint (found, ==, code);
  return message;
}

/* Reads a question of the session's, which has to be @procedure; its serial. */
static guint32
expect_question (Bed *bed, gint32 procedure)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->daemon, &header);

  g_assert_cmpint (header.procedure, ==, procedure);
  g_assert_cmpuint (header.serial, >=, FIRST_SERIAL);
  return header.serial;
}

/* The same for the XML of the domain whose UUID begins with 1. */
static guint32
expect_xml_question (Bed *bed, gboolean is_inactive)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->daemon, &header);
  rpc_domain_flags arguments = { 0 };

  g_assert_cmpint (header.procedure, ==, GET_XML);
  g_assert_cmpuint (header.serial, >=, FIRST_SERIAL);
  g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_domain_flags, &arguments, NULL));
  g_assert_cmpuint (arguments.flags, ==, is_inactive ? VIR_DOMAIN_XML_INACTIVE : 0);
  g_assert_cmpint (arguments.domain.uuid[0], ==, 1);
  xdr_free ((xdrproc_t) xdr_rpc_domain_flags, (char *) &arguments);
  return header.serial;
}

static void
answer_xml (Bed *bed, guint32 serial, const char *text)
{
  rpc_xml xml = { (char *) text };

  say (bed->daemon, GET_XML, VSMMU_FRAME_REPLY, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_xml, &xml);
}

static void
answer_error (Bed *bed, gint32 procedure, guint32 serial, int code)
{
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, procedure, VSMMU_FRAME_CALL, serial, 0 };
  g_autoptr (GBytes) frame = vsmmu_rpc_error_reply (&header, VIR_FROM_QEMU, code, "it is Monday");

  put (bed->daemon, frame);
}

static void
answer_version (Bed *bed, gint32 procedure, guint32 serial)
{
  rpc_version version = { procedure == GET_VERSION ? 11001003 : 12008000 };

  say (bed->daemon, procedure, VSMMU_FRAME_REPLY, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_version, &version);
}

#define GUEST(id, devices)                                                                                             \
  "<domain type='kvm'" id "><name>guest</name><memory unit='GiB'>4</memory><vcpu>4</vcpu><os firmware='efi'>"          \
  "<type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features>"                  \
  "<devices><controller type='pci' index='0' model='pcie-root'/>"                                                      \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"                       \
  "<controller type='pci' index='2' model='pcie-root-port'>"                                                           \
  "<address type='pci' bus='0x01' slot='0x00' function='0x0'/></controller>"                                           \
  "<controller type='pci' index='3' model='pcie-root-port'/>"                                                          \
  "<controller type='pci' index='4' model='pcie-root-port'/>" devices "</devices></domain>"
#define VSMMU                                                                                                          \
  "<iommu model='smmuv3'><driver pciBus='1' accel='on' ats='off' ril='on' ssidsize='0' oas='44' cmdqv='off'/></iommu>"
#define RNG(address) "<rng model='virtio'><backend model='random'>/dev/random</backend>" address "</rng>"
#define HOSTDEV(address)                                                                                               \
  "<hostdev mode='subsystem' type='pci' managed='yes'><driver iommufd='yes'/><source><address domain='0x0002' "        \
  "bus='0x01' slot='0x00' function='0x0'/></source>" address "</hostdev>"
#define AT(bus) "<address type='pci' domain='0x0000' bus='" bus "' slot='0x00' function='0x0'/>"
#define THERE RNG (AT ("0x03") "<alias name='ua-rng'/>")
#define RUNNING GUEST (" id='3'", THERE VSMMU)
#define DEFINED GUEST ("", THERE VSMMU)
#define WHOLE GUEST ("", HOSTDEV (AT ("0x02")) VSMMU)
#define WRONG GUEST ("", HOSTDEV (AT ("0x02")) VSMMU VSMMU)

static const struct {
  const char *name;
  gint32 procedure;
  guint flags;
  const char *device;
  gboolean is_asked_twice; /* for the definition too */
} calls[] = {
  { "attach", ATTACH, 0, RNG (AT ("0x04")), FALSE },
  { "attach-current", ATTACH_FLAGS, 0, RNG (AT ("0x04")), FALSE },
  { "attach-live", ATTACH_FLAGS, VIR_DOMAIN_AFFECT_LIVE, RNG (AT ("0x04")), FALSE },
  { "attach-config", ATTACH_FLAGS, VIR_DOMAIN_AFFECT_CONFIG, RNG (AT ("0x04")), FALSE },
  { "attach-both", ATTACH_FLAGS, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, RNG (AT ("0x04")), TRUE },
  { "detach", DETACH, 0, RNG (), FALSE },
  { "detach-config", DETACH_FLAGS, VIR_DOMAIN_AFFECT_CONFIG, RNG (), FALSE },
  { "detach-both", DETACH_FLAGS, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, RNG (), TRUE },
  { "detach-alias", DETACH_ALIAS, VIR_DOMAIN_AFFECT_LIVE, "ua-rng", FALSE },
  { "detach-alias-both", DETACH_ALIAS, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "ua-rng", TRUE },
  { "update-live", UPDATE_FLAGS, VIR_DOMAIN_AFFECT_LIVE, RNG (AT ("0x03")), FALSE },
  { "update-force", UPDATE_FLAGS, VIR_DOMAIN_DEVICE_MODIFY_FORCE, RNG (AT ("0x03")), FALSE },
  { "update-both", UPDATE_FLAGS, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, RNG (AT ("0x03")), TRUE },
};

/* The call for which each question meets silence, which takes time. */
#define BOTH_ROW 4

/* How the daemon may answer a question. */
typedef enum {
  WELL,
  NO_DOMAIN,
  INTERNAL_ERROR,
  ENCODING_ERROR, /* VIR_ERR_RPC, as for metadata that is too large */
  ACCESS_DENIED,
  BROKEN_ERROR,
  BROKEN_PAYLOAD,
  OTHER_STATUS,
  WITH_DESCRIPTORS,
  SILENCE,
  N_ANSWERS,
} Answer;

static void
answer (Bed *bed, gint32 procedure, guint32 serial, gboolean is_second, Answer how)
{
  static const int codes[] = { [NO_DOMAIN] = VIR_ERR_NO_DOMAIN,
                               [INTERNAL_ERROR] = VIR_ERR_INTERNAL_ERROR,
                               [ENCODING_ERROR] = VIR_ERR_RPC,
                               [ACCESS_DENIED] = VIR_ERR_ACCESS_DENIED };
  rpc_version word = { 1 };

  if (how == SILENCE)
    return;
  if (how == WELL && procedure == GET_XML)
    answer_xml (bed, serial, is_second ? DEFINED : RUNNING);
  else if (how == WELL)
    answer_version (bed, procedure, serial);
  else if (how < BROKEN_ERROR)
    answer_error (bed, procedure, serial, codes[how]);
  else if (how == BROKEN_PAYLOAD)
    say (bed->daemon, procedure, VSMMU_FRAME_REPLY, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_int, &word);
  else if (how == WITH_DESCRIPTORS)
    say (bed->daemon, procedure, VSMMU_FRAME_REPLY_WITH_FDS, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_int, &(int){ 0 });
  else
    say (bed->daemon, procedure, VSMMU_FRAME_REPLY, serial,
         how == OTHER_STATUS ? VSMMU_FRAME_CONTINUE : VSMMU_FRAME_ERROR, (xdrproc_t) xdr_rpc_version, &word);
}

/* Whether the call @row gets through when question number @bad is answered in that way. */
static gboolean
try_answer (guint row, guint bad, Answer how)
{
  const gint32 questions[] = { GET_XML, calls[row].is_asked_twice ? GET_XML : 0, GET_LIB_VERSION, GET_VERSION };
  g_autofree char *message = NULL;
  guint n_asked = 0;
  Bed bed;

  /* What comes before the silence must be in time. */
  bed_start (&bed, how != SILENCE ? SECONDS_MAX * 1000 : bad == 0 ? SHORT_MILLISECONDS : 10 * SHORT_MILLISECONDS);
  call (&bed, calls[row].procedure, 7, 1, calls[row].device, calls[row].flags);
  for (guint i = 0; i < G_N_ELEMENTS (questions); i++) {
    gboolean is_inactive = i == 1 || calls[row].flags == VIR_DOMAIN_AFFECT_CONFIG;

    if (questions[i] == 0)
      continue;
    answer (&bed, questions[i],
            questions[i] == GET_XML ? expect_xml_question (&bed, is_inactive) : expect_question (&bed, questions[i]),
            is_inactive, n_asked == bad ? how : WELL);
    /* The other definition is still asked for. */
    if (n_asked++ == bad && how != WELL && (how != NO_DOMAIN || !calls[row].is_asked_twice))
      break;
  }
  if (how == WELL || (how == NO_DOMAIN && questions[bad] == GET_XML)) {
    expect (bed.daemon, calls[row].procedure, VSMMU_FRAME_CALL, 7);
    say_nothing (bed.daemon, calls[row].procedure, VSMMU_FRAME_REPLY, 7);
    expect (bed.client, calls[row].procedure, VSMMU_FRAME_REPLY, 7);
    bed_end (&bed);
    return TRUE;
  }
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, how == SILENCE ? "did not answer" : "cannot"));
  g_assert_true ((strstr (message, "it is Monday") != NULL) == (how < BROKEN_ERROR));
  expect_end (&bed);
  bed_end (&bed);
  return FALSE;
}

static void
test_each_question_answered_in_each_way (void)
{
  guint n_cases = 0;
  guint n_passed = 0;

  for (guint row = 0; row < G_N_ELEMENTS (calls); row++)
    for (guint bad = 0; bad < (calls[row].is_asked_twice ? 4 : 3); bad++)
      for (Answer how = bad == 0 ? WELL : NO_DOMAIN; how < N_ANSWERS; how++) {
        /* Which question comes second depends on the call. */
        gboolean is_xml = bad == 0 || (calls[row].is_asked_twice && bad == 1);

        if ((how == NO_DOMAIN && !is_xml) || (how == SILENCE && bad > 0 && row != BOTH_ROW))
          continue;
        n_passed += try_answer (row, bad, how);
        n_cases++;
      }
  g_test_message ("%u cases, of which %u pass", n_cases, n_passed);
  g_assert_cmpuint (n_passed, ==, G_N_ELEMENTS (calls) * 2 + 4);
}

static void
test_what_is_wrong_is_refused_and_versions_are_asked_for_once (void)
{
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  for (guint i = 0; i < 3; i++) {
    g_autofree char *message = NULL;

    call (&bed, ATTACH, i, 1, RNG (AT ("0x02")), 0);
    answer_xml (&bed, expect_question (&bed, GET_XML), RUNNING);
    if (i == 0) {
      answer_version (&bed, GET_LIB_VERSION, expect_question (&bed, GET_LIB_VERSION));
      answer_version (&bed, GET_VERSION, expect_question (&bed, GET_VERSION));
    }
    message = expect_error (&bed, i, VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull (strstr (message, "emulated-endpoint"));
  }
  expect_end (&bed);
  bed_end (&bed);
}

static void
test_late_replies_reach_nobody (void)
{
  g_autofree char *message = NULL;
  g_autofree char *again = NULL;
  guint32 serial;
  Bed bed;

  bed_start (&bed, SHORT_MILLISECONDS);
  call (&bed, ATTACH_FLAGS, 7, 1, RNG (), VIR_DOMAIN_AFFECT_LIVE);
  serial = expect_question (&bed, GET_XML);
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  answer_xml (&bed, serial, RUNNING);
  answer_xml (&bed, serial, RUNNING);
  answer_error (&bed, GET_XML, serial + 5, VIR_ERR_INTERNAL_ERROR);
  /* Nor are they taken for replies to what is asked next. */
  call (&bed, ATTACH_FLAGS, 7, 1, RNG (), VIR_DOMAIN_AFFECT_LIVE);
  g_assert_cmpuint (expect_question (&bed, GET_XML), !=, serial);
  answer_error (&bed, GET_XML, serial, VIR_ERR_NO_DOMAIN);
  again = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  say (bed.daemon, GET_XML, VSMMU_FRAME_REPLY_WITH_FDS, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_int, &(int){ 0 });
  say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 8);
  expect (bed.daemon, PING, VSMMU_FRAME_CALL, 8);
  say_nothing (bed.daemon, PING, VSMMU_FRAME_REPLY, 8);
  expect (bed.client, PING, VSMMU_FRAME_REPLY, 8);
  bed_end (&bed);
}

static void
test_serials_of_ours_are_for_no_client (void)
{
  static const guint32 serials[] = { FIRST_SERIAL, FIRST_SERIAL + 1, G_MAXUINT32 };
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  for (guint i = 0; i < G_N_ELEMENTS (serials); i++) {
    g_autofree char *message = NULL;
    g_autofree char *again = NULL;

    say_nothing (bed.client, PING, VSMMU_FRAME_CALL, serials[i]);
    message = expect_error (&bed, serials[i], VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull (strstr (message, "new connection"));
    call (&bed, ATTACH, serials[i], 1, RNG (), 0);
    again = expect_error (&bed, serials[i], VIR_ERR_CONFIG_UNSUPPORTED);
  }
  expect_silence (bed.daemon);
  say_nothing (bed.client, PING, VSMMU_FRAME_CALL, FIRST_SERIAL - 1);
  expect (bed.daemon, PING, VSMMU_FRAME_CALL, FIRST_SERIAL - 1);
  say_nothing (bed.daemon, PING, VSMMU_FRAME_REPLY, FIRST_SERIAL - 1);
  expect (bed.client, PING, VSMMU_FRAME_REPLY, FIRST_SERIAL - 1);
  bed_end (&bed);
}

/* Lets a call through whose domain is none of ours. */
static void
let_through (Bed *bed, gint32 procedure, guint32 serial)
{
  answer_xml (bed, expect_question (bed, GET_XML), GUEST (" id='3'", THERE));
  expect (bed->daemon, procedure, VSMMU_FRAME_CALL, serial);
}

/* By the pairs of calls of which the second waits for the first. */
static void
test_changes_to_one_domain_wait_for_each_other (void)
{
  static const gint32 procedures[] = { ATTACH, ATTACH_FLAGS, DETACH, DETACH_FLAGS, UPDATE_FLAGS, DETACH_ALIAS };
  guint n_cases = 0;

  for (guint i = 0; i < G_N_ELEMENTS (procedures) * G_N_ELEMENTS (procedures); i++, n_cases++) {
    gint32 first = procedures[i / G_N_ELEMENTS (procedures)];
    gint32 second = procedures[i % G_N_ELEMENTS (procedures)];
    Bed bed;

    bed_start (&bed, SECONDS_MAX * 1000);
    call (&bed, first, 7, 1, RNG (), 0);
    let_through (&bed, first, 7);
    call (&bed, second, 8, 1, RNG (), 0);
    /* A domain of another name, and another call, do not wait. */
    call (&bed, ATTACH, 9, 2, RNG (), 0);
    let_through (&bed, ATTACH, 9);
    say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 10);
    expect (bed.daemon, PING, VSMMU_FRAME_CALL, 10);
    expect_silence (bed.daemon);
    /* Neither does a reply to another call with that number change anything. */
    say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 7);
    expect (bed.daemon, PING, VSMMU_FRAME_CALL, 7);
    say_nothing (bed.daemon, PING, VSMMU_FRAME_REPLY, 7);
    expect (bed.client, PING, VSMMU_FRAME_REPLY, 7);
    expect_silence (bed.daemon);
    if (i % 2 == 0)
      say_nothing (bed.daemon, first, VSMMU_FRAME_REPLY, 7);
    else
      answer_error (&bed, first, 7, VIR_ERR_OPERATION_FAILED);
    expect (bed.client, first, VSMMU_FRAME_REPLY, 7);
    let_through (&bed, second, 8);
    bed_end (&bed);
  }
  g_test_message ("%u cases", n_cases);
}

static void
test_a_refused_change_lets_the_next_one_go_on (void)
{
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 7, 1, "<rng", 0);
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  call (&bed, ATTACH, 8, 1, RNG (), 0);
  let_through (&bed, ATTACH, 8);
  bed_end (&bed);
}

static void
test_a_daemon_that_does_not_answer_holds_up_no_more_than_that_domain (void)
{
  const guint timeout = 20 * SHORT_MILLISECONDS;
  g_autofree char *message = NULL;
  gint64 begin;
  Bed bed;

  bed_start (&bed, timeout);
  call (&bed, ATTACH, 1, 1, RNG (), 0);
  let_through (&bed, ATTACH, 1);
  begin = g_get_monotonic_time ();
  call (&bed, ATTACH, 2, 1, RNG (), 0);
  call (&bed, ATTACH, 3, 2, RNG (), 0);
  let_through (&bed, ATTACH, 3);
  message = expect_error (&bed, 2, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "still in progress"));
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, timeout * G_TIME_SPAN_MILLISECOND);
  call (&bed, ATTACH, 4, 3, RNG (), 0);
  let_through (&bed, ATTACH, 4);
  bed_end (&bed);
}

/* It hangs in a monitor command, so what we ask it of that domain has no reply; the client's call is not let through.
 */
static void
test_a_hung_guest_blocks_only_its_domain (void)
{
  const guint timeout = 20 * SHORT_MILLISECONDS;
  g_autofree char *message = NULL;
  gint64 begin = g_get_monotonic_time ();
  Bed bed;

  bed_start (&bed, timeout);
  call (&bed, ATTACH, 1, 1, RNG (), 0);
  expect_question (&bed, GET_XML);
  call (&bed, ATTACH, 2, 2, RNG (), 0);
  let_through (&bed, ATTACH, 2);
  say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 3);
  expect (bed.daemon, PING, VSMMU_FRAME_CALL, 3);
  message = expect_error (&bed, 1, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "did not answer"));
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, timeout * G_TIME_SPAN_MILLISECOND);
  /* The domain is free again. */
  call (&bed, ATTACH, 4, 1, RNG (), 0);
  let_through (&bed, ATTACH, 4);
  bed_end (&bed);
}

static void
test_so_many_calls_wait_and_no_more (void)
{
  const guint n_waiting = 16;
  const guint n_more = 4;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 1, 1, RNG (), 0);
  let_through (&bed, ATTACH, 1);
  for (guint i = 0; i < n_waiting + n_more; i++)
    call (&bed, ATTACH, 100 + i, 1, RNG (), 0);
  for (guint i = 0; i < n_more; i++) {
    VsmmuFrameHeader header;
    g_autoptr (GBytes) frame = get (bed.client, &header);

    g_assert_cmpuint (header.status, ==, VSMMU_FRAME_ERROR);
  }
  expect_silence (bed.client);
  /* All else goes on. */
  say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 2);
  expect (bed.daemon, PING, VSMMU_FRAME_CALL, 2);
  call (&bed, ATTACH, 3, 2, RNG (), 0);
  let_through (&bed, ATTACH, 3);
  bed_end (&bed);
}

static void
test_a_number_in_use_is_for_no_other_change (void)
{
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 7, 1, RNG (), 0);
  let_through (&bed, ATTACH, 7);
  call (&bed, ATTACH, 7, 2, RNG (), 0);
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "too many calls"));
  /* The first is still the one that others wait for. */
  call (&bed, ATTACH, 8, 1, RNG (), 0);
  expect_silence (bed.daemon);
  say_nothing (bed.daemon, ATTACH, VSMMU_FRAME_REPLY, 7);
  expect (bed.client, ATTACH, VSMMU_FRAME_REPLY, 7);
  let_through (&bed, ATTACH, 8);
  bed_end (&bed);
}

/* How many calls the daemon may have at once; each on a domain of its own. */
static void
test_so_many_changes_are_with_the_daemon_and_no_more (void)
{
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  for (guint i = 0; i < 256; i++) {
    call (&bed, DETACH_ALIAS, i, (guint8) i, "ua-x", 0);
    answer_error (&bed, GET_XML, expect_question (&bed, GET_XML), VIR_ERR_NO_DOMAIN);
    expect (bed.daemon, DETACH_ALIAS, VSMMU_FRAME_CALL, i);
  }
  say_nothing (bed.daemon, DETACH_ALIAS, VSMMU_FRAME_REPLY, 3);
  expect (bed.client, DETACH_ALIAS, VSMMU_FRAME_REPLY, 3);
  call (&bed, DETACH_ALIAS, 1000, 3, "ua-x", 0);
  answer_error (&bed, GET_XML, expect_question (&bed, GET_XML), VIR_ERR_NO_DOMAIN);
  expect (bed.daemon, DETACH_ALIAS, VSMMU_FRAME_CALL, 1000);
  {
    rpc_domain_xml_flags arguments = { { (char *) "guest", { 1, 1 }, -1 }, (char *) "ua-x", 0 };

    say (bed.client, DETACH_ALIAS, VSMMU_FRAME_CALL, 1001, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_domain_xml_flags,
         &arguments);
  }
  message = expect_error (&bed, 1001, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "too many calls"));
  bed_end (&bed);
}

/* Attaches a VFIO device, until libvirt says that it did. */
static void
attach_device (Bed *bed, guint flags)
{
  call (bed, ATTACH_FLAGS, 7, 1, HOSTDEV (AT ("0x02")), flags);
  answer_xml (bed, expect_question (bed, GET_XML), GUEST (" id='3'", THERE));
  if ((flags & VIR_DOMAIN_AFFECT_CONFIG) != 0)
    answer_xml (bed, expect_question (bed, GET_XML), GUEST ("", THERE));
  expect (bed->daemon, ATTACH_FLAGS, VSMMU_FRAME_CALL, 7);
  say_nothing (bed->daemon, ATTACH_FLAGS, VSMMU_FRAME_REPLY, 7);
}

/* Reads the call with which a device is detached again; its serial. */
static guint32
expect_undo (Bed *bed, guint flags)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->daemon, &header);
  rpc_domain_xml_flags arguments = { 0 };

  g_assert_cmpint (header.procedure, ==, DETACH_FLAGS);
  g_assert_cmpuint (header.serial, >=, FIRST_SERIAL);
  g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_domain_xml_flags, &arguments, NULL));
  g_assert_cmpuint (arguments.flags, ==, flags);
  g_assert_cmpint (arguments.domain.uuid[0], ==, 1);
  g_assert_cmpstr (arguments.xml, ==,
                   "<hostdev mode='subsystem' type='pci'><source><address domain=\"0x0002\" bus=\"0x01\" slot=\"0x00\" "
                   "function=\"0x0\"/></source></hostdev>");
  xdr_free ((xdrproc_t) xdr_rpc_domain_xml_flags, (char *) &arguments);
  return header.serial;
}

/* How often a device is detached that QEMU does not let go, and after what share of our timeout again. */
#define ATTEMPTS_MAX 15
#define SHARE 60
#define BOTH (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

static const struct {
  const char *name;
  guint flags;
  guint undone;
  int refusal;  /* libvirt's code at the end, or 0 when it detaches */
  guint n_busy; /* times that QEMU does not let it go yet */
  Answer how;
  const char *said;
} undone[] = {
  { "live", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, 0, 0, INTERNAL_ERROR, "is being detached again" },
  { "current", 0, VIR_DOMAIN_AFFECT_LIVE, 0, 0, BROKEN_ERROR, "is being detached again" },
  { "both", BOTH, BOTH, 0, 0, BROKEN_PAYLOAD, "is being detached again" },
  { "silence", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, 0, 0, SILENCE, "is being detached again" },
  { "busy", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, 0, 2, INTERNAL_ERROR, "is being detached again" },
  { "gone", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, VIR_ERR_DEVICE_MISSING, 0, INTERNAL_ERROR,
    "is being detached again" },
  { "busy-and-gone", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, VIR_ERR_DEVICE_MISSING, 2, INTERNAL_ERROR,
    "is being detached again" },
  { "gone-with-the-guest", BOTH, BOTH, VIR_ERR_NO_DOMAIN, 0, INTERNAL_ERROR, "is being detached again" },
  { "busy-for-ever", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, VIR_ERR_INTERNAL_ERROR, ATTEMPTS_MAX,
    INTERNAL_ERROR, "detach it immediately" },
  { "stays", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, VIR_ERR_OPERATION_FAILED, 0, INTERNAL_ERROR,
    "detach it immediately" },
  { "stays-in-both", BOTH, BOTH, VIR_ERR_OPERATION_FAILED, 0, INTERNAL_ERROR, "detach it immediately" },
  { "busy-and-stays", VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_LIVE, VIR_ERR_OPERATION_FAILED, 1, INTERNAL_ERROR,
    "detach it immediately" },
};

static void
test_what_was_attached_and_cannot_be_judged_is_detached_again (gconstpointer data)
{
  const typeof (undone[0]) *row = data;
  guint timeout = row->how == SILENCE ? 1000 : row->n_busy == ATTEMPTS_MAX ? 5000 : SECONDS_MAX * 1000;
  g_autofree char *message = NULL;
  gint64 begin;
  guint32 serial;
  Bed bed;

  bed_start (&bed, timeout);
  attach_device (&bed, row->flags);
  /* Until that is over nothing else comes to the guest. */
  if (row->how != SILENCE)
    call (&bed, ATTACH, 8, 1, RNG (), 0);
  begin = g_get_monotonic_time ();
  answer (&bed, GET_XML, expect_question (&bed, GET_XML), FALSE, row->how);
  for (guint i = 0; i < row->n_busy; i++) {
    serial = expect_undo (&bed, row->undone);
    g_assert_cmpint (g_get_monotonic_time () - begin, >=, i * (timeout / SHARE) * G_TIME_SPAN_MILLISECOND);
    answer_error (&bed, DETACH_FLAGS, serial, VIR_ERR_INTERNAL_ERROR);
  }
  /* From each place by itself, or one that has the device no more keeps it in the other. */
  for (guint flag = VIR_DOMAIN_AFFECT_LIVE; row->n_busy < ATTEMPTS_MAX && flag <= VIR_DOMAIN_AFFECT_CONFIG; flag <<= 1)
    if ((row->undone & flag) != 0) {
      serial = expect_undo (&bed, flag);
      if (row->refusal == 0)
        say_nothing (bed.daemon, DETACH_FLAGS, VSMMU_FRAME_REPLY, serial);
      else
        answer_error (&bed, DETACH_FLAGS, serial, row->refusal);
    }
  message = expect_error (&bed, 7, VIR_ERR_OPERATION_FAILED);
  g_assert_nonnull (strstr (message, row->said));
  if (row->how != SILENCE)
    let_through (&bed, ATTACH, 8);
  bed_end (&bed);
}

/* Who waited for the next attempt would wait for hours. */
static void
test_the_end_of_a_connection_ends_the_detaching (void)
{
  Bed bed;

  bed_start (&bed, G_MAXINT);
  attach_device (&bed, VIR_DOMAIN_AFFECT_LIVE);
  answer_error (&bed, GET_XML, expect_question (&bed, GET_XML), VIR_ERR_INTERNAL_ERROR);
  answer_error (&bed, DETACH_FLAGS, expect_undo (&bed, VIR_DOMAIN_AFFECT_LIVE), VIR_ERR_INTERNAL_ERROR);
  bed_end (&bed);
}

static void
test_a_guest_that_has_gone_has_no_device_to_judge (void)
{
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  attach_device (&bed, VIR_DOMAIN_AFFECT_LIVE);
  answer_error (&bed, GET_XML, expect_question (&bed, GET_XML), VIR_ERR_NO_DOMAIN);
  expect (bed.client, ATTACH_FLAGS, VSMMU_FRAME_REPLY, 7);
  bed_end (&bed);
}

static void
test_only_vfio_devices_are_judged_again (void)
{
  static const char *const devices[] = { RNG (), "<hostdev mode='subsystem' type='usb'/>",
                                         "<interface type='network'/>" };

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++) {
    Bed bed;

    bed_start (&bed, SECONDS_MAX * 1000);
    call (&bed, ATTACH, 7, 1, devices[i], 0);
    let_through (&bed, ATTACH, 7);
    say_nothing (bed.daemon, ATTACH, VSMMU_FRAME_REPLY, 7);
    expect (bed.client, ATTACH, VSMMU_FRAME_REPLY, 7);
    expect_silence (bed.daemon);
    bed_end (&bed);
  }
}

static void
test_the_end_of_a_connection_ends_all_waiting (void)
{
  Bed bed;

  /* Who waited for all of it would wait for weeks. */
  bed_start (&bed, G_MAXINT);
  call (&bed, ATTACH, 7, 1, RNG (), 0);
  let_through (&bed, ATTACH, 7);
  call (&bed, ATTACH, 8, 1, RNG (), 0);
  call (&bed, ATTACH, 9, 2, RNG (), 0);
  expect_question (&bed, GET_XML);
  bed_end (&bed);
}

/* Has a device attached that is wrong, which the policy only has said. */
static void
attach_wrong_device (Bed *bed, guint32 serial)
{
  call (bed, ATTACH, serial, 1, RNG (AT ("0x02")), 0);
  answer_xml (bed, expect_question (bed, GET_XML), RUNNING);
  if (serial == 0) {
    answer_version (bed, GET_LIB_VERSION, expect_question (bed, GET_LIB_VERSION));
    answer_version (bed, GET_VERSION, expect_question (bed, GET_VERSION));
  }
  expect (bed->daemon, ATTACH, VSMMU_FRAME_CALL, serial);
  say_nothing (bed->daemon, ATTACH, VSMMU_FRAME_REPLY, serial);
  expect (bed->client, ATTACH, VSMMU_FRAME_REPLY, serial);
}

static void
test_what_there_is_to_say_is_in_the_journal (void)
{
  Bed bed;

  start_listening (TRUE);
  bed_start_with (&bed, SECONDS_MAX * 1000, warning, "unix:path=/nonexistent");
  attach_wrong_device (&bed, 0);
  bed_end (&bed);
  g_assert_nonnull (strstr (said.journal->str, "[emulated-endpoint]"));
  g_assert_nonnull (strstr (said.journal->str, "PRIORITY=4\nSYSLOG_IDENTIFIER=virt-vsmmu-connect\n"));
  g_assert_cmpuint (said.n_printed, ==, 0);
}

/* How many bytes of text were printed. */
static gsize
count_printed (void)
{
  return said.printed->len - said.n_printed * strlen ("virt-vsmmu-connect: \n");
}

/* Nobody need read it, and what nobody reads must not fill a pipe. */
static void
test_without_a_journal_some_of_it_is_on_standard_error (void)
{
  const gsize most = 3072;
  const guint n_calls = 40;
  gsize n_each;
  gsize n_bytes_each;
  Bed bed;

  start_listening (FALSE);
  bed_start_with (&bed, SECONDS_MAX * 1000, warning, "unix:path=/nonexistent");
  attach_wrong_device (&bed, 0);
  n_each = said.n_printed;
  n_bytes_each = count_printed ();
  g_assert_true (g_str_has_prefix (said.printed->str, "virt-vsmmu-connect: "));
  g_assert_nonnull (strstr (said.printed->str, "[emulated-endpoint]"));
  for (guint i = 1; i < n_calls; i++)
    attach_wrong_device (&bed, i);
  bed_end (&bed);
  g_assert_cmpuint (said.n_printed, <, n_calls * n_each);
  g_assert_cmpuint (count_printed (), <=, most);
  g_assert_cmpuint (count_printed () + n_bytes_each, >, most);
}

/* (transfer full): a domain as an old libvirt has it, of one that is written otherwise */
static char *
lower (const char *xml)
{
  const VsmmuTarget target = { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (11, 1, 3) };
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  gsize length;

  return vsmmu_lower_domain (xml, strlen (xml), "domain", &target, notes, &length, NULL);
}

/* (transfer full): the XML in the next reply to the client, which is to @serial */
static char *
expect_shown (Bed *bed, gint32 procedure, guint32 serial)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->client, &header);
  rpc_xml shown = { 0 };
  char *xml;

  g_assert_cmpint (header.procedure, ==, procedure);
  g_assert_cmpuint (header.serial, ==, serial);
  g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_xml, &shown, NULL));
  xml = g_strdup (shown.xml);
  xdr_free ((xdrproc_t) xdr_rpc_xml, (char *) &shown);
  return xml;
}

static void
ask_for_xml (Bed *bed, guint32 serial)
{
  rpc_domain_flags arguments = { { (char *) "guest", { 1 }, -1 }, 0 };

  say (bed->client, GET_XML, VSMMU_FRAME_CALL, serial, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_domain_flags, &arguments);
  expect (bed->daemon, GET_XML, VSMMU_FRAME_CALL, serial);
}

static void
test_a_domain_is_shown_as_its_user_wrote_it (void)
{
  g_autofree char *lowered = lower (WHOLE);
  rpc_xml xml = { lowered };
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *shown = NULL;
    g_autofree char *other = NULL;
    g_autofree char *message = NULL;

    ask_for_xml (&bed, 5);
    answer_xml (&bed, 5, lowered);
    shown = expect_shown (&bed, GET_XML, 5);
    g_assert_cmpstr (shown, ==, WHOLE);
    /* What comes after the reply, or after a bad one, is none. */
    if (i == 1) {
      ask_for_xml (&bed, 5);
      answer_error (&bed, GET_XML, 5, VIR_ERR_NO_DOMAIN);
      message = expect_error (&bed, 5, VIR_ERR_NO_DOMAIN);
    }
    say (bed.daemon, PING, VSMMU_FRAME_REPLY, 5, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_xml, &xml);
    other = expect_shown (&bed, PING, 5);
    g_assert_cmpstr (other, ==, lowered);
  }
  /* Nor can a client be kept from what we cannot decode. */
  ask_for_xml (&bed, 6);
  say (bed.daemon, GET_XML, VSMMU_FRAME_REPLY, 6, VSMMU_FRAME_OK, (xdrproc_t) xdr_int, &(int){ 1 });
  expect (bed.client, GET_XML, VSMMU_FRAME_REPLY, 6);
  bed_end (&bed);
}

/* Domains that a client brings; two SMMUv3s over one bus are refused. */
static const struct {
  const char *name;
  gint32 procedure;
  const char *xml;
  gboolean is_refused;
} brought[] = {
  { "define", DEFINE, WHOLE, FALSE },     { "define-wrong", DEFINE, WRONG, TRUE },
  { "create", CREATE, WHOLE, FALSE },     { "create-wrong", CREATE, WRONG, TRUE },
  { "convert", TO_NATIVE, WHOLE, FALSE }, { "convert-wrong", TO_NATIVE, WRONG, FALSE },
};

static void
test_a_domain_that_is_brought (gconstpointer data)
{
  const typeof (brought[0]) *row = data;
  rpc_xml xml = { (char *) row->xml };
  rpc_xml_flags xml_flags = { (char *) row->xml, 0 };
  rpc_to_native to_native = { (char *) "qemu-argv", (char *) row->xml, 0 };
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  if (row->procedure == DEFINE)
    say (bed.client, DEFINE, VSMMU_FRAME_CALL, 7, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_xml, &xml);
  else if (row->procedure == CREATE)
    say (bed.client, CREATE, VSMMU_FRAME_CALL, 7, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_xml_flags, &xml_flags);
  else
    say (bed.client, TO_NATIVE, VSMMU_FRAME_CALL, 7, VSMMU_FRAME_OK, (xdrproc_t) xdr_rpc_to_native, &to_native);
  answer_version (&bed, GET_LIB_VERSION, expect_question (&bed, GET_LIB_VERSION));
  answer_version (&bed, GET_VERSION, expect_question (&bed, GET_VERSION));
  if (row->is_refused) {
    message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull (strstr (message, "[pci-bus-shared]"));
    expect_end (&bed);
  } else {
    expect (bed.daemon, row->procedure, VSMMU_FRAME_CALL, 7);
  }
  bed_end (&bed);
}

static void
answer_versions (Bed *bed)
{
  answer_version (bed, GET_LIB_VERSION, expect_question (bed, GET_LIB_VERSION));
  answer_version (bed, GET_VERSION, expect_question (bed, GET_VERSION));
}

/* (transfer full): the XML of the client's call @serial as the daemon gets it */
static char *
expect_attach (Bed *bed, guint32 serial)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) frame = get (bed->daemon, &header);
  rpc_domain_xml arguments = { 0 };
  char *xml;

  g_assert_cmpint (header.procedure, ==, ATTACH);
  g_assert_cmpuint (header.serial, ==, serial);
  g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_domain_xml, &arguments, NULL));
  g_assert_cmpint (arguments.domain.uuid[0], ==, 1);
  xml = g_strdup (arguments.xml);
  xdr_free ((xdrproc_t) xdr_rpc_domain_xml, (char *) &arguments);
  return xml;
}

static void
test_a_device_that_is_completed_is_the_turn_of_its_domain (void)
{
  g_autofree char *attached = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 7, 1, RNG (), 0);
  answer_xml (&bed, expect_question (&bed, GET_XML), RUNNING);
  answer_versions (&bed);
  attached = expect_attach (&bed, 7);
  g_assert_nonnull (strstr (attached, AT ("0x04")));
  call (&bed, ATTACH, 8, 1, RNG (), 0);
  expect_silence (bed.daemon);
  say_nothing (bed.daemon, ATTACH, VSMMU_FRAME_REPLY, 7);
  expect (bed.client, ATTACH, VSMMU_FRAME_REPLY, 7);
  let_through (&bed, ATTACH, 8);
  bed_end (&bed);
}

/* With its address it is longer than a string of libvirt's RPC. */
static void
test_a_device_that_becomes_too_large_is_refused (void)
{
  const gsize most = 4194304;
  g_autofree char *spaces = g_strnfill (most - strlen (RNG ()), ' ');
  g_autofree char *device = g_strconcat (RNG (), spaces, NULL);
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 7, 1, device, 0);
  answer_xml (&bed, expect_question (&bed, GET_XML), RUNNING);
  answer_versions (&bed);
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "a string is too long"));
  call (&bed, ATTACH, 8, 1, RNG (), 0);
  let_through (&bed, ATTACH, 8);
  bed_end (&bed);
}

/* Others than those that bring domains and devices; what their payload is nobody here can say. */
static void
test_other_frames_pass_as_they_are (void)
{
  static const struct {
    guint32 program;
    guint32 version;
    guint32 type;
  } rows[] = {
    { VSMMU_PROGRAM_REMOTE + 1, 1, VSMMU_FRAME_CALL },
    { VSMMU_PROGRAM_REMOTE, 2, VSMMU_FRAME_CALL },
    { VSMMU_PROGRAM_REMOTE, 1, VSMMU_FRAME_MESSAGE },
    { VSMMU_PROGRAM_REMOTE, 1, VSMMU_FRAME_STREAM },
  };
  g_autofree char *lowered = lower (WHOLE);
  g_autofree char *shown = NULL;
  rpc_xml xml = { lowered };
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  ask_for_xml (&bed, 7);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const VsmmuFrameHeader up = { 0, rows[i].program, rows[i].version, ATTACH, rows[i].type, 7, VSMMU_FRAME_OK };
    const VsmmuFrameHeader down = {
      0, rows[i].program, rows[i].version, GET_XML, rows[i].type == VSMMU_FRAME_CALL ? VSMMU_FRAME_REPLY : rows[i].type,
      7, VSMMU_FRAME_OK
    };
    g_autoptr (GBytes) call = vsmmu_frame_encode (&up, (xdrproc_t) xdr_rpc_xml, &xml, NULL);
    g_autoptr (GBytes) reply = vsmmu_frame_encode (&down, (xdrproc_t) xdr_rpc_xml, &xml, NULL);
    g_autoptr (GBytes) call_seen = NULL;
    g_autoptr (GBytes) reply_seen = NULL;
    VsmmuFrameHeader seen;

    put (bed.client, call);
    call_seen = get (bed.daemon, &seen);
    g_assert_true (g_bytes_equal (call_seen, call));
    put (bed.daemon, reply);
    reply_seen = get (bed.client, &seen);
    g_assert_true (g_bytes_equal (reply_seen, reply));
  }
  /* None of them was the reply that was asked for. */
  answer_xml (&bed, 7, lowered);
  shown = expect_shown (&bed, GET_XML, 7);
  g_assert_cmpstr (shown, ==, WHOLE);
  bed_end (&bed);
}

/* Not even what XDR does not look at is another. */
static void
test_what_is_not_changed_has_the_bytes_in_which_it_came (void)
{
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, DEFINE, VSMMU_FRAME_CALL, 7, VSMMU_FRAME_OK };
  rpc_xml xml = { (char *) "<domain/>" };
  g_autoptr (GBytes) frame = vsmmu_frame_encode (&header, (xdrproc_t) xdr_rpc_xml, &xml, NULL);
  gsize size = g_bytes_get_size (frame);
  g_autofree guint8 *bytes = g_memdup2 (g_bytes_get_data (frame, NULL), size);
  g_autoptr (GBytes) padded = NULL;
  g_autoptr (GBytes) seen = NULL;
  VsmmuFrameHeader seen_header;
  Bed bed;

  /* The string is filled up to 12 bytes. */
  bytes[size - 1] = 'x';
  padded = g_bytes_new (bytes, size);
  bed_start (&bed, SECONDS_MAX * 1000);
  put (bed.client, padded);
  seen = get (bed.daemon, &seen_header);
  g_assert_true (g_bytes_equal (seen, padded));
  bed_end (&bed);
}

static void
test_a_call_with_file_descriptors_is_refused (void)
{
  g_autofree char *message = NULL;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  say (bed.client, ATTACH, VSMMU_FRAME_CALL_WITH_FDS, 7, VSMMU_FRAME_OK, (xdrproc_t) xdr_int, &(int){ 0 });
  message = expect_error (&bed, 7, VIR_ERR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (message, "does not support file descriptors"));
  expect_end (&bed);
  bed_end (&bed);
}

/* One after the other, as many as one likes. */
static void
test_who_has_waited_does_not_count (void)
{
  const guint n_calls = 40;
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH, 0, 1, RNG (), 0);
  let_through (&bed, ATTACH, 0);
  for (guint i = 1; i < n_calls; i++) {
    call (&bed, ATTACH, i, 1, RNG (), 0);
    /* It waits: what comes after it is through. */
    say_nothing (bed.client, PING, VSMMU_FRAME_CALL, 1000);
    expect (bed.daemon, PING, VSMMU_FRAME_CALL, 1000);
    say_nothing (bed.daemon, ATTACH, VSMMU_FRAME_REPLY, i - 1);
    expect (bed.client, ATTACH, VSMMU_FRAME_REPLY, i - 1);
    let_through (&bed, ATTACH, i);
  }
  bed_end (&bed);
}

static void
test_what_is_attached_to_a_definition_is_not_judged_again (void)
{
  Bed bed;

  bed_start (&bed, SECONDS_MAX * 1000);
  call (&bed, ATTACH_FLAGS, 7, 1, HOSTDEV (AT ("0x02")), VIR_DOMAIN_AFFECT_CONFIG);
  let_through (&bed, ATTACH_FLAGS, 7);
  say_nothing (bed.daemon, ATTACH_FLAGS, VSMMU_FRAME_REPLY, 7);
  expect (bed.client, ATTACH_FLAGS, VSMMU_FRAME_REPLY, 7);
  expect_end (&bed);
  bed_end (&bed);
}

#define UUID "01000000-0000-0000-0000-000000000000"

/* What virt-vsmmud says of a device that was attached. */
static const struct {
  const char *name;
  const char *uuid;
  const char *device;
  const char *verdict;
  guint64 since;
  gboolean ends_waiting;
  const char *refused; /* (nullable) */
} verdicts[] = {
  { "verified", UUID, "hostdev9", "verified", G_MAXUINT64, TRUE, NULL },
  { "reported", UUID, "hostdev9", "mismatch", G_MAXUINT64, TRUE, NULL },
  { "gone", UUID, "hostdev9", "gone", G_MAXUINT64, TRUE, "attached as hostdev9 and detached again: of another SMMU" },
  { "of-another-guest", "02000000-0000-0000-0000-000000000000", "hostdev9", "gone", G_MAXUINT64, FALSE, NULL },
  { "of-another-device", UUID, "hostdev8", "gone", G_MAXUINT64, FALSE, NULL },
  { "of-the-device-before", UUID, "hostdev9", "gone", 1, FALSE, NULL },
};

static GVariant *
verdict_new (const typeof (verdicts[0]) *row, const char *word, const char *on_mismatch)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uuid", "s", row->uuid);
  g_variant_dict_insert (&dict, "device", "s", row->device);
  g_variant_dict_insert (&dict, "since", "t", row->since);
  g_variant_dict_insert (&dict, "verdict", "s", word);
  g_variant_dict_insert (&dict, "on-mismatch", "s", on_mismatch);
  g_variant_dict_insert_value (&dict, "reasons",
                               g_variant_new_parsed ("[('host-smmu-mismatch', 'error', 'domain', uint32 7, '/domain', "
                                                     "'of another SMMU', 'take another one')]"));
  return g_variant_dict_end (&dict);
}

/* Answers in the thread of the bus, as virt-vsmmud does. */
static GDBusMessage *
answer_on_bus (GDBusConnection *bus, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
  const typeof (verdicts[0]) *row = data;
  gboolean is_gone = strcmp (row->verdict, "gone") == 0;
  g_autoptr (GDBusMessage) reply = NULL;
  GVariantBuilder list;

  if (!is_incoming || g_strcmp0 (g_dbus_message_get_member (message), "ListVerdicts") != 0)
    return message;
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_builder_add_value (&list,
                               verdict_new (row, is_gone ? "mismatch" : row->verdict, is_gone ? "detach" : "report"));
  if (is_gone)
    g_variant_builder_add_value (&list, verdict_new (row, row->verdict, ""));
  reply = g_dbus_message_new_method_reply (message);
  g_dbus_message_set_body (reply, g_variant_new ("(aa{sv})", &list));
  g_dbus_connection_send_message (bus, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

static void
test_what_virt_vsmmud_says_of_an_attached_device (gconstpointer data)
{
  const typeof (verdicts[0]) *row = data;
  g_autoptr (GTestDBus) bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_autoptr (GDBusConnection) service = NULL;
  g_autoptr (GVariant) owned = NULL;
  g_autofree char *message = NULL;
  Bed bed;

  g_test_dbus_up (bus);
  service = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
  g_dbus_connection_add_filter (service, answer_on_bus, (gpointer) row, NULL);
  owned = g_dbus_connection_call_sync (service, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", "org.vsmmu1", 0), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_assert_nonnull (owned);
  bed_start_with (&bed, SECONDS_MAX * 1000, row->ends_waiting ? warning : impatient, g_test_dbus_get_bus_address (bus));
  attach_device (&bed, VIR_DOMAIN_AFFECT_LIVE);
  answer_xml (&bed, expect_question (&bed, GET_XML),
              GUEST (" id='3'", HOSTDEV (AT ("0x02") "<alias name='hostdev9'/>") VSMMU));
  if (row->refused != NULL) {
    message = expect_error (&bed, 7, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull (strstr (message, row->refused));
  } else {
    expect (bed.client, ATTACH_FLAGS, VSMMU_FRAME_REPLY, 7);
  }
  bed_end (&bed);
  g_dbus_connection_close_sync (service, NULL, NULL);
  g_test_dbus_down (bus);
}

/*
 * Long before a daemon that lives would have to answer: by what the client called, and how many questions of ours the
 * daemon answered before it died.
 */
static void
test_a_daemon_that_dies_in_our_question_ends_the_wait (void)
{
  guint n_cases = 0;

  for (guint row = 0; row < G_N_ELEMENTS (calls); row++)
    for (guint n_answered = 0; n_answered < 3; n_answered++, n_cases++) {
      const gint32 questions[] = { GET_XML, calls[row].is_asked_twice ? GET_XML : GET_LIB_VERSION,
                                   calls[row].is_asked_twice ? GET_LIB_VERSION : GET_VERSION };
      char bytes[4096];
      Bed bed;

      bed_start (&bed, G_MAXINT);
      call (&bed, calls[row].procedure, 7, 1, calls[row].device, calls[row].flags);
      for (guint i = 0; i < n_answered; i++)
        answer (&bed, questions[i], expect_question (&bed, questions[i]),
                i == 1 || calls[row].flags == VIR_DOMAIN_AFFECT_CONFIG, WELL);
      expect_question (&bed, questions[n_answered]);
      close (bed.daemon);
      /* An error, or nothing more: but not the call, and in time. */
      errno = 0;
      while (recv (bed.client, bytes, sizeof (bytes), 0) > 0)
        ;
      g_assert_cmpint (errno, !=, EAGAIN);
      g_thread_join (bed.thread);
      close (bed.client);
      vsmmu_session_free (bed.session);
    }
  g_test_message ("%u cases", n_cases);
}

int
main (int argc, char **argv)
{
  int status;

  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  said.journal = g_string_new (NULL);
  said.printed = g_string_new (NULL);
  enforcing = vsmmu_policy_load (FALSE, NULL);
  warning = load_policy ("[policy]\nmode=warn\n[hotplug]\nwait=60\n");
  impatient = load_policy ("[policy]\nmode=warn\n[hotplug]\nwait=1\n");
  g_set_printerr_handler (print);
  g_test_add_func ("/session/questions", test_each_question_answered_in_each_way);
  g_test_add_func ("/session/wrong", test_what_is_wrong_is_refused_and_versions_are_asked_for_once);
  g_test_add_func ("/session/late", test_late_replies_reach_nobody);
  g_test_add_func ("/session/serials", test_serials_of_ours_are_for_no_client);
  g_test_add_func ("/session/one-by-one", test_changes_to_one_domain_wait_for_each_other);
  g_test_add_func ("/session/refused", test_a_refused_change_lets_the_next_one_go_on);
  g_test_add_func ("/session/no-answer", test_a_daemon_that_does_not_answer_holds_up_no_more_than_that_domain);
  g_test_add_func ("/session/hanging-guest", test_a_hung_guest_blocks_only_its_domain);
  g_test_add_func ("/session/waiting", test_so_many_calls_wait_and_no_more);
  g_test_add_func ("/session/number-in-use", test_a_number_in_use_is_for_no_other_change);
  g_test_add_func ("/session/bound", test_so_many_changes_are_with_the_daemon_and_no_more);
  for (guint i = 0; i < G_N_ELEMENTS (undone); i++) {
    g_autofree char *path = g_strdup_printf ("/session/undone/%s", undone[i].name);

    g_test_add_data_func (path, &undone[i], test_what_was_attached_and_cannot_be_judged_is_detached_again);
  }
  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++) {
    g_autofree char *path = g_strdup_printf ("/session/verdicts/%s", verdicts[i].name);

    g_test_add_data_func (path, &verdicts[i], test_what_virt_vsmmud_says_of_an_attached_device);
  }
  for (guint i = 0; i < G_N_ELEMENTS (brought); i++) {
    g_autofree char *path = g_strdup_printf ("/session/brought/%s", brought[i].name);

    g_test_add_data_func (path, &brought[i], test_a_domain_that_is_brought);
  }
  g_test_add_func ("/session/completed", test_a_device_that_is_completed_is_the_turn_of_its_domain);
  g_test_add_func ("/session/too-large", test_a_device_that_becomes_too_large_is_refused);
  g_test_add_func ("/session/others", test_other_frames_pass_as_they_are);
  g_test_add_func ("/session/bytes", test_what_is_not_changed_has_the_bytes_in_which_it_came);
  g_test_add_func ("/session/descriptors", test_a_call_with_file_descriptors_is_refused);
  g_test_add_func ("/session/waited", test_who_has_waited_does_not_count);
  g_test_add_func ("/session/definition", test_what_is_attached_to_a_definition_is_not_judged_again);
  g_test_add_func ("/session/shown", test_a_domain_is_shown_as_its_user_wrote_it);
  g_test_add_func ("/session/journal", test_what_there_is_to_say_is_in_the_journal);
  g_test_add_func ("/session/no-journal", test_without_a_journal_some_of_it_is_on_standard_error);
  g_test_add_func ("/session/undone/end", test_the_end_of_a_connection_ends_the_detaching);
  g_test_add_func ("/session/gone", test_a_guest_that_has_gone_has_no_device_to_judge);
  g_test_add_func ("/session/vfio-only", test_only_vfio_devices_are_judged_again);
  g_test_add_func ("/session/daemon-dies", test_a_daemon_that_dies_in_our_question_ends_the_wait);
  g_test_add_func ("/session/end", test_the_end_of_a_connection_ends_all_waiting);
  status = g_test_run ();
  vsmmu_policy_free (enforcing);
  vsmmu_policy_free (warning);
  vsmmu_policy_free (impatient);
  g_string_free (said.journal, TRUE);
  g_string_free (said.printed, TRUE);
  return status;
}
