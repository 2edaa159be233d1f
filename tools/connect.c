/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/daemon.h"
#include "rpc/error.h"
#include "rpc/opening.h"
#include "rpc/relay.h"
#include "rpc/session.h"

#define PROGRAM "virt-vsmmu-connect"
#define SESSION_SUFFIX "-session"

/* A client says something at once; who does not is none. */
#define FIRST_CALL_MILLISECONDS 5000

/* The largest that is seconds in an int of milliseconds. */
#define QUIT_AFTER_MAX (G_MAXINT / 1000)

enum { EXIT_CLEAN = 0, EXIT_FAILED = 2 };

typedef struct {
  const char *path;
  int quit_after;
  gboolean is_session;
} Options;

static void
complain (const char *message)
{
  g_printerr (PROGRAM ": %s\n", message);
}

static void
print_help (void)
{
  g_print (_ ("Usage:\n"
              "  virt-vsmmu-connect [OPTION...]\n"
              "\n"
              "Connects standard input and output to the libvirt daemon, and checks guests with\n"
              "an accelerated SMMUv3 on the way. libvirt clients start it:\n"
              "\n"
              "  virsh -c 'qemu+ext:///system?command=%s/virt-vsmmu-connect'\n"
              "  virsh -c 'qemu+ssh://HOST/system?proxy=netcat&netcat=virt-vsmmu-connect'\n"
              "\n"
              "When called as virt-vsmmu-connect-session, it connects to the daemon of the\n"
              "user's session.\n"
              "\n"
              "Options:\n"
              "  -U PATH        connect to the daemon's socket PATH\n"
              "  -q SECONDS     after the end of the input, wait up to SECONDS for the daemon\n"
              "                 to close the connection; -1 (default) waits without limit\n"
              "  -h, --help     show this help\n"
              "  -V, --version  show the version\n"
              "\n"
              "Exit status: 0 the connection was closed normally, 2 it failed.\n"),
           BIN_DIR);
}

static gboolean
parse_seconds (const char *text, int *seconds)
{
  gint64 value;

  if (!g_ascii_string_to_signed (text, 10, -1, QUIT_AFTER_MAX, &value, NULL))
    return FALSE;
  *seconds = (int) value;
  return TRUE;
}

/* Returns: an exit status, or -1 to go on */
static int
parse_options (int argc, char **argv, Options *options)
{
  static const struct option names[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
  };
  int option;

  while ((option = getopt_long (argc, argv, ":U:q:hV", names, NULL)) != -1)
    switch (option) {
    case 'U':
      options->path = optarg;
      break;
    case 'q':
      if (!parse_seconds (optarg, &options->quit_after)) {
        complain (_ ("-q requires a number of seconds, or -1"));
        return EXIT_FAILED;
      }
      break;
    case 'h':
      print_help ();
      return EXIT_CLEAN;
    case 'V':
      g_print (PROGRAM " %s\n", PACKAGE_VERSION);
      return EXIT_CLEAN;
    case ':':
      /* By these words libvirt finds out whether it may give us -q (virNetClientSSHHelperCommand()). */
      g_printerr (PROGRAM ": option requires an argument -- '%c'\n", optopt);
      return EXIT_FAILED;
    default:
      complain (_ ("unknown option; see 'virt-vsmmu-connect --help'"));
      return EXIT_FAILED;
    }
  if (optind == argc)
    return -1;
  complain (_ ("unexpected argument; virt-vsmmu-connect accepts only options, see 'virt-vsmmu-connect --help'"));
  return EXIT_FAILED;
}

static gboolean
read_header (VsmmuFrameHeader *header)
{
  guint8 bytes[VSMMU_FRAME_HEADER_BYTES];
  gsize n_read = 0;

  while (n_read < sizeof (bytes)) {
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    gssize n = poll (&input, 1, FIRST_CALL_MILLISECONDS) > 0
                   ? read (STDIN_FILENO, bytes + n_read, sizeof (bytes) - n_read)
                   : 0;

    if (n <= 0)
      return FALSE;
    n_read += (gsize) n;
  }
  vsmmu_frame_header_read (bytes, header);
  return vsmmu_frame_header_check (header, NULL);
}

/* Of what we say on standard error, libvirt's client shows users a part at best; of a call that fails, they see all. */
static void
refuse_first_call (const char *message)
{
  VsmmuFrameHeader header;
  g_autoptr (GBytes) reply = NULL;
  gsize size;
  const guint8 *bytes;

  if (isatty (STDIN_FILENO) || !read_header (&header) || header.type != VSMMU_FRAME_CALL)
    return;
  reply = vsmmu_rpc_error_reply (&header, VIR_FROM_RPC, VIR_ERR_NO_CONNECT, message);
  bytes = g_bytes_get_data (reply, &size);
  /* A frame so small fits into any socket or pipe; when it does not, nobody reads it. */
  if (write (STDOUT_FILENO, bytes, size) < (gssize) size)
    g_debug ("nobody reads why there is no connection");
}

static gboolean
relay (const Options *options, VsmmuSession *session, int daemon, GError **error)
{
  /* For root, libvirt has no session; who names a socket means it. */
  gboolean can_be_wrong = options->path == NULL && !options->is_session && getuid () != 0;
  VsmmuOpening opening = { &vsmmu_session_filter, session };

  return can_be_wrong ? vsmmu_relay_run (STDIN_FILENO, STDOUT_FILENO, daemon, options->quit_after,
                                         &vsmmu_opening_filter, &opening, error)
                      : vsmmu_relay_run (STDIN_FILENO, STDOUT_FILENO, daemon, options->quit_after,
                                         &vsmmu_session_filter, session, error);
}

/* (transfer full): of the bus on which virt-vsmmud may be; a program that libvirt runs has hardly an environment */
static char *
find_bus (gboolean is_session)
{
  const char *given = g_getenv (is_session ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");

  if (given != NULL)
    return g_strdup (given);
  return is_session ? g_strdup_printf ("unix:path=/run/user/%u/bus", (guint) getuid ())
                    : g_strdup ("unix:path=/run/dbus/system_bus_socket");
}

static int
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuPolicy) policy = vsmmu_policy_load (TRUE, &error);
  g_autofree char *bus = find_bus (options->is_session);
  g_autoptr (VsmmuSession) session = policy != NULL ? vsmmu_session_new (policy, bus) : NULL;
  int daemon = policy != NULL ? vsmmu_daemon_connect (options->path, options->is_session, &error) : -1;
  gboolean is_done;

  if (daemon < 0) {
    complain (error->message);
    refuse_first_call (error->message);
    return EXIT_FAILED;
  }
  is_done = relay (options, session, daemon, &error);
  if (!is_done)
    complain (error->message);
  close (daemon);
  return is_done ? EXIT_CLEAN : EXIT_FAILED;
}

int
main (int argc, char **argv)
{
  Options options = { .quit_after = -1, .is_session = g_str_has_suffix (argv[0], SESSION_SUFFIX) };
  int status;

  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (GETTEXT_PACKAGE, LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  signal (SIGPIPE, SIG_IGN);
  status = parse_options (argc, argv, &options);
  return status >= 0 ? status : run (&options);
}
