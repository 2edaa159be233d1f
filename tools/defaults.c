/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "defaults.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/text.h"

/* More than anybody writes. */
#define BYTES_MAX (64 * 1024)

typedef struct {
  const VsmmuCommand *command;
  const char *folder;
  const char *shown; /* the file, for messages */
  guint line;
  GStrvBuilder *arguments;
} Reading;

/* (transfer full) (nullable): the folder of the file */
static char *
find_folder (void)
{
  char *folder = g_get_current_dir ();

  for (;;) {
    g_autofree char *path = g_build_filename (folder, VSMMU_DEFAULTS_FILE, NULL);
    g_autofree char *git = g_build_filename (folder, ".git", NULL);
    char *parent;

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return folder;
    parent = g_path_get_dirname (folder);
    if (g_file_test (git, G_FILE_TEST_EXISTS) || strcmp (parent, folder) == 0) {
      g_free (parent);
      g_free (folder);
      return NULL;
    }
    g_free (folder);
    folder = parent;
  }
}

/* (transfer full) (nullable): what is in the file */
static char *
read_file (const char *path, const char *shown, GError **error)
{
  g_autofree char *text = g_malloc (BYTES_MAX + 1);
  struct stat info = { 0 };
  /* Reading from a pipe or a device may never end. */
  int fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  gssize n = fd >= 0 && fstat (fd, &info) == 0 ? read (fd, text, BYTES_MAX + 1) : -1;
  int fault = n < 0 ? errno : n > BYTES_MAX ? EFBIG : 0;

  if (fd >= 0)
    close (fd);
  if (fault != 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot read '%s': %s"), shown, g_strerror (fault));
    return NULL;
  }
  if (!S_ISREG (info.st_mode)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("'%s' is not a regular file"), shown);
    return NULL;
  }
  if (info.st_uid != geteuid () && info.st_uid != 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("'%s' belongs to another user and was not read; use --no-config to do without it"), shown);
    return NULL;
  }
  text[n] = '\0';
  return g_steal_pointer (&text);
}

static gboolean
fail (const Reading *reading, GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, "%s:%u: %s", reading->shown, reading->line, message);
  return FALSE;
}

static gboolean
fail_unknown (const Reading *reading, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autofree char *shown = vsmmu_text_shorten (name);
  g_autofree char *list = NULL;
  const char *meant;

  for (const VsmmuOption *option = reading->command->options; option->name != NULL; option++)
    if (option->is_for_file)
      g_ptr_array_add (names, (gpointer) option->name);
  g_ptr_array_add (names, NULL);
  meant = vsmmu_suggest (name, (const char *const *) names->pdata);
  if (meant != NULL)
    return fail (reading, error, _ ("unknown option '%s'; did you mean '%s'?"), shown, meant);
  list = g_strjoinv (", ", (char **) names->pdata);
  return fail (reading, error, _ ("unknown option '%s'; use one of %s"), shown, list);
}

/* (transfer full) (nullable): @value as on the command line; %NULL for what is left away there */
static char *
make_argument (const Reading *reading, const VsmmuOption *option, const char *value)
{
  gboolean is_file = option->type == G_OPTION_ARG_FILENAME;
  g_autofree char *path =
      is_file && !g_path_is_absolute (value) ? g_build_filename (reading->folder, value, NULL) : NULL;

  if (option->type == G_OPTION_ARG_NONE)
    return strcmp (value, "yes") == 0 ? g_strconcat ("--", option->name, NULL) : NULL;
  return g_strconcat ("--", option->name, "=", path != NULL ? path : value, NULL);
}

static gboolean
read_line (const Reading *reading, const char *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "=", 2);
  const VsmmuOption *option = reading->command->options;
  char *argument;

  if (*text == '\0' || *text == '#')
    return TRUE;
  while (option->name != NULL && (!option->is_for_file || strcmp (option->name, g_strstrip (parts[0])) != 0))
    option++;
  if (option->name == NULL)
    return fail_unknown (reading, parts[0], error);
  if (parts[1] == NULL || *g_strstrip (parts[1]) == '\0')
    return fail (reading, error, _ ("'%s' has no value; write %s=VALUE"), option->name, option->name);
  if (option->type == G_OPTION_ARG_NONE && strcmp (parts[1], "yes") != 0 && strcmp (parts[1], "no") != 0)
    return fail (reading, error, _ ("invalid value '%s' for '%s'; use yes or no"), parts[1], option->name);
  argument = make_argument (reading, option, parts[1]);
  if (argument != NULL)
    g_strv_builder_add (reading->arguments, argument);
  g_free (argument);
  return TRUE;
}

GStrv
vsmmu_defaults_read (const VsmmuCommand *command, GError **error)
{
  g_autoptr (GStrvBuilder) arguments = g_strv_builder_new ();
  g_autofree char *folder = find_folder ();
  g_autofree char *path = folder != NULL ? g_build_filename (folder, VSMMU_DEFAULTS_FILE, NULL) : NULL;
  g_autofree char *shown = path != NULL ? g_filename_display_name (path) : NULL;
  g_autofree char *text = path != NULL ? read_file (path, shown, error) : NULL;
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;
  Reading reading = { command, folder, shown, 0, arguments };

  if (path != NULL && text == NULL)
    return NULL;
  for (guint i = 0; lines != NULL && lines[i] != NULL; i++) {
    reading.line = i + 1;
    if (!read_line (&reading, g_strstrip (lines[i]), error))
      return NULL;
  }
  return g_strv_builder_end (arguments);
}
