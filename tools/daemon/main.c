/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <malloc.h>
#include <vsmmu/vsmmu.h>

#include "../options.h"
#include "base/budget.h"
#include "guest-watch.h"
#include "journal.h"
#include "memory.h"
#include "metrics.h"
#include "quota.h"
#include "render/text.h"
#include "service.h"

#define BUS_NAME "org.vsmmu1"

enum {
  EXIT_CLEAN = 0,
  EXIT_FAILED = 2, /* as virt-vsmmu has it: could not be carried out */
};

/* What the command line says. */
typedef struct {
  gboolean is_session;
  gboolean wants_version;
  char *host;
  char *saved;
  char *metrics;
  char **uris;
} Arguments;

/* What runs. */
typedef struct {
  GMainLoop *loop;
  int status;
} Daemon;

static void
arguments_clear (Arguments *arguments)
{
  g_free (arguments->host);
  g_free (arguments->saved);
  g_free (arguments->metrics);
  g_strfreev (arguments->uris);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

static void G_GNUC_PRINTF (1, 2) complain (const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *printable = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  printable = vsmmu_render_printable (message);
  g_printerr ("virt-vsmmud: %s\n", printable);
}

static gboolean
parse_arguments (Arguments *arguments, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "session", 0, 0, G_OPTION_ARG_NONE, &arguments->is_session, N_ ("use the session bus instead of the system bus"),
      NULL },
    { "host", 'H', 0, G_OPTION_ARG_FILENAME, &arguments->host,
      N_ ("host facts, or directory with /sys, /proc and /dev"), N_ ("FACTS") },
    { "saved-facts", 0, 0, G_OPTION_ARG_FILENAME, &arguments->saved, N_ ("facts that only root can read, as JSON"),
      N_ ("FILE") },
    { "metrics", 0, 0, G_OPTION_ARG_FILENAME, &arguments->metrics,
      N_ ("write metrics for the Prometheus textfile collector"), N_ ("FILE") },
    { "connect", 'c', 0, G_OPTION_ARG_STRING_ARRAY, &arguments->uris, N_ ("libvirt to monitor; may be repeated"),
      N_ ("URI") },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &arguments->wants_version, N_ ("show the version"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, _ ("Checks domains with an accelerated SMMUv3 for D-Bus clients, and reports "
                                            "whether\n"
                                            "interrupts of their devices arrive."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    g_autofree char *message = vsmmu_options_describe_error (entries, *argv, error, "virt-vsmmud");

    complain ("%s", message);
    return FALSE;
  }
  if (*argc != 1) {
    complain (_ ("unexpected argument; virt-vsmmud accepts only options, see 'virt-vsmmud --help'"));
    return FALSE;
  }
  return TRUE;
}

static gboolean
stop (gpointer data)
{
  Daemon *daemon = data;

  g_main_loop_quit (daemon->loop);
  return G_SOURCE_CONTINUE;
}

static void
lose_name (GDBusConnection *bus, const char *name, gpointer data)
{
  Daemon *daemon = data;

  if (bus == NULL || g_dbus_connection_is_closed (bus))
    complain (_ ("the connection to the bus was closed"));
  else
    complain (_ ("cannot own the name %s on the bus: another virt-vsmmud owns it, or the bus policy does not allow it "
                 "for this user"),
              name);
  daemon->status = EXIT_FAILED;
  g_main_loop_quit (daemon->loop);
}

/* Until a signal comes, or the name is lost. */
static int
run_daemon (GDBusConnection *bus)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Daemon daemon = { .loop = loop, .status = EXIT_CLEAN };
  guint name =
      g_bus_own_name_on_connection (bus, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, NULL, lose_name, &daemon, NULL);
  guint interrupt = g_unix_signal_add (SIGINT, stop, &daemon);
  guint terminate = g_unix_signal_add (SIGTERM, stop, &daemon);

  g_main_loop_run (loop);
  g_bus_unown_name (name);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  return daemon.status;
}

static void
on_connections_changed (gpointer data)
{
  vsmmu_service_emit_connections (data);
}

/* (nullable): all but what is about guests works without libvirt's client library */
static VsmmuGuestWatch *
start_watch (const Arguments *arguments, VsmmuVerdicts *verdicts, VsmmuBudget *budget, VsmmuMemory *memory)
{
  static const char *const of_system[] = { "qemu:///system", NULL };
  static const char *const of_session[] = { "qemu:///session", NULL };
  const char *const *uris = arguments->is_session ? of_session : of_system;
  g_autoptr (GError) error = NULL;
  VsmmuGuestWatch *watch;

  if (arguments->uris != NULL)
    uris = (const char *const *) arguments->uris;
  watch = vsmmu_guest_watch_new (uris, verdicts, budget, memory, &error);
  if (watch == NULL)
    complain (_ ("no guests are monitored: %s"), error->message);
  return watch;
}

static int
serve (const Arguments *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus =
      g_bus_get_sync (arguments->is_session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, &error);
  g_autoptr (VsmmuVerdicts) verdicts = vsmmu_verdicts_new ();
  g_autoptr (VsmmuMemory) memory = vsmmu_memory_new ();
  g_autoptr (VsmmuBudget) budget = vsmmu_budget_new (VSMMU_QUOTA_DOCUMENTS_MEMORY);
  g_autoptr (VsmmuMetrics) metrics = NULL;
  g_autoptr (VsmmuGuestWatch) watch = NULL;
  g_autoptr (VsmmuService) service = NULL;
  VsmmuServiceOptions options = { .bus = bus,
                                  .is_session = arguments->is_session,
                                  .host = { arguments->host, arguments->saved },
                                  .verdicts = verdicts,
                                  .budget = budget,
                                  .memory = memory };

  if (bus == NULL) {
    complain (_ ("cannot connect to the bus: %s"), error->message);
    return EXIT_FAILED;
  }
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  vsmmu_journal_listen (verdicts);
  if (arguments->metrics != NULL)
    metrics = vsmmu_metrics_new (arguments->metrics, verdicts);
  watch = start_watch (arguments, verdicts, budget, memory);
  options.guests = watch != NULL ? vsmmu_guest_watch_get_guests (watch) : NULL;
  service = vsmmu_service_new (&options, &error);
  if (service == NULL) {
    complain ("%s", error->message);
    return EXIT_FAILED;
  }
  if (watch != NULL)
    vsmmu_guest_watch_set_callback (watch, on_connections_changed, service);
  return run_daemon (bus);
}

/*
 * What a large document took goes back to the system: large blocks have pages of their own, always, and threads that
 * are not at work end soon.
 */
static void
tune_memory (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_THRESHOLD, 128 * 1024);
  mallopt (M_TRIM_THRESHOLD, 128 * 1024);
  g_thread_pool_set_max_idle_time (1000);
}

int
main (int argc, char **argv)
{
  g_auto (Arguments) arguments = { 0 };

  tune_memory ();
  setlocale (LC_ALL, "");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("virt-vsmmud");
  if (!parse_arguments (&arguments, &argc, &argv))
    return EXIT_FAILED;
  if (arguments.wants_version) {
    g_print ("virt-vsmmud %s\n", PACKAGE_VERSION);
    return EXIT_CLEAN;
  }
  return serve (&arguments);
}
