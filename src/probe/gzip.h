/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* (transfer full) (nullable): what the gzip file @data unpacks to, with a zero byte; %NULL past %VSMMU_TREE_FILE_MAX */
char *vsmmu_gzip_unpack (const char *data, gsize length, gsize *unpacked);

/* (transfer full): a gzip file of @data */
char *vsmmu_gzip_pack (const char *data, gsize length, gsize *packed);
