/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A document to check. */
typedef struct {
  char *path;
  gboolean is_found; /* in a directory, not named by the user: may be something else than a domain */
} VsmmuDocument;

/*
 * vsmmu_documents_collect:
 * @paths: NULL-terminated files, `-`, and directories
 * @recurse: whether directories are searched for *.xml; links to directories
 *   are not followed
 *
 * Returns: (transfer full) (element-type VsmmuDocument): in the order of @paths,
 *   sorted inside a directory; %NULL after saying on stderr what is wrong
 */
GPtrArray *vsmmu_documents_collect (char **paths, gboolean recurse);
