/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "command.h"
#include "table.h"

#define LINE_WIDTH 80

enum { FORMAT_TEXT, FORMAT_RST };
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

/* The names of files with '*' in them are not emphasis. */
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
  vsmmu_table_print (NULL, 3, cells);
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

typedef struct {
  int format;
} Arguments;

static int
explain (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;

  if (arguments->format == FORMAT_RST && n_operands > 0) {
    vsmmu_command_complain (_ ("--format rst prints all rules; remove RULE"));
    return VSMMU_EXIT_FAILED;
  }
  if (arguments->format == FORMAT_RST)
    print_reference ();
  else if (n_operands == 0)
    print_list ();
  for (int i = 0; i < n_operands; i++) {
    const VsmmuRule *rule = vsmmu_command_find_rule (operands[i]);

    if (rule == NULL)
      return VSMMU_EXIT_FAILED;
    if (i > 0)
      g_print ("\n");
    print_text (rule);
  }
  return VSMMU_EXIT_CLEAN;
}

static const VsmmuOption options[] = {
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("output format: text (default), or rst for all rules"), N_ ("FORMAT"), formats },
  { NULL },
};

const VsmmuCommand vsmmu_command_explain = {
  .name = "explain",
  .summary = N_ ("explain a rule and how to fix its findings"),
  .operands = N_ ("[RULE...]"),
  .explanation = N_ ("Explains why a rule exists, what QEMU and libvirt do, and how to fix a finding.\n"
                     "Without RULE, lists all rules."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = explain,
};
