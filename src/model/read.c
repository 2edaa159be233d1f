/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/read.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/number.h"

void
vsmmu_read_problem (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                    const char *value, const char *expected)
{
  VsmmuValueProblem problem = {
    .line = vsmmu_xml_line (node),
    .attribute = attribute,
    .value = value,
    .element =
        reader->device != NULL ? vsmmu_device_path (reader->device, suffix) : g_strconcat ("/domain", suffix, NULL),
    .expected = g_strdup (expected),
  };

  g_array_append_val (reader->domain->problems, problem);
}

VsmmuSwitch
vsmmu_read_switch (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                   VsmmuSwitchWords words)
{
  const char *value = vsmmu_xml_attribute (node, attribute);

  if (value == NULL)
    return VSMMU_SWITCH_ABSENT;
  if (strcmp (value, words == VSMMU_READ_ON_OFF ? "on" : "yes") == 0)
    return VSMMU_SWITCH_ON;
  if (strcmp (value, words == VSMMU_READ_ON_OFF ? "off" : "no") == 0)
    return VSMMU_SWITCH_OFF;
  vsmmu_read_problem (reader, node, suffix, attribute, value,
                      words == VSMMU_READ_ON_OFF ? _ ("'on' or 'off'") : _ ("'yes' or 'no'"));
  return VSMMU_SWITCH_INVALID;
}

gint64
vsmmu_read_integer (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                    guint base, gint64 min, gint64 max, gint64 fallback)
{
  const char *text = vsmmu_xml_attribute (node, attribute);
  g_autofree char *expected = NULL;
  guint64 value;

  if (text == NULL)
    return fallback;
  if (vsmmu_number_parse (text, base, &value) && value <= (guint64) max && (gint64) value >= min)
    return (gint64) value;
  expected = g_strdup_printf (_ ("a whole number from %" PRId64 " to %" PRId64), min, max);
  vsmmu_read_problem (reader, node, suffix, attribute, text, expected);
  return fallback;
}

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
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s: cannot open: %s"), shown, g_strerror (saved));
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
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s: cannot read: %s"), shown, g_strerror (errno));
    close (fd);
    return FALSE;
  }
  close (fd);
  if (*length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s: larger than %u MiB, not read"), shown,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return FALSE;
  }
  *data = (char *) g_byte_array_free (g_steal_pointer (&bytes), FALSE);
  return TRUE;
}
