/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/daemon.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsmmu/error.h"

#define SYSTEM_DIRECTORY "/run/libvirt"

/* As long as libvirt's client waits for a daemon that it has started (virNetSocketNewConnectUNIX()). */
#define START_SECONDS 5
#define RETRY_MICROSECONDS 10000

/* In the order in which libvirt looks for them. */
static const struct {
  const char *socket;
  const char *program;
} daemons[] = {
  { "virtqemud-sock", "virtqemud" },
  { "libvirt-sock", "libvirtd" },
};

/* A socket connected to @path, or -1 with errno set. */
static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;
  int error;

  if (strlen (path) >= sizeof (address.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof (address)) == 0)
    return fd;
  error = errno;
  close (fd);
  errno = error;
  return -1;
}

static void
set_connect_error (GError **error, const char *path)
{
  if (errno == EACCES || errno == EPERM)
    g_set_error (
        error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
        _ ("no permission to connect to the libvirt daemon at '%s'; join the group that owns the socket, usually "
           "'libvirt', or connect to the session daemon with virt-vsmmu-connect-session"),
        path);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
                 _ ("cannot connect to the libvirt daemon at '%s': %s; start libvirtd or virtqemud"), path,
                 g_strerror (errno));
}

/* libvirt's transport passes no XDG_RUNTIME_DIR (virCommandAddEnvPassCommon()), without which GLib falls back to
 * ~/.cache. */
static char *
get_session_directory (void)
{
  g_autofree char *usual = g_strdup_printf ("/run/user/%u", getuid ());

  if (g_getenv ("XDG_RUNTIME_DIR") == NULL && g_file_test (usual, G_FILE_TEST_IS_DIR))
    return g_build_filename (usual, "libvirt", NULL);
  return g_build_filename (g_get_user_runtime_dir (), "libvirt", NULL);
}

/* (transfer full): the program of daemon @i, or %NULL when it is not installed */
static char *
find_program (guint i)
{
  const char *given = g_getenv ("VIRTD_PATH") != NULL ? g_getenv ("VIRTD_PATH") : g_getenv ("LIBVIRTD_PATH");
  g_autofree char *usual = g_build_filename ("/usr/sbin", daemons[i].program, NULL);

  if (given != NULL)
    return g_strdup (given);
  return g_file_test (usual, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer (&usual)
                                                        : g_find_program_in_path (daemons[i].program);
}

/* It outlives us, and ends by itself when nobody uses it. */
static gboolean
start_daemon (const char *program, GError **error)
{
  const char *const argv[] = { program, "--timeout=120", "--daemon", NULL };
  int status;

  return g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                       NULL, NULL, &status, error) &&
         g_spawn_check_wait_status (status, error);
}

static int
connect_to_started (const char *path, GError **error)
{
  gint64 end = g_get_monotonic_time () + START_SECONDS * G_TIME_SPAN_SECOND;
  int fd = connect_to (path);

  while (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED) && g_get_monotonic_time () < end) {
    g_usleep (RETRY_MICROSECONDS);
    fd = connect_to (path);
  }
  if (fd < 0)
    set_connect_error (error, path);
  return fd;
}

/* The daemon of a session is started by who needs it first; the second one of two that start ends by itself. */
static int
start_session (const char *directory, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (daemons); i++) {
    g_autofree char *program = find_program (i);
    g_autofree char *path = g_build_filename (directory, daemons[i].socket, NULL);
    g_autoptr (GError) problem = NULL;
    int fd;

    if (program == NULL)
      continue;
    if (start_daemon (program, &problem))
      return connect_to_started (path, error);
    fd = connect_to (path);
    if (fd < 0)
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot start '%s' for this session: %s"), program,
                   problem->message);
    return fd;
  }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("no libvirt daemon is running for this session in '%s', and neither virtqemud nor libvirtd is "
                  "installed"),
               directory);
  return -1;
}

static int
connect_in (const char *directory, gboolean is_session, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (daemons); i++) {
    g_autofree char *path = g_build_filename (directory, daemons[i].socket, NULL);
    int fd = connect_to (path);

    if (fd >= 0)
      return fd;
    /* The socket of a session stays when its daemon ends. */
    if (errno == ENOENT || (is_session && errno == ECONNREFUSED))
      continue;
    set_connect_error (error, path);
    return -1;
  }
  if (is_session)
    return start_session (directory, error);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("no libvirt daemon is running: '%s' has neither '%s' nor '%s'; start virtqemud or libvirtd"),
               directory, daemons[0].socket, daemons[1].socket);
  return -1;
}

int
vsmmu_daemon_connect (const char *path, gboolean is_session, GError **error)
{
  g_autofree char *session = NULL;
  int fd;

  if (path != NULL) {
    fd = connect_to (path);
    if (fd < 0)
      set_connect_error (error, path);
    return fd;
  }
  if (!is_session)
    return connect_in (SYSTEM_DIRECTORY, FALSE, error);
  session = get_session_directory ();
  return connect_in (session, TRUE, error);
}
