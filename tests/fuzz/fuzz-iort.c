/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parser of the ACPI table IORT: any bytes, none read beyond their end. */
#include <stdint.h>

#include "probe/iort.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GArray) smmus = vsmmu_iort_parse (data, size);
  g_autoptr (GArray) root_complexes = vsmmu_iort_list_root_complexes (data, size);

  if ((smmus == NULL) != (root_complexes == NULL))
    g_error ("an IORT for one and not for the other");

  for (guint i = 0; smmus != NULL && i < smmus->len; i++)
    if (g_array_index (smmus, VsmmuIortSmmu, i).n_canwbs > g_array_index (smmus, VsmmuIortSmmu, i).n_root_complexes)
      g_error ("CANWBS without a root complex");
  return 0;
}
