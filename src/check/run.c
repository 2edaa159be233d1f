/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lowering.h"
#include "base/input.h"
#include "check/check.h"
#include "check/finding.h"
#include "check/run.h"
#include "check/suppression.h"
#include "domain/hotplug.h"
#include "host/binding.h"
#include "schema/violation.h"

/* Findings that are not shown must be mentioned. */
static void
report_left_out (const VsmmuCheck *check)
{
  if (check->n_left_out == 0)
    return;
  g_ptr_array_add (
      check->findings,
      vsmmu_finding_new (vsmmu_rules_find ("too-many-findings"), check->worst_left_out, check->domain->file,
                         check->domain->line, g_strdup ("/domain"),
                         g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u more finding is not shown",
                                                       "%u more findings are not shown", check->n_left_out),
                                          check->n_left_out),
                         g_strdup (_ ("fix some of the findings shown, and check again"))));
}

/* By document, then by line. */
static int
compare_places (gconstpointer a, gconstpointer b)
{
  const VsmmuFinding *left = *(const VsmmuFinding *const *) a;
  const VsmmuFinding *right = *(const VsmmuFinding *const *) b;
  gboolean is_left_plug = !g_str_has_prefix (left->element, "/domain");
  gboolean is_right_plug = !g_str_has_prefix (right->element, "/domain");

  if (is_left_plug != is_right_plug)
    return is_left_plug - is_right_plug;
  return (left->line > right->line) - (left->line < right->line);
}

/* Whether the check has what a rule of @group looks at. */
static gboolean
has_subject (const VsmmuCheck *check, VsmmuRuleGroup group)
{
  switch (group) {
  case VSMMU_RULE_GROUP_HOST:
    return check->host != NULL;
  case VSMMU_RULE_GROUP_TARGET:
    return check->target != NULL;
  case VSMMU_RULE_GROUP_HOTPLUG:
    return check->domain->plug != NULL;
  default:
    return TRUE;
  }
}

/* A place that does not fit the schema of domains; @data is the check. */
static void
report_misfit (VsmmuSeverity severity, guint line, char *element, char *message, char *hint, gpointer data)
{
  const VsmmuCheck *check = data;

  g_ptr_array_add (check->findings, vsmmu_finding_new (vsmmu_rules_find ("schema-violation"), severity,
                                                       check->domain->file, line, element, message, hint));
}

GPtrArray *
vsmmu_check_domain (const VsmmuDomain *domain, const VsmmuCheckOptions *options)
{
  g_autoptr (GPtrArray) findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  g_autoptr (VsmmuDomain) changed = NULL;
  VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX];
  g_autofree VsmmuRoom *room = g_new0 (VsmmuRoom, 1);
  VsmmuCheck check = { .domain = domain, .findings = findings, .bindings = bindings, .room = room };
  gboolean is_accelerated = vsmmu_domain_is_accelerated (domain);
  const VsmmuRuleRow *table;

  if (options != NULL) {
    check.target = options->target;
    check.host = options->host;
    if (options->hotplug != NULL && is_accelerated)
      check.domain = changed = vsmmu_hotplug_apply (options->hotplug, domain);
    if (options->host != NULL && is_accelerated)
      vsmmu_bindings_find (check.domain, options->host, bindings);
  }
  vsmmu_room_init (room, check.domain);
  for (guint i = 0; is_accelerated && (table = vsmmu_rule_table (i)) != NULL; i++)
    for (const VsmmuRuleRow *row = table; row->rule.id != NULL; row++) {
      check.rule = &row->rule;
      if (row->apply != NULL && has_subject (&check, row->rule.group))
        row->apply (&check);
    }
  report_left_out (&check);
  if (options != NULL && options->schema != NULL)
    vsmmu_schema_check (options->schema, domain->document, report_misfit, &check);
  g_ptr_array_sort (findings, compare_places);
  return g_steal_pointer (&findings);
}

GPtrArray *
vsmmu_check_data (const char *data, gsize length, const char *name, const VsmmuCheckOptions *options, GError **error)
{
  g_autoptr (GError) parse_error = NULL;
  guint line = 0;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_at (data, length, name, &line, &parse_error);
  g_autofree char *place = NULL;
  GPtrArray *findings;
  const char *message;

  if (domain != NULL) {
    findings = vsmmu_check_domain (domain, options);
    if (options != NULL && options->honors_comments) {
      vsmmu_suppressions_apply (data, length, name, findings);
      g_ptr_array_sort (findings, compare_places);
    }
    return findings;
  }
  if (!g_error_matches (parse_error, VSMMU_ERROR, VSMMU_ERROR_XML) &&
      (!g_error_matches (parse_error, VSMMU_ERROR, VSMMU_ERROR_NOT_DOMAIN) ||
       (options != NULL && options->domains_only))) {
    g_propagate_error (error, g_steal_pointer (&parse_error));
    return NULL;
  }

  /* The finding has the place; the message need not repeat it. */
  place = g_strdup_printf ("%s:%u: ", name, line);
  message = parse_error->message + (g_str_has_prefix (parse_error->message, place) ? strlen (place) : 0);
  findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  g_ptr_array_add (findings,
                   vsmmu_finding_new (vsmmu_rules_find ("xml-malformed"), VSMMU_SEVERITY_ERROR, name, line,
                                      g_strdup ("/"), g_strdup (message),
                                      g_strdup (_ ("provide a domain document as 'virsh dumpxml' prints it"))));
  return findings;
}

GPtrArray *
vsmmu_check_file (const char *path, const VsmmuCheckOptions *options, GError **error)
{
  g_autofree char *data = NULL;
  gsize length = 0;

  g_autofree char *name = vsmmu_read_name (path);

  if (!vsmmu_read_document (path, &data, &length, error))
    return NULL;
  return vsmmu_check_data (data, length, name, options, error);
}
