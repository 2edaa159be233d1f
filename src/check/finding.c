/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/finding.h"

VsmmuFinding *
vsmmu_finding_new (const VsmmuRule *rule, VsmmuSeverity severity, const char *file, guint line, char *element,
                   char *message, char *hint)
{
  VsmmuFinding *finding = g_new0 (VsmmuFinding, 1);

  finding->rule = rule;
  finding->severity = severity;
  finding->file = g_strdup (file);
  finding->line = line;
  finding->element = element;
  finding->message = message;
  finding->hint = hint;
  return finding;
}

void
vsmmu_finding_free (VsmmuFinding *finding)
{
  if (finding == NULL)
    return;
  g_free (finding->file);
  g_free (finding->element);
  g_free (finding->message);
  g_free (finding->hint);
  g_free (finding);
}

guint
vsmmu_findings_count (const GPtrArray *findings, VsmmuSeverity severity)
{
  guint count = 0;

  for (guint i = 0; i < findings->len; i++)
    count += ((const VsmmuFinding *) g_ptr_array_index (findings, i))->severity == severity;
  return count;
}
