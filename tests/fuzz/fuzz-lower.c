/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lowers what comes for some target, and lifts it again: that must mean the same as before, or as what came lifted when
 * it came lowered. From then on the text stays the same. Whatever comes is lifted to the same with metadata in it.
 */
#include <stdint.h>
#include <string.h>

#include "../describe-model.h"
#include "base/target.h"
#include "stop.h"
#include "turn.h"
#include "vsmmu/vsmmu.h"

#define NAME "domain.xml"

/* What is not done for every input; for one of how many it is. */
typedef enum { TURN_METADATA, TURN_TWICE, TURN_DEVICE } Turn;

static const guint every[] = { [TURN_METADATA] = 2, [TURN_TWICE] = 2, [TURN_DEVICE] = 4 };

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* One for each thing that libvirt came to know. */
static const VsmmuTarget targets[] = {
  { VSMMU_VERSION_ENCODE (8, 2, 0), 0 },   { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
  { VSMMU_VERSION_ENCODE (11, 10, 0), 0 }, { VSMMU_VERSION_ENCODE (12, 1, 0), 0 },
  { VSMMU_VERSION_ENCODE (12, 2, 0), 0 },  { VSMMU_VERSION_ENCODE (12, 7, 0), 0 },
};

static gboolean
is_same (const char *a, gsize a_length, const char *b, gsize b_length)
{
  return a_length == b_length && memcmp (a, b, a_length) == 0;
}

/* (transfer full) */
static char *
lift (const char *xml, gsize length, gsize *lifted_length)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  char *lifted = vsmmu_lift (xml, length, NAME, notes, lifted_length, &error);

  g_assert ((lifted != NULL) == (error == NULL));
  return lifted;
}

/* Devices of a guest that runs have names that they lose when it is defined anew. */
static gboolean
is_running (const char *xml, gsize length)
{
  return memmem (xml, length, "id", 2) != NULL && memmem (xml, length, "<alias", 6) != NULL;
}

static void
compare_models (const char *expected, gsize expected_length, const char *got, gsize got_length)
{
  g_autoptr (VsmmuDomain) first = vsmmu_domain_new_from_data (expected, expected_length, NAME, NULL);
  g_autoptr (VsmmuDomain) second = vsmmu_domain_new_from_data (got, got_length, NAME, NULL);
  g_autofree char *first_text = describe_model (first);
  g_autofree char *second_text = describe_model (second);

  if (strcmp (first_text, second_text) == 0)
    return;
  g_printerr ("%s\nwas lowered and lifted to\n%s\n\n%s---\n%s", expected, got, first_text, second_text);
  abort ();
}

#define METADATA                                                                                                       \
  "<metadata><v:lowered xmlns:v='urn:libvirt-vsmmu:lowered:1'><v:original of='iommu0'>&lt;x/&gt;"                      \
  "</v:original></v:lowered><iommu xmlns='' model='smmuv3'/></metadata>"

/* Whether metadata changes what a document is lifted to: @lifted without. */
static void
lift_with_metadata (const char *xml, gsize length, const char *lifted, gsize lifted_length)
{
  static const char mark[] = "</name>";
  const char *end = memmem (xml, length, mark, strlen (mark));
  g_autoptr (GString) with = g_string_new_len (xml, (gssize) length);
  g_autofree char *result = NULL;
  gsize result_length = 0;
  const char *metadata;

  if (end == NULL || memmem (xml, length, "<metadata", strlen ("<metadata")) != NULL)
    return;
  end += strlen (mark);
  g_string_insert (with, end - xml, METADATA);
  result = lift (with->str, with->len, &result_length);
  /* In a comment, or where it goes beyond a limit. */
  metadata = result != NULL ? memmem (result, result_length, METADATA, strlen (METADATA)) : NULL;
  if (metadata == NULL)
    return;
  g_assert (result_length - strlen (METADATA) == lifted_length && memcmp (result, lifted, metadata - result) == 0 &&
            memcmp (metadata + strlen (METADATA), lifted + (metadata - result),
                    lifted_length - (gsize) (metadata - result)) == 0);
}

static gboolean
has_turn (const char *xml, gsize length, Turn turn)
{
  return is_turn (fingerprint ((const guint8 *) xml, length), turn, every[turn]);
}

/* From now on nothing changes any more. */
static void
expect_same_again (const char *lifted, gsize lifted_length, const VsmmuTarget *target)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize again_length = 0;
  gsize twice_length = 0;
  g_autofree char *again = vsmmu_lower_domain (lifted, lifted_length, NAME, target, notes, &again_length, &error);
  g_autofree char *twice = NULL;

  g_assert_no_error (error);
  twice = lift (again, again_length, &twice_length);
  if (!is_same (lifted, lifted_length, twice, twice_length)) {
    g_printerr ("lifted:\n%s\nlifted twice:\n%s\n", lifted, twice);
    abort ();
  }
}

static void
lower_and_lift (const char *xml, gsize length, const VsmmuTarget *target)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize lowered_length = 0;
  gsize expected_length = 0;
  gsize lifted_length = 0;
  g_autofree char *lowered = vsmmu_lower_domain (xml, length, NAME, target, notes, &lowered_length, &error);
  g_autofree char *expected = NULL;
  g_autofree char *lifted = NULL;

  g_assert ((lowered != NULL) == (error == NULL));
  if (lowered == NULL || is_same (lowered, lowered_length, xml, length))
    return;
  expected = lift (xml, length, &expected_length);
  lifted = lift (lowered, lowered_length, &lifted_length);
  g_assert (expected != NULL && lifted != NULL);
  if (is_running (xml, length))
    return;
  compare_models (expected, expected_length, lifted, lifted_length);
  if (has_turn (xml, length, TURN_TWICE))
    expect_same_again (lifted, lifted_length, target);
}

static void
lower_device (const char *xml, gsize length, const VsmmuTarget *target)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gsize lowered_length = 0;
  g_autofree char *lowered = vsmmu_lower_device (xml, length, NAME, target, notes, &lowered_length, &error);

  g_assert ((lowered != NULL) == (error == NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* Not NULL, and with nothing of the fuzzer's behind it. */
  g_autofree char *xml = g_memdup2 (size > 0 ? (const char *) data : "", MAX (size, 1));
  gsize lifted_length = 0;
  g_autofree char *lifted = lift (xml, size, &lifted_length);
  const VsmmuTarget *target = &targets[size % G_N_ELEMENTS (targets)];

  if (lifted == NULL)
    return 0;
  if (has_turn (xml, size, TURN_METADATA))
    lift_with_metadata (xml, size, lifted, lifted_length);
  lower_and_lift (xml, size, target);
  if (has_turn (xml, size, TURN_DEVICE))
    lower_device (xml, size, target);
  return 0;
}
