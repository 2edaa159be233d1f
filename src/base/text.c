/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

#include <string.h>

#define CHARACTERS_MAX 64

char *
vsmmu_text_shorten (const char *value)
{
  if (value == NULL)
    return g_strdup ("");
  if (g_utf8_strlen (value, 4 * (CHARACTERS_MAX + 1)) <= CHARACTERS_MAX)
    return g_strdup (value);
  return g_strdup_printf ("%.*s...", (int) (g_utf8_offset_to_pointer (value, CHARACTERS_MAX) - value), value);
}

char *
vsmmu_text_escape (const char *value)
{
  GString *text = g_string_new (NULL);

  for (const char *p = value; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c < ' ' || c >= 0x7f || strchr ("&<>'\"", (int) c) != NULL)
      g_string_append_printf (text, "&#x%X;", c);
    else
      g_string_append_c (text, (char) c);
  }
  return g_string_free (text, FALSE);
}
