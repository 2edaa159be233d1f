/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fibers.h"

#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES (512u * 1024)
#define NEVER G_MAXINT64
#define AFTER_ALL_OTHERS (G_MAXINT64 - 1)

typedef struct {
  ucontext_t context;
  void *fake_stack; /* of the sanitizer */
  guint8 *stack;
  gsize size;
  GThreadFunc function;
  gpointer data;
  gpointer result;
  gboolean is_done;
  gboolean is_idle; /* nothing has happened since it had to wait */
  gboolean is_in_vain;
  gint64 end; /* of its waiting */
} Fiber;

int __real_poll (struct pollfd *fds, nfds_t n, int timeout);

static Fiber fuzzer;        /* libFuzzer's thread */
static Fiber *current;      /* %NULL before the first */
static GPtrArray *fibers;   /* of which none is done */
static GPtrArray *finished; /* to be used again, with their stacks */
static guint n_broadcasts;

static void
init (void)
{
  pthread_attr_t attributes;
  void *stack;

  if (current != NULL)
    return;
  pthread_getattr_np (pthread_self (), &attributes);
  pthread_attr_getstack (&attributes, &stack, &fuzzer.size);
  pthread_attr_destroy (&attributes);
  fuzzer.stack = stack;
  fibers = g_ptr_array_new ();
  finished = g_ptr_array_new ();
  g_ptr_array_add (fibers, &fuzzer);
  current = &fuzzer;
}

/* Something happened that others may wait for. */
static void
wake_all (void)
{
  for (guint i = 0; i < fibers->len; i++)
    ((Fiber *) g_ptr_array_index (fibers, i))->is_idle = FALSE;
}

/* The next after @from that has something to do, or none has and it waits for the shortest time. */
static Fiber *
choose (guint from)
{
  Fiber *first = NULL;

  for (guint i = 1; i <= fibers->len; i++) {
    Fiber *fiber = g_ptr_array_index (fibers, (from + i) % fibers->len);

    if (!fiber->is_idle)
      return fiber;
    if (first == NULL || fiber->end < first->end)
      first = fiber;
  }
  if (first == NULL || first->end == NEVER)
    g_error ("all wait for ever");
  first->is_in_vain = TRUE;
  return first;
}

static void
switch_to (Fiber *to, void **fake_stack)
{
  Fiber *from = current;

  if (to == from)
    return;
  current = to;
  __sanitizer_start_switch_fiber (fake_stack, to->stack, to->size);
  swapcontext (&from->context, &to->context);
  __sanitizer_finish_switch_fiber (from->fake_stack, NULL, NULL);
}

/* Lets the others go on until @is_ready says so; %FALSE when that is waited for in vain. */
static gboolean
wait_until (gboolean (*is_ready) (gpointer data), gpointer data, gint64 end)
{
  gboolean is_in_vain = FALSE;

  init ();
  while (!is_ready (data) && !is_in_vain) {
    guint index;

    current->is_idle = TRUE;
    current->is_in_vain = FALSE;
    current->end = end;
    g_ptr_array_find (fibers, current, &index);
    switch_to (choose (index), &current->fake_stack);
    is_in_vain = current->is_in_vain;
  }
  wake_all ();
  return !is_in_vain;
}

static void
run (void)
{
  Fiber *self = current;
  guint index;

  __sanitizer_finish_switch_fiber (NULL, NULL, NULL);
  self->result = self->function (self->data);
  self->is_done = TRUE;
  wake_all ();
  g_ptr_array_find (fibers, self, &index);
  g_ptr_array_remove_index (fibers, index);
  switch_to (choose (fibers->len - 1), NULL);
}

/* (transfer full) */
static Fiber *
fiber_new (void)
{
  Fiber *fiber = g_new0 (Fiber, 1);

  fiber->size = STACK_BYTES;
  fiber->stack = mmap (NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (fiber->stack == MAP_FAILED)
    g_error ("no memory for a stack");
  return fiber;
}

GThread *
__wrap_g_thread_new (const char *name G_GNUC_UNUSED, GThreadFunc function, gpointer data)
{
  Fiber *fiber;

  init ();
  fiber = finished->len > 0 ? g_ptr_array_steal_index (finished, finished->len - 1) : fiber_new ();
  /* What the last one left. */
  __asan_unpoison_memory_region (fiber->stack, fiber->size);
  fiber->function = function;
  fiber->data = data;
  fiber->is_done = fiber->is_idle = fiber->is_in_vain = FALSE;
  fiber->fake_stack = NULL;
  getcontext (&fiber->context);
  fiber->context.uc_stack = (stack_t){ .ss_sp = fiber->stack, .ss_size = fiber->size };
  fiber->context.uc_link = NULL;
  makecontext (&fiber->context, run, 0);
  /* The sanitizer would take this for a stack on which nothing is in use, and clear it at each switch. */
  fiber->context.uc_stack.ss_size = 0;
  g_ptr_array_add (fibers, fiber);
  return (GThread *) fiber;
}

GThread *
__wrap_g_thread_try_new (const char *name, GThreadFunc function, gpointer data, GError **error G_GNUC_UNUSED)
{
  return __wrap_g_thread_new (name, function, data);
}

static gboolean
is_done (gpointer data)
{
  return ((const Fiber *) data)->is_done;
}

gpointer
__wrap_g_thread_join (GThread *thread)
{
  Fiber *fiber = (Fiber *) thread;

  wait_until (is_done, fiber, NEVER);
  g_ptr_array_add (finished, fiber);
  return fiber->result;
}

static gboolean
is_broadcast (gpointer data)
{
  return *(const guint *) data != n_broadcasts;
}

gboolean
__wrap_g_cond_wait_until (GCond *cond G_GNUC_UNUSED, GMutex *mutex, gint64 end)
{
  guint n_before = n_broadcasts;
  gboolean is_woken;

  g_mutex_unlock (mutex);
  is_woken = wait_until (is_broadcast, &n_before, end);
  g_mutex_lock (mutex);
  return is_woken;
}

void
__wrap_g_cond_broadcast (GCond *cond G_GNUC_UNUSED)
{
  n_broadcasts++;
}

typedef struct {
  GAsyncQueue *queue;
  gpointer item;
} Pop;

static gboolean
has_popped (gpointer data)
{
  Pop *pop = data;

  return (pop->item = g_async_queue_try_pop (pop->queue)) != NULL;
}

gpointer
__wrap_g_async_queue_pop (GAsyncQueue *queue)
{
  Pop pop = { queue, NULL };

  wait_until (has_popped, &pop, NEVER);
  return pop.item;
}

typedef struct {
  struct pollfd *fds;
  nfds_t n;
  int result;
} Poll;

static gboolean
has_polled (gpointer data)
{
  Poll *poll = data;

  return (poll->result = __real_poll (poll->fds, poll->n, 0)) != 0;
}

int
__wrap_poll (struct pollfd *fds, nfds_t n, int timeout)
{
  Poll poll = { fds, n, 0 };

  if (timeout == 0)
    return __real_poll (fds, n, 0);
  wait_until (has_polled, &poll, timeout < 0 ? NEVER : g_get_monotonic_time () + timeout * G_TIME_SPAN_MILLISECOND);
  return poll.result;
}

static gboolean
is_never (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

void
fibers_await_silence (void)
{
  wait_until (is_never, NULL, AFTER_ALL_OTHERS);
}
