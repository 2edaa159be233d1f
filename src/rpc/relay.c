/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/relay.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsmmu/error.h"

#define BUFFER_SIZE (64u * 1024)

/* What may be held back before no more is read from the client: at least one frame of any size. */
#define HELD_BYTES_MAX VSMMU_FRAME_LENGTH_MAX
#define HELD_FRAMES_MAX 64

/* What goes in one direction. */
typedef struct {
  VsmmuRelay *relay;
  VsmmuDirection direction;
  int source; /* -1 when it has ended */
  int sink;   /* -1 when nothing can be written to it any more */
  guint8 *buffer;
  gsize begin;      /* what is before was written */
  gsize cleared;    /* what is before may be written */
  gsize end;        /* what is before was read */
  guint64 left;     /* bytes of the current frame from @cleared on, come or still to come */
  GByteArray *held; /* what there is of the current frame when it is held back */
  gboolean is_full; /* the limit of what is held back is reached */
  gboolean is_cut;  /* the source ended in the middle of a frame */
  GQueue answers;   /* of Answer, to be written between two frames */
  gsize n_written;  /* bytes of the first of them */
  guint n_held;     /* frames of this source that are held back, and answers to them not yet written */
  gsize held_bytes; /* of these */
} Flow;

struct _VsmmuRelay {
  const VsmmuRelayFilter *filter;
  gpointer self;
  Flow flows[2];  /* by VsmmuDirection */
  gint64 n_calls; /* for whose reply the client waits */
  guint n_workers;
  GAsyncQueue *done;  /* of Job */
  int wakeup;         /* eventfd that says there is one */
  gboolean has_ended; /* the filter knows */
  GError *error;
};

/* A frame that a worker has or had, or frames that came from vsmmu_relay_send(). */
typedef struct {
  GThread *worker; /* these are %NULL for the latter */
  Flow *flow;
  GBytes *frame;
  VsmmuRelayAnswer answer;
} Job;

typedef struct {
  GBytes *bytes;
  Flow *origin; /* is charged until it is written */
} Answer;

static void
charge (Flow *flow, gsize n_bytes)
{
  flow->n_held++;
  flow->held_bytes += n_bytes;
}

static void
discharge (Flow *flow, gsize n_bytes)
{
  flow->n_held--;
  flow->held_bytes -= n_bytes;
}

static void
job_free (Job *job)
{
  g_clear_pointer (&job->frame, g_bytes_unref);
  g_clear_pointer (&job->answer.to_daemon, g_bytes_unref);
  g_clear_pointer (&job->answer.to_client, g_bytes_unref);
  g_free (job);
}

static void
answer_free (Answer *answer)
{
  discharge (answer->origin, g_bytes_get_size (answer->bytes));
  g_bytes_unref (answer->bytes);
  g_free (answer);
}

static void
push_done (VsmmuRelay *relay, Job *job)
{
  g_async_queue_push (relay->done, job);
  eventfd_write (relay->wakeup, 1);
}

static gpointer
work (gpointer data)
{
  Job *job = data;
  VsmmuRelay *relay = job->flow->relay;

  relay->filter->handle (relay->self, job->flow->direction, job->frame, &job->answer);
  push_done (relay, job);
  return NULL;
}

void
vsmmu_relay_send (VsmmuRelay *relay, VsmmuDirection direction, GBytes *frame)
{
  Job *job = g_new0 (Job, 1);

  *(direction == VSMMU_TO_DAEMON ? &job->answer.to_daemon : &job->answer.to_client) = g_bytes_ref (frame);
  push_done (relay, job);
}

static void
submit (Flow *flow)
{
  VsmmuRelay *relay = flow->relay;
  Job *job = g_new0 (Job, 1);

  job->flow = flow;
  job->frame = g_byte_array_free_to_bytes (g_steal_pointer (&flow->held));
  job->worker = g_thread_try_new ("worker", work, job, relay->error == NULL ? &relay->error : NULL);
  if (job->worker != NULL)
    relay->n_workers++;
  else
    job_free (job);
}

static void
add_answer (Flow *flow, Flow *origin, GBytes *bytes)
{
  Answer *answer;

  if (bytes == NULL || flow->sink < 0)
    return;
  answer = g_new (Answer, 1);
  *answer = (Answer){ .bytes = g_bytes_ref (bytes), .origin = origin };
  charge (origin, g_bytes_get_size (bytes));
  g_queue_push_tail (&flow->answers, answer);
}

/* The client waits for the replies to its calls, and workers for those to ours. */
static void
count_calls (Flow *flow, const VsmmuFrameHeader *header)
{
  if (flow->direction == VSMMU_TO_DAEMON)
    flow->relay->n_calls += header->type == VSMMU_FRAME_CALL || header->type == VSMMU_FRAME_CALL_WITH_FDS;
  else
    flow->relay->n_calls -= header->type == VSMMU_FRAME_REPLY || header->type == VSMMU_FRAME_REPLY_WITH_FDS;
}

static void
add_answers (VsmmuRelay *relay, const Job *job)
{
  Flow *to_daemon = &relay->flows[VSMMU_TO_DAEMON];
  Flow *to_client = &relay->flows[VSMMU_TO_CLIENT];
  VsmmuFrameHeader header;

  if (job->flow != NULL) {
    discharge (job->flow, g_bytes_get_size (job->frame));
    relay->n_calls -= job->flow == to_daemon && job->answer.to_daemon == NULL;
  } else if (job->answer.to_daemon != NULL) {
    vsmmu_frame_header_read (g_bytes_get_data (job->answer.to_daemon, NULL), &header);
    count_calls (to_daemon, &header);
  }
  add_answer (to_daemon, job->flow != NULL ? job->flow : to_daemon, job->answer.to_daemon);
  add_answer (to_client, job->flow != NULL ? job->flow : to_client, job->answer.to_client);
}

static void
dismiss (VsmmuRelay *relay, Job *job)
{
  if (job->worker != NULL) {
    g_thread_join (job->worker);
    relay->n_workers--;
  }
  job_free (job);
}

/* Takes what the workers have done. */
static void
collect (VsmmuRelay *relay)
{
  eventfd_t count;
  Job *job;

  eventfd_read (relay->wakeup, &count);
  while ((job = g_async_queue_try_pop (relay->done)) != NULL) {
    add_answers (relay, job);
    dismiss (relay, job);
  }
}

/*
 * Bytes that the frame takes up on the wire, with those that file descriptors
 * came with; 0 when more of it is needed to tell, or with an error.
 */
static guint64
measure (Flow *flow, VsmmuFrameHeader *header, GError **error)
{
  const guint8 *bytes = flow->buffer + flow->cleared;
  gsize n_bytes = flow->end - flow->cleared;
  guint n_descriptors;

  if (n_bytes < VSMMU_FRAME_HEADER_BYTES)
    return 0;
  vsmmu_frame_header_read (bytes, header);
  if (!vsmmu_frame_header_check (header, error))
    return 0;
  if (!vsmmu_frame_has_descriptors (header))
    return header->length;
  if (n_bytes < VSMMU_FRAME_PREFIX_BYTES || !vsmmu_frame_read_descriptors (bytes, header, &n_descriptors, error))
    return 0;
  return (guint64) header->length + n_descriptors;
}

/* After the last byte there is little that may still be held back; and what is held back need not ever be whole. */
static gboolean
is_full (const Flow *flow, guint64 size)
{
  const Flow *flows = flow->relay->flows;
  gboolean has_ended = flow->source < 0;
  guint n_held = flows[0].n_held + flows[1].n_held;
  gsize held_bytes = flows[0].held_bytes + flows[1].held_bytes;

  return n_held > 0 && (n_held >= HELD_FRAMES_MAX || (!has_ended && held_bytes + size > HELD_BYTES_MAX));
}

/* Looks at the header at @cleared; %FALSE when it has not come yet, or must wait. */
static gboolean
start_frame (Flow *flow)
{
  VsmmuRelay *relay = flow->relay;
  VsmmuFrameHeader header;
  guint64 size = relay->error == NULL ? measure (flow, &header, &relay->error) : 0;

  flow->is_full = size > 0 && flow->direction == VSMMU_TO_DAEMON && is_full (flow, size);
  if (size == 0 || flow->is_full)
    return FALSE;
  flow->left = size;
  count_calls (flow, &header);
  if (relay->filter != NULL && relay->filter->wants (relay->self, flow->direction, &header)) {
    flow->held = g_byte_array_new ();
    charge (flow, size);
  }
  return TRUE;
}

static void
hold (Flow *flow, gsize n)
{
  g_byte_array_append (flow->held, flow->buffer + flow->cleared, (guint) n);
  flow->cleared += n;
  flow->begin = flow->cleared;
  if (flow->left == 0)
    submit (flow);
}

/* Sorts what was read; %TRUE when there is something to write now, or to look at. */
static gboolean
scan (Flow *flow)
{
  gboolean has_moved = FALSE;

  while (flow->left > 0 || start_frame (flow)) {
    gsize n = (gsize) MIN (flow->left, flow->end - flow->cleared);

    /* What came before is written first, so that the buffer has no holes. */
    if (n == 0 || (flow->held != NULL && flow->begin < flow->cleared))
      return has_moved;
    has_moved = TRUE;
    flow->left -= n;
    if (flow->held != NULL)
      hold (flow, n);
    else
      flow->cleared += n;
    if (flow->left > 0 || flow->answers.length > 0)
      return TRUE;
  }
  return has_moved;
}

static void
drop_sink (Flow *flow)
{
  flow->sink = -1;
  g_queue_clear_full (&flow->answers, (GDestroyNotify) answer_free);
}

/* Writes some bytes; how many, 0 when none can be written now or ever. */
static gsize
put (Flow *flow, const guint8 *bytes, gsize n_bytes)
{
  gssize n;

  do
    n = write (flow->sink, bytes, n_bytes);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno != EAGAIN)
    drop_sink (flow);
  return n > 0 ? (gsize) n : 0;
}

static gboolean
put_answers (Flow *flow)
{
  Answer *answer;

  while ((answer = g_queue_peek_head (&flow->answers)) != NULL) {
    gsize size;
    const guint8 *bytes = g_bytes_get_data (answer->bytes, &size);

    flow->n_written += put (flow, bytes + flow->n_written, size - flow->n_written);
    if (flow->sink < 0 || flow->n_written < size)
      return FALSE;
    flow->n_written = 0;
    answer_free (g_queue_pop_head (&flow->answers));
  }
  return TRUE;
}

/* Writes what may be written; %FALSE when some of it has to wait. */
static gboolean
flush (Flow *flow)
{
  while (flow->begin < flow->cleared) {
    gsize n = put (flow, flow->buffer + flow->begin, flow->cleared - flow->begin);

    if (n == 0)
      return FALSE;
    flow->begin += n;
  }
  return (flow->left > 0 && flow->held == NULL) || put_answers (flow);
}

/* Reads what there is, once; %FALSE when there is none. */
static gboolean
fill (Flow *flow)
{
  gssize n;

  memmove (flow->buffer, flow->buffer + flow->begin, flow->end - flow->begin);
  flow->end -= flow->begin;
  flow->cleared = flow->begin = 0;
  do
    n = read (flow->source, flow->buffer + flow->end, BUFFER_SIZE - flow->end);
  while (n < 0 && errno == EINTR);
  if (n > 0)
    flow->end += (gsize) n;
  else if (n == 0 || errno != EAGAIN)
    flow->source = -1;
  return n > 0;
}

/*
 * After the last byte. What is left of a frame is not a call or reply and never will be, so no other frame may follow
 * it.
 */
static void
cut (Flow *flow)
{
  if (flow->held != NULL) {
    discharge (flow, flow->held->len + flow->left);
    g_clear_pointer (&flow->held, g_byte_array_unref);
  }
  flow->is_cut = TRUE;
  flow->left = G_MAXUINT64;
  flow->cleared = flow->end;
}

static void
finish (Flow *flow)
{
  if (!flow->is_cut && (flow->left > 0 || flow->cleared < flow->end))
    cut (flow);
  if (!flush (flow) || (!flow->is_cut && (flow->n_held > 0 || flow->answers.length > 0)))
    return;
  shutdown (flow->sink, SHUT_WR);
  drop_sink (flow);
}

/* Takes a flow as far as it goes without waiting. */
static void
advance (Flow *flow, gboolean is_readable)
{
  gboolean goes_on = TRUE;

  while (goes_on && flow->sink >= 0) {
    if (!flush (flow))
      return;
    goes_on = scan (flow);
    if (!goes_on && is_readable) {
      goes_on = fill (flow) || flow->source < 0;
      is_readable = FALSE;
    }
  }
  if (flow->source < 0 && flow->sink >= 0 && !flow->is_full)
    finish (flow);
}

static gboolean
wants_output (const Flow *flow)
{
  gboolean is_between_frames = flow->left == 0 || flow->held != NULL;

  return flow->begin < flow->cleared || (is_between_frames && flow->answers.length > 0);
}

static gboolean
wants_input (const Flow *flow)
{
  return flow->sink >= 0 && !wants_output (flow) && flow->end - flow->begin < BUFFER_SIZE;
}

/* Waits for something to happen and does what it asks for; %FALSE when nothing did. */
static gboolean
step (VsmmuRelay *relay, int timeout)
{
  struct pollfd fds[5] = { { .fd = relay->wakeup, .events = POLLIN } };
  struct pollfd *sources = fds + 1;
  struct pollfd *sinks = fds + 3;
  int n;

  for (guint i = 0; i < G_N_ELEMENTS (relay->flows); i++) {
    const Flow *flow = &relay->flows[i];

    sources[i] = (struct pollfd){ .fd = wants_input (flow) ? flow->source : -1, .events = POLLIN };
    sinks[i] = (struct pollfd){ .fd = flow->sink, .events = wants_output (flow) ? POLLOUT : 0 };
  }
  n = poll (fds, G_N_ELEMENTS (fds), timeout);
  if (n < 0 && errno != EINTR) {
    g_set_error (&relay->error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot wait for the client and the daemon: %s"),
                 g_strerror (errno));
    return FALSE;
  }
  if (n <= 0)
    return n < 0;
  if (fds[0].revents != 0)
    collect (relay);
  for (guint i = 0; i < G_N_ELEMENTS (relay->flows); i++)
    if ((sinks[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
      drop_sink (&relay->flows[i]);
  /* The way to the client first: when an answer to a refused call is written there, the way to the daemon may be done.
   */
  for (guint i = G_N_ELEMENTS (relay->flows); i > 0; i--)
    advance (&relay->flows[i - 1], sources[i - 1].revents != 0);
  return TRUE;
}

/* Milliseconds to wait for what happens next; -1 for any time. */
static int
get_timeout (VsmmuRelay *relay, int quit_after)
{
  const Flow *to_daemon = &relay->flows[VSMMU_TO_DAEMON];

  /* The client is gone; what it sent before still goes to the daemon. */
  if (relay->flows[VSMMU_TO_CLIENT].sink < 0)
    return wants_output (to_daemon) ? -1 : 0;
  if (quit_after < 0 || to_daemon->source >= 0 || to_daemon->sink >= 0)
    return -1;
  return quit_after * 1000;
}

/* Threads that wait for the daemon are told that it is gone. */
static void
end_filter (VsmmuRelay *relay)
{
  if (relay->filter != NULL && !relay->has_ended)
    relay->filter->end (relay->self);
  relay->has_ended = TRUE;
}

static void
transfer (VsmmuRelay *relay, int quit_after)
{
  const Flow *to_client = &relay->flows[VSMMU_TO_CLIENT];

  while (relay->error == NULL && (to_client->source >= 0 || to_client->sink >= 0)) {
    if (!step (relay, get_timeout (relay, quit_after)))
      break;
    if (to_client->source < 0)
      end_filter (relay);
  }
  end_filter (relay);
}

static void
find_error (VsmmuRelay *relay)
{
  const Flow *to_daemon = &relay->flows[VSMMU_TO_DAEMON];
  const Flow *to_client = &relay->flows[VSMMU_TO_CLIENT];

  if (relay->error != NULL)
    return;
  if (to_client->is_cut)
    g_set_error (&relay->error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
                 _ ("the libvirt daemon closed the connection in the middle of a frame; see its log"));
  else if (to_client->source < 0 && to_daemon->source >= 0 && relay->n_calls > 0)
    g_set_error (&relay->error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("the libvirt daemon closed the connection without a reply; see its log"));
  else if (to_daemon->is_cut)
    g_set_error (&relay->error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
                 _ ("the client closed the connection in the middle of a frame"));
}

static void
stop_workers (VsmmuRelay *relay)
{
  while (relay->n_workers > 0)
    dismiss (relay, g_async_queue_pop (relay->done));
  for (Job *job; (job = g_async_queue_try_pop (relay->done)) != NULL;)
    dismiss (relay, job);
  g_async_queue_unref (relay->done);
  close (relay->wakeup);
}

static gboolean
start_filter (VsmmuRelay *relay)
{
  relay->wakeup = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (relay->wakeup < 0) {
    g_set_error (&relay->error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot create an eventfd: %s"), g_strerror (errno));
    return FALSE;
  }
  relay->done = g_async_queue_new ();
  if (relay->filter != NULL)
    relay->filter->start (relay->self, relay);
  return TRUE;
}

static void
init_flow (VsmmuRelay *relay, VsmmuDirection direction, int source, int sink)
{
  Flow *flow = &relay->flows[direction];

  *flow = (Flow){ .relay = relay, .direction = direction, .source = source, .sink = sink };
  flow->buffer = g_malloc (BUFFER_SIZE);
  g_queue_init (&flow->answers);
  g_unix_set_fd_nonblocking (source, TRUE, NULL);
  g_unix_set_fd_nonblocking (sink, TRUE, NULL);
}

static void
clear_flow (Flow *flow)
{
  drop_sink (flow);
  g_clear_pointer (&flow->held, g_byte_array_unref);
  g_free (flow->buffer);
}

gboolean
vsmmu_relay_run (int client_in, int client_out, int daemon, int quit_after, const VsmmuRelayFilter *filter,
                 gpointer self, GError **error)
{
  VsmmuRelay relay = { .filter = filter, .self = self, .wakeup = -1 };

  init_flow (&relay, VSMMU_TO_DAEMON, client_in, daemon);
  init_flow (&relay, VSMMU_TO_CLIENT, daemon, client_out);
  if (start_filter (&relay)) {
    transfer (&relay, quit_after);
    find_error (&relay);
    shutdown (daemon, SHUT_RDWR);
    stop_workers (&relay);
  }
  for (guint i = 0; i < G_N_ELEMENTS (relay.flows); i++)
    clear_flow (&relay.flows[i]);
  if (relay.error == NULL)
    return TRUE;
  g_propagate_error (error, relay.error);
  return FALSE;
}
