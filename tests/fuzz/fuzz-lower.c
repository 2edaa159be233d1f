/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lowers what comes for one target after the other, and lifts it again. What
 * was lowered must come back byte for byte as it was; what comes lowered is lifted
 * first, so that it is compared with that.
 */
#include <stdint.h>
#include <string.h>

#include "stop.h"
#include "vsmmu/vsmmu.h"

#define NAME "domain.xml"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* One for each thing that libvirt came to know. */
static const VsmmuTarget targets[] = {
  { VSMMU_VERSION_ENCODE (8, 2, 0), 0 },   { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
  { VSMMU_VERSION_ENCODE (11, 10, 0), 0 }, { VSMMU_VERSION_ENCODE (12, 1, 0), 0 },
  { VSMMU_VERSION_ENCODE (12, 2, 0), 0 },  { VSMMU_VERSION_ENCODE (12, 7, 0), 0 },
};

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  g_log_set_default_handler (stop, NULL);
  return 0;
}

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
  if (!is_running (xml, length) && !is_same (lifted, lifted_length, expected, expected_length)) {
    g_printerr ("lowered:\n%s\nlifted:\n%s\n", lowered, lifted);
    abort ();
  }
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

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    lower_and_lift (xml, size, &targets[i]);
    if (lifted != NULL && i == size % G_N_ELEMENTS (targets))
      lower_device (xml, size, &targets[i]);
  }
  return 0;
}
