/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/guard-internal.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "check/finding.h"
#include "render/text.h"
#include "vsmmu/vsmmu.h"
#include "xml/xml.h"

VsmmuGuard *
vsmmu_guard_new (const VsmmuPolicy *policy, const VsmmuGuardOps *ops, gpointer self)
{
  VsmmuGuard *guard = g_new0 (VsmmuGuard, 1);

  guard->policy = policy;
  guard->ops = ops;
  guard->self = self;
  return guard;
}

void
vsmmu_guard_free (VsmmuGuard *guard)
{
  g_free (guard);
}

void
vsmmu_guard_log (const VsmmuGuard *guard, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  guard->ops->log (guard->self, text);
}

void
vsmmu_guard_log_notes (const VsmmuGuard *guard, const GPtrArray *notes)
{
  for (guint i = 0; i < notes->len; i++)
    guard->ops->log (guard->self, g_ptr_array_index (notes, i));
}

static void
log_findings (const VsmmuGuard *guard, const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++) {
    g_autofree char *text = vsmmu_render_line (g_ptr_array_index (findings, i));

    guard->ops->log (guard->self, text);
  }
}

/* What lowering corrects is not the domain's fault. */
static void
remove_what_is_lowered (GPtrArray *findings)
{
  static const char *const rules[] = { "target-libvirt-drops-accel", "target-libvirt-no-iommufd", NULL };

  vsmmu_findings_remove (findings, rules);
}

/* Where the error stands that a refusal begins with. */
static const VsmmuFinding *
find_first_error (const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (finding->severity == VSMMU_SEVERITY_ERROR)
      return finding;
  }
  g_assert_not_reached ();
}

gboolean
vsmmu_guard_judge (const VsmmuGuard *guard, GPtrArray *findings, GError **error)
{
  g_autoptr (GPtrArray) owned = findings;
  g_autofree char *refusal = NULL;
  const VsmmuFinding *first;

  if (vsmmu_policy_get_mode (guard->policy) == VSMMU_POLICY_OFF)
    return TRUE;
  remove_what_is_lowered (findings);
  vsmmu_policy_apply (guard->policy, findings);
  if (!vsmmu_policy_refuses (guard->policy, findings)) {
    log_findings (guard, findings);
    return TRUE;
  }
  refusal = vsmmu_render_refusal (findings);
  first = find_first_error (findings);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, "%s:%u: %s", first->file, first->line, refusal);
  return FALSE;
}

void
vsmmu_guard_judge_unread (const char *xml, const GError *problem, GError **error)
{
  if (!g_error_matches (problem, VSMMU_ERROR, VSMMU_ERROR_XML) || !vsmmu_xml_is_malformed (xml, strlen (xml)))
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("the document cannot be checked and was not passed to libvirt: %s; rewrite it as 'virsh dumpxml' "
                    "would print it"),
                 problem->message);
}
