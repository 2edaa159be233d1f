/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsmmu/render.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "domain/vsmmu.h"
#include "render/dot-guest.h"
#include "render/dot-host.h"
#include "render/dot-label.h"

/* Findings below the picture; the rest is counted. */
/* NUMA nodes that are named one by one. */
#define CELLS_MAX 8

#define LISTED_MAX 24

/* NUMA nodes with CPUs or memory, and how many there are for devices. */
static void
label_add_cells (GString *label, const VsmmuDomain *domain)
{
  guint n_listed = 0;
  guint n_empty = 0;

  for (guint i = 0; i < domain->cells->len; i++) {
    const VsmmuCell *cell = &g_array_index (domain->cells, VsmmuCell, i);

    if (!cell->has_cpus && cell->memory == 0)
      n_empty++;
    else if (++n_listed <= CELLS_MAX)
      vsmmu_dot_label_add (label, cell->has_cpus ? _ ("NUMA node %u: vCPUs, %.4g GiB") : _ ("NUMA node %u: %.4g GiB"),
                           i, (double) cell->memory / (1024 * 1024));
  }
  if (n_listed > CELLS_MAX)
    vsmmu_dot_label_add (label, _ ("and %u more"), n_listed - CELLS_MAX);
  if (n_empty > 0)
    vsmmu_dot_label_add (label,
                         g_dngettext (GETTEXT_PACKAGE, "%u NUMA node for the memory of devices",
                                      "%u NUMA nodes for the memory of devices", n_empty),
                         n_empty);
}

static void
add_guest (VsmmuDotGraph *graph)
{
  const VsmmuDomain *domain = graph->domain;
  g_autofree char *name = vsmmu_text_shorten (domain->name != NULL ? domain->name : _ ("unnamed guest"));
  g_autofree char *machine = vsmmu_text_shorten (domain->machine);
  GString *label = vsmmu_dot_label_new ();

  vsmmu_dot_label_add_title (label, name);
  vsmmu_dot_label_add (label, _ ("machine '%s', %u vCPUs"), machine, domain->vcpus);
  label_add_cells (label, domain);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_GUEST, vsmmu_dot_graph_get_findings (graph, NULL), "guest");
}

/* What the marks mean, below the picture: errors first, then warnings; notes only as marks. */
static void
add_list (VsmmuDotGraph *graph)
{
  const char *plain = vsmmu_dot_severities[VSMMU_SEVERITY_NOTE].colour;
  GString *label = vsmmu_dot_label_new ();
  g_autofree char *value = NULL;
  guint n_listed = 0;
  guint n_left_out = 0;

  vsmmu_dot_label_add_paragraph (label, plain, " ");
  for (guint severity = VSMMU_SEVERITY_ERROR; severity > VSMMU_SEVERITY_NOTE; severity--) {
    for (guint i = 0; i < graph->findings->len; i++) {
      const VsmmuFinding *finding = g_ptr_array_index (graph->findings, i);
      g_autofree char *text = NULL;

      if (finding->severity != severity)
        continue;
      if (n_listed == LISTED_MAX) {
        n_left_out++;
        continue;
      }
      n_listed++;
      text = g_strdup_printf (_ ("%s on line %u: %s [%s]"), _ (vsmmu_dot_severities[severity].word), finding->line,
                              finding->message, finding->rule->id);
      vsmmu_dot_label_add_paragraph (label, vsmmu_dot_severities[severity].colour, text);
    }
  }
  if (n_left_out > 0) {
    g_autofree char *text = g_strdup_printf (_ ("and %u more; use 'virt-vsmmu check' to show all"), n_left_out);

    vsmmu_dot_label_add_paragraph (label, plain, text);
  }
  if (n_listed == 0)
    vsmmu_dot_label_add_paragraph (label, plain, _ ("no errors or warnings"));
  value = vsmmu_dot_label_end (label);
  g_string_append_printf (graph->dot, "  labelloc=b labeljust=l label=%s;\n", value);
}

static gboolean
has_place (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  if (vsmmu_device_is_iommu (device))
    return TRUE;
  if (vsmmu_device_is_pci_controller (device))
    return device->controller.index >= 0 && (guint) device->controller.index < domain->n_buses &&
           domain->buses[device->controller.index].controller == device;
  return device->address_kind == VSMMU_ADDRESS_PCI && device->address.bus < domain->n_buses &&
         domain->buses[device->address.bus].model != NULL;
}

/* The device that an XPath is of, or below; %NULL for the guest. */
static const VsmmuDevice *
device_at (GHashTable *paths, const char *element)
{
  const char *end = strchr (element, ']');
  g_autofree char *path = end != NULL ? g_strndup (element, (gsize) (end - element) + 1) : NULL;

  return path != NULL ? g_hash_table_lookup (paths, path) : NULL;
}

static void
mark (VsmmuDotGraph *graph)
{
  g_autoptr (GHashTable) paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < graph->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (graph->domain->devices, i);

    if (device->ordinal != 0 && has_place (graph->domain, device))
      g_hash_table_insert (paths, vsmmu_device_path (device, ""), (gpointer) device);
  }
  for (guint i = 0; i < graph->findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (graph->findings, i);
    const VsmmuDevice *device = device_at (paths, finding->element);
    GPtrArray *list = g_hash_table_lookup (graph->marks, device);

    if (list == NULL)
      g_hash_table_insert (graph->marks, (gpointer) device, list = g_ptr_array_new ());
    g_ptr_array_add (list, (gpointer) finding);
  }
}

/* Sorts the devices onto their buses, and numbers them. */
static void
sort_devices (VsmmuDotGraph *graph)
{
  const VsmmuDomain *domain = graph->domain;

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    guint bus = device->address.bus;

    g_hash_table_insert (graph->devices, (gpointer) device, GUINT_TO_POINTER (i));
    if (device->address_kind != VSMMU_ADDRESS_PCI || vsmmu_device_is_iommu (device) || !has_place (domain, device) ||
        bus >= domain->n_buses)
      continue;
    if (graph->below[bus] == NULL)
      graph->below[bus] = g_ptr_array_new ();
    g_ptr_array_add (graph->below[bus], (gpointer) device);
  }
}

char *
vsmmu_render_dot (const VsmmuDomain *domain, const VsmmuHost *host, const GPtrArray *findings)
{
  VsmmuDotGraph graph = { .dot = g_string_new (NULL), .domain = domain, .host = host, .findings = findings };

  graph.devices = g_hash_table_new (NULL, NULL);
  graph.marks = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  graph.drawn = g_hash_table_new (NULL, NULL);
  graph.smmus = g_hash_table_new (NULL, NULL);
  vsmmu_domain_find_free_ports (domain, graph.is_free);
  sort_devices (&graph);
  mark (&graph);

  g_string_append (graph.dot, "digraph guest {\n"
                              "  rankdir=LR nodesep=0.18 ranksep=0.5 fontname=\"Helvetica\" fontsize=12;\n"
                              "  node [shape=box style=\"rounded,filled\" fontname=\"Helvetica\" fontsize=12];\n"
                              "  edge [color=\"#78909c\" arrowhead=none tailport=e headport=w];\n");
  add_guest (&graph);
  vsmmu_dot_guest_add (&graph);
  vsmmu_dot_host_add (&graph);
  add_list (&graph);
  g_string_append (graph.dot, "}\n");

  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++)
    g_clear_pointer (&graph.below[i], g_ptr_array_unref);
  g_hash_table_unref (graph.devices);
  g_hash_table_unref (graph.marks);
  g_hash_table_unref (graph.drawn);
  g_hash_table_unref (graph.smmus);
  return g_string_free (graph.dot, FALSE);
}
