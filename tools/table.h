/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_table_print:
 * @titles: (nullable) (array length=n_columns): (translatable)
 * @cells: (element-type utf8): row by row; printable
 *
 * Prints columns as wide as what is in them. On a terminal that is too narrow for them, text goes on in the next line
 * at spaces; when that does not do, the last columns are in a table below, with the first one again.
 */
void vsmmu_table_print (const char *const *titles, guint n_columns, const GPtrArray *cells);

/* How many columns of a terminal @text takes. */
glong vsmmu_table_width (const char *text);
