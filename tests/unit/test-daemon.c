/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding libvirt's daemon. The program that is started as one is this test, which knows by its arguments. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/daemon.h"
#include "vsmmu/error.h"

#define SECONDS_MAX 10
#define NOBODY 65534
#define FAILS "VSMMU_TEST_FAILS" /* the daemon says that it could not start, though one listens */

static char *directory; /* $XDG_RUNTIME_DIR */
static char *program;

static char *
path_of (const char *socket)
{
  return g_build_filename (directory, "libvirt", socket, NULL);
}

static int
listen_at (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  memcpy (address.sun_path, path, MIN (strlen (path) + 1, sizeof (address.sun_path)));
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof (address)), ==, 0);
  g_assert_cmpint (listen (fd, 5), ==, 0);
  return fd;
}

/* Says to each client which one it is, for as long as a test may take. */
static int
be_daemon (void)
{
  g_autofree char *path = path_of ("virtqemud-sock");
  int fd = listen_at (path);

  if (fork () != 0)
    return g_getenv (FAILS) != NULL ? 1 : 0;
  alarm (SECONDS_MAX);
  for (char number = '1';; number++) {
    int client = accept (fd, NULL, NULL);

    if (client < 0 || write (client, &number, 1) < 1)
      return 1;
  }
}

typedef struct {
  int listeners[2];
  guint n_descriptors; /* that were open before */
} Fixture;

static const char *const sockets[] = { "virtqemud-sock", "libvirt-sock" };

static guint
count_descriptors (void)
{
  g_autoptr (GDir) open = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (open) != NULL)
    n++;
  return n;
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->listeners[0] = fixture->listeners[1] = -1;
  g_setenv ("VIRTD_PATH", "/bin/false", TRUE);
  g_unsetenv (FAILS);
  fixture->n_descriptors = count_descriptors ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++) {
    g_autofree char *path = path_of (sockets[i]);

    if (fixture->listeners[i] >= 0)
      close (fixture->listeners[i]);
    g_unlink (path);
  }
  g_assert_cmpuint (count_descriptors (), ==, fixture->n_descriptors);
}

static void
listen_as (Fixture *fixture, guint i)
{
  g_autofree char *path = path_of (sockets[i]);

  fixture->listeners[i] = listen_at (path);
}

/* A socket stays when its daemon ends. */
static void
die (Fixture *fixture, guint i)
{
  close (fixture->listeners[i]);
  fixture->listeners[i] = -1;
}

/* Whether it is @listener that @fd is connected to. */
static void
expect_connection (int fd, int listener)
{
  int peer;
  char byte = 0;

  g_assert_cmpint (fd, >=, 0);
  peer = accept (listener, NULL, NULL);
  g_assert_cmpint (write (peer, "x", 1), ==, 1);
  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
  close (peer);
  close (fd);
}

static void
expect_error (const char *path, gboolean is_session, const char *said)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (vsmmu_daemon_connect (path, is_session, &error), ==, -1);
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
  g_assert_nonnull (strstr (error->message, said));
}

static void
test_a_path_is_what_is_connected_to (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = path_of (sockets[1]);
  g_autoptr (GError) error = NULL;

  listen_as (fixture, 0);
  expect_error (path, FALSE, "No such file or directory; start libvirtd or virtqemud");
  expect_error (path, TRUE, "No such file or directory; start libvirtd or virtqemud");
  listen_as (fixture, 1);
  expect_connection (vsmmu_daemon_connect (path, FALSE, &error), fixture->listeners[1]);
  g_assert_no_error (error);
  die (fixture, 1);
  expect_error (path, FALSE, "Connection refused; start libvirtd or virtqemud");
}

/* The kernel needs no NUL at its end, but who reads it does. */
static void
test_a_path_has_so_many_bytes_and_no_more (void)
{
  const struct sockaddr_un *address = NULL;
  const gsize most = sizeof (address->sun_path) - 1;
  g_autofree char *fill = g_strnfill (most - strlen (directory) - 1, 'x');
  g_autofree char *longest = g_build_filename (directory, fill, NULL);
  g_autofree char *longer = g_strconcat (longest, "x", NULL);
  int listener = listen_at (longest);

  expect_connection (vsmmu_daemon_connect (longest, FALSE, NULL), listener);
  expect_error (longer, FALSE, "File name too long");
  close (listener);
  g_unlink (longest);
}

/* By whether the socket is given, or looked for as that of a session; a daemon that may not be used is there. */
static void
test_a_permission_error_says_what_to_do (Fixture *fixture, gconstpointer data)
{
  gboolean is_session = GPOINTER_TO_INT (data);
  g_autofree char *path = path_of (sockets[0]);
  gboolean is_root = geteuid () == 0;

  listen_as (fixture, 0);
  listen_as (fixture, 1);
  g_assert_cmpint (g_chmod (path, is_root ? 0700 : 0), ==, 0);
  if (is_root)
    g_assert_cmpint (seteuid (NOBODY), ==, 0);
  expect_error (is_session ? NULL : path, is_session, "no permission to connect");
  if (is_root)
    g_assert_cmpint (seteuid (0), ==, 0);
}

static void
test_the_daemons_of_a_session_are_tried_in_order (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  listen_as (fixture, 1);
  expect_connection (vsmmu_daemon_connect (NULL, TRUE, &error), fixture->listeners[1]);
  listen_as (fixture, 0);
  expect_connection (vsmmu_daemon_connect (NULL, TRUE, &error), fixture->listeners[0]);
  die (fixture, 0);
  expect_connection (vsmmu_daemon_connect (NULL, TRUE, &error), fixture->listeners[1]);
  g_assert_no_error (error);
}

static void
test_a_session_without_a_daemon_gets_one (Fixture *fixture G_GNUC_UNUSED, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  char byte = 0;
  int fd;

  g_setenv ("VIRTD_PATH", program, TRUE);
  if (GPOINTER_TO_INT (data))
    g_setenv (FAILS, "yes", TRUE);
  fd = vsmmu_daemon_connect (NULL, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
  /* No other connection was left behind. */
  g_assert_cmpint (byte, ==, '1');
  close (fd);
}

static void
test_a_daemon_that_cannot_be_started_is_named (Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  expect_error (NULL, TRUE, "cannot start '/bin/false' for this session");
  g_setenv ("VIRTD_PATH", "/nonexistent", TRUE);
  expect_error (NULL, TRUE, "cannot start '/nonexistent' for this session");
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  int status;

  if (argc == 3 && strcmp (argv[1], "--timeout=120") == 0 && strcmp (argv[2], "--daemon") == 0) {
    directory = g_strdup (g_getenv ("XDG_RUNTIME_DIR"));
    return be_daemon ();
  }
  g_test_init (&argc, &argv, NULL);
  program = g_file_read_link ("/proc/self/exe", NULL);
  directory = g_dir_make_tmp ("vsmmu-XXXXXX", NULL);
  folder = g_build_filename (directory, "libvirt", NULL);
  g_assert_cmpint (g_mkdir (folder, 0755), ==, 0);
  g_assert_cmpint (g_chmod (directory, 0755), ==, 0);
  g_setenv ("XDG_RUNTIME_DIR", directory, TRUE);
#define ADD(path, data, test) g_test_add ("/daemon/" path, Fixture, data, set_up, test, tear_down)
  ADD ("path", NULL, test_a_path_is_what_is_connected_to);
  g_test_add_func ("/daemon/longest-path", test_a_path_has_so_many_bytes_and_no_more);
  ADD ("permission/path", GINT_TO_POINTER (FALSE), test_a_permission_error_says_what_to_do);
  ADD ("permission/session", GINT_TO_POINTER (TRUE), test_a_permission_error_says_what_to_do);
  ADD ("session", NULL, test_the_daemons_of_a_session_are_tried_in_order);
  ADD ("started", GINT_TO_POINTER (FALSE), test_a_session_without_a_daemon_gets_one);
  ADD ("started-by-another", GINT_TO_POINTER (TRUE), test_a_session_without_a_daemon_gets_one);
  ADD ("not-started", NULL, test_a_daemon_that_cannot_be_started_is_named);
  status = g_test_run ();
  g_rmdir (folder);
  g_rmdir (directory);
  g_free (directory);
  g_free (program);
  return status;
}
