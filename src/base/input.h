/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_read_document:
 *
 * Reads the file @path, or standard input for "-", refusing what is larger than %VSMMU_DOCUMENT_MAX_BYTES
 * before it is all in memory.
 */
gboolean vsmmu_read_document (const char *path, char **data, gsize *length, GError **error);

/* (transfer full): what messages call the file @path, in UTF-8 */
char *vsmmu_read_name (const char *path);
