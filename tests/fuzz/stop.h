/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdlib.h>

/* GLib itself would end the program with SIGTRAP, for which libFuzzer keeps no input. */
static inline void
stop (const char *log_domain, GLogLevelFlags level, const char *message, gpointer data)
{
  g_log_default_handler (log_domain, level & ~G_LOG_FLAG_FATAL, message, data);
  if (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR))
    abort ();
}
