/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/dot-graph.h"

#include <glib/gi18n-lib.h>

#include "render/dot-label.h"

static const struct {
  const char *fill;
  const char *border;
  const char *attributes;
} styles[] = {
  [VSMMU_DOT_GUEST] = { "#f5f5f5", "#424242", "" },
  [VSMMU_DOT_VSMMU] = { "#dcebfb", "#1f5f9e", "" },
  [VSMMU_DOT_EMULATED_SMMU] = { "#eeeeee", "#757575", "" },
  [VSMMU_DOT_PORT] = { "#fafafa", "#9e9e9e", "" },
  [VSMMU_DOT_FREE] = { "#ffffff", "#9e9e9e", " style=\"rounded,dashed\"" },
  [VSMMU_DOT_ENDPOINT] = { "#ffffff", "#757575", "" },
  [VSMMU_DOT_HOSTDEV] = { "#e1f2e3", "#2e7d32", "" },
  [VSMMU_DOT_SMMU] = { "#efe6f7", VSMMU_DOT_SMMU_COLOUR, "" },
};

const VsmmuDotSeverity vsmmu_dot_severities[] = {
  [VSMMU_SEVERITY_NOTE] = { N_ ("note"), NULL, "#455a64" },
  [VSMMU_SEVERITY_WARNING] = { N_ ("warning"), "#fff1d6", "#a85b00" },
  [VSMMU_SEVERITY_ERROR] = { N_ ("error"), "#fde3e3", "#b71c1c" },
};

/* The findings about one thing: the worst of them, and each rule once for each severity. */
static VsmmuSeverity
label_add_findings (GString *label, const GPtrArray *findings)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  VsmmuSeverity worst = VSMMU_SEVERITY_NOTE;

  for (guint i = 0; findings != NULL && i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    worst = MAX (worst, finding->severity);
    if (!g_hash_table_add (seen, g_strdup_printf ("%d %s", finding->severity, finding->rule->id)))
      continue;
    vsmmu_dot_label_add_mark (label, vsmmu_dot_severities[finding->severity].colour,
                              _ (vsmmu_dot_severities[finding->severity].word), finding->rule->id);
  }
  return worst;
}

/* The messages, for who holds the pointer over the node in an SVG. */
static void
append_tooltip (GString *dot, const GPtrArray *findings)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; findings != NULL && i < findings->len; i++)
    g_string_append_printf (text, "%s%s", text->len > 0 ? " / " : "",
                            ((const VsmmuFinding *) g_ptr_array_index (findings, i))->message);
  g_string_append (dot, " tooltip=");
  vsmmu_dot_append_tooltip (dot, text->len > 0 ? text->str : " ");
}

void
vsmmu_dot_graph_add_node (VsmmuDotGraph *graph, GString *label, VsmmuDotStyle style, const GPtrArray *findings,
                          const char *format, ...)
{
  VsmmuSeverity worst = label_add_findings (label, findings);
  gboolean is_marked = worst > VSMMU_SEVERITY_NOTE;
  g_autofree char *value = vsmmu_dot_label_end (label);
  va_list arguments;

  g_string_append (graph->dot, "  ");
  va_start (arguments, format);
  g_string_append_vprintf (graph->dot, format, arguments);
  va_end (arguments);
  g_string_append_printf (graph->dot, " [label=%s%s fillcolor=\"%s\" color=\"%s\"%s", value, styles[style].attributes,
                          is_marked ? vsmmu_dot_severities[worst].fill : styles[style].fill,
                          is_marked ? vsmmu_dot_severities[worst].colour : styles[style].border,
                          is_marked ? " penwidth=3" : "");
  append_tooltip (graph->dot, findings);
  g_string_append (graph->dot, "];\n");
}

const GPtrArray *
vsmmu_dot_graph_get_findings (const VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  return g_hash_table_lookup (graph->marks, device);
}

const VsmmuHostDevice *
vsmmu_dot_graph_get_host_device (const VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  if (graph->host == NULL || !vsmmu_device_is_hostdev (device) || !device->hostdev.is_pci)
    return NULL;
  return vsmmu_host_device_at (graph->host, &device->hostdev.host);
}

guint
vsmmu_dot_graph_get_number (const VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (graph->devices, device));
}
