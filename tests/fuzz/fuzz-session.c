/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A session between a client that changes devices and a daemon that answers in any way or not at all: no reply to a
 * call of the session's own reaches the client, no call goes on while another changes a device of its domain, and
 * nothing waits for ever.
 *
 * The first byte of an input is the number of calls; then come the calls, then how the daemon answers.
 */
#include <libvirt/virterror.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fibers.h"
#include "host/host.h"
#include "probe/target.h"
#include "rpc/error.h"
#include "rpc/libvirt.h"
#include "rpc/session.h"
#include "stop.h"
#include "vsmmu/vsmmu.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define FIRST_SERIAL 0xf0000000u
#define CALL_BYTES 3
#define CALLS_MAX 12
#define DOMAINS 2
#define GET_VERSION 4
#define GET_XML 14
#define GET_LIB_VERSION 157

static VsmmuPolicy *policy;

/* The host of all sessions: reading /sys for each attached device takes longer than all else. */
static const char facts[] =
    "{\"version\":1,\"smmus\":[{\"name\":\"smmu3.0x0000000000000001\",\"capabilities\":{"
    "\"nesting\":{\"value\":true,\"source\":\"given\"},\"canwbs\":{\"value\":true,\"source\":\"given\"}}}],"
    "\"groups\":[{\"number\":0,\"regions\":[]}],"
    "\"devices\":[{\"address\":\"0000:01:00.0\",\"smmu\":\"smmu3.0x0000000000000001\",\"group\":0}]}";

VsmmuHost *__wrap_vsmmu_host_probe (const char *sysroot, VsmmuHostProbeFlags flags, GError **error);

/* In the place of the library's, by the linker. */
VsmmuHost *
__wrap_vsmmu_host_probe (const char *sysroot G_GNUC_UNUSED, VsmmuHostProbeFlags flags G_GNUC_UNUSED, GError **error)
{
  return vsmmu_host_new_from_data (facts, strlen (facts), "facts.json", error);
}

void __wrap_vsmmu_target_refine (VsmmuTarget *target);

/* No emulator is started. */
void
__wrap_vsmmu_target_refine (VsmmuTarget *target G_GNUC_UNUSED)
{
}

static const gint32 procedures[] = { 8, 160, 13, 161, 174, 392, 11, GET_XML, 60 };
#define N_CHANGES 6

#define PORTS                                                                                                          \
  "<controller type='pci' index='0' model='pcie-root'/>"                                                               \
  "<controller type='pci' index='1' model='pcie-expander-bus'/>"                                                       \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>"
#define VSMMU "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
#define RNG "<rng model='virtio'><address type='pci' bus='2'/><alias name='ua-rng'/></rng>"
#define HOSTDEV "<hostdev mode='subsystem' type='pci'><source><address bus='1'/></source></hostdev>"

static const char *const devices[] = { RNG, HOSTDEV, VSMMU, "ua-rng", "<rng", "<banana/>" };
static const char *const domains[] = {
  "<domain type='kvm' id='1'><devices>" PORTS VSMMU RNG "</devices></domain>",
  "<domain type='kvm' id='1'><devices>" PORTS VSMMU HOSTDEV "</devices></domain>",
  "<domain type='kvm'><devices>" PORTS "</devices></domain>",
  "<domain",
};

typedef struct {
  const uint8_t *answers;
  gsize n_answers;
  gsize n_answered;
  int fd;
  gboolean is_changing[DOMAINS];
} Daemon;

/* What a session has to say would fill the log. */
static void
ignore (const char *text G_GNUC_UNUSED)
{
}

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  signal (SIGPIPE, SIG_IGN);
  g_setenv ("VIRT_VSMMU_CONF", "/nonexistent", TRUE);
  policy = vsmmu_policy_load (FALSE, NULL);
  g_set_printerr_handler (ignore);
  return policy == NULL;
}

static void
send_frame (int fd, const VsmmuFrameHeader *header, xdrproc_t codec, gpointer payload)
{
  g_autoptr (GBytes) frame = vsmmu_frame_encode (header, codec, payload, NULL);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  send (fd, bytes, size, MSG_NOSIGNAL);
}

/* %FALSE at the end */
static gboolean
read_bytes (int fd, guint8 *bytes, gsize size)
{
  while (size > 0) {
    gssize n;

    poll (&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1);
    n = recv (fd, bytes, size, MSG_DONTWAIT);
    if (n <= 0)
      return FALSE;
    bytes += n;
    size -= (gsize) n;
  }
  return TRUE;
}

/* (transfer full) (nullable): the next frame; %NULL at the end */
static GBytes *
read_frame (int fd, VsmmuFrameHeader *header)
{
  guint8 bytes[VSMMU_FRAME_HEADER_BYTES];
  g_autofree guint8 *whole = NULL;

  if (!read_bytes (fd, bytes, sizeof (bytes)))
    return NULL;
  vsmmu_frame_header_read (bytes, header);
  whole = g_malloc (header->length);
  memcpy (whole, bytes, sizeof (bytes));
  if (!read_bytes (fd, whole + sizeof (bytes), header->length - sizeof (bytes)))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&whole), header->length);
}

static gboolean
is_change (gint32 procedure)
{
  for (guint i = 0; i < N_CHANGES; i++)
    if (procedures[i] == procedure)
      return TRUE;
  return FALSE;
}

/* Which domain a call of the client changes. */
static guint
domain_of (GBytes *frame, gint32 procedure)
{
  rpc_domain_xml_flags with = { 0 };
  rpc_domain_xml without = { 0 };
  gboolean has_flags = procedure != 8 && procedure != 13;
  xdrproc_t codec = has_flags ? (xdrproc_t) xdr_rpc_domain_xml_flags : (xdrproc_t) xdr_rpc_domain_xml;
  gpointer payload = has_flags ? (gpointer) &with : &without;
  guint domain;

  if (!vsmmu_frame_decode (frame, codec, payload, NULL))
    g_error ("a call came out spoiled");
  domain = (guint8) (has_flags ? with.domain.uuid[0] : without.domain.uuid[0]);
  xdr_free (codec, payload);
  return domain % DOMAINS;
}

static void
answer_well (const Daemon *daemon, const VsmmuFrameHeader *reply, guint8 which)
{
  rpc_xml xml = { (char *) domains[which % G_N_ELEMENTS (domains)] };
  rpc_version version = { reply->procedure == GET_VERSION ? 11001003 : (which & 1) != 0 ? 12008000 : 11003000 };

  if (reply->procedure == GET_XML)
    send_frame (daemon->fd, reply, (xdrproc_t) xdr_rpc_xml, &xml);
  else if (reply->procedure == GET_VERSION || reply->procedure == GET_LIB_VERSION)
    send_frame (daemon->fd, reply, (xdrproc_t) xdr_rpc_version, &version);
  else
    send_frame (daemon->fd, reply, (xdrproc_t) xdr_void, NULL);
}

static void
answer (Daemon *daemon, const VsmmuFrameHeader *call)
{
  guint8 how = daemon->n_answered < daemon->n_answers ? daemon->answers[daemon->n_answered++] : 0;
  VsmmuFrameHeader reply = *call;
  g_autoptr (GBytes) error =
      vsmmu_rpc_error_reply (call, VIR_FROM_QEMU, (how & 8) != 0 ? VIR_ERR_NO_DOMAIN : VIR_ERR_INTERNAL_ERROR, "no");

  reply.type = VSMMU_FRAME_REPLY;
  switch (how % 8) {
  case 4:
    send (daemon->fd, g_bytes_get_data (error, NULL), g_bytes_get_size (error), MSG_NOSIGNAL);
    break;
  case 5:
    reply.status = how / 8 % 3;
    send_frame (daemon->fd, &reply, (xdrproc_t) xdr_int, &(int){ how });
    break;
  case 6: /* nothing */
    break;
  case 7: /* too late, or twice, or never asked for */
    if ((how & 16) != 0)
      fibers_await_silence ();
    answer_well (daemon, &reply, how / 8);
    reply.serial = FIRST_SERIAL + how / 32;
    answer_well (daemon, &reply, how / 8);
    break;
  default:
    answer_well (daemon, &reply, how / 8);
  }
}

static gpointer
serve (gpointer data)
{
  Daemon *daemon = data;
  VsmmuFrameHeader header;

  for (GBytes *frame; (frame = read_frame (daemon->fd, &header)) != NULL; g_bytes_unref (frame)) {
    gboolean is_clients = is_change (header.procedure) && header.serial < FIRST_SERIAL;
    guint domain = is_clients ? domain_of (frame, header.procedure) : 0;
    guint8 next = daemon->n_answered < daemon->n_answers ? daemon->answers[daemon->n_answered] : 0;

    if (is_clients && daemon->is_changing[domain])
      g_error ("two calls change devices of one domain");
    if (is_clients)
      daemon->is_changing[domain] = next % 8 == 6;
    answer (daemon, &header);
  }
  close (daemon->fd);
  return NULL;
}

static gint32
send_call (int fd, const uint8_t *command, guint32 serial)
{
  gint32 procedure = procedures[command[0] % G_N_ELEMENTS (procedures)];
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, procedure, VSMMU_FRAME_CALL, serial, 0 };
  char *xml = (char *) devices[command[1] % G_N_ELEMENTS (devices)];
  rpc_domain_xml_flags change = { { (char *) "guest", { (char) (command[2] % DOMAINS) }, -1 },
                                  xml,
                                  command[2] / 16 % 4 };
  rpc_domain_xml short_change = { change.domain, xml };
  rpc_xml definition = { (char *) domains[command[1] % G_N_ELEMENTS (domains)] };
  rpc_domain_flags asked = { change.domain, 0 };

  if (procedure == 8 || procedure == 13)
    send_frame (fd, &header, (xdrproc_t) xdr_rpc_domain_xml, &short_change);
  else if (is_change (procedure))
    send_frame (fd, &header, (xdrproc_t) xdr_rpc_domain_xml_flags, &change);
  else if (procedure == 11)
    send_frame (fd, &header, (xdrproc_t) xdr_rpc_xml, &definition);
  else if (procedure == GET_XML)
    send_frame (fd, &header, (xdrproc_t) xdr_rpc_domain_flags, &asked);
  else
    send_frame (fd, &header, (xdrproc_t) xdr_void, NULL);
  return procedure;
}

/* Says all calls, and looks at what comes back; which serials were used is in @calls. */
static void
converse (int fd, const uint8_t *data, guint n_calls)
{
  guint32 serials[CALLS_MAX];
  VsmmuFrameHeader header;

  for (guint i = 0; i < n_calls; i++) {
    const uint8_t *command = data + i * CALL_BYTES;

    serials[i] = command[0] / G_N_ELEMENTS (procedures) == 20 ? FIRST_SERIAL + i : i + 1;
    send_call (fd, command, serials[i]);
  }
  shutdown (fd, SHUT_WR);
  for (GBytes *frame; (frame = read_frame (fd, &header)) != NULL; g_bytes_unref (frame)) {
    gboolean is_known = FALSE;

    for (guint i = 0; i < n_calls; i++)
      is_known = is_known || serials[i] == header.serial;
    if (!is_known || (header.serial >= FIRST_SERIAL && header.status != VSMMU_FRAME_ERROR))
      g_error ("a reply came to a call that was not the client's");
  }
}

typedef struct {
  VsmmuSession *session;
  int client;
  int daemon;
} Middle;

static gpointer
relay (gpointer data)
{
  const Middle *middle = data;

  vsmmu_relay_run (middle->client, middle->client, middle->daemon, -1, &vsmmu_session_filter, middle->session, NULL);
  close (middle->client);
  close (middle->daemon);
  return NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint n_calls = size > 0 ? MIN (data[0] % (CALLS_MAX + 1), (guint) (size - 1) / CALL_BYTES) : 0;
  gsize n_used = 1 + (gsize) n_calls * CALL_BYTES;
  int client[2];
  int daemon_fds[2];
  Daemon daemon = { 0 };
  Middle middle;
  GThread *threads[2];

  if (n_calls == 0 || socketpair (AF_UNIX, SOCK_STREAM, 0, client) != 0 ||
      socketpair (AF_UNIX, SOCK_STREAM, 0, daemon_fds) != 0)
    return 0;
  middle = (Middle){ vsmmu_session_new (policy, "unix:path=/nonexistent"), client[1], daemon_fds[1] };
  daemon = (Daemon){ .answers = data + n_used, .n_answers = size - n_used, .fd = daemon_fds[0] };
  threads[0] = g_thread_new ("relay", relay, &middle);
  threads[1] = g_thread_new ("daemon", serve, &daemon);
  converse (client[0], data + 1, n_calls);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  close (client[0]);
  vsmmu_session_free (middle.session);
  return 0;
}
