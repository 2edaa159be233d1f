/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "documents.h"

#include <glib/gi18n.h>

#include "command.h"

static void
document_free (gpointer data)
{
  VsmmuDocument *document = data;

  g_free (document->path);
  g_free (document);
}

static void
add (GPtrArray *documents, const char *path, gboolean is_found)
{
  VsmmuDocument *document = g_new0 (VsmmuDocument, 1);

  document->path = g_strdup (path);
  document->is_found = is_found;
  g_ptr_array_add (documents, document);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* (transfer full) (nullable): the sorted names in @directory */
static GPtrArray *
list_directory (const char *directory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &error);
  GPtrArray *names;
  const char *name;

  if (dir == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return NULL;
  }
  names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

/* A list of directories to do stands in for recursion, so that depth costs no stack. */
static gboolean
search (GPtrArray *documents, const char *top)
{
  g_autoptr (GPtrArray) todo = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (todo, g_strdup (top));
  while (todo->len > 0) {
    g_autofree char *directory = g_ptr_array_steal_index (todo, todo->len - 1);
    g_autoptr (GPtrArray) names = list_directory (directory);
    guint n_todo = todo->len;

    if (names == NULL)
      return FALSE;
    for (guint i = 0; i < names->len; i++) {
      g_autofree char *path = g_build_filename (directory, g_ptr_array_index (names, i), NULL);

      /* It may lead out of the directory, to what whoever wrote it may not read. */
      if (g_file_test (path, G_FILE_TEST_IS_SYMLINK)) {
        if (g_str_has_suffix (path, ".xml"))
          vsmmu_command_complain (_ ("%s is a symbolic link and is not followed"), path);
      } else if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
        g_ptr_array_insert (todo, (int) n_todo, g_steal_pointer (&path));
      } else if (g_str_has_suffix (path, ".xml") && g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
        add (documents, path, TRUE);
      }
    }
  }
  return TRUE;
}

GPtrArray *
vsmmu_documents_collect (char **paths, gboolean recurse)
{
  g_autoptr (GPtrArray) documents = g_ptr_array_new_with_free_func (document_free);

  for (; *paths != NULL; paths++) {
    if (!g_file_test (*paths, G_FILE_TEST_IS_DIR)) {
      add (documents, *paths, FALSE);
    } else if (!recurse) {
      vsmmu_command_complain (_ ("%s is a directory; use -r to search it for domain XML"), *paths);
      return NULL;
    } else if (!search (documents, *paths)) {
      return NULL;
    }
  }
  return g_steal_pointer (&documents);
}
