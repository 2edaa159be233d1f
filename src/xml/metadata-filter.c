/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/metadata-filter.h"

#include <string.h>

#define NAME "metadata"
#define COMMENT "!--"
#define CDATA "![CDATA["

static void
emit (const VsmmuMetadataFilter *filter, char byte, GString *out)
{
  if (!filter->is_skipping || byte == '\n')
    g_string_append_c (out, byte);
}

static gboolean
has_word (const VsmmuMetadataFilter *filter, const char *word)
{
  return filter->n_word == strlen (word) && memcmp (filter->word, word, filter->n_word) == 0;
}

/* The name of the tag is known, or it is too long for ours. */
static void
release (VsmmuMetadataFilter *filter, GString *out)
{
  if (!filter->is_held)
    return;
  filter->is_held = FALSE;
  if (filter->depth == 1 && has_word (filter, NAME))
    filter->is_skipping = TRUE;
  emit (filter, '<', out);
  for (guint i = 0; i < filter->n_word; i++)
    emit (filter, filter->word[i], out);
}

static void
end_tag (VsmmuMetadataFilter *filter)
{
  gboolean is_closing = filter->n_word > 0 && filter->word[0] == '/';
  gboolean is_declaration = filter->n_word > 0 && filter->word[0] == '!';

  filter->state = VSMMU_FILTER_TEXT;
  if (is_closing && filter->depth > 0)
    filter->depth--;
  else if (!is_closing && !is_declaration && filter->last[1] != '/')
    filter->depth++;
}

/* A byte of a tag; comments and the like count as tags until they are known not to be. */
static void
feed_tag (VsmmuMetadataFilter *filter, char byte, GString *out)
{
  gboolean is_name_over = strchr (" \t\r\n/>", byte) != NULL && !(byte == '/' && filter->n_word == 0);

  if (filter->quote != 0) {
    if (byte == filter->quote)
      filter->quote = 0;
  } else if (filter->is_held && !is_name_over && filter->n_word < sizeof (filter->word)) {
    filter->word[filter->n_word++] = byte;
    if (has_word (filter, COMMENT))
      filter->state = VSMMU_FILTER_COMMENT;
    else if (has_word (filter, CDATA))
      filter->state = VSMMU_FILTER_CDATA;
    else if (has_word (filter, "?"))
      filter->state = VSMMU_FILTER_PI;
    if (filter->state != VSMMU_FILTER_TAG)
      release (filter, out);
    return;
  } else if (byte == '"' || byte == '\'') {
    filter->quote = byte;
  }
  release (filter, out);
  emit (filter, byte, out);
  if (byte != '>' || filter->quote != 0)
    return;
  end_tag (filter);
  if (filter->is_skipping && filter->depth == 1)
    filter->is_skipping = FALSE;
}

/* Whether @byte ends something other than a tag. */
static gboolean
is_end (const VsmmuMetadataFilter *filter, char byte)
{
  static const struct {
    char before;
    char last;
  } ends[] = {
    [VSMMU_FILTER_COMMENT] = { '-', '-' },
    [VSMMU_FILTER_CDATA] = { ']', ']' },
    [VSMMU_FILTER_PI] = { 0, '?' },
  };

  return byte == '>' && filter->last[1] == ends[filter->state].last &&
         (ends[filter->state].before == 0 || filter->last[0] == ends[filter->state].before);
}

static void
feed_byte (VsmmuMetadataFilter *filter, char byte, GString *out)
{
  gboolean is_tag = filter->state == VSMMU_FILTER_TAG;

  if (filter->state == VSMMU_FILTER_TAG) {
    feed_tag (filter, byte, out);
  } else if (filter->state == VSMMU_FILTER_TEXT && byte == '<') {
    filter->state = VSMMU_FILTER_TAG;
    filter->n_word = 0;
    filter->quote = 0;
    filter->is_held = TRUE;
  } else {
    emit (filter, byte, out);
    if (filter->state != VSMMU_FILTER_TEXT && is_end (filter, byte))
      filter->state = VSMMU_FILTER_TEXT;
  }
  /* The '-' at the start of a comment do not count for its end: "<!-->" and "<!--->" only start one. */
  if (is_tag && filter->state > VSMMU_FILTER_TAG)
    memset (filter->last, 0, sizeof (filter->last));
  else
    memmove (filter->last, (const char[]){ filter->last[1], byte }, sizeof (filter->last));
}

void
vsmmu_metadata_filter_feed (VsmmuMetadataFilter *filter, const char *data, gsize length, GString *out)
{
  for (gsize i = 0; i < length; i++)
    feed_byte (filter, data[i], out);
}
