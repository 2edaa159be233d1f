/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/kernel-log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static VsmmuHostSmmu *
find_platform (const VsmmuHost *host, const char *name, gsize length)
{
  for (guint i = 0; i < host->smmus->len; i++) {
    VsmmuHostSmmu *smmu = g_ptr_array_index (host->smmus, i);

    if (smmu->platform != NULL && strlen (smmu->platform) == length && strncmp (smmu->platform, name, length) == 0)
      return smmu;
  }
  return NULL;
}

/* What the lines of the kernel's log that were read so far say. */
typedef struct {
  VsmmuHost *host;
  GHashTable *companions; /* name of a command queue's device → VsmmuHostSmmu, borrowed */
} Log;

/*
 * "ias 48-bit, oas 48-bit (features 0x001e1fbf)": arm_smmu_device_hw_probe(). Of a line that is cut off or garbled
 * nothing is believed: bits that are not there would say that the SMMU cannot do something.
 */
static void
read_features (VsmmuHostSmmu *smmu, const char *text)
{
  const char *start = strstr (text, "oas ");
  char digits[3];
  char word[9];
  int length = 0;
  int oas;

  /* Not %u and %x, which take signs. */
  if (start == NULL || sscanf (start, "oas %2[0-9]-bit (features 0x%8[0-9a-f])%n", digits, word, &length) != 2 ||
      length == 0)
    return;
  oas = atoi (digits);
  if (oas < 32 || oas > 56)
    return;
  smmu->features = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, g_ascii_strtoull (word, NULL, 16));
  smmu->capabilities[VSMMU_SMMU_OAS] = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, oas);
}

/* "found companion CMDQV device: NVDA200C:00": tegra241-cmdqv */
static void
read_companion (Log *log, VsmmuHostSmmu *smmu, const char *text)
{
  static const char words[] = "found companion CMDQV device: ";
  const char *start = strstr (text, words);
  g_autofree char *name =
      start != NULL ? g_strndup (start + strlen (words), strcspn (start + strlen (words), " ")) : NULL;
  VsmmuHostSmmu *other = name != NULL ? g_hash_table_lookup (log->companions, name) : NULL;

  if (name == NULL || *name == '\0')
    return;
  /* It cannot be that of two. */
  if (other != NULL && other != smmu)
    other->capabilities[VSMMU_SMMU_CMDQV] = VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
  smmu->capabilities[VSMMU_SMMU_CMDQV] = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, TRUE);
  g_hash_table_replace (log->companions, g_steal_pointer (&name), smmu);
}

/* "acpi NVDA200C:00: tegra241_cmdqv: Falling back to standard SMMU CMDQ", after it was found: it is not used. */
static void
read_fallback (Log *log, const char *line)
{
  GHashTableIter iter;
  gpointer name;
  gpointer smmu;

  if (strstr (line, "Falling back to standard SMMU CMDQ") == NULL)
    return;
  g_hash_table_iter_init (&iter, log->companions);
  while (g_hash_table_iter_next (&iter, &name, &smmu)) {
    g_autofree char *sender = g_strdup_printf (" %s: ", (const char *) name);

    if (strstr (line, sender) != NULL)
      ((VsmmuHostSmmu *) smmu)->capabilities[VSMMU_SMMU_CMDQV] = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, FALSE);
  }
}

/* What the driver says at boot: "arm-smmu-v3 arm-smmu-v3.1.auto: …". Later words count. */
static void
read_log_line (Log *log, const char *line)
{
  static const char driver[] = "arm-smmu-v3 ";
  const char *name = strstr (line, driver);
  const char *end = name != NULL ? strchr (name + strlen (driver), ':') : NULL;
  VsmmuHostSmmu *smmu;

  read_fallback (log, line);
  if (end == NULL)
    return;
  name += strlen (driver);
  smmu = find_platform (log->host, name, (gsize) (end - name));
  if (smmu == NULL)
    return;
  read_companion (log, smmu, end);
  read_features (smmu, end);
}

void
vsmmu_kernel_log_read (VsmmuHost *host, char *text)
{
  g_autoptr (GHashTable) companions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Log log = { host, companions };
  char *rest = NULL;

  for (char *line = strtok_r (text, "\n", &rest); line != NULL; line = strtok_r (NULL, "\n", &rest))
    read_log_line (&log, line);
}
