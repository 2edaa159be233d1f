/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/text.h"

#include <glib/gi18n-lib.h>

#include "check/finding.h"

#define BOLD "\033[1m"
#define RESET "\033[0m"

static const struct {
  const char *word;
  const char *colour;
} severities[] = {
  [VSMMU_SEVERITY_NOTE] = { N_ ("note"), "\033[1;36m" },
  [VSMMU_SEVERITY_WARNING] = { N_ ("warning"), "\033[1;35m" },
  [VSMMU_SEVERITY_ERROR] = { N_ ("error"), "\033[1;31m" },
};

static void
append_printable (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (g_unichar_isprint (c) && c != 0x2028 && c != 0x2029)
      g_string_append_unichar (text, c);
    else
      g_string_append_printf (text, "\\u%04x", c);
  }
}

char *
vsmmu_render_printable (const char *text)
{
  GString *printable = g_string_new (NULL);

  append_printable (printable, text);
  return g_string_free (printable, FALSE);
}

/* The message, and the hint on a line of its own. */
static void
append_message (GString *text, const VsmmuFinding *finding)
{
  append_printable (text, finding->message);
  g_string_append_printf (text, " [%s]\n    %s: ", finding->rule->id, _ ("hint"));
  append_printable (text, finding->hint);
}

static void
append_finding (GString *text, const VsmmuFinding *finding, gboolean colour)
{
  if (colour)
    g_string_append (text, BOLD);
  append_printable (text, finding->file);
  g_string_append_printf (text, ":%u: ", finding->line);
  if (colour)
    g_string_append (text, severities[finding->severity].colour);
  g_string_append_printf (text, "%s: ", _ (severities[finding->severity].word));
  if (colour)
    g_string_append (text, RESET);
  append_message (text, finding);
  g_string_append_c (text, '\n');
}

char *
vsmmu_render_text (const GPtrArray *findings, gboolean colour)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++)
    append_finding (text, g_ptr_array_index (findings, i), colour);
  return g_string_free (text, FALSE);
}

char *
vsmmu_render_line (const VsmmuFinding *finding)
{
  g_autofree char *text =
      g_strdup_printf (_ ("%s:%u: %s: %s [%s]; %s"), finding->file, finding->line,
                       _ (severities[finding->severity].word), finding->message, finding->rule->id, finding->hint);

  return vsmmu_render_printable (text);
}

char *
vsmmu_render_refusal (const GPtrArray *findings)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) rules = g_string_new (NULL);
  g_autoptr (GHashTable) named = g_hash_table_new (NULL, NULL);
  guint n_others = 0;

  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (finding->severity != VSMMU_SEVERITY_ERROR)
      continue;
    if (text->len == 0) {
      append_message (text, finding);
      continue;
    }
    n_others++;
    if (g_hash_table_add (named, (gpointer) finding->rule))
      g_string_append_printf (rules, "%s%s", rules->len > 0 ? ", " : "", finding->rule->id);
  }
  if (n_others > 0) {
    g_string_append (text, "\n    ");
    g_string_append_printf (text,
                            g_dngettext (GETTEXT_PACKAGE, "and %u more error: %s", "and %u more errors: %s", n_others),
                            n_others, rules->str);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
