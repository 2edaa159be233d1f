/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The relay between two peers that say anything, in pieces of any size: what
 * comes out is what went in, frame by frame, whatever its filter holds back.
 *
 * The first byte of an input says whether there is a filter; then come commands,
 * whose lowest bit is the direction. With the top bit, a command and the six bytes
 * after it are a frame with a proper header; without, bytes follow that are said
 * as they are.
 */
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/relay.h"
#include "stop.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* What sockets take with nobody reading. */
#define BYTES_MAX 65536
#define PIECES_MAX 100
#define FRAME_COMMAND_BYTES 7

/* Who says what goes in one direction. */
typedef struct {
  int fd; /* a socket that keeps pieces apart */
  GByteArray *said;
  guint n_pieces;
} Peer;

typedef struct {
  const guint8 *bytes;
  gsize size;
  gboolean is_held;
  gboolean is_seen;
} Frame;

static gboolean
is_held (const VsmmuFrameHeader *header)
{
  return header->procedure % 2 == 1;
}

static void
start (gpointer self G_GNUC_UNUSED, VsmmuRelay *relay G_GNUC_UNUSED)
{
}

static gboolean
wants (gpointer self G_GNUC_UNUSED, VsmmuDirection direction G_GNUC_UNUSED, const VsmmuFrameHeader *header)
{
  return is_held (header);
}

static void
handle (gpointer self G_GNUC_UNUSED, VsmmuDirection direction, GBytes *frame, VsmmuRelayAnswer *answer)
{
  *(direction == VSMMU_TO_DAEMON ? &answer->to_daemon : &answer->to_client) = g_bytes_ref (frame);
}

static void
end (gpointer self G_GNUC_UNUSED)
{
}

static const VsmmuRelayFilter filter = { start, wants, handle, end };

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  signal (SIGPIPE, SIG_IGN);
  return 0;
}

static void
say (Peer *peer, const guint8 *bytes, gsize size)
{
  if (size == 0 || peer->said->len + size > BYTES_MAX || peer->n_pieces == PIECES_MAX ||
      send (peer->fd, bytes, size, MSG_DONTWAIT) != (gssize) size)
    return;
  peer->n_pieces++;
  g_byte_array_append (peer->said, bytes, (guint) size);
}

/* A frame in two pieces. */
static void
say_frame (Peer *peer, const guint8 *command)
{
  gsize payload = ((gsize) command[1] << 8 | command[2]) % 2000;
  VsmmuFrameHeader header = { .length = (guint32) (VSMMU_FRAME_HEADER_BYTES + payload),
                              .program = VSMMU_PROGRAM_REMOTE,
                              .version = 1,
                              .procedure = command[3],
                              .type = command[4] % 8,
                              .serial = command[5] };
  g_autofree guint8 *bytes = g_malloc (header.length);
  gsize first = command[6] * 8u % header.length;

  vsmmu_frame_header_write (&header, bytes);
  memset (bytes + VSMMU_FRAME_HEADER_BYTES, command[5], payload);
  say (peer, bytes, first);
  say (peer, bytes + first, header.length - first);
}

static void
say_all (Peer *peers, const guint8 *data, gsize size)
{
  while (size > 0) {
    Peer *peer = &peers[data[0] & 1];
    gsize n;

    if ((data[0] & 0x80) != 0 && size >= FRAME_COMMAND_BYTES) {
      n = FRAME_COMMAND_BYTES;
      say_frame (peer, data);
    } else {
      n = MIN (size, 1 + (gsize) (data[0] & 0x7f) / 2);
      say (peer, data + 1, n - 1);
    }
    data += n;
    size -= n;
  }
}

/* Bytes of the frame that starts here; 0 when it is none, or not whole. */
static gsize
frame_size (const guint8 *bytes, gsize size, VsmmuFrameHeader *header)
{
  guint n_descriptors = 0;

  if (size < VSMMU_FRAME_HEADER_BYTES)
    return 0;
  vsmmu_frame_header_read (bytes, header);
  if (!vsmmu_frame_header_check (header, NULL) ||
      (vsmmu_frame_has_descriptors (header) &&
       (size < VSMMU_FRAME_PREFIX_BYTES || !vsmmu_frame_read_descriptors (bytes, header, &n_descriptors, NULL))))
    return 0;
  return header->length + n_descriptors <= size ? header->length + n_descriptors : 0;
}

/* Frames in @bytes; @tail gets the offset of what comes after them. */
static GArray *
split (const GByteArray *bytes, gsize *tail)
{
  GArray *frames = g_array_new (FALSE, FALSE, sizeof (Frame));
  gsize at = 0;
  VsmmuFrameHeader header;
  gsize size;

  while ((size = frame_size (bytes->data + at, bytes->len - at, &header)) > 0) {
    Frame frame = { bytes->data + at, size, is_held (&header), FALSE };

    g_array_append_val (frames, frame);
    at += size;
  }
  *tail = at;
  return frames;
}

static gboolean
is_same (const Frame *one, const Frame *other)
{
  return one->size == other->size && memcmp (one->bytes, other->bytes, one->size) == 0;
}

/* The first of @frames that @frame may be. */
static Frame *
find (GArray *frames, const Frame *frame)
{
  for (guint i = 0; i < frames->len; i++) {
    Frame *candidate = &g_array_index (frames, Frame, i);

    if (candidate->is_seen || candidate->is_held != frame->is_held)
      continue;
    if (is_same (candidate, frame))
      return candidate;
    if (!frame->is_held)
      return NULL;
  }
  return NULL;
}

/* Whether @heard is what @said comes to; all of it when @is_all. */
static void
compare (const GByteArray *said, const GByteArray *heard, gboolean is_filtered, gboolean is_all, gboolean is_held_kept)
{
  gsize said_tail;
  gsize heard_tail;
  g_autoptr (GArray) in = split (said, &said_tail);
  g_autoptr (GArray) out = split (heard, &heard_tail);
  gsize n_tail = heard->len - heard_tail;

  if (!is_filtered && (heard->len > said->len || memcmp (said->data, heard->data, heard->len) != 0))
    g_error ("bytes came out that are not those that went in");
  for (guint i = 0; i < out->len; i++) {
    Frame *frame = find (in, &g_array_index (out, Frame, i));

    if (frame == NULL)
      g_error ("frame %u came out of nowhere, or of order", i);
    frame->is_seen = TRUE;
  }
  for (guint i = 0; i < in->len && is_all; i++) {
    const Frame *frame = &g_array_index (in, Frame, i);

    if (!frame->is_seen && (!is_filtered || !frame->is_held || is_held_kept))
      g_error ("frame %u went in and did not come out", i);
  }
  if (is_all && n_tail > 0 &&
      (n_tail > said->len - said_tail || memcmp (said->data + said_tail, heard->data + heard_tail, n_tail) != 0))
    g_error ("the tail is another");
}

/* What there is to read at @fd. */
static GByteArray *
hear (int fd)
{
  static guint8 bytes[2 * BYTES_MAX];
  GByteArray *heard = g_byte_array_sized_new (1);
  gssize n;

  while ((n = recv (fd, bytes, sizeof (bytes), MSG_DONTWAIT)) > 0)
    g_byte_array_append (heard, bytes, (guint) n);
  return heard;
}

static void
make_pair (int type, int *one, int *other)
{
  int fds[2];

  if (socketpair (AF_UNIX, type, 0, fds) != 0)
    g_error ("no sockets");
  *one = fds[0];
  *other = fds[1];
}

/* Both peers have said all; only the client closes its side, or the daemon might cut it short. */
static void
run (Peer *peers, int client_out, int heard_by_client, int daemon, int client_in, gboolean is_filtered)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) to_daemon = NULL;
  g_autoptr (GByteArray) to_client = NULL;

  shutdown (peers[VSMMU_TO_DAEMON].fd, SHUT_WR);
  vsmmu_relay_run (client_in, client_out, daemon, 0, is_filtered ? &filter : NULL, NULL, &error);
  to_daemon = hear (peers[VSMMU_TO_CLIENT].fd);
  to_client = hear (heard_by_client);
  compare (peers[VSMMU_TO_DAEMON].said, to_daemon, is_filtered, error == NULL, TRUE);
  /* Nobody waits for what is held back on its way to a client that has closed its side. */
  compare (peers[VSMMU_TO_CLIENT].said, to_client, is_filtered, error == NULL, FALSE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Peer peers[2];
  int fds[6];

  if (size == 0)
    return 0;
  make_pair (SOCK_SEQPACKET, &fds[0], &fds[1]);
  make_pair (SOCK_STREAM, &fds[2], &fds[3]);
  make_pair (SOCK_SEQPACKET, &fds[4], &fds[5]);
  for (guint i = 0; i < 2; i++)
    peers[i] = (Peer){ .fd = fds[i * 4], .said = g_byte_array_sized_new (1) };
  say_all (peers, data + 1, size - 1);
  run (peers, fds[2], fds[3], fds[5], fds[1], data[0] % 2 == 1);
  for (guint i = 0; i < 2; i++)
    g_byte_array_unref (peers[i].said);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
  return 0;
}
