/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Says of each domain and target what comes of lowering and lifting: print-adapted TARGET... -- XML...
 * One line for each: the file, the target, and "unchanged", "lowered" for what lowering changes and lifting turns back
 * byte for byte, or what went otherwise.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "vsmmu/lower.h"

static gboolean
is_same (const char *a, gsize a_length, const char *b, gsize b_length)
{
  return a_length == b_length && memcmp (a, b, a_length) == 0;
}

/* (transfer full) */
static char *
describe (const char *xml, gsize length, const VsmmuTarget *target)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize lowered_length = 0;
  gsize lifted_length = 0;
  gsize again_length = 0;
  g_autofree char *lowered = vsmmu_lower_domain (xml, length, "guest", target, notes, &lowered_length, &error);
  g_autofree char *lifted = NULL;
  g_autofree char *again = NULL;

  if (lowered == NULL)
    return g_strdup_printf ("refused: %s", error->message);
  if (is_same (lowered, lowered_length, xml, length))
    return g_strdup ("unchanged");
  lifted = vsmmu_lift (lowered, lowered_length, "guest", notes, &lifted_length, &error);
  if (lifted == NULL)
    return g_strdup_printf ("not lifted: %s", error->message);
  if (!is_same (lifted, lifted_length, xml, length))
    return g_strdup ("lifted to something else");
  again = vsmmu_lower_domain (lowered, lowered_length, "guest", target, notes, &again_length, &error);
  if (again == NULL || !is_same (again, again_length, lowered, lowered_length))
    return g_strdup ("lowered twice to something else");
  return notes->len == 0 ? g_strdup ("lowered")
                         : g_strdup_printf ("lowered: %s", (const char *) g_ptr_array_index (notes, 0));
}

int
main (int argc, char **argv)
{
  int n_targets = 0;

  setlocale (LC_ALL, "");
  while (strcmp (argv[n_targets + 1], "--") != 0)
    n_targets++;
  for (int i = n_targets + 2; i < argc; i++) {
    g_autofree char *xml = NULL;
    gsize length = 0;

    if (!g_file_get_contents (argv[i], &xml, &length, NULL))
      g_error ("%s", argv[i]);
    for (int t = 0; t < n_targets; t++) {
      VsmmuTarget target;
      g_autofree char *outcome = NULL;

      if (!vsmmu_target_parse (argv[t + 1], &target, NULL))
        g_error ("%s", argv[t + 1]);
      outcome = describe (xml, length, &target);
      g_print ("%s\t%s\t%s\n", argv[i], argv[t + 1], outcome);
    }
  }
  return EXIT_SUCCESS;
}
