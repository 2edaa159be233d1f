/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <poll.h>

/*
 * Threads that take turns in the fuzzer's own: real ones, woken for each frame, take longer than what they do, and an
 * input would not do the same each time. One goes on until it must wait. When all wait, that is silence: who waits for
 * the shortest time has then waited in vain, without any time passing; that nobody's time ends is a finding.
 *
 * The linker puts these in the place of the functions of GLib and libc (--wrap), for a target and all of the library.
 */
GThread *__wrap_g_thread_new (const char *name, GThreadFunc function, gpointer data);
GThread *__wrap_g_thread_try_new (const char *name, GThreadFunc function, gpointer data, GError **error);
gpointer __wrap_g_thread_join (GThread *thread);
gboolean __wrap_g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end);
void __wrap_g_cond_broadcast (GCond *cond);
gpointer __wrap_g_async_queue_pop (GAsyncQueue *queue);
int __wrap_poll (struct pollfd *fds, nfds_t n, int timeout);

/* Waits until nobody else has anything more to do, nor waits in vain. */
void fibers_await_silence (void);
