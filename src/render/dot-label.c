/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/dot-label.h"

#include "render/text.h"
#include "vsmmu/render.h"

/* Characters of a paragraph on one line. */
#define WRAP_AT 110

/* Text inside of an HTML-like label: entities, and Graphviz replaces \N and its like even there. */
static void
append_text (GString *label, const char *text)
{
  g_autofree char *printable = vsmmu_render_printable (text);
  g_autofree char *escaped = g_markup_escape_text (printable, -1);

  for (const char *p = escaped; *p != '\0'; p++) {
    if (*p == '\\')
      g_string_append_c (label, '\\');
    g_string_append_c (label, *p);
  }
}

/* A quoted tooltip: entities here too, and Graphviz 2.43 takes escapes out of tooltips twice. */
void
vsmmu_dot_append_tooltip (GString *dot, const char *text)
{
  g_autofree char *printable = vsmmu_render_printable (text);

  g_string_append_c (dot, '"');
  for (const char *p = printable; *p != '\0'; p++) {
    if (*p == '\\')
      g_string_append (dot, "\\\\\\\\");
    else if (*p == '&')
      g_string_append (dot, "&amp;");
    else if (*p == '"')
      g_string_append (dot, "\\\"");
    else
      g_string_append_c (dot, *p);
  }
  g_string_append_c (dot, '"');
}

GString *
vsmmu_dot_label_new (void)
{
  return g_string_new ("<<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"1\">");
}

void
vsmmu_dot_label_add_title (GString *label, const char *text)
{
  g_string_append (label, "<tr><td><b>");
  append_text (label, text);
  g_string_append (label, "</b></td></tr>");
}

void
vsmmu_dot_label_add (GString *label, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_string_append (label, "<tr><td><font point-size=\"10\" color=\"#424242\">");
  append_text (label, text);
  g_string_append (label, "</font></td></tr>");
}

void
vsmmu_dot_label_add_mark (GString *label, const char *colour, const char *word, const char *text)
{
  g_string_append_printf (label, "<tr><td><font point-size=\"10\" color=\"%s\"><b>", colour);
  append_text (label, word);
  g_string_append (label, ":</b> ");
  append_text (label, text);
  g_string_append (label, "</font></td></tr>");
}

void
vsmmu_dot_label_add_paragraph (GString *label, const char *colour, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  glong column = 0;

  g_string_append_printf (label, "<tr><td align=\"left\"><font point-size=\"11\" color=\"%s\">", colour);
  for (guint i = 0; words[i] != NULL; i++) {
    glong length = g_utf8_strlen (words[i], -1);

    if (column > 0 && column + length > WRAP_AT) {
      g_string_append (label, "<br align=\"left\"/>    ");
      column = 0;
    } else if (column > 0) {
      g_string_append_c (label, ' ');
    }
    append_text (label, words[i]);
    column += length + 1;
  }
  g_string_append (label, "<br align=\"left\"/></font></td></tr>");
}

char *
vsmmu_dot_label_end (GString *label)
{
  g_string_append (label, "</table>>");
  return g_string_free (label, FALSE);
}
