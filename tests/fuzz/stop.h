/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

/* GLib itself, and its own handler too, would end the program with SIGTRAP, for which libFuzzer keeps no input. */
static void
stop (const char *log_domain G_GNUC_UNUSED, GLogLevelFlags level, const char *message, gpointer data G_GNUC_UNUSED)
{
  fprintf (stderr, "%s\n", message);
  if (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR))
    abort ();
}

/* For whichever target includes this: a g_error() of its own is a finding. */
__attribute__ ((constructor)) static void
stop_at_errors (void)
{
  g_log_set_default_handler (stop, NULL);
}
