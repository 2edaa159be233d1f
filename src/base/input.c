/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/input.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsmmu/domain.h"

char *
vsmmu_read_name (const char *path)
{
  return strcmp (path, "-") == 0 ? g_strdup ("<stdin>") : g_filename_display_name (path);
}

gboolean
vsmmu_read_document (const char *path, char **data, gsize *length, GError **error)
{
  g_autofree char *shown = vsmmu_read_name (path);
  g_autoptr (GByteArray) bytes = NULL;
  struct stat info;
  int fd = strcmp (path, "-") == 0 ? dup (STDIN_FILENO) : g_open (path, O_RDONLY | O_CLOEXEC, 0);
  gssize got = -1;

  if (fd < 0 || fstat (fd, &info) < 0) {
    int saved = errno;

    if (fd >= 0)
      close (fd);
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot open '%s': %s"), shown, g_strerror (saved));
    return FALSE;
  }

  bytes = g_byte_array_new ();
  /* A pipe or a device has no size to trust, so the limit is checked while reading. */
  if (S_ISREG (info.st_mode) && info.st_size <= VSMMU_DOCUMENT_MAX_BYTES)
    g_byte_array_set_size (bytes, (guint) info.st_size + 1);
  else
    g_byte_array_set_size (bytes, 64 * 1024);
  *length = 0;
  do {
    if (*length == bytes->len)
      g_byte_array_set_size (bytes, bytes->len * 2);
    got = read (fd, bytes->data + *length, bytes->len - *length);
    if (got > 0)
      *length += (gsize) got;
  } while ((got > 0 && *length <= VSMMU_DOCUMENT_MAX_BYTES) || (got < 0 && errno == EINTR));

  if (got < 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot read '%s': %s"), shown, g_strerror (errno));
    close (fd);
    return FALSE;
  }
  close (fd);
  if (*length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("'%s' is larger than %u MiB and was not read"), shown,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return FALSE;
  }
  *data = (char *) g_byte_array_free (g_steal_pointer (&bytes), FALSE);
  return TRUE;
}
