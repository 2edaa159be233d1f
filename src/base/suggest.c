/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/suggest.h"

#include <string.h>

#define WORD_MAX 48

/* Lower case without separators; FALSE for words too long to be a typo. */
static gboolean
fold (const char *word, char *folded)
{
  gsize length = 0;

  for (; *word != '\0'; word++) {
    if (*word == '_' || *word == '-')
      continue;
    if (length + 1 >= WORD_MAX)
      return FALSE;
    folded[length++] = g_ascii_tolower (*word);
  }
  folded[length] = '\0';
  return TRUE;
}

/* Levenshtein distance, with a swap of neighbours as one edit. */
static guint
distance (const char *a, const char *b)
{
  guint rows[3][WORD_MAX + 1];
  gsize length_a = strlen (a);
  gsize length_b = strlen (b);

  for (gsize j = 0; j <= length_b; j++)
    rows[0][j] = (guint) j;
  for (gsize i = 1; i <= length_a; i++) {
    guint *row = rows[i % 3];
    const guint *above = rows[(i + 2) % 3];
    const guint *second = rows[(i + 1) % 3];

    row[0] = (guint) i;
    for (gsize j = 1; j <= length_b; j++) {
      guint best = MIN (above[j], row[j - 1]) + 1;

      best = MIN (best, above[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN (best, second[j - 2] + 1);
      row[j] = best;
    }
  }
  return rows[length_a % 3][length_b];
}

const char *
vsmmu_suggest (const char *word, const char *const *candidates)
{
  char folded_word[WORD_MAX] = "";
  const char *best = NULL;
  guint best_distance = G_MAXUINT;

  if (!fold (word, folded_word))
    return NULL;

  for (; *candidates != NULL; candidates++) {
    char folded[WORD_MAX] = "";
    guint edits;

    if (!fold (*candidates, folded))
      continue;
    if (ABS ((int) strlen (folded) - (int) strlen (folded_word)) > (int) strlen (folded) / 3)
      continue;
    edits = distance (folded_word, folded);
    /* Short names differ in one letter by chance: ats and oas. */
    if (edits < best_distance && edits <= strlen (folded) / 3) {
      best = *candidates;
      best_distance = edits;
    }
  }
  return best;
}
