/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "quota.h"
#include "request.h"

/* A file in memory with @size bytes. */
static int
memory_new (gsize size)
{
  g_autofree char *text = g_strnfill (size, 'x');
  int fd = memfd_create ("document", MFD_CLOEXEC);

  g_assert_cmpint (write (fd, text, size), ==, (gssize) size);
  return fd;
}

/* The list takes @fds over. */
static GUnixFDList *
list_new (int first, int second)
{
  const int fds[] = { first, second };

  return g_unix_fd_list_new_from_array (fds, second >= 0 ? 2 : first >= 0 ? 1 : 0);
}

static void
expect_error (GVariant *document, GUnixFDList *descriptors, int code, const char *word)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (document);
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_request_read_document (document, descriptors, &error));
  g_assert_error (error, G_DBUS_ERROR, code);
  g_assert_nonnull (strstr (error->message, word));
}

static void
expect_size (GVariant *document, GUnixFDList *descriptors, gsize size)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (document);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = vsmmu_request_read_document (document, descriptors, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
}

/* By how many descriptors come with the call: the numbers of those that are there, and of others. */
static void
test_a_descriptor_is_one_that_came_with_the_call (void)
{
  static const gint32 indices[] = { G_MININT32, -2, -1, 0, 1, 2, 3, G_MAXINT32 };
  guint n_cases = 0;

  for (int n = -1; n <= 2; n++) {
    g_autoptr (GUnixFDList) list =
        n >= 0 ? list_new (n > 0 ? memory_new (10) : -1, n > 1 ? memory_new (11) : -1) : NULL;

    for (guint i = 0; i < G_N_ELEMENTS (indices); i++, n_cases++)
      if (indices[i] >= 0 && indices[i] < n)
        expect_size (g_variant_new_handle (indices[i]), list, 10 + (gsize) indices[i]);
      else
        expect_error (g_variant_new_handle (indices[i]), list, G_DBUS_ERROR_INVALID_ARGS, "has no file descriptor");
  }
  g_test_message ("%u cases", n_cases);
}

static void
test_a_descriptor_that_cannot_be_read_is_refused (void)
{
  int memory = memory_new (10);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", memory);
  g_autoptr (GUnixFDList) list = list_new (open (path, O_WRONLY | O_CLOEXEC), -1);

  g_assert_cmpint (g_unix_fd_list_get_length (list), ==, 1);
  expect_error (g_variant_new_handle (0), list, G_DBUS_ERROR_INVALID_ARGS, "cannot read the file descriptor");
  close (memory);
}

/* All others may make the reader wait. */
static void
test_only_files_in_memory_are_read (void)
{
  int ends[2];
  g_autoptr (GUnixFDList) files = NULL;
  g_autoptr (GUnixFDList) pipes = NULL;

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  pipes = list_new (ends[0], ends[1]);
  files = list_new (open ("/proc/self/exe", O_RDONLY | O_CLOEXEC), open ("/dev/zero", O_RDONLY | O_CLOEXEC));
  for (gint32 i = 0; i < 2; i++) {
    expect_error (g_variant_new_handle (i), pipes, G_DBUS_ERROR_INVALID_ARGS, "memfd_create");
    expect_error (g_variant_new_handle (i), files, G_DBUS_ERROR_INVALID_ARGS, "memfd_create");
  }
}

static void
test_a_document_has_so_many_bytes (void)
{
  const gsize most = VSMMU_QUOTA_DESCRIPTOR_BYTES;
  g_autoptr (GUnixFDList) list = list_new (memory_new (most), memory_new (most + 1));

  /* Wherever its writer left the place where it would go on. */
  expect_size (g_variant_new_handle (0), list, most);
  expect_size (g_variant_new_handle (0), list, most);
  expect_error (g_variant_new_handle (1), list, G_DBUS_ERROR_LIMITS_EXCEEDED, "larger than 4194304 bytes");
  expect_size (g_variant_new_string ("<domain/>"), NULL, 9);
  expect_error (g_variant_new_int32 (0), list, G_DBUS_ERROR_INVALID_ARGS, "a string or a file descriptor");
  expect_error (g_variant_new_bytestring ("<domain/>"), list, G_DBUS_ERROR_INVALID_ARGS,
                "a string or a file descriptor");
}

static void
test_what_is_behind_descriptors_counts (void)
{
  g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new_parsed ("(handle 0,)"));
  g_autoptr (GUnixFDList) none = list_new (-1, -1);
  g_autoptr (GUnixFDList) list = list_new (memory_new (1000), memory_new (3000));

  g_assert_cmpuint (vsmmu_request_get_size (parameters, NULL), ==, 4);
  g_assert_cmpuint (vsmmu_request_get_size (parameters, none), ==, 4);
  g_assert_cmpuint (vsmmu_request_get_size (parameters, list), ==, 4004);
}

static void
test_options_are_known_and_given_once (void)
{
  static const VsmmuRequestOption known[] = { { "name", "s" }, { "force", "b" }, { NULL } };
  static const struct {
    const char *options;
    const char *word; /* (nullable): of the error */
  } cases[] = {
    { "@a{sv} {}", NULL },
    { "{'name': <'x'>, 'force': <true>}", NULL },
    { "{'force': <true>, 'name': <'x'>, 'force': <true>}", "'force' is specified twice" },
    { "{'name': <'x'>, 'name': <'x'>}", "'name' is specified twice" },
    { "{'force': <'yes'>}", "the wrong type" },
    { "{'name': <true>}", "the wrong type" },
    { "{'name': <'x'>, 'Force': <true>}", "unknown option 'Force'" },
    { "{'': <true>}", "unknown option ''" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new_parsed (cases[i].options));
    g_autoptr (GError) error = NULL;

    g_assert_true (vsmmu_request_check_options (options, known, &error) == (cases[i].word == NULL));
    if (cases[i].word == NULL)
      continue;
    g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    g_assert_nonnull (strstr (error->message, cases[i].word));
  }
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (cases));
}

static void
test_a_name_has_so_many_bytes (void)
{
  static const VsmmuRequestOption known[] = { { "name", "s" }, { NULL } };

  for (gsize length = VSMMU_QUOTA_NAME_BYTES - 2; length <= VSMMU_QUOTA_NAME_BYTES; length++) {
    g_autofree char *name = g_strnfill (length, 'x');
    g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new_parsed ("{'name': <%s>}", name));

    g_assert_true (vsmmu_request_check_options (options, known, NULL) == (length < VSMMU_QUOTA_NAME_BYTES));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/request/which-descriptor", test_a_descriptor_is_one_that_came_with_the_call);
  g_test_add_func ("/request/unreadable", test_a_descriptor_that_cannot_be_read_is_refused);
  g_test_add_func ("/request/memory-only", test_only_files_in_memory_are_read);
  g_test_add_func ("/request/bytes", test_a_document_has_so_many_bytes);
  g_test_add_func ("/request/size", test_what_is_behind_descriptors_counts);
  g_test_add_func ("/request/options", test_options_are_known_and_given_once);
  g_test_add_func ("/request/name", test_a_name_has_so_many_bytes);
  return g_test_run ();
}
