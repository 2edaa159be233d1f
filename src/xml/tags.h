/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef enum {
  VSMMU_TAG_START,
  VSMMU_TAG_END,
  VSMMU_TAG_EMPTY,
  VSMMU_TAG_DECLARATION, /* <!DOCTYPE and what may be in it: tags after it need not be what they look like */
} VsmmuTagKind;

/* A tag in a text; places are bytes from its start. */
typedef struct {
  VsmmuTagKind kind;
  gsize start;
  gsize end; /* after the '>' */
  guint n_attributes;
} VsmmuTag;

/*
 * vsmmu_tag_next:
 * @data: a document in an encoding that writes markup as ASCII does
 * @tag: (out)
 *
 * Finds the first tag from @at on that is not in a comment, in character data or in an instruction. A tag that does
 * not end, ends with the text.
 *
 * Returns: %FALSE when there is none
 */
gboolean vsmmu_tag_next (const char *data, gsize length, gsize at, VsmmuTag *tag);

/* Where the name of @tag ends, which is a start tag. */
gsize vsmmu_tag_name_end (const VsmmuTag *tag, const char *data);

/* Whether @tag, which is a start tag, is called @name, with no prefix. */
gboolean vsmmu_tag_is (const VsmmuTag *tag, const char *data, const char *name);
