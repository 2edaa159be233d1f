/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/rule.h"

#include <glib/gi18n-lib.h>

#include "base/suggest.h"
#include "check/check.h"

/*
 * Every rule there is: the one source for findings, `virt-vsmmu explain`, docs/rules.rst and the tests. Findings of one
 * line come in this order.
 */
static const VsmmuRuleRow *const tables[] = {
  vsmmu_document_rules,  vsmmu_pci_tree_rules,    vsmmu_machine_rules,     vsmmu_endpoint_rules,
  vsmmu_vsmmu_rules,     vsmmu_memory_node_rules, vsmmu_commandline_rules, vsmmu_host_device_rules,
  vsmmu_host_ats_rules,  vsmmu_host_gpu_rules,    vsmmu_host_kernel_rules, vsmmu_host_confinement_rules,
  vsmmu_host_smmu_rules, vsmmu_host_cmdqv_rules,  vsmmu_target_rules,      vsmmu_hotplug_rules,
  vsmmu_msi_rules,
};

const VsmmuRuleRow *
vsmmu_rule_table (guint index)
{
  return index < G_N_ELEMENTS (tables) ? tables[index] : NULL;
}

const VsmmuRule *
vsmmu_rules_get (guint index)
{
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const VsmmuRuleRow *row = tables[i]; row->rule.id != NULL; row++)
      if (index-- == 0)
        return &row->rule;
  return NULL;
}

const VsmmuRule *
vsmmu_rules_find (const char *id)
{
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const VsmmuRuleRow *row = tables[i]; row->rule.id != NULL; row++)
      if (strcmp (row->rule.id, id) == 0)
        return &row->rule;
  return NULL;
}

const char *
vsmmu_rules_suggest (const char *id)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  const VsmmuRule *rule;

  while ((rule = vsmmu_rules_get (ids->len)) != NULL)
    g_ptr_array_add (ids, (gpointer) rule->id);
  g_ptr_array_add (ids, NULL);
  return vsmmu_suggest (id, (const char *const *) ids->pdata);
}

/* Rules are static. */
static gpointer
keep (gpointer rule)
{
  return rule;
}

static void
leave (gpointer rule G_GNUC_UNUSED)
{
}

G_DEFINE_BOXED_TYPE (VsmmuRule, vsmmu_rule, keep, leave)

const char *
vsmmu_rule_get_id (const VsmmuRule *rule)
{
  return rule->id;
}

VsmmuSeverity
vsmmu_rule_get_severity (const VsmmuRule *rule)
{
  return rule->severity;
}

const char *
vsmmu_rule_get_title (const VsmmuRule *rule)
{
  return _ (rule->title);
}

const char *
vsmmu_rule_get_explanation (const VsmmuRule *rule)
{
  return _ (rule->explanation);
}

const char *
vsmmu_rule_get_source (const VsmmuRule *rule)
{
  return rule->source;
}

const char *
vsmmu_severity_to_string (VsmmuSeverity severity)
{
  static const char *const words[] = { "note", "warning", "error" };

  return words[severity];
}

const char *
vsmmu_rule_group_to_string (VsmmuRuleGroup group)
{
  static const char *const words[] = { N_ ("document"), N_ ("guest"),   N_ ("host"),
                                       N_ ("target"),   N_ ("hotplug"), N_ ("msi") };

  return words[group];
}
