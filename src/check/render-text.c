/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsmmu/render.h"

#include <glib/gi18n-lib.h>

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
  append_printable (text, finding->message);
  g_string_append_printf (text, " [%s]\n    %s: ", finding->rule->id, _ ("hint"));
  append_printable (text, finding->hint);
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
