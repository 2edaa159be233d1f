/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/limits.h"

#include <string.h>

#include "model/tags.h"

static guint
count_attributes (const char *data, const VsmmuTag *tag)
{
  guint count = 0;
  char quote = '\0';

  for (gsize at = tag->name; at < tag->end; at++) {
    char c = data[at];

    if (quote != '\0')
      quote = c == quote ? '\0' : quote;
    else if (c == '"' || c == '\'')
      quote = c;
    else
      count += c == '=';
  }
  return count;
}

gboolean
vsmmu_limits_check (const char *data, gsize length, guint *line)
{
  VsmmuTag tag = { .end = 0 };

  while (vsmmu_tag_next (data, length, tag.end, &tag)) {
    if (count_attributes (data, &tag) <= VSMMU_ATTRIBUTES_MAX)
      continue;
    *line = 1;
    for (gsize at = 0; at < tag.start; at++)
      *line += data[at] == '\n';
    return FALSE;
  }
  return TRUE;
}
