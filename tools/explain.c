/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "command.h"
#include "table.h"

#define LINE_WIDTH 80

static const char *const formats[] = { "text", "rst", NULL };

/* Prints @text with line breaks at spaces. */
static void
print_wrapped (const char *indent, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  glong column = 0;

  for (guint i = 0; words[i] != NULL; i++) {
    glong width = g_utf8_strlen (words[i], -1);

    if (column == 0 || column + 1 + width > LINE_WIDTH) {
      g_print ("%s%s%s", column > 0 ? "\n" : "", indent, words[i]);
      column = (glong) strlen (indent) + width;
    } else {
      g_print (" %s", words[i]);
      column += 1 + width;
    }
  }
  g_print ("\n");
}

static void
print_text (const VsmmuRule *rule)
{
  g_print ("%s (%s, %s)\n", rule->id, _ (vsmmu_severity_to_string (rule->severity)),
           _ (vsmmu_rule_group_to_string (rule->group)));
  print_wrapped ("  ", _ (rule->title));
  g_print ("\n");
  print_wrapped ("  ", _ (rule->explanation));
  g_print ("\n");
  print_wrapped ("  ", rule->source);
}

/* The names of files with '*' in them are no emphasis. */
static void
print_rst_text (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "*", -1);
  g_autofree char *escaped = g_strjoinv ("\\*", parts);

  print_wrapped ("", escaped);
}

static void
print_rst (const VsmmuRule *rule)
{
  g_autofree char *underline = g_strnfill (strlen (rule->id), '-');

  g_print ("%s\n%s\n\n**%s.** %s (%s)\n\n", rule->id, underline, _ (rule->title),
           vsmmu_severity_to_string (rule->severity), vsmmu_rule_group_to_string (rule->group));
  print_rst_text (_ (rule->explanation));
  g_print ("\n");
  print_rst_text (rule->source);
  g_print ("\n");
}

static void
print_list (void)
{
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);
  const VsmmuRule *rule;

  for (guint i = 0; (rule = vsmmu_rules_get (i)) != NULL; i++) {
    g_ptr_array_add (cells, g_strdup (rule->id));
    g_ptr_array_add (cells, g_strdup (_ (vsmmu_severity_to_string (rule->severity))));
    g_ptr_array_add (cells, g_strdup (_ (rule->title)));
  }
  vsmmu_table_print (cells, 3);
}

static void
print_reference (void)
{
  const VsmmuRule *rule;

  g_print ("=====\nRules\n=====\n\n"
           ".. Made by 'virt-vsmmu explain --format rst' from the tables in src/check/.\n\n");
  for (guint i = 0; (rule = vsmmu_rules_get (i)) != NULL; i++)
    print_rst (rule);
}

static const VsmmuRule *
find_rule (const char *id)
{
  const VsmmuRule *rule = vsmmu_rules_find (id);
  const char *meant = rule == NULL ? vsmmu_rules_suggest (id) : NULL;

  if (rule != NULL)
    return rule;
  if (meant != NULL)
    vsmmu_command_complain (_ ("unknown rule '%s'; did you mean '%s'?"), id, meant);
  else
    vsmmu_command_complain (_ ("unknown rule '%s'; 'virt-vsmmu explain' lists all rules"), id);
  return NULL;
}

int
vsmmu_command_explain (int argc, char **argv)
{
  g_autofree char *format_name = NULL;
  const GOptionEntry entries[] = {
    { "format", 'f', 0, G_OPTION_ARG_STRING, &format_name, N_ ("output format: text (default), or rst for all rules"),
      N_ ("FORMAT") },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (_ ("[RULE...]"));
  int format;

  g_option_context_set_summary (context,
                                _ ("Explains why a rule exists, what QEMU and libvirt do, and how to fix a finding.\n"
                                   "Without RULE, lists all rules."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!vsmmu_command_parse (context, &argc, &argv))
    return VSMMU_EXIT_FAILED;
  format = vsmmu_command_choose ("format", format_name, formats);
  if (format < 0)
    return VSMMU_EXIT_FAILED;

  if (format == 1 && argc > 1) {
    vsmmu_command_complain (_ ("--format rst prints all rules; remove RULE"));
    return VSMMU_EXIT_FAILED;
  }
  if (format == 1)
    print_reference ();
  else if (argc == 1)
    print_list ();
  for (int i = 1; i < argc && format == 0; i++) {
    const VsmmuRule *rule = find_rule (argv[i]);

    if (rule == NULL)
      return VSMMU_EXIT_FAILED;
    if (i > 1)
      g_print ("\n");
    print_text (rule);
  }
  return VSMMU_EXIT_CLEAN;
}
