/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/dot-host.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "render/dot-label.h"

static void
label_add_capability (GString *text, const char *name, VsmmuFact fact, gboolean is_switch)
{
  if (!vsmmu_fact_is_known (fact))
    return;
  if (is_switch)
    g_string_append_printf (text, "%s%s %s", text->len > 0 ? ", " : "", name, fact.value ? "on" : "off");
  else
    g_string_append_printf (text, "%s%s %" G_GINT64_FORMAT, text->len > 0 ? ", " : "", name, fact.value);
}

static void
label_add_smmu (GString *label, const VsmmuHostSmmu *smmu)
{
  VsmmuFact nesting = vsmmu_host_smmu_supports_vsmmu (smmu);
  g_autoptr (GString) text = g_string_new (NULL);

  if (vsmmu_fact_is_known (smmu->numa_node) && smmu->numa_node.value >= 0)
    vsmmu_dot_label_add (label, _ ("NUMA node %d"), (int) smmu->numa_node.value);
  if (vsmmu_fact_is_known (nesting))
    vsmmu_dot_label_add (label, "%s", nesting.value ? _ ("nested translation") : _ ("no nested translation"));
  label_add_capability (text, "ats", smmu->capabilities[VSMMU_SMMU_ATS], TRUE);
  label_add_capability (text, "ril", smmu->capabilities[VSMMU_SMMU_RIL], TRUE);
  label_add_capability (text, "cmdqv", vsmmu_host_smmu_supports_cmdqv (smmu), TRUE);
  if (text->len > 0)
    vsmmu_dot_label_add (label, "%s", text->str);
  g_string_truncate (text, 0);
  label_add_capability (text, "ssidsize", smmu->capabilities[VSMMU_SMMU_SSIDSIZE], FALSE);
  label_add_capability (text, "oas", smmu->capabilities[VSMMU_SMMU_OAS], FALSE);
  if (text->len > 0)
    vsmmu_dot_label_add (label, "%s", text->str);
}

static void
add_smmu (VsmmuDotGraph *graph, const VsmmuHostSmmu *smmu)
{
  GString *label = vsmmu_dot_label_new ();
  g_autofree char *title = g_strdup_printf (_ ("physical SMMU 0x%" PRIx64), smmu->base);

  vsmmu_dot_label_add_title (label, title);
  label_add_smmu (label, smmu);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_SMMU, NULL, "smmu%" G_GINT64_MODIFIER "x", smmu->base);
  g_string_append_printf (graph->dot, "  smmu%" G_GINT64_MODIFIER "x -> host;\n", smmu->base);
}

static gboolean
has_finding (const GPtrArray *findings, const char *rule)
{
  for (guint i = 0; findings != NULL && i < findings->len; i++)
    if (strcmp (((const VsmmuFinding *) g_ptr_array_index (findings, i))->rule->id, rule) == 0)
      return TRUE;
  return FALSE;
}

static void
add_smmu_edges (VsmmuDotGraph *graph)
{
  for (guint i = 0; i < graph->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (graph->domain->hostdevs, i);
    const VsmmuHostDevice *device = vsmmu_dot_graph_get_host_device (graph, hostdev);

    gboolean is_wrong = has_finding (vsmmu_dot_graph_get_findings (graph, hostdev), "host-smmu-mismatch");

    if (device != NULL && device->smmu != NULL && g_hash_table_contains (graph->drawn, hostdev))
      g_string_append_printf (graph->dot,
                              "  device%u -> smmu%" G_GINT64_MODIFIER "x [color=\"%s\" penwidth=%d style=%s];\n",
                              vsmmu_dot_graph_get_number (graph, hostdev), device->smmu->base,
                              is_wrong ? vsmmu_dot_severities[VSMMU_SEVERITY_ERROR].colour : VSMMU_DOT_SMMU_COLOUR,
                              is_wrong ? 3 : 2, is_wrong ? "dashed" : "solid");
  }
}

void
vsmmu_dot_host_add (VsmmuDotGraph *graph)
{
  const VsmmuHost *host = graph->host;
  guint n_others = 0;
  GString *label;

  if (host == NULL)
    return;
  for (guint i = 0; i < host->smmus->len; i++) {
    if (g_hash_table_contains (graph->smmus, g_ptr_array_index (host->smmus, i)))
      add_smmu (graph, g_ptr_array_index (host->smmus, i));
    else
      n_others++;
  }
  add_smmu_edges (graph);
  label = vsmmu_dot_label_new ();
  vsmmu_dot_label_add_title (label, host->name != NULL ? host->name : _ ("unnamed host"));
  if (host->kernel != NULL)
    vsmmu_dot_label_add (label, _ ("kernel %s"), host->kernel);
  if (n_others > 0)
    vsmmu_dot_label_add (label, g_dngettext (GETTEXT_PACKAGE, "%u other SMMU", "%u other SMMUs", n_others), n_others);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_GUEST, NULL, "host");
}
