/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Threads that are kept for the next input: with a sanitizer, starting and ending one takes longer than what it does.
 * The linker puts these in the place of GLib's (--wrap) for a target and all of the library in it.
 */
GThread *__wrap_g_thread_new (const char *name, GThreadFunc function, gpointer data);
GThread *__wrap_g_thread_try_new (const char *name, GThreadFunc function, gpointer data, GError **error);
gpointer __wrap_g_thread_join (GThread *thread);
