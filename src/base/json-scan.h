/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/error.h"

/*
 * vsmmu_json_scan:
 * @n_members: (out): how many members all objects of the document have together
 * @error: %VSMMU_ERROR_FACTS
 *
 * Looks over JSON before json-glib does, which recurses for every level of
 * nesting, accepts comments and assignments, and drops a duplicate member.
 * All other syntax errors are left for json-glib to find.
 *
 * Returns: %FALSE when it nests deeper than 16, has more than two million values,
 *   or has something outside of strings that JSON has not
 */
gboolean vsmmu_json_scan (const char *data, gsize length, const char *name, gsize *n_members, GError **error);
