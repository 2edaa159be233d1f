/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/tags.h"

#include <string.h>

/* What starts with '<' and ends with '>' but is not a tag, and how it ends. */
static const struct {
  const char *start;
  const char *end;
} islands[] = {
  { "<!--", "-->" },
  { "<![CDATA[", "]]>" },
  { "<?", "?>" },
};

/* The position after the island that starts at @at, or @at when there is a tag. */
static gsize
skip_island (const char *data, gsize length, gsize at)
{
  for (guint i = 0; i < G_N_ELEMENTS (islands); i++) {
    gsize start_length = strlen (islands[i].start);
    const char *close;

    if (length - at < start_length || memcmp (data + at, islands[i].start, start_length) != 0)
      continue;
    at += start_length;
    close = memmem (data + at, length - at, islands[i].end, strlen (islands[i].end));
    return close != NULL ? (gsize) (close - data) + strlen (islands[i].end) : length;
  }
  return at;
}

/* After the '>' of the tag at @at; values in quotes may have one too. */
static gsize
skip_tag (const char *data, gsize length, gsize at, guint *n_attributes)
{
  const char *end = data + length;
  const char *p = data + at;

  for (*n_attributes = 0; p < end && *p != '>'; p++) {
    *n_attributes += *p == '=';
    if (*p == '"' || *p == '\'')
      p = memchr (p + 1, *p, (gsize) (end - p - 1));
    if (p == NULL)
      return length;
  }
  return p < end ? (gsize) (p - data) + 1 : length;
}

static VsmmuTagKind
kind_of (const char *data, gsize length, const VsmmuTag *tag)
{
  char first = tag->start + 1 < length ? data[tag->start + 1] : '\0';

  if (first == '/')
    return VSMMU_TAG_END;
  if (first == '!')
    return VSMMU_TAG_DECLARATION;
  return tag->end - tag->start > 2 && data[tag->end - 2] == '/' ? VSMMU_TAG_EMPTY : VSMMU_TAG_START;
}

gboolean
vsmmu_tag_next (const char *data, gsize length, gsize at, VsmmuTag *tag)
{
  for (;;) {
    const char *found = at < length ? memchr (data + at, '<', length - at) : NULL;

    if (found == NULL)
      return FALSE;
    tag->start = (gsize) (found - data);
    at = skip_island (data, length, tag->start);
    if (at == tag->start)
      break;
  }
  tag->end = skip_tag (data, length, tag->start, &tag->n_attributes);
  tag->kind = kind_of (data, length, tag);
  return TRUE;
}

gsize
vsmmu_tag_name_end (const VsmmuTag *tag, const char *data)
{
  gsize at = tag->start + 1;

  while (at < tag->end && strchr (" \t\r\n/>", data[at]) == NULL)
    at++;
  return at;
}

gboolean
vsmmu_tag_is (const VsmmuTag *tag, const char *data, const char *name)
{
  gsize length = strlen (name);

  return tag->end - tag->start > length + 1 && memcmp (data + tag->start + 1, name, length) == 0 &&
         vsmmu_tag_name_end (tag, data) == tag->start + 1 + length;
}
