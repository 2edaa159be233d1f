/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include <vsmmu/vsmmu.h>

#include "command.h"
#include "render/text.h"
#include "table.h"
#include "watch/watcher.h"

#define NONE "-"

/* Cursor home, and nothing left of what was there. */
#define CLEAR_SCREEN "\033[H\033[2J"

/* Lines below the live table. */
#define MESSAGES_MAX 5

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = { "text", "json", NULL };

typedef struct {
  VsmmuWatcher *watcher;
  GMainLoop *loop;
  gboolean is_json;
  gboolean is_live;    /* a table that is redrawn */
  GPtrArray *messages; /* (element-type utf8): the last ones */
} Watch;

static char *
show_word (const char *word)
{
  return vsmmu_render_printable (word != NULL ? word : NONE);
}

/* (transfer full): the time of day that was @ago microseconds ago */
static char *
show_time (gint64 ago)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autoptr (GDateTime) then = g_date_time_add (now, -ago);

  return g_date_time_format (then, "%T");
}

static char *
show_doorbell (const VsmmuVerifiedDevice *device)
{
  return device->doorbell != 0 ? g_strdup_printf ("0x%08" PRIx64, device->doorbell) : g_strdup (NONE);
}

/* (transfer full): one line for a pipe, and for below the table */
static char *
format_event (const VsmmuWatchEvent *event)
{
  const VsmmuVerifiedDevice *device = event->kind == VSMMU_WATCH_VERDICT ? event->device : NULL;
  g_autofree char *time = show_time (0);
  g_autofree char *doorbell = device != NULL ? show_doorbell (device) : NULL;
  g_autoptr (GString) line = g_string_new (time);
  g_autofree char *whole = NULL;

  g_string_append_printf (line, " %s",
                          device != NULL ? vsmmu_outcome_to_string (device->outcome)
                                         : vsmmu_watch_kind_to_string (event->kind));
  if (event->domain == NULL)
    g_string_append_printf (line, " %s", event->uri);
  else
    g_string_append_printf (line, " %s", event->domain);
  if (event->alias != NULL)
    g_string_append_printf (line, " %s", event->alias);
  if (device != NULL)
    g_string_append_printf (line, " %s %s %s", device->vsmmu != NULL ? device->vsmmu : NONE,
                            device->smmu != NULL ? device->smmu : NONE, doorbell);
  if (event->reason != NULL)
    g_string_append_printf (line, ": %s", event->reason);
  if (event->is_overruled)
    whole = g_strdup_printf (_ ("%s (on-mismatch='%s' in the domain's metadata does not apply)"), line->str,
                             vsmmu_policy_mismatch_to_string (event->verification->action));
  return vsmmu_render_printable (whole != NULL ? whole : line->str);
}

static void
draw (const Watch *watch)
{
  static const char *const titles[] = { N_ ("domain"),   N_ ("device"),  N_ ("vSMMU"), N_ ("host SMMU"),
                                        N_ ("doorbell"), N_ ("verdict"), N_ ("since"), N_ ("reason") };
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) entries = vsmmu_watcher_list (watch->watcher);
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < entries->len; i++) {
    const VsmmuWatchEntry *entry = &g_array_index (entries, VsmmuWatchEntry, i);
    const VsmmuVerifiedDevice *device = entry->device;

    g_ptr_array_add (cells, show_word (entry->domain));
    g_ptr_array_add (cells, show_word (device->alias));
    g_ptr_array_add (cells, show_word (device->vsmmu));
    g_ptr_array_add (cells, show_word (device->smmu));
    g_ptr_array_add (cells, show_doorbell (device));
    g_ptr_array_add (cells, g_strdup (vsmmu_outcome_to_string (device->outcome)));
    g_ptr_array_add (cells, show_time (now - entry->since));
    g_ptr_array_add (cells, show_word (device->reason));
  }
  g_print (CLEAR_SCREEN);
  vsmmu_table_print (titles, G_N_ELEMENTS (titles), cells);
  g_print ("\n");
  for (guint i = 0; i < watch->messages->len; i++)
    g_print ("%s\n", (const char *) g_ptr_array_index (watch->messages, i));
}

/* Of verdicts the table says all. */
static void
keep_message (Watch *watch, const VsmmuWatchEvent *event, char *line)
{
  if (event->kind == VSMMU_WATCH_VERDICT) {
    g_free (line);
    return;
  }
  if (watch->messages->len == MESSAGES_MAX)
    g_ptr_array_remove_index (watch->messages, 0);
  g_ptr_array_add (watch->messages, line);
}

static gboolean
redraw (gpointer data)
{
  draw (data);
  fflush (stdout);
  return G_SOURCE_REMOVE;
}

static void
on_event (const VsmmuWatchEvent *event, gpointer data)
{
  Watch *watch = data;

  if (watch->is_live) {
    keep_message (watch, event, format_event (event));
    /* Later, when the watcher has taken the event in itself; several at once are drawn once. */
    g_idle_remove_by_data (watch);
    g_idle_add (redraw, watch);
    return;
  }
  if (watch->is_json) {
    g_autofree char *text = vsmmu_watch_event_to_json (event);

    fputs (text, stdout);
  } else {
    g_autofree char *line = format_event (event);

    g_print ("%s\n", line);
  }
  /* Nobody reads any more. */
  if (fflush (stdout) != 0)
    g_main_loop_quit (watch->loop);
}

static gboolean
on_signal (gpointer data)
{
  g_main_loop_quit (((Watch *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static int
run (const VsmmuWatchOptions *wanted, gboolean is_json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Watch watch = { .loop = loop,
                  .is_json = is_json,
                  .is_live = !is_json && vsmmu_command_is_terminal (STDOUT_FILENO),
                  .messages = messages };
  VsmmuWatchOptions options = *wanted;
  guint interrupt;
  guint terminate;

  options.report = on_event;
  options.data = &watch;
  watch.watcher = vsmmu_watcher_new (&options, &error);
  if (watch.watcher == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  interrupt = g_unix_signal_add (SIGINT, on_signal, &watch);
  terminate = g_unix_signal_add (SIGTERM, on_signal, &watch);
  g_main_loop_run (loop);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  g_idle_remove_by_data (&watch);
  vsmmu_watcher_free (watch.watcher);
  return VSMMU_EXIT_CLEAN;
}

typedef struct {
  char **uris;
  gboolean use_monitor;
  gboolean is_enforcing;
  int format;
} Arguments;

static int
watch (gconstpointer data, int n_operands G_GNUC_UNUSED, char **operands G_GNUC_UNUSED)
{
  const Arguments *arguments = data;
  const VsmmuWatchOptions wanted = {
    .uris = (const char *const *) arguments->uris,
    .flags = arguments->use_monitor ? VSMMU_VERIFY_MONITOR : VSMMU_VERIFY_MEMORY,
    .is_enforcing = arguments->is_enforcing,
  };

  return run (&wanted, arguments->format == FORMAT_JSON);
}

static const VsmmuOption options[] = {
  { "connect", 'c', G_OPTION_ARG_STRING_ARRAY, G_STRUCT_OFFSET (Arguments, uris),
    N_ ("libvirt, may be repeated (default qemu:///system)"), N_ ("URI") },
  { "monitor", 'm', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, use_monitor),
    N_ ("ask QEMU for the doorbells; taints the guests") },
  { "enforce", 'e', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_enforcing),
    N_ ("apply the policy instead of only reporting") },
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("output format: text (default) or json"), N_ ("FORMAT"), formats },
  { NULL },
};

const VsmmuCommand vsmmu_command_watch = {
  .name = "watch",
  .summary = N_ ("monitor guests, and report devices that are attached or detached"),
  .explanation = N_ ("Monitors the guests of libvirt, and verifies their devices behind SMMUv3s like\n"
                     "'verify' whenever a guest starts or a device is attached. Shows a table on a\n"
                     "terminal; press Ctrl-C to stop."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = watch,
};
