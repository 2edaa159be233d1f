/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tells for each domain and target what comes of lowering and lifting: print-adapted TARGET... -- XML...
 * One line for each: the file, the target, and "unchanged", "lowered" for a domain that means the same after it was
 * lowered and lifted, in as many rounds as you like and whatever is in its metadata, or what went otherwise.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/lower.h"
#include "describe-model.h"
#include "vsmmu/domain.h"

#define ROUNDS 3

/* What the first version of lowering kept there, and what an attacker would like it to mean. */
#define METADATA                                                                                                       \
  "<metadata><v:lowered xmlns:v='urn:libvirt-vsmmu:lowered:1'><v:original of='metadata'>&lt;"                          \
  "commandline/&gt;</v:original><v:original of='iommu0'>&lt;iommu model='smmuv3'/&gt;</v:original><v:original "        \
  "of='ua-iommu0'>&lt;iommu/&gt;</v:original><v:original of='hostdev0/iommufd'> iommufd='no'</v:original></v:lowered>" \
  "<iommu xmlns='' model='smmuv3'><driver pciBus='0' accel='on'/></iommu></metadata>"

static gboolean
is_same (const char *a, gsize a_length, const char *b, gsize b_length)
{
  return a_length == b_length && memcmp (a, b, a_length) == 0;
}

/* (transfer full) */
static char *
lift (const char *xml, gsize length, GPtrArray *notes, gsize *lifted_length)
{
  g_autoptr (GError) error = NULL;
  char *lifted = vsmmu_lift (xml, length, "guest", notes, lifted_length, &error);

  if (lifted == NULL)
    g_error ("not lifted: %s", error->message);
  return lifted;
}

static gboolean
means_the_same (const char *a, gsize a_length, const char *b, gsize b_length)
{
  g_autoptr (VsmmuDomain) first = vsmmu_domain_new_from_data (a, a_length, "guest", NULL);
  g_autoptr (VsmmuDomain) second = vsmmu_domain_new_from_data (b, b_length, "guest", NULL);
  g_autofree char *first_text = describe_model (first);
  g_autofree char *second_text = describe_model (second);

  if (strcmp (first_text, second_text) != 0)
    g_printerr ("%s\n---\n%s\n", first_text, second_text);
  return strcmp (first_text, second_text) == 0;
}

/* (transfer full) (nullable): @xml with METADATA after its name; %NULL when it has some already, or no name */
static char *
add_metadata (const char *xml, gsize length)
{
  const char *end = memmem (xml, length, "</name>", strlen ("</name>"));

  if (memmem (xml, length, "<metadata", strlen ("<metadata")) != NULL || end == NULL)
    return NULL;
  end += strlen ("</name>");
  return g_strdup_printf ("%.*s" METADATA "%s", (int) (end - xml), xml, end);
}

static gboolean
is_lifted_alike_with_metadata (const char *lowered, gsize length, const char *lifted)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *with = add_metadata (lowered, length);
  g_autofree char *result = NULL;
  char *metadata;
  gsize result_length;

  if (with == NULL)
    return TRUE;
  result = lift (with, strlen (with), notes, &result_length);
  metadata = strstr (result, METADATA);
  if (metadata == NULL)
    return FALSE;
  memmove (metadata, metadata + strlen (METADATA), strlen (metadata + strlen (METADATA)) + 1);
  return strcmp (result, lifted) == 0;
}

/* (transfer full) */
static char *
describe (const char *xml, gsize length, const VsmmuTarget *target)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize lowered_length = 0;
  gsize given_length = 0;
  gsize lifted_length = 0;
  g_autofree char *lowered = vsmmu_lower_domain (xml, length, "guest", target, notes, &lowered_length, &error);
  g_autofree char *given = NULL;
  g_autofree char *lifted = NULL;

  if (lowered == NULL)
    return g_strdup_printf ("refused: %s", error->message);
  if (is_same (lowered, lowered_length, xml, length))
    return g_strdup ("unchanged");
  given = lift (xml, length, ignored, &given_length);
  lifted = lift (lowered, lowered_length, notes, &lifted_length);
  if (!means_the_same (given, given_length, lifted, lifted_length))
    return g_strdup ("lifted to something else");
  if (!is_lifted_alike_with_metadata (lowered, lowered_length, lifted))
    return g_strdup ("lifted to something else with metadata");
  for (guint i = 0; i < ROUNDS; i++) {
    gsize again_length = 0;
    gsize twice_length = 0;
    g_autofree char *again =
        vsmmu_lower_domain (lowered, lowered_length, "guest", target, ignored, &again_length, NULL);
    g_autofree char *twice = NULL;

    if (again == NULL || !is_same (again, again_length, lowered, lowered_length))
      return g_strdup ("lowered twice to something else");
    g_clear_pointer (&again, g_free);
    again = vsmmu_lower_domain (lifted, lifted_length, "guest", target, ignored, &again_length, NULL);
    if (again == NULL)
      return g_strdup ("not lowered again");
    twice = lift (again, again_length, ignored, &twice_length);
    if (!is_same (twice, twice_length, lifted, lifted_length))
      return g_strdup_printf ("another text after round %u", i + 1);
    g_free (lowered);
    lowered = g_steal_pointer (&again);
    lowered_length = again_length;
  }
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
