/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/text.h"

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
