/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parser of the ACPI table IORT: any bytes, none read beyond their end. */
#include <stdint.h>

#include "probe/iort.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Of a table that is cut off, nothing is believed: what is missing might say the opposite. */
static void
check_cut_off (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *part = g_memdup2 (data, size / 2);
  g_autoptr (GArray) smmus = part != NULL ? vsmmu_iort_parse (part, size / 2) : NULL;

  if (smmus != NULL && GUINT32_FROM_LE (*(const guint32 *) (part + 4)) > size / 2)
    g_error ("a part was believed");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GArray) smmus = vsmmu_iort_parse (data, size);
  g_autoptr (GArray) root_complexes = vsmmu_iort_list_root_complexes (data, size);

  if (smmus != NULL && root_complexes == NULL)
    g_error ("an IORT for the SMMUs and not for the root complexes");

  for (guint i = 0; smmus != NULL && i < smmus->len; i++)
    if (g_array_index (smmus, VsmmuIortSmmu, i).n_canwbs > g_array_index (smmus, VsmmuIortSmmu, i).n_root_complexes)
      g_error ("CANWBS without a root complex");
  check_cut_off (data, size);
  return 0;
}
