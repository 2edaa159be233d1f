/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quota.h"

/* (nullable) (transfer full): translated: what is wrong with an option */
static char *
find_fault (const VsmmuRequestOption *known, const char *name, GVariant *value, GHashTable *seen)
{
  while (known->name != NULL && strcmp (known->name, name) != 0)
    known++;
  if (known->name == NULL)
    return g_strdup_printf (_ ("unknown option '%s'; virt-vsmmud(8) lists the options of the method"), name);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (known->type)))
    return g_strdup_printf (_ ("option '%s' has the wrong type; see virt-vsmmud(8)"), name);
  if (strcmp (name, "name") == 0 && g_variant_get_size (value) > VSMMU_QUOTA_NAME_BYTES)
    return g_strdup_printf (_ ("a name can have at most %d bytes"), VSMMU_QUOTA_NAME_BYTES - 1);
  if (!g_hash_table_add (seen, (gpointer) known))
    return g_strdup_printf (_ ("option '%s' is specified twice"), name);
  return NULL;
}

gboolean
vsmmu_request_check_options (GVariant *options, const VsmmuRequestOption *known, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GVariantIter iter;
  GVariant *value;
  const char *name;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value)) {
    g_autofree char *fault = find_fault (known, name, value, seen);

    if (fault == NULL)
      continue;
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, fault);
    g_variant_unref (value);
    return FALSE;
  }
  return TRUE;
}

gsize
vsmmu_request_get_size (GVariant *parameters, GUnixFDList *descriptors)
{
  gsize size = g_variant_get_size (parameters);
  int n_descriptors = 0;
  const int *all = descriptors != NULL ? g_unix_fd_list_peek_fds (descriptors, &n_descriptors) : NULL;
  struct stat status;

  for (int i = 0; i < n_descriptors; i++)
    if (fstat (all[i], &status) == 0)
      size += (gsize) status.st_size;
  return size;
}

/* Only files in memory have seals, or can have. */
static gboolean
is_memory (int descriptor)
{
  return fcntl (descriptor, F_GET_SEALS) >= 0;
}

static GBytes *
read_memory (int descriptor, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[16 * 1024];

  while (bytes->len <= VSMMU_QUOTA_DESCRIPTOR_BYTES) {
    gssize length = pread (descriptor, buffer, sizeof (buffer), bytes->len);

    if (length == 0)
      return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
    if (length < 0) {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, _ ("cannot read the file descriptor: %s"),
                   g_strerror (errno));
      return NULL;
    }
    g_byte_array_append (bytes, buffer, (guint) length);
  }
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
               _ ("the document behind the file descriptor is larger than %d bytes"), VSMMU_QUOTA_DESCRIPTOR_BYTES);
  return NULL;
}

static GBytes *
read_descriptor (GVariant *handle, GUnixFDList *descriptors, GError **error)
{
  gint32 index = g_variant_get_handle (handle);
  const int *all = NULL;
  int n_descriptors = 0;

  if (descriptors != NULL)
    all = g_unix_fd_list_peek_fds (descriptors, &n_descriptors);
  if (index < 0 || index >= n_descriptors) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("the call has no file descriptor, but its document refers to one"));
    return NULL;
  }
  if (!is_memory (all[index])) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("the file descriptor is not from memfd_create(); write the document to a memfd_create() "
                            "file"));
    return NULL;
  }
  return read_memory (all[index], error);
}

GBytes *
vsmmu_request_read_document (GVariant *document, GUnixFDList *descriptors, GError **error)
{
  gsize length;
  const char *text;

  if (g_variant_is_of_type (document, G_VARIANT_TYPE_HANDLE))
    return read_descriptor (document, descriptors, error);
  if (!g_variant_is_of_type (document, G_VARIANT_TYPE_STRING)) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("a document must be a string or a file "
                            "descriptor"));
    return NULL;
  }
  text = g_variant_get_string (document, &length);
  return g_bytes_new (text, length);
}
