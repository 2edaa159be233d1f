/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/finding.h"

VsmmuFinding *
vsmmu_finding_new (const VsmmuRule *rule, VsmmuSeverity severity, const char *file, guint line, char *element,
                   char *message, char *hint)
{
  VsmmuFinding *finding = g_atomic_rc_box_new0 (VsmmuFinding);

  finding->rule = rule;
  finding->severity = severity;
  finding->file = g_strdup (file);
  finding->line = line;
  finding->element = element;
  finding->message = message;
  finding->hint = hint;
  return finding;
}

VsmmuFinding *
vsmmu_finding_ref (VsmmuFinding *finding)
{
  return g_atomic_rc_box_acquire (finding);
}

static void
finding_clear (gpointer data)
{
  VsmmuFinding *finding = data;

  g_free (finding->file);
  g_free (finding->element);
  g_free (finding->message);
  g_free (finding->hint);
}

void
vsmmu_finding_unref (VsmmuFinding *finding)
{
  if (finding != NULL)
    g_atomic_rc_box_release_full (finding, finding_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuFinding, vsmmu_finding, vsmmu_finding_ref, vsmmu_finding_unref)

const VsmmuRule *
vsmmu_finding_get_rule (const VsmmuFinding *finding)
{
  return finding->rule;
}

VsmmuSeverity
vsmmu_finding_get_severity (const VsmmuFinding *finding)
{
  return finding->severity;
}

const char *
vsmmu_finding_get_file (const VsmmuFinding *finding)
{
  return finding->file;
}

guint
vsmmu_finding_get_line (const VsmmuFinding *finding)
{
  return finding->line;
}

const char *
vsmmu_finding_get_element (const VsmmuFinding *finding)
{
  return finding->element;
}

const char *
vsmmu_finding_get_message (const VsmmuFinding *finding)
{
  return finding->message;
}

const char *
vsmmu_finding_get_hint (const VsmmuFinding *finding)
{
  return finding->hint;
}

guint
vsmmu_findings_count (const GPtrArray *findings, VsmmuSeverity severity)
{
  guint count = 0;

  for (guint i = 0; i < findings->len; i++)
    count += ((const VsmmuFinding *) g_ptr_array_index (findings, i))->severity == severity;
  return count;
}

void
vsmmu_findings_remove_if (GPtrArray *findings, VsmmuFindingTest is_removed, gconstpointer data)
{
  guint n_kept = 0;

  /* Findings to remove are moved to the end. */
  for (guint i = 0; i < findings->len; i++) {
    VsmmuFinding *finding = findings->pdata[i];

    if (is_removed (finding, data))
      continue;
    findings->pdata[i] = findings->pdata[n_kept];
    findings->pdata[n_kept++] = finding;
  }
  g_ptr_array_set_size (findings, (int) n_kept);
}

static gboolean
is_of_rules (const VsmmuFinding *finding, gconstpointer rules)
{
  return g_strv_contains (rules, finding->rule->id);
}

void
vsmmu_findings_remove (GPtrArray *findings, const char *const *rules)
{
  vsmmu_findings_remove_if (findings, is_of_rules, rules);
}

static gboolean
is_less_severe (const VsmmuFinding *finding, gconstpointer severity)
{
  return finding->severity < *(const VsmmuSeverity *) severity;
}

void
vsmmu_findings_remove_below (GPtrArray *findings, VsmmuSeverity severity)
{
  vsmmu_findings_remove_if (findings, is_less_severe, &severity);
}
