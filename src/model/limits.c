/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/limits.h"

#include <string.h>

/* What may stand between '<' and '>' without being a tag, and how it ends. */
static const struct {
  const char *start;
  const char *end;
} islands[] = {
  { "<!--", "-->" },
  { "<![CDATA[", "]]>" },
  { "<?", "?>" },
};

/* The position after the island that starts at @at, or %NULL when there is a tag. */
static const char *
skip_island (const char *at, const char *end)
{
  for (guint i = 0; i < G_N_ELEMENTS (islands); i++) {
    gsize start_length = strlen (islands[i].start);
    const char *close;

    if ((gsize) (end - at) < start_length || memcmp (at, islands[i].start, start_length) != 0)
      continue;
    at += start_length;
    close = memmem (at, (gsize) (end - at), islands[i].end, strlen (islands[i].end));
    return close != NULL ? close + strlen (islands[i].end) : end;
  }
  return NULL;
}

/* Counts the attributes of the tag at *@at and moves on to its end. */
static guint
count_attributes (const char **at, const char *end)
{
  const char *p = *at + 1;
  guint count = 0;

  while (p < end && *p != '>' && count <= VSMMU_ATTRIBUTES_MAX) {
    count += *p == '=';
    if (*p == '"' || *p == '\'')
      p = memchr (p + 1, *p, (gsize) (end - p - 1));
    if (p == NULL)
      p = end - 1;
    p++;
  }
  *at = p;
  return count;
}

gboolean
vsmmu_limits_check (const char *data, gsize length, guint *line)
{
  const char *end = data + length;
  const char *at = data;

  while (at < end && (at = memchr (at, '<', (gsize) (end - at))) != NULL) {
    const char *tag = at;

    at = skip_island (tag, end);
    if (at != NULL)
      continue;
    at = tag;
    if (count_attributes (&at, end) <= VSMMU_ATTRIBUTES_MAX)
      continue;
    *line = 1;
    for (const char *p = data; p < tag; p++)
      *line += *p == '\n';
    return FALSE;
  }
  return TRUE;
}
