/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/limits.h"

#include <string.h>

#include "xml/tags.h"

gboolean
vsmmu_limits_check (const char *data, gsize length, guint *line)
{
  VsmmuTag tag = { .end = 0 };

  while (vsmmu_tag_next (data, length, tag.end, &tag)) {
    if (tag.n_attributes <= VSMMU_ATTRIBUTES_MAX)
      continue;
    *line = 1;
    for (gsize at = 0; at < tag.start; at++)
      *line += data[at] == '\n';
    return FALSE;
  }
  return TRUE;
}
