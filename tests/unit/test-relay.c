/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/relay.h"
#include "vsmmu/error.h"

#define SECONDS_MAX 10
#define QUIET_MILLISECONDS 50

/* Procedures by which the filter of these tests tells what is to become of a frame. */
enum {
  PASS = 1,  /* not held back */
  HOLD,      /* held back and passed on */
  REFUSE,    /* held back and answered */
  DROP,      /* held back, and that is all */
  WAIT,      /* held back until the gate opens */
  ASK,       /* held back until the daemon has answered a call of ours */
  ANSWER,    /* what it answers with; held back */
  BOTH_WAYS, /* held back, passed on and answered */
};

/* A client and a daemon with the relay between them, and what its filter has seen. */
typedef struct {
  int client; /* the tests' ends; -1 when closed */
  int daemon;
  int relay_client;
  int relay_out; /* where the relay writes what is for the client */
  int relay_daemon;
  int quit_after;
  const VsmmuRelayFilter *filter;
  GThread *thread;
  GError *error;
  GMutex mutex; /* of what follows */
  GCond cond;
  VsmmuRelay *relay;
  gboolean is_open; /* the gate */
  gboolean has_answer;
  gboolean has_ended;
  int n_waiting;
} Bed;

/* GLib's, but for this program it may fail. */
static gboolean has_no_threads; /* atomic */

GThread *
g_thread_try_new (const char *name, GThreadFunc func, gpointer data, GError **error)
{
  if (!g_atomic_int_get (&has_no_threads))
    return g_thread_new (name, func, data);
  g_set_error_literal (error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN, "no more threads");
  return NULL;
}

static gboolean
wants (gpointer self G_GNUC_UNUSED, VsmmuDirection direction G_GNUC_UNUSED, const VsmmuFrameHeader *header)
{
  return header->procedure > PASS;
}

static GBytes *
frame_new (gint32 procedure, guint32 type, guint32 serial, gsize payload)
{
  VsmmuFrameHeader header = {
    (guint32) (VSMMU_FRAME_HEADER_BYTES + payload), 0x20008086, 1, procedure, type, serial, 0
  };
  guint8 *bytes = g_malloc (header.length);

  vsmmu_frame_header_write (&header, bytes);
  for (gsize i = VSMMU_FRAME_HEADER_BYTES; i < header.length; i++)
    bytes[i] = (guint8) (i * 7 + serial);
  return g_bytes_new_take (bytes, header.length);
}

static void
wait_until (Bed *bed, const gboolean *flag)
{
  gint64 end = g_get_monotonic_time () + SECONDS_MAX * G_TIME_SPAN_SECOND;

  bed->n_waiting++;
  g_cond_broadcast (&bed->cond);
  while (!*flag && !bed->has_ended)
    g_assert_true (g_cond_wait_until (&bed->cond, &bed->mutex, end));
  bed->n_waiting--;
}

static void
handle (gpointer self, VsmmuDirection direction, GBytes *frame, VsmmuRelayAnswer *answer)
{
  Bed *bed = self;
  VsmmuFrameHeader header;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&bed->mutex);
  g_autoptr (GBytes) question = NULL;

  vsmmu_frame_header_read (g_bytes_get_data (frame, NULL), &header);
  if (header.procedure == WAIT)
    wait_until (bed, &bed->is_open);
  if (header.procedure == ASK) {
    question = frame_new (PASS, VSMMU_FRAME_CALL, 1000, 8);
    vsmmu_relay_send (bed->relay, VSMMU_TO_DAEMON, question);
    wait_until (bed, &bed->has_answer);
  }
  if (header.procedure == ANSWER) {
    bed->has_answer = TRUE;
    g_cond_broadcast (&bed->cond);
  } else if (header.procedure == REFUSE || header.procedure == BOTH_WAYS) {
    answer->to_client = frame_new (PASS, VSMMU_FRAME_REPLY, header.serial, 4);
  }
  if (header.procedure == HOLD || header.procedure == WAIT || header.procedure == ASK || header.procedure == BOTH_WAYS)
    *(direction == VSMMU_TO_DAEMON ? &answer->to_daemon : &answer->to_client) = g_bytes_ref (frame);
}

static void
start (gpointer self, VsmmuRelay *relay)
{
  Bed *bed = self;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&bed->mutex);

  g_assert_null (bed->relay);
  bed->relay = relay;
}

static void
end (gpointer self)
{
  Bed *bed = self;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&bed->mutex);

  g_assert_false (bed->has_ended);
  bed->has_ended = TRUE;
  g_cond_broadcast (&bed->cond);
}

static const VsmmuRelayFilter filter = { start, wants, handle, end };

static gpointer
run (gpointer data)
{
  Bed *bed = data;
  gboolean is_done = vsmmu_relay_run (bed->relay_client, bed->relay_out, bed->relay_daemon, bed->quit_after,
                                      bed->filter, bed, &bed->error);

  g_assert_true (is_done == (bed->error == NULL));
  if (bed->relay_out != bed->relay_client)
    close (bed->relay_out);
  close (bed->relay_client);
  close (bed->relay_daemon);
  return NULL;
}

/*
 * @type is that of the client's socket: SOCK_SEQPACKET keeps apart what is written at once.
 * @out: where what is for the client goes; -1 for that socket too
 */
static void
bed_init (Bed *bed, int type, int out, const VsmmuRelayFilter *with, int quit_after)
{
  const struct timeval patience = { .tv_sec = SECONDS_MAX };
  int client[2];
  int daemon[2];

  g_assert_cmpint (socketpair (AF_UNIX, type, 0, client), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, daemon), ==, 0);
  *bed = (Bed){ client[0], daemon[0], client[1], out >= 0 ? out : client[1], daemon[1], quit_after, with };
  g_mutex_init (&bed->mutex);
  g_cond_init (&bed->cond);
  for (guint i = 0; i < 2; i++) {
    int fd = i == 0 ? bed->client : bed->daemon;

    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof (patience));
    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof (patience));
  }
}

static void
bed_start_apart (Bed *bed, int type, int out, const VsmmuRelayFilter *with, int quit_after)
{
  bed_init (bed, type, out, with, quit_after);
  bed->thread = g_thread_new ("relay", run, bed);
}

static void
bed_start_with (Bed *bed, int type, const VsmmuRelayFilter *with, int quit_after)
{
  bed_start_apart (bed, type, -1, with, quit_after);
}

static void
bed_start (Bed *bed)
{
  bed_start_with (bed, SOCK_STREAM, &filter, -1);
}

#define NO_ERROR -1

static void
bed_clear (Bed *bed)
{
  if (bed->client >= 0)
    close (bed->client);
  if (bed->daemon >= 0)
    close (bed->daemon);
  g_mutex_clear (&bed->mutex);
  g_cond_clear (&bed->cond);
  g_clear_error (&bed->error);
}

/* Waits for the end of the relay, which comes with the error @code. */
static void
bed_end (Bed *bed, int code)
{
  g_thread_join (bed->thread);
  g_assert_true (bed->has_ended == (bed->filter != NULL));
  if (code == NO_ERROR)
    g_assert_no_error (bed->error);
  else
    g_assert_error (bed->error, VSMMU_ERROR, code);
  bed_clear (bed);
}

static void
hang_up (int *fd)
{
  close (*fd);
  *fd = -1;
}

static void
set_flag (Bed *bed, gboolean *flag)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&bed->mutex);

  *flag = TRUE;
  g_cond_broadcast (&bed->cond);
}

/* Waits for a number that a worker counts up to, or for a flag. */
static void
wait_for (Bed *bed, const int *number, int n)
{
  gint64 end = g_get_monotonic_time () + SECONDS_MAX * G_TIME_SPAN_SECOND;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&bed->mutex);

  while (*number < n)
    g_assert_true (g_cond_wait_until (&bed->cond, &bed->mutex, end));
}

static void
wait_for_workers (Bed *bed, int n)
{
  wait_for (bed, &bed->n_waiting, n);
}

static void
put (int fd, GBytes *frame)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  for (gsize n = 0; n < size;) {
    gssize written = write (fd, bytes + n, size - n);

    g_assert_cmpint (written, >, 0);
    n += (gsize) written;
  }
}

static void
say (int fd, gint32 procedure, guint32 type, guint32 serial, gsize payload)
{
  g_autoptr (GBytes) frame = frame_new (procedure, type, serial, payload);

  put (fd, frame);
}

static void
expect_bytes (int fd, GBytes *expected)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (expected, &size);
  g_autofree guint8 *seen = g_malloc (size);

  for (gsize n = 0; n < size;) {
    gssize n_read = read (fd, seen + n, size - n);

    g_assert_cmpint (n_read, >, 0);
    n += (gsize) n_read;
  }
  g_assert_cmpmem (seen, size, bytes, size);
}

static void
expect (int fd, gint32 procedure, guint32 type, guint32 serial, gsize payload)
{
  g_autoptr (GBytes) frame = frame_new (procedure, type, serial, payload);

  expect_bytes (fd, frame);
}

static void
expect_end (int fd)
{
  guint8 byte;
  gssize n = read (fd, &byte, 1);

  g_assert_true (n == 0 || (n < 0 && errno == ECONNRESET));
}

static void
expect_silence (int fd)
{
  struct pollfd input = { .fd = fd, .events = POLLIN };

  g_assert_cmpint (poll (&input, 1, QUIET_MILLISECONDS), ==, 0);
}

/* Whatever the relay could have seen before, it has seen then: one poll may be under way, and what came of it. */
static void
make_rounds (Bed *bed)
{
  for (guint i = 0; i < 3; i++) {
    say (bed->daemon, PASS, VSMMU_FRAME_MESSAGE, i, 10);
    expect (bed->client, PASS, VSMMU_FRAME_MESSAGE, i, 10);
  }
}

/* Frames for the test of splits, one after the other. */
typedef struct {
  int fd;
  gsize piece;
  GByteArray *bytes;
} Pieces;

static gpointer
write_pieces (gpointer data)
{
  const Pieces *pieces = data;

  for (gsize n = 0; n < pieces->bytes->len; n += pieces->piece) {
    gssize size = (gssize) MIN (pieces->piece, pieces->bytes->len - n);

    g_assert_cmpint (write (pieces->fd, pieces->bytes->data + n, (gsize) size), ==, size);
  }
  return NULL;
}

static void
test_frames_pass_as_they_are_however_they_are_split (void)
{
  static const gsize payloads[] = { 0, 1, 4, 100, 3000 };

  for (gsize piece = 1; piece < 100; piece += piece < 40 ? 1 : 8) {
    Bed bed;
    Pieces pieces = { .piece = piece, .bytes = g_byte_array_new () };
    GThread *writer;

    for (guint i = 0; i < G_N_ELEMENTS (payloads); i++) {
      g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_MESSAGE, i, payloads[i]);

      g_byte_array_append (pieces.bytes, g_bytes_get_data (frame, NULL), (guint) g_bytes_get_size (frame));
    }
    bed_start_with (&bed, SOCK_SEQPACKET, NULL, -1);
    pieces.fd = bed.client;
    writer = g_thread_new ("writer", write_pieces, &pieces);
    for (guint i = 0; i < G_N_ELEMENTS (payloads); i++)
      expect (bed.daemon, PASS, VSMMU_FRAME_MESSAGE, i, payloads[i]);
    g_thread_join (writer);
    hang_up (&bed.client);
    expect_end (bed.daemon);
    bed_end (&bed, NO_ERROR);
    g_byte_array_unref (pieces.bytes);
  }
}

static void
test_a_frame_passes_before_all_of_it_has_come (void)
{
  g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_CALL, 1, 1000);
  g_autoptr (GBytes) first = g_bytes_new_from_bytes (frame, 0, 500);
  g_autoptr (GBytes) rest = g_bytes_new_from_bytes (frame, 500, 528);
  Bed bed;

  bed_start (&bed);
  put (bed.client, first);
  expect_bytes (bed.daemon, first);
  put (bed.client, rest);
  expect_bytes (bed.daemon, rest);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_frames_go_on_while_one_is_held_back (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, WAIT, VSMMU_FRAME_CALL, 1, 100);
  wait_for_workers (&bed, 1);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 2, 100);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 2, 100);
  say (bed.daemon, PASS, VSMMU_FRAME_REPLY, 2, 100);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 2, 100);
  set_flag (&bed, &bed.is_open);
  expect (bed.daemon, WAIT, VSMMU_FRAME_CALL, 1, 100);
  say (bed.daemon, HOLD, VSMMU_FRAME_REPLY, 1, 70000);
  expect (bed.client, HOLD, VSMMU_FRAME_REPLY, 1, 70000);
  hang_up (&bed.client);
  expect_end (bed.daemon);
  bed_end (&bed, NO_ERROR);
}

/* @split: after how many bytes of it */
static void
answer_within_a_frame (gsize split)
{
  g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_MESSAGE, 1, 1000);
  g_autoptr (GBytes) first = g_bytes_new_from_bytes (frame, 0, split);
  g_autoptr (GBytes) rest = g_bytes_new_from_bytes (frame, split, g_bytes_get_size (frame) - split);
  Bed bed;

  bed_start (&bed);
  put (bed.daemon, first);
  expect_bytes (bed.client, first);
  say (bed.client, REFUSE, VSMMU_FRAME_CALL, 2, 100);
  expect_silence (bed.client);
  put (bed.daemon, rest);
  expect_bytes (bed.client, rest);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 2, 4);
  expect_silence (bed.daemon);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_an_answer_does_not_come_into_the_middle_of_a_frame (void)
{
  answer_within_a_frame (500);
  /* One byte is left. */
  answer_within_a_frame (VSMMU_FRAME_HEADER_BYTES + 1000 - 1);
}

#define STREAM_FRAMES 10
#define STREAM_PAYLOAD 200000 /* never ends where a buffer does */

static gpointer
write_stream (gpointer data)
{
  const Bed *bed = data;

  for (guint i = 0; i < STREAM_FRAMES; i++)
    say (bed->daemon, PASS, VSMMU_FRAME_STREAM, i, STREAM_PAYLOAD);
  return NULL;
}

static void
test_a_stream_of_frames_leaves_room_for_an_answer (void)
{
  g_autofree guint8 *bytes = g_malloc (STREAM_PAYLOAD);
  g_autoptr (GBytes) reply = frame_new (PASS, VSMMU_FRAME_REPLY, 7, 4);
  VsmmuFrameHeader header = { 0 };
  GThread *writer;
  guint answer = 0;
  Bed bed;

  bed_start (&bed);
  writer = g_thread_new ("writer", write_stream, &bed);
  g_assert_cmpint (recv (bed.client, bytes, 1, MSG_PEEK), ==, 1);
  vsmmu_relay_send (bed.relay, VSMMU_TO_CLIENT, reply);
  /* When that is through, the relay has the other, too. */
  say (bed.client, PASS, VSMMU_FRAME_CALL, 8, 0);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 8, 0);
  for (guint i = 0; i <= STREAM_FRAMES; i++) {
    g_assert_cmpint (recv (bed.client, bytes, VSMMU_FRAME_HEADER_BYTES, MSG_WAITALL), ==, VSMMU_FRAME_HEADER_BYTES);
    vsmmu_frame_header_read (bytes, &header);
    recv (bed.client, bytes, header.length - VSMMU_FRAME_HEADER_BYTES, MSG_WAITALL);
    if (header.type == VSMMU_FRAME_REPLY)
      answer = i;
    else
      g_assert_cmpuint (header.serial, ==, answer > 0 ? i - 1 : i);
  }
  g_assert_cmpuint (answer, >, 0);
  /* The one that was passing ends first, and what the socket and the buffer had before it. */
  g_assert_cmpuint (answer, <=, 3);
  g_thread_join (writer);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_what_is_dropped_or_answered_twice_says_so (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, DROP, VSMMU_FRAME_CALL, 1, 10);
  say (bed.client, BOTH_WAYS, VSMMU_FRAME_CALL, 2, 10);
  expect (bed.daemon, BOTH_WAYS, VSMMU_FRAME_CALL, 2, 10);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 2, 4);
  expect_silence (bed.daemon);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_a_worker_can_ask_the_daemon_on_the_same_connection (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, ASK, VSMMU_FRAME_CALL, 1, 10);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1000, 8);
  say (bed.daemon, ANSWER, VSMMU_FRAME_REPLY, 1000, 8);
  expect (bed.daemon, ASK, VSMMU_FRAME_CALL, 1, 10);
  say (bed.daemon, PASS, VSMMU_FRAME_REPLY, 1, 0);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 1, 0);
  hang_up (&bed.daemon);
  expect_end (bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_so_many_frames_are_held_back_and_no_more (void)
{
  const guint most = 64;
  Bed bed;

  bed_start (&bed);
  for (guint i = 0; i < most + 10; i++)
    say (bed.client, WAIT, VSMMU_FRAME_CALL, i, 0);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 1000, 0);
  wait_for_workers (&bed, most);
  expect_silence (bed.daemon);
  /* What the daemon says passes, and is held back when it is wanted. */
  say (bed.daemon, PASS, VSMMU_FRAME_MESSAGE, 1, 10);
  say (bed.daemon, HOLD, VSMMU_FRAME_MESSAGE, 2, 10);
  expect (bed.client, PASS, VSMMU_FRAME_MESSAGE, 1, 10);
  expect (bed.client, HOLD, VSMMU_FRAME_MESSAGE, 2, 10);
  g_assert_cmpuint (bed.n_waiting, ==, most);
  set_flag (&bed, &bed.is_open);
  for (guint i = 0; i < most + 11; i++) {
    guint8 bytes[VSMMU_FRAME_HEADER_BYTES];

    g_assert_cmpint (recv (bed.daemon, bytes, sizeof (bytes), MSG_WAITALL), ==, sizeof (bytes));
  }
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

/* But for what comes with the end of the connection, which is little. */
static void
test_so_many_bytes_are_held_back_and_no_more (void)
{
  const gsize payload = VSMMU_FRAME_LENGTH_MAX - 2 * VSMMU_FRAME_HEADER_BYTES - 10;
  Bed bed;

  for (gsize more = 0; more < 2; more++) {
    bed_start (&bed);
    say (bed.client, WAIT, VSMMU_FRAME_CALL, 1, payload + more);
    wait_for_workers (&bed, 1);
    say (bed.client, HOLD, VSMMU_FRAME_CALL, 2, 10);
    if (more > 0)
      expect_silence (bed.daemon);
    else
      expect (bed.daemon, HOLD, VSMMU_FRAME_CALL, 2, 10);
    shutdown (bed.client, SHUT_WR);
    if (more > 0)
      expect (bed.daemon, HOLD, VSMMU_FRAME_CALL, 2, 10);
    set_flag (&bed, &bed.is_open);
    expect (bed.daemon, WAIT, VSMMU_FRAME_CALL, 1, payload + more);
    expect_end (bed.daemon);
    hang_up (&bed.daemon);
    bed_end (&bed, NO_ERROR);
  }
}

static void
test_bytes_held_back_of_both_directions_count (void)
{
  const gsize payload = VSMMU_FRAME_LENGTH_MAX / 2;
  Bed bed;

  bed_start (&bed);
  say (bed.client, WAIT, VSMMU_FRAME_CALL, 1, payload);
  wait_for_workers (&bed, 1);
  say (bed.daemon, WAIT, VSMMU_FRAME_MESSAGE, 2, payload - 200);
  wait_for_workers (&bed, 2);
  say (bed.client, HOLD, VSMMU_FRAME_CALL, 3, 200);
  expect_silence (bed.daemon);
  set_flag (&bed, &bed.is_open);
  expect (bed.daemon, WAIT, VSMMU_FRAME_CALL, 1, payload);
  expect (bed.daemon, HOLD, VSMMU_FRAME_CALL, 3, 200);
  expect (bed.client, WAIT, VSMMU_FRAME_MESSAGE, 2, payload - 200);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_the_largest_frame_can_be_held_back (void)
{
  const gsize payload = VSMMU_FRAME_LENGTH_MAX - VSMMU_FRAME_HEADER_BYTES;
  g_autoptr (GBytes) frame = frame_new (HOLD, VSMMU_FRAME_CALL, 1, payload);
  Bed bed;

  bed_start (&bed);
  put (bed.client, frame);
  expect_bytes (bed.daemon, frame);
  hang_up (&bed.client);
  expect_end (bed.daemon);
  bed_end (&bed, NO_ERROR);
}

/* Writes until nothing more is taken, as much as @most bytes; how many bytes that were. */
static gsize
fill_up (int fd, gsize most)
{
  g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_STREAM, 1, 1000);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);
  gsize total = 0;
  struct pollfd output = { .fd = fd, .events = POLLOUT };

  fcntl (fd, F_SETFL, O_NONBLOCK);
  while (total < most && poll (&output, 1, QUIET_MILLISECONDS) > 0) {
    gssize n = write (fd, bytes + total % size, size - total % size);

    total += n > 0 ? (gsize) n : 0;
  }
  fcntl (fd, F_SETFL, 0);
  return total;
}

static void
test_who_does_not_read_stops_that_direction_only (void)
{
  const gsize most = 64 * 1024 * 1024;
  Bed bed;
  gsize taken;

  for (guint i = 0; i < 2; i++) {
    int fast;
    int slow;

    bed_start (&bed);
    fast = i == 0 ? bed.client : bed.daemon;
    slow = i == 0 ? bed.daemon : bed.client;
    taken = fill_up (fast, most);
    g_assert_cmpuint (taken, >, 64 * 1024);
    g_assert_cmpuint (taken, <, 4 * 1024 * 1024);
    say (slow, PASS, VSMMU_FRAME_REPLY, 2, 100000);
    expect (fast, PASS, VSMMU_FRAME_REPLY, 2, 100000);
    hang_up (i == 0 ? &bed.client : &bed.daemon);
    for (gsize n = 0; n < taken;) {
      guint8 bytes[4096];
      gssize n_read = read (slow, bytes, sizeof (bytes));

      g_assert_cmpint (n_read, >, 0);
      n += (gsize) n_read;
    }
    expect_end (slow);
    bed_end (&bed, taken % (VSMMU_FRAME_HEADER_BYTES + 1000) == 0 ? NO_ERROR : VSMMU_ERROR_PROTOCOL);
  }
}

/* As ssh has it: what comes from the client and what goes to it are two descriptors. */
static void
test_who_does_not_read_another_descriptor_stops_that_direction_only (gconstpointer data)
{
  gboolean is_pipe = GPOINTER_TO_INT (data);
  int out[2];
  Bed bed;
  gsize taken;

  g_assert_cmpint (is_pipe ? pipe2 (out, O_CLOEXEC) : socketpair (AF_UNIX, SOCK_STREAM, 0, out), ==, 0);
  bed_start_apart (&bed, SOCK_STREAM, out[1], &filter, -1);
  taken = fill_up (bed.daemon, 64 * 1024 * 1024);
  g_assert_cmpuint (taken, >, 64 * 1024);
  g_assert_cmpuint (taken, <, 4 * 1024 * 1024);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 2, 100000);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 2, 100000);
  /* Nor what is held back. */
  say (bed.client, HOLD, VSMMU_FRAME_CALL, 3, 100);
  expect (bed.daemon, HOLD, VSMMU_FRAME_CALL, 3, 100);
  hang_up (&bed.daemon);
  for (gsize n = 0; n < taken;) {
    guint8 bytes[4096];
    gssize n_read = read (out[0], bytes, sizeof (bytes));

    g_assert_cmpint (n_read, >, 0);
    n += (gsize) n_read;
  }
  expect_end (out[0]);
  close (out[0]);
  g_thread_join (g_steal_pointer (&bed.thread));
  /* The two calls have no answer. */
  g_assert_nonnull (bed.error);
  bed_clear (&bed);
}

/* The client is, when libvirt starts the program; and who has no standard input gets 0 for the daemon. */
static void
test_descriptor_0_is_one_like_others (void)
{
  int kept;

  if (fcntl (STDIN_FILENO, F_GETFD) < 0)
    g_assert_cmpint (open ("/dev/null", O_RDONLY | O_CLOEXEC), ==, STDIN_FILENO);
  kept = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  for (guint i = 0; i < 2; i++) {
    Bed bed;
    int *moved = i == 0 ? &bed.relay_client : &bed.relay_daemon;

    bed_init (&bed, SOCK_STREAM, -1, &filter, -1);
    g_assert_cmpint (dup2 (*moved, STDIN_FILENO), ==, STDIN_FILENO);
    close (*moved);
    *moved = STDIN_FILENO;
    bed.relay_out = bed.relay_client;
    bed.thread = g_thread_new ("relay", run, &bed);
    say (bed.client, PASS, VSMMU_FRAME_CALL, 1, 100);
    expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1, 100);
    say (bed.client, HOLD, VSMMU_FRAME_CALL, 2, 100000);
    expect (bed.daemon, HOLD, VSMMU_FRAME_CALL, 2, 100000);
    say (bed.client, REFUSE, VSMMU_FRAME_CALL, 3, 100);
    expect (bed.client, PASS, VSMMU_FRAME_REPLY, 3, 4);
    shutdown (bed.client, SHUT_WR);
    expect_end (bed.daemon);
    say (bed.daemon, PASS, VSMMU_FRAME_REPLY, 1, 100);
    say (bed.daemon, HOLD, VSMMU_FRAME_REPLY, 2, 100000);
    expect (bed.client, PASS, VSMMU_FRAME_REPLY, 1, 100);
    expect (bed.client, HOLD, VSMMU_FRAME_REPLY, 2, 100000);
    hang_up (&bed.daemon);
    expect_end (bed.client);
    bed_end (&bed, NO_ERROR);
    dup2 (kept, STDIN_FILENO);
  }
  close (kept);
}

static void
test_bytes_of_file_descriptors_are_no_frames (void)
{
  g_autoptr (GBytes) plain = frame_new (PASS, VSMMU_FRAME_REPLY_WITH_FDS, 1, 10);
  gsize size;
  g_autofree guint8 *bytes = g_memdup2 (g_bytes_get_data (plain, &size), g_bytes_get_size (plain));
  g_autoptr (GBytes) frame = NULL;
  Bed bed;

  memcpy (bytes + VSMMU_FRAME_HEADER_BYTES, (const guint8[]){ 0, 0, 0, 3 }, 4);
  frame = g_bytes_new (bytes, size);
  bed_start (&bed);
  put (bed.daemon, frame);
  g_assert_cmpint (write (bed.daemon, "\0\0", 2), ==, 2);
  g_assert_cmpint (write (bed.daemon, "\0", 1), ==, 1);
  say (bed.daemon, HOLD, VSMMU_FRAME_REPLY, 2, 10);
  expect_bytes (bed.client, frame);
  g_assert_cmpint (recv (bed.client, bytes, 3, MSG_WAITALL), ==, 3);
  expect (bed.client, HOLD, VSMMU_FRAME_REPLY, 2, 10);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_an_invalid_frame_ends_the_connection (void)
{
  static const struct {
    guint32 length, type, status, payload;
  } headers[] = {
    { 0, 0, 0, 0 },
    { 27, 0, 0, 0 },
    { VSMMU_FRAME_LENGTH_MAX + 1, 0, 0, 0 },
    { G_MAXUINT32, 0, 0, 0 },
    { 28, 256, 0, 0 },
    { 28, 0, 256, 0 },
    { 28, VSMMU_FRAME_CALL_WITH_FDS, 0, 1 },
    { 32, VSMMU_FRAME_CALL_WITH_FDS, 0, 33 },
    { 0x47455420, 0, 0, 0 }, /* GET from a web browser */
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (headers); i++) {
    const VsmmuFrameHeader header = { headers[i / 2].length, 0x20008086, 1, PASS, headers[i / 2].type, 2,
                                      headers[i / 2].status };
    guint8 bytes[VSMMU_FRAME_PREFIX_BYTES] = { 0 };
    Bed bed;
    int from;
    int to;

    bed_start (&bed);
    from = i % 2 == 0 ? bed.client : bed.daemon;
    to = i % 2 == 0 ? bed.daemon : bed.client;
    say (from, PASS, VSMMU_FRAME_MESSAGE, 1, 100);
    vsmmu_frame_header_write (&header, bytes);
    bytes[VSMMU_FRAME_PREFIX_BYTES - 1] = (guint8) headers[i / 2].payload;
    g_assert_cmpint (write (from, bytes, sizeof (bytes)), ==, sizeof (bytes));
    expect (to, PASS, VSMMU_FRAME_MESSAGE, 1, 100);
    expect_end (to);
    expect_end (from);
    bed_end (&bed, VSMMU_ERROR_PROTOCOL);
  }
}

static void
test_a_frame_cut_short_is_not_completed_by_others (void)
{
  g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_CALL, 1, 100);

  /* in the header, after it, in the payload */
  for (gsize length = 10; length < 128; length += 30) {
    g_autoptr (GBytes) part = g_bytes_new_from_bytes (frame, 0, length);
    Bed bed;

    bed_start (&bed);
    say (bed.client, WAIT, VSMMU_FRAME_CALL, 2, 100);
    wait_for_workers (&bed, 1);
    put (bed.client, part);
    shutdown (bed.client, SHUT_WR);
    if (length >= VSMMU_FRAME_HEADER_BYTES)
      expect_bytes (bed.daemon, part);
    set_flag (&bed, &bed.is_open);
    if (length < VSMMU_FRAME_HEADER_BYTES) {
      /* The call that was held back may come before. */
      guint8 bytes[VSMMU_FRAME_HEADER_BYTES + 200];
      gssize n = recv (bed.daemon, bytes, sizeof (bytes), MSG_WAITALL);

      g_assert_true (n == (gssize) length || n == (gssize) length + VSMMU_FRAME_HEADER_BYTES + 100);
    } else {
      expect_end (bed.daemon);
    }
    hang_up (&bed.daemon);
    expect_end (bed.client);
    bed_end (&bed, VSMMU_ERROR_PROTOCOL);
  }
}

static void
test_when_one_side_ends_what_it_said_is_through (void)
{
  const gsize payload = 100000;
  Bed bed;

  for (guint i = 0; i < 2; i++) {
    bed_start (&bed);
    say (bed.client, WAIT, VSMMU_FRAME_CALL, 1, payload);
    wait_for_workers (&bed, 1);
    say (bed.daemon, WAIT, VSMMU_FRAME_REPLY, 1, payload);
    wait_for_workers (&bed, 2);
    if (i == 0)
      shutdown (bed.client, SHUT_WR);
    else
      shutdown (bed.daemon, SHUT_WR);
    if (i == 0)
      make_rounds (&bed);
    else
      wait_for (&bed, &bed.has_ended, TRUE);
    set_flag (&bed, &bed.is_open);
    if (i == 0) {
      expect (bed.daemon, WAIT, VSMMU_FRAME_CALL, 1, payload);
      expect_end (bed.daemon);
      hang_up (&bed.daemon);
    }
    expect (bed.client, WAIT, VSMMU_FRAME_REPLY, 1, payload);
    expect_end (bed.client);
    bed_end (&bed, NO_ERROR);
  }
}

static void
test_a_client_that_has_closed_its_side_still_gets_replies (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 1, 10);
  shutdown (bed.client, SHUT_WR);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1, 10);
  expect_end (bed.daemon);
  say (bed.daemon, HOLD, VSMMU_FRAME_REPLY, 1, 10);
  expect (bed.client, HOLD, VSMMU_FRAME_REPLY, 1, 10);
  hang_up (&bed.daemon);
  expect_end (bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_a_client_that_has_closed_its_side_after_a_refused_call_ends (void)
{
  for (guint i = 0; i < 200; i++) {
    Bed bed;

    bed_start (&bed);
    say (bed.client, REFUSE, VSMMU_FRAME_CALL, 1, 10);
    shutdown (bed.client, SHUT_WR);
    expect (bed.client, PASS, VSMMU_FRAME_REPLY, 1, 4);
    expect_end (bed.daemon);
    hang_up (&bed.daemon);
    expect_end (bed.client);
    bed_end (&bed, NO_ERROR);
  }
}

/* The daemon may close its side, too, when it hears of the end. */
static void
test_a_client_that_has_closed_its_side_gets_its_answers_before_the_daemon_hears_of_it (void)
{
  g_autofree guint8 *bytes = g_malloc (VSMMU_FRAME_LENGTH_MAX);
  VsmmuFrameHeader header = { 0 };
  Bed bed;

  bed_start (&bed);
  fill_up (bed.daemon, 64 * 1024 * 1024);
  say (bed.client, REFUSE, VSMMU_FRAME_CALL, 2, 10);
  shutdown (bed.client, SHUT_WR);
  expect_silence (bed.daemon);
  while (header.type != VSMMU_FRAME_REPLY) {
    g_assert_cmpint (recv (bed.client, bytes, VSMMU_FRAME_HEADER_BYTES, MSG_WAITALL), ==, VSMMU_FRAME_HEADER_BYTES);
    vsmmu_frame_header_read (bytes, &header);
    recv (bed.client, bytes, header.length - VSMMU_FRAME_HEADER_BYTES, MSG_WAITALL);
  }
  expect_end (bed.daemon);
  hang_up (&bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_a_daemon_that_does_not_close_its_side_is_waited_for_as_long_as_asked (void)
{
  for (int seconds = 0; seconds < 2; seconds++) {
    gint64 begin = g_get_monotonic_time ();
    Bed bed;

    bed_start_with (&bed, SOCK_STREAM, &filter, seconds);
    say (bed.client, HOLD, VSMMU_FRAME_MESSAGE, 1, 10);
    shutdown (bed.client, SHUT_WR);
    expect (bed.daemon, HOLD, VSMMU_FRAME_MESSAGE, 1, 10);
    expect_end (bed.client);
    g_assert_cmpint (g_get_monotonic_time () - begin, >=, seconds * G_TIME_SPAN_SECOND);
    g_assert_cmpint (g_get_monotonic_time () - begin, <, (seconds + 1) * G_TIME_SPAN_SECOND);
    bed_end (&bed, NO_ERROR);
  }
}

static void
test_a_daemon_that_dies_ends_the_wait_for_it (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, ASK, VSMMU_FRAME_CALL, 1, 10);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1000, 8);
  hang_up (&bed.daemon);
  expect_end (bed.client);
  bed_end (&bed, VSMMU_ERROR_READ);
}

static void
test_a_daemon_that_dies_in_a_call_or_a_frame_is_an_error (void)
{
  g_autoptr (GBytes) frame = frame_new (PASS, VSMMU_FRAME_REPLY, 1, 100);
  g_autoptr (GBytes) part = g_bytes_new_from_bytes (frame, 0, 50);
  Bed bed;

  bed_start (&bed);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 1, 10);
  say (bed.client, REFUSE, VSMMU_FRAME_CALL, 2, 10);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1, 10);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 2, 4);
  hang_up (&bed.daemon);
  expect_end (bed.client);
  bed_end (&bed, VSMMU_ERROR_READ);

  bed_start (&bed);
  put (bed.daemon, part);
  hang_up (&bed.daemon);
  expect_bytes (bed.client, part);
  expect_end (bed.client);
  bed_end (&bed, VSMMU_ERROR_PROTOCOL);
}

/* Answers to our own calls are none to the client's. */
static void
test_a_daemon_that_dies_when_only_our_call_is_answered_is_an_error (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, ASK, VSMMU_FRAME_CALL, 1, 10);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1000, 8);
  say (bed.daemon, ANSWER, VSMMU_FRAME_REPLY, 1000, 8);
  expect (bed.daemon, ASK, VSMMU_FRAME_CALL, 1, 10);
  hang_up (&bed.daemon);
  expect_end (bed.client);
  bed_end (&bed, VSMMU_ERROR_READ);
}

/* What cannot be looked at does not pass. */
static void
test_a_frame_without_a_thread_ends_the_connection (void)
{
  Bed bed;

  bed_start (&bed);
  g_atomic_int_set (&has_no_threads, TRUE);
  say (bed.client, HOLD, VSMMU_FRAME_CALL, 1, 10);
  expect_end (bed.daemon);
  expect_end (bed.client);
  g_thread_join (g_steal_pointer (&bed.thread));
  g_atomic_int_set (&has_no_threads, FALSE);
  g_assert_error (bed.error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN);
  bed_clear (&bed);
}

static void
test_a_daemon_that_ends_when_all_is_answered_is_none (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, REFUSE, VSMMU_FRAME_CALL, 1, 10);
  say (bed.client, ASK, VSMMU_FRAME_CALL, 2, 10);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 1, 4);
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 1000, 8);
  say (bed.daemon, ANSWER, VSMMU_FRAME_REPLY, 1000, 8);
  expect (bed.daemon, ASK, VSMMU_FRAME_CALL, 2, 10);
  say (bed.daemon, PASS, VSMMU_FRAME_REPLY, 2, 10);
  hang_up (&bed.daemon);
  expect (bed.client, PASS, VSMMU_FRAME_REPLY, 2, 10);
  expect_end (bed.client);
  bed_end (&bed, NO_ERROR);
}

static void
test_a_client_that_dies_takes_its_frames_with_it (void)
{
  Bed bed;

  bed_start (&bed);
  say (bed.client, WAIT, VSMMU_FRAME_CALL, 1, 10);
  say (bed.daemon, WAIT, VSMMU_FRAME_REPLY, 2, 10);
  wait_for_workers (&bed, 2);
  say (bed.client, PASS, VSMMU_FRAME_CALL, 3, 10);
  hang_up (&bed.client);
  /* What passes was said; what was held back was not, and the daemon does not wait for the workers to end. */
  expect (bed.daemon, PASS, VSMMU_FRAME_CALL, 3, 10);
  expect_end (bed.daemon);
  bed_end (&bed, NO_ERROR);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*test) (void);
  } tests[] = {
    { "/relay/split", test_frames_pass_as_they_are_however_they_are_split },
    { "/relay/at-once", test_a_frame_passes_before_all_of_it_has_come },
    { "/relay/held", test_frames_go_on_while_one_is_held_back },
    { "/relay/between-frames", test_an_answer_does_not_come_into_the_middle_of_a_frame },
    { "/relay/in-stream", test_a_stream_of_frames_leaves_room_for_an_answer },
    { "/relay/drop-and-both", test_what_is_dropped_or_answered_twice_says_so },
    { "/relay/ask", test_a_worker_can_ask_the_daemon_on_the_same_connection },
    { "/relay/bound", test_so_many_frames_are_held_back_and_no_more },
    { "/relay/bytes", test_so_many_bytes_are_held_back_and_no_more },
    { "/relay/bytes-both-ways", test_bytes_held_back_of_both_directions_count },
    { "/relay/largest", test_the_largest_frame_can_be_held_back },
    { "/relay/slow-reader", test_who_does_not_read_stops_that_direction_only },
    { "/relay/descriptor-0", test_descriptor_0_is_one_like_others },
    { "/relay/descriptors", test_bytes_of_file_descriptors_are_no_frames },
    { "/relay/no-frame", test_an_invalid_frame_ends_the_connection },
    { "/relay/cut-short", test_a_frame_cut_short_is_not_completed_by_others },
    { "/relay/end", test_when_one_side_ends_what_it_said_is_through },
    { "/relay/half-closed", test_a_client_that_has_closed_its_side_still_gets_replies },
    { "/relay/half-closed-refused", test_a_client_that_has_closed_its_side_after_a_refused_call_ends },
    { "/relay/half-closed-slow",
      test_a_client_that_has_closed_its_side_gets_its_answers_before_the_daemon_hears_of_it },
    { "/relay/quit-after", test_a_daemon_that_does_not_close_its_side_is_waited_for_as_long_as_asked },
    { "/relay/daemon-dies-asked", test_a_daemon_that_dies_ends_the_wait_for_it },
    { "/relay/daemon-dies", test_a_daemon_that_dies_in_a_call_or_a_frame_is_an_error },
    { "/relay/daemon-dies-answered", test_a_daemon_that_dies_when_only_our_call_is_answered_is_an_error },
    { "/relay/no-thread", test_a_frame_without_a_thread_ends_the_connection },
    { "/relay/daemon-ends", test_a_daemon_that_ends_when_all_is_answered_is_none },
    { "/relay/client-dies", test_a_client_that_dies_takes_its_frames_with_it },
  };

  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, tests[i].test);
  g_test_add_data_func ("/relay/slow-reader-apart/pipe", GINT_TO_POINTER (TRUE),
                        test_who_does_not_read_another_descriptor_stops_that_direction_only);
  g_test_add_data_func ("/relay/slow-reader-apart/socket", GINT_TO_POINTER (FALSE),
                        test_who_does_not_read_another_descriptor_stops_that_direction_only);
  return g_test_run ();
}
