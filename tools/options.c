/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <glib/gi18n.h>

#include "base/suggest.h"

/* (nullable): the long option that was meant by @word */
static const char *
suggest (const GOptionEntry *entries, const char *word)
{
  g_autofree char *name = g_strndup (word + 2, strcspn (word + 2, "="));
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (; entries->long_name != NULL; entries++)
    g_ptr_array_add (names, (gpointer) entries->long_name);
  g_ptr_array_add (names, (gpointer) "help");
  g_ptr_array_add (names, NULL);
  return vsmmu_suggest (name, (const char *const *) names->pdata);
}

/* (nullable): the word that GLib does not know, which it says only in its message */
static const char *
find_unknown (char **argv, const GError *error)
{
  const char *found = NULL;

  if (!g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION))
    return NULL;
  /* The longest: --for may be a value, and --format the option. */
  for (; *argv != NULL; argv++)
    if ((*argv)[0] == '-' && strstr (error->message, *argv) != NULL &&
        (found == NULL || strlen (*argv) > strlen (found)))
      found = *argv;
  return found;
}

char *
vsmmu_options_describe_error (const GOptionEntry *entries, char **argv, const GError *error, const char *program)
{
  const char *word = find_unknown (argv, error);
  const char *meant = word != NULL && g_str_has_prefix (word, "--") ? suggest (entries, word) : NULL;

  if (meant != NULL)
    return g_strdup_printf (_ ("unknown option '%s'; did you mean '--%s'?"), word, meant);
  if (word != NULL)
    return g_strdup_printf (_ ("unknown option '%s'; see '%s --help'"), word, program);
  return g_strdup_printf (_ ("%s; see '%s --help'"), error->message, program);
}
