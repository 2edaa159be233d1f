/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <glib/gi18n.h>
#include <libsmartcols.h>
#include <unistd.h>

/* Between columns. */
#define SEPARATOR "  "

typedef struct libscols_table Scols;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scols, scols_unref_table)

/* What is printed, and how wide. */
typedef struct {
  const char *const *titles;
  guint n_columns;
  const GPtrArray *cells;
  glong *widths;   /* of each column */
  glong *smallest; /* that it can be broken to */
} Table;

glong
vsmmu_table_width (const char *text)
{
  glong width = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text)) {
    gunichar c = g_utf8_get_char (text);

    if (!g_unichar_iszerowidth (c))
      width += g_unichar_iswide (c) ? 2 : 1;
  }
  return width;
}

/* (transfer full): as far as the first place where a line may end: behind a space */
static char *
take_piece (const char **text)
{
  gsize length = strcspn (*text, " ");
  char *piece;

  if ((*text)[length] != '\0')
    length++;
  piece = g_strndup (*text, length);
  *text += length;
  return piece;
}

/* Without the space at its end. */
static glong
width_of_piece (const char *piece)
{
  return vsmmu_table_width (piece) - g_str_has_suffix (piece, " ");
}

static glong
smallest_width (const char *text)
{
  glong width = 0;

  while (*text != '\0') {
    g_autofree char *piece = take_piece (&text);

    width = MAX (width, width_of_piece (piece));
  }
  return width;
}

/* (transfer full): @text in lines of at most @width */
static char *
break_lines (const char *text, glong width)
{
  GString *lines = g_string_new (NULL);
  glong column = 0;

  while (*text != '\0') {
    g_autofree char *piece = take_piece (&text);

    if (column > 0 && column + width_of_piece (piece) > width) {
      if (lines->str[lines->len - 1] == ' ')
        g_string_truncate (lines, lines->len - 1);
      g_string_append_c (lines, '\n');
      column = 0;
    }
    g_string_append (lines, piece);
    column += vsmmu_table_width (piece);
  }
  return g_string_free (lines, FALSE);
}

static void
measure (Table *table)
{
  /* Titles stay in one line. */
  for (guint c = 0; table->titles != NULL && c < table->n_columns; c++)
    table->widths[c] = table->smallest[c] = vsmmu_table_width (_ (table->titles[c]));
  for (guint i = 0; i < table->cells->len; i++) {
    const char *cell = g_ptr_array_index (table->cells, i);
    guint c = i % table->n_columns;

    table->widths[c] = MAX (table->widths[c], vsmmu_table_width (cell));
    table->smallest[c] = MAX (table->smallest[c], smallest_width (cell));
  }
}

/* Whether @column is printed in the block of columns from @first to @last: the first names the row, in each block. */
static gboolean
is_in_block (guint column, guint first, guint last)
{
  return column == 0 || (column >= first && column <= last);
}

static glong
sum_block (const glong *widths, guint first, guint last)
{
  glong sum = 0;

  for (guint c = 0; c <= last; c++)
    if (is_in_block (c, first, last))
      sum += widths[c] + (c > 0 ? (glong) strlen (SEPARATOR) : 0);
  return sum;
}

/* The last column that has room beside those from @first. */
static guint
find_last (const Table *table, guint first, glong room)
{
  guint last = first;

  while (last + 1 < table->n_columns && sum_block (table->smallest, first, last + 1) <= room)
    last++;
  return last;
}

/* Makes the widest columns of a block smaller until it has room, if that can be. */
static void
shrink (Table *table, guint first, guint last, glong room)
{
  glong excess;

  while ((excess = sum_block (table->widths, first, last) - room) > 0) {
    glong *widest = NULL;
    glong smallest = 0;

    for (guint c = 0; c <= last; c++)
      if (is_in_block (c, first, last) && table->widths[c] > table->smallest[c] &&
          (widest == NULL || table->widths[c] > *widest)) {
        widest = &table->widths[c];
        smallest = table->smallest[c];
      }
    if (widest == NULL)
      return;
    *widest = MAX (smallest, *widest - excess);
  }
}

/* (transfer full): in the encoding of the locale, as g_print() has it */
static char *
encode (const char *text)
{
  const char *charset;

  return g_get_charset (&charset) ? g_strdup (text)
                                  : g_convert_with_fallback (text, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
}

static void
add_columns (guint n_columns, Scols *scols)
{
  for (guint c = 0; c < n_columns; c++) {
    struct libscols_column *column = scols_table_new_column (scols, NULL, 0, SCOLS_FL_WRAP);

    scols_column_set_safechars (column, "\n");
    scols_column_set_wrapfunc (column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
  }
}

/* What is in a row; the titles when it is -1 */
static const char *
get_cell (const Table *table, int row, guint column)
{
  return row < 0 ? _ (table->titles[column])
                 : g_ptr_array_index (table->cells, (guint) row * table->n_columns + column);
}

static void
add_row (const Table *table, int row, guint first, guint last, Scols *scols)
{
  struct libscols_line *line = scols_table_new_line (scols, NULL);
  guint n = 0;

  for (guint c = 0; c <= last; c++) {
    g_autofree char *lines = break_lines (get_cell (table, row, c), table->widths[c]);

    if (is_in_block (c, first, last))
      scols_line_refer_data (line, n++, encode (lines));
  }
}

static void
print_block (const Table *table, guint first, guint last)
{
  g_autoptr (Scols) scols = scols_new_table ();

  scols_table_set_column_separator (scols, SEPARATOR);
  /* Titles are a row: they are shown when there is no other. */
  scols_table_enable_noheadings (scols, TRUE);
  /* Lines are broken already; what is too long even so must not be broken in the middle of a name or an address. */
  scols_table_set_termforce (scols, SCOLS_TERMFORCE_ALWAYS);
  scols_table_set_termwidth (scols, (gsize) sum_block (table->widths, first, last));
  add_columns (first > 0 ? last - first + 2 : last + 1, scols);
  for (int row = table->titles != NULL ? -1 : 0; row < (int) (table->cells->len / table->n_columns); row++)
    add_row (table, row, first, last, scols);
  scols_print_table (scols);
}

/* Columns of the terminal; a pipe or file has room for everything. */
static glong
find_room (void)
{
  g_autoptr (Scols) scols = scols_new_table ();

  return isatty (STDOUT_FILENO) ? (glong) scols_table_get_termwidth (scols) : G_MAXLONG;
}

void
vsmmu_table_print (const char *const *titles, guint n_columns, const GPtrArray *cells)
{
  g_autofree glong *widths = g_new0 (glong, n_columns);
  g_autofree glong *smallest = g_new0 (glong, n_columns);
  Table table = { titles, n_columns, cells, widths, smallest };
  glong room = find_room ();
  guint last;

  measure (&table);
  for (guint first = 0; first < n_columns; first = last + 1) {
    last = find_last (&table, first, room);
    shrink (&table, first, last, room);
    if (first > 0)
      g_print ("\n");
    print_block (&table, first, last);
  }
}
