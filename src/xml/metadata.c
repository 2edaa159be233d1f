/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/metadata.h"

#include <string.h>

#include "xml/tags.h"

#define ELEMENT "metadata"

typedef struct {
  const char *data;
  gsize depth;       /* of open elements */
  gboolean is_whole; /* the root is a domain, and no snapshot with one in it */
  gboolean in_part;  /* in a domain that is in another document */
  gsize metadata;    /* the depth at which its children are, or 0 */
  gsize child;       /* where the child starts */
  gboolean has_open; /* the last range may go on */
  gboolean has_ours; /* a namespace of ours may be declared around <metadata> */
  const char *ours;  /* (nullable): the first one in the document */
  GArray *ranges;
} Search;

static const char *
find_ours (const char *data, gsize length)
{
  return memmem (data, length, VSMMU_NAMESPACES, strlen (VSMMU_NAMESPACES));
}

static gboolean
is_ours (const Search *search, gsize end)
{
  return search->ours != NULL && find_ours (search->data + search->child, end - search->child) != NULL;
}

static void
end_child (Search *search, gsize end)
{
  const VsmmuRange range = { search->child, end };

  if (search->has_ours || is_ours (search, end)) {
    search->has_open = FALSE;
    return;
  }
  if (search->has_open)
    g_array_index (search->ranges, VsmmuRange, search->ranges->len - 1).to = end;
  else
    g_array_append_val (search->ranges, range);
  search->has_open = TRUE;
}

/* By the local name, as libvirt looks at roots. */
static gboolean
is_domain (const Search *search, const VsmmuTag *tag)
{
  const char *name = search->data + tag->start + 1;
  gsize length = vsmmu_tag_name_end (tag, search->data) - tag->start - 1;
  const char *colon = memchr (name, ':', length);
  gsize skipped = colon != NULL ? (gsize) (colon + 1 - name) : 0;

  return length - skipped == strlen ("domain") && memcmp (name + skipped, "domain", length - skipped) == 0;
}

/* A domain has it at depth 1; a domain in a snapshot or checkpoint has it at depth 2. */
static gboolean
is_metadata (const Search *search, const VsmmuTag *tag)
{
  return search->metadata == 0 && (search->depth == 1 || (search->depth == 2 && search->in_part)) &&
         vsmmu_tag_is (tag, search->data, ELEMENT);
}

static void
start_element (Search *search, const VsmmuTag *tag)
{
  if (search->depth == search->metadata && search->metadata > 0)
    search->child = tag->start;
  if (is_metadata (search, tag)) {
    search->metadata = search->depth + 1;
    search->has_open = FALSE;
    search->has_ours = search->ours != NULL && search->ours < search->data + tag->end;
  }
  if (search->depth == 0)
    search->is_whole = is_domain (search, tag);
  if (search->depth == 1)
    search->in_part = !search->is_whole && (vsmmu_tag_is (tag, search->data, "domain") ||
                                            vsmmu_tag_is (tag, search->data, "inactiveDomain"));
  search->depth++;
}

static void
end_element (Search *search, gsize end)
{
  search->depth--;
  if (search->metadata == 0)
    return;
  if (search->depth == search->metadata)
    end_child (search, end);
  else if (search->depth < search->metadata)
    search->metadata = 0;
}

GArray *
vsmmu_metadata_find (const char *data, gsize length, VsmmuMetadata read)
{
  Search search = { .data = data };
  VsmmuTag tag = { .end = 0 };
  const char *next = data; /* <metadata> that is still to come */

  search.ranges = g_array_new (FALSE, FALSE, sizeof (VsmmuRange));
  if (read == VSMMU_METADATA_WHOLE)
    return search.ranges;
  if (read == VSMMU_METADATA_OURS)
    search.ours = find_ours (data, length);
  for (;;) {
    if (search.metadata == 0 && next < data + tag.end + 1)
      next = memmem (data + tag.end, length - tag.end, "<" ELEMENT, strlen ("<" ELEMENT));
    if (next == NULL || !vsmmu_tag_next (data, length, tag.end, &tag))
      break;
    /* The parser reports what is not well-formed. */
    if (tag.kind == VSMMU_TAG_DECLARATION || (tag.kind == VSMMU_TAG_END && search.depth == 0))
      break;
    if (tag.kind != VSMMU_TAG_END)
      start_element (&search, &tag);
    if (tag.kind != VSMMU_TAG_START)
      end_element (&search, tag.end);
  }
  return search.ranges;
}

char *
vsmmu_metadata_remove (const char *data, gsize length, const GArray *unread, gsize *new_length)
{
  GString *text = g_string_new (NULL);
  gsize at = 0;

  for (guint i = 0; i < unread->len; i++) {
    const VsmmuRange *range = &g_array_index (unread, VsmmuRange, i);

    g_string_append_len (text, data + at, (gssize) (range->from - at));
    g_string_append (text, "<unread/>");
    for (at = range->from; at < range->to; at++)
      if (data[at] == '\n')
        g_string_append_c (text, '\n');
  }
  g_string_append_len (text, data + at, (gssize) (length - at));
  *new_length = text->len;
  return g_string_free (text, FALSE);
}
