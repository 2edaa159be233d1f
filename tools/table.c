/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

static glong
width_of (const GPtrArray *cells, guint cell)
{
  return g_utf8_strlen (g_ptr_array_index (cells, cell), -1);
}

/* The last column needs no space after it. */
static void
print_row (const GPtrArray *cells, guint row, const glong *widths, guint n_columns)
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint c = 0; c < n_columns; c++) {
    guint cell = row * n_columns + c;
    g_autofree char *space = g_strnfill ((gsize) (widths[c] - width_of (cells, cell)), ' ');

    g_string_append_printf (line, "%s%s%s", c > 0 ? "  " : "", (const char *) g_ptr_array_index (cells, cell),
                            c + 1 < n_columns ? space : "");
  }
  g_print ("%s\n", line->str);
}

void
vsmmu_table_print (const GPtrArray *cells, guint n_columns)
{
  g_autofree glong *widths = g_new0 (glong, n_columns);

  for (guint i = 0; i < cells->len; i++)
    widths[i % n_columns] = MAX (widths[i % n_columns], width_of (cells, i));
  for (guint row = 0; row < cells->len / n_columns; row++)
    print_row (cells, row, widths, n_columns);
}
