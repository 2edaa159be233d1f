/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "base/suggest.h"
#include "check/rule.h"
#include "defaults.h"
#include "options.h"
#include "render/text.h"

const VsmmuCommand *const vsmmu_commands[] = {
  &vsmmu_command_check,
  &vsmmu_command_args,
  &vsmmu_command_adapt,
  &vsmmu_command_msi,
  &vsmmu_command_verify,
  &vsmmu_command_watch,
  &vsmmu_command_host,
  &vsmmu_command_plan,
  &vsmmu_command_graph,
  &vsmmu_command_explain,
  NULL,
};

void
vsmmu_command_complain (const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *printable = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  printable = vsmmu_render_printable (message);
  g_printerr ("virt-vsmmu: %s\n", printable);
}

gboolean
vsmmu_command_flush (void)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return TRUE;
  vsmmu_command_complain (_ ("cannot write the output: %s"), g_strerror (errno));
  return FALSE;
}

gboolean
vsmmu_command_is_terminal (int fd)
{
  return isatty (fd) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
}

const VsmmuCommand *
vsmmu_command_find (const char *name)
{
  for (guint i = 0; vsmmu_commands[i] != NULL; i++)
    if (strcmp (vsmmu_commands[i]->name, name) == 0)
      return vsmmu_commands[i];
  return NULL;
}

void
vsmmu_command_complain_unknown (const char *name)
{
  const char *names[G_N_ELEMENTS (vsmmu_commands)] = { NULL };
  const char *meant;

  for (guint i = 0; vsmmu_commands[i] != NULL; i++)
    names[i] = vsmmu_commands[i]->name;
  meant = vsmmu_suggest (name, names);
  if (meant != NULL)
    vsmmu_command_complain (_ ("unknown command '%s'; did you mean '%s'?"), name, meant);
  else
    vsmmu_command_complain (_ ("unknown command '%s'; see 'virt-vsmmu --help'"), name);
}

const VsmmuRule *
vsmmu_command_find_rule (const char *id)
{
  const VsmmuRule *rule = vsmmu_rules_find (id);
  const char *meant = rule == NULL ? vsmmu_rules_suggest (id) : NULL;

  if (meant != NULL)
    vsmmu_command_complain (_ ("unknown rule '%s'; did you mean '%s'?"), id, meant);
  else if (rule == NULL)
    vsmmu_command_complain (_ ("unknown rule '%s'; 'virt-vsmmu explain' lists all rules"), id);
  return rule;
}

/* Stores the index of @value in the words of @option; %FALSE after saying that it is none of them. */
static gboolean
choose (const VsmmuOption *option, const char *value, int *index)
{
  const char *meant;
  g_autofree char *list = NULL;

  for (int i = 0; option->words[i] != NULL; i++)
    if (value == NULL || strcmp (option->words[i], value) == 0) {
      *index = i;
      return TRUE;
    }
  meant = vsmmu_suggest (value, option->words);
  if (meant != NULL) {
    vsmmu_command_complain (_ ("invalid value '%s' for --%s; did you mean '%s'?"), value, option->name, meant);
    return FALSE;
  }
  list = g_strjoinv (", ", (char **) option->words);
  vsmmu_command_complain (_ ("invalid value '%s' for --%s; use one of %s"), value, option->name, list);
  return FALSE;
}

static guint
count_options (const VsmmuCommand *command)
{
  guint n = 0;

  while (command->options[n].name != NULL)
    n++;
  return n;
}

/* What the options of a command are read into. */
typedef struct {
  const VsmmuCommand *command;
  gpointer arguments;
} Reading;

/* GLib's for an option whose value is optional: adds the value to its strings. */
static gboolean
add_value (const char *name, const char *value, gpointer data, GError **error G_GNUC_UNUSED)
{
  const Reading *reading = data;
  const VsmmuOption *option = reading->command->options;
  GStrv *values;
  guint n_values;

  while (strcmp (option->name, name + strlen ("--")) != 0)
    option++;
  values = &G_STRUCT_MEMBER (GStrv, reading->arguments, option->offset);
  n_values = *values != NULL ? g_strv_length (*values) : 0;
  *values = g_renew (char *, *values, n_values + 2);
  (*values)[n_values] = g_strdup (value != NULL ? value : "");
  (*values)[n_values + 1] = NULL;
  return TRUE;
}

/*
 * @chosen: (array): what is given for the options that have words
 *
 * Returns: (transfer full): the options as GLib wants them, read into @arguments
 */
static GOptionEntry *
make_entries (const VsmmuCommand *command, gpointer arguments, char **chosen)
{
  GOptionEntry *entries = g_new0 (GOptionEntry, count_options (command) + 1);

  for (guint i = 0; command->options[i].name != NULL; i++) {
    const VsmmuOption *option = &command->options[i];

    entries[i] = (GOptionEntry){
      .long_name = option->name,
      .short_name = option->letter,
      .arg = option->type,
      .arg_data = option->words != NULL ? (gpointer) &chosen[i] : G_STRUCT_MEMBER_P (arguments, option->offset),
      .description = option->description,
      .arg_description = option->value,
    };
    if (option->is_optional) {
      entries[i].flags = G_OPTION_FLAG_OPTIONAL_ARG;
      entries[i].arg = G_OPTION_ARG_CALLBACK;
      entries[i].arg_data = (gpointer) add_value;
    }
  }
  return entries;
}

/* @reading: (nullable): for --help */
static GOptionContext *
make_context (const VsmmuCommand *command, const GOptionEntry *entries, Reading *reading)
{
  GOptionContext *context = g_option_context_new (command->operands);
  GOptionGroup *group = g_option_group_new (NULL, NULL, NULL, reading, NULL);

  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, command->explanation);
  g_option_context_set_description (context, command->epilogue);
  g_option_group_add_entries (group, entries);
  g_option_group_set_translation_domain (group, GETTEXT_PACKAGE);
  g_option_context_set_main_group (context, group);
  return context;
}

/* %FALSE after saying what is wrong */
static gboolean
parse (const VsmmuCommand *command, gpointer arguments, char **chosen, int *argc, char ***argv)
{
  g_autofree GOptionEntry *entries = make_entries (command, arguments, chosen);
  Reading reading = { command, arguments };
  g_autoptr (GOptionContext) context = make_context (command, entries, &reading);
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;

  if (!g_option_context_parse (context, argc, argv, &error)) {
    message = vsmmu_options_describe_error (entries, *argv, error, g_get_prgname ());
    vsmmu_command_complain ("%s", message);
    return FALSE;
  }
  for (guint i = 0; command->options[i].name != NULL; i++) {
    const VsmmuOption *option = &command->options[i];

    if (option->words != NULL && !choose (option, chosen[i], G_STRUCT_MEMBER_P (arguments, option->offset)))
      return FALSE;
  }
  return TRUE;
}

static void
clear (const VsmmuCommand *command, gpointer arguments)
{
  for (guint i = 0; command->options[i].name != NULL; i++) {
    const VsmmuOption *option = &command->options[i];

    if (option->words != NULL)
      continue;
    if (option->type == G_OPTION_ARG_STRING || option->type == G_OPTION_ARG_FILENAME)
      g_free (G_STRUCT_MEMBER (char *, arguments, option->offset));
    else if (option->type == G_OPTION_ARG_STRING_ARRAY || option->type == G_OPTION_ARG_FILENAME_ARRAY)
      g_strfreev (G_STRUCT_MEMBER (char **, arguments, option->offset));
  }
}

static void
set_program (const VsmmuCommand *command)
{
  g_autofree char *program = g_strconcat ("virt-vsmmu ", command->name, NULL);

  g_set_prgname (program);
}

/* Whether a file of defaults is to be read for this command line. */
static gboolean
wants_defaults (const VsmmuCommand *command, char **argv)
{
  static const char *const others[] = { "--no-config", "--help", "-h", NULL };
  const VsmmuOption *option = command->options;

  for (guint i = 0; others[i] != NULL; i++)
    if (g_strv_contains ((const char *const *) argv, others[i]))
      return FALSE;
  while (option->name != NULL && !option->is_for_file)
    option++;
  return option->name != NULL;
}

/* (transfer container): @argv with @defaults before what is given; sets *@argc */
static char **
join_arguments (char **argv, char **defaults, int *argc)
{
  guint n_defaults = defaults != NULL ? g_strv_length (defaults) : 0;
  char **all = g_new (char *, (gsize) *argc + n_defaults + 1);

  all[0] = argv[0];
  for (guint i = 0; i < n_defaults; i++)
    all[1 + i] = defaults[i];
  for (int i = 1; i <= *argc; i++)
    all[n_defaults + (guint) i] = argv[i];
  *argc += (int) n_defaults;
  return all;
}

static int
run_with (const VsmmuCommand *command, char **defaults, int argc, char **argv)
{
  g_autofree gpointer arguments = g_malloc0 (command->arguments_size);
  g_autofree char **all = join_arguments (argv, defaults, &argc);
  guint n_options = count_options (command);
  char **words = g_new0 (char *, n_options + 1);
  char **left = all;
  int status = VSMMU_EXIT_FAILED;

  if (parse (command, arguments, words, &argc, &left))
    status = command->run (arguments, argc - 1, left + 1);
  clear (command, arguments);
  for (guint i = 0; i < n_options; i++)
    g_free (words[i]);
  g_free (words);
  return status;
}

int
vsmmu_command_run (const VsmmuCommand *command, int argc, char **argv)
{
  gboolean is_wanted = wants_defaults (command, argv);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) defaults = NULL;

  set_program (command);
  defaults = is_wanted ? vsmmu_defaults_read (command, &error) : NULL;
  if (error == NULL)
    return run_with (command, defaults, argc, argv);
  vsmmu_command_complain ("%s", error->message);
  return VSMMU_EXIT_FAILED;
}

void
vsmmu_command_print_help (const VsmmuCommand *command)
{
  g_autofree gpointer arguments = g_malloc0 (command->arguments_size);
  g_autofree char **chosen = g_new0 (char *, count_options (command));
  g_autofree GOptionEntry *entries = make_entries (command, arguments, chosen);
  g_autoptr (GOptionContext) context = make_context (command, entries, NULL);
  g_autofree char *help = NULL;

  set_program (command);
  help = g_option_context_get_help (context, TRUE, NULL);
  g_print ("%s", help);
}
