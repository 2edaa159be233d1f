/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's log: any bytes, of a machine with two SMMUs. What it says is in bounds, and does not depend on the past.
 */
#include <stdint.h>
#include <string.h>

#include "probe/kernel-log.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static VsmmuHost *
read_log (const char *data, gsize size)
{
  VsmmuHost *host = vsmmu_host_new ();
  g_autofree char *text = g_strndup (data, size);

  for (guint i = 0; i < 2; i++) {
    g_autofree char *name = g_strdup_printf ("smmu3.0x%016x", i);
    VsmmuHostSmmu *smmu = vsmmu_host_smmu_new (name);

    smmu->platform = g_strdup_printf ("arm-smmu-v3.%u.auto", i);
    g_ptr_array_add (host->smmus, smmu);
  }
  vsmmu_kernel_log_read (host, text);
  return host;
}

/* Only the driver's word, its address size and its queues come from the log, each within what hardware can have. */
static void
check_smmu (const VsmmuHostSmmu *smmu)
{
  for (guint i = 0; i < VSMMU_SMMU_CAPABILITIES; i++) {
    VsmmuFact fact = smmu->capabilities[i];

    if (!vsmmu_fact_is_known (fact))
      continue;
    if (fact.source != VSMMU_FACT_SOURCE_KERNEL_LOG || (i != VSMMU_SMMU_OAS && i != VSMMU_SMMU_CMDQV))
      g_error ("the log said what it cannot say");
    if (i == VSMMU_SMMU_OAS ? fact.value < 32 || fact.value > 56 : fact.value != 0 && fact.value != 1)
      g_error ("a value that no SMMU has");
  }
  if (vsmmu_fact_is_known (smmu->features) != vsmmu_fact_is_known (smmu->capabilities[VSMMU_SMMU_OAS]) ||
      smmu->features.value < 0 || smmu->features.value > G_MAXUINT32)
    g_error ("half of a line was believed");
}

static const VsmmuHostSmmu *
smmu_at (const VsmmuHost *host, guint i)
{
  return g_ptr_array_index (host->smmus, i);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (VsmmuHost) host = read_log ((const char *) data, size);
  /* The last line again: nothing may be worse for it, and a later word counts. */
  g_autoptr (VsmmuHost) again = NULL;
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *twice = g_strconcat (text, "\n", text, NULL);

  again = read_log (twice, strlen (twice));
  for (guint i = 0; i < host->smmus->len; i++) {
    check_smmu (smmu_at (host, i));
    if (smmu_at (host, i)->features.value != smmu_at (again, i)->features.value)
      g_error ("the same log says two things");
  }
  vsmmu_host_finish (host);
  return 0;
}
