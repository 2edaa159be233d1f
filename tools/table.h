/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_table_print:
 * @cells: (element-type utf8): row by row, first the titles; printable
 *
 * Prints columns as wide as what is in them.
 */
void vsmmu_table_print (const GPtrArray *cells, guint n_columns);
