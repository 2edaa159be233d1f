/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/dot-guest.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "domain/acceleration.h"
#include "domain/options.h"
#include "domain/vsmmu.h"
#include "render/dot-label.h"

/* Names of one group of devices; the rest is counted. */
#define NAMES_MAX 6
/* More devices than a picture can show; a root bus has room for 256 functions. */
#define ENDPOINTS_MAX 1024

static gboolean
is_marked (const VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  return vsmmu_dot_graph_get_findings (graph, device) != NULL;
}

/* The id of the node that stands for @bus: where its devices hang. */
static char *
bus_id (const VsmmuDotGraph *graph, guint bus)
{
  return g_strdup_printf (graph->domain->buses[bus].model->is_root ? "root%u" : "bus%u", bus);
}

static void
add_edge (VsmmuDotGraph *graph, guint bus, const char *target)
{
  g_autofree char *source = bus_id (graph, bus);

  g_string_append_printf (graph->dot, "  %s -> %s;\n", source, target);
}

/* The NUMA nodes for the memory of @hostdev, as ranges. */
static void
label_add_nodes (GString *label, const VsmmuDevice *hostdev)
{
  g_autoptr (GString) ranges = g_string_new (NULL);
  const guint64 *nodes = hostdev->hostdev.acpi_nodes;

  for (guint node = 0; node < VSMMU_NODES_MAX; node++) {
    guint first = node;

    if (!vsmmu_nodes_contain (nodes, node))
      continue;
    while (node + 1 < VSMMU_NODES_MAX && vsmmu_nodes_contain (nodes, node + 1))
      node++;
    g_string_append_printf (ranges, first < node ? "%s%u-%u" : "%s%u", ranges->len > 0 ? "," : "", first, node);
  }
  vsmmu_dot_label_add (label, _ ("memory: NUMA nodes %s"), ranges->str);
}

static void
add_endpoint (VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  GString *label;
  g_autofree char *name = vsmmu_device_describe (device);
  g_autofree char *id = g_strdup_printf ("device%u", vsmmu_dot_graph_get_number (graph, device));
  const VsmmuHostDevice *host_device = vsmmu_dot_graph_get_host_device (graph, device);

  if (graph->n_endpoints++ >= ENDPOINTS_MAX)
    return;
  label = vsmmu_dot_label_new ();
  vsmmu_dot_label_add_title (label, name);
  if (device->address_given)
    vsmmu_dot_label_add (label, "%02x:%02x.%x", device->address.bus, device->address.slot, device->address.function);
  else
    vsmmu_dot_label_add (label, _ ("%02x:%02x.%x, chosen by libvirt"), device->address.bus, device->address.slot,
                         device->address.function);
  if (vsmmu_device_is_hostdev (device) && device->hostdev.has_acpi_nodes)
    label_add_nodes (label, device);
  vsmmu_dot_graph_add_node (graph, label, vsmmu_device_is_hostdev (device) ? VSMMU_DOT_HOSTDEV : VSMMU_DOT_ENDPOINT,
                            vsmmu_dot_graph_get_findings (graph, device), "%s", id);
  add_edge (graph, device->address.bus, id);
  g_hash_table_add (graph->drawn, (gpointer) device);
  if (host_device != NULL && host_device->smmu != NULL)
    g_hash_table_add (graph->smmus, host_device->smmu);
}

/* What did not fit is not left out in silence. */
static void
add_left_out (VsmmuDotGraph *graph)
{
  GString *label;
  guint count = graph->n_endpoints > ENDPOINTS_MAX ? graph->n_endpoints - ENDPOINTS_MAX : 0;

  if (count == 0)
    return;
  label = vsmmu_dot_label_new ();
  vsmmu_dot_label_add (
      label, g_dngettext (GETTEXT_PACKAGE, "%u more device is not drawn", "%u more devices are not drawn", count),
      count);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_FREE, NULL, "more");
  g_string_append (graph->dot, "  guest -> more [style=dashed];\n");
}

/* A few names, and how many more there are. */
static void
label_add_names (GString *label, GPtrArray *names)
{
  for (guint i = 0; i < names->len && i < NAMES_MAX; i++)
    vsmmu_dot_label_add (label, "%s", (const char *) g_ptr_array_index (names, i));
  if (names->len > NAMES_MAX)
    vsmmu_dot_label_add (label, _ ("and %u more"), names->len - NAMES_MAX);
}

/* Empty ports on @bus are one node: their number is what matters. */
static void
add_free_ports (VsmmuDotGraph *graph, guint bus)
{
  g_autoptr (GString) numbers = g_string_new (NULL);
  g_autofree char *id = g_strdup_printf ("free%u", bus);
  g_autofree char *title = NULL;
  const GPtrArray *below = graph->below[bus];
  GString *label;
  guint count = 0;

  for (guint i = 0; below != NULL && i < below->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (below, i);

    if (!vsmmu_device_is_pci_controller (device) || !graph->is_free[device->controller.index] ||
        is_marked (graph, device))
      continue;
    if (count++ < 2 * NAMES_MAX)
      g_string_append_printf (numbers, "%s%d", count > 1 ? ", " : "", device->controller.index);
  }
  if (count == 0)
    return;
  label = vsmmu_dot_label_new ();
  title = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u free port", "%u free ports", count), count);
  vsmmu_dot_label_add_title (label, title);
  vsmmu_dot_label_add (label, count > 2 * NAMES_MAX ? _ ("bus %s, ...") : _ ("bus %s"), numbers->str);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_FREE, NULL, "%s", id);
  add_edge (graph, bus, id);
}

/* What QEMU emulates is of interest only behind an accelerated vSMMU, or when something is wrong with it. */
static gboolean
is_aside (const VsmmuDotGraph *graph, const VsmmuDevice *device)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (graph->domain, device);

  return !vsmmu_device_is_pci_controller (device) && !vsmmu_device_is_hostdev (device) && !is_marked (graph, device) &&
         (vsmmu == NULL || !vsmmu_iommu_is_accelerated (vsmmu));
}

/* Whether a controller is below no root bus, because of an address that libvirt rejects. */
static gboolean
is_adrift (const VsmmuDotGraph *graph, const VsmmuDevice *controller)
{
  return graph->domain->buses[controller->controller.index].root < 0;
}

/* A port that leads to nothing but devices that are aside is aside itself. */
static gboolean
is_port_aside (const VsmmuDotGraph *graph, const VsmmuDevice *port)
{
  const GPtrArray *below = graph->below[port->controller.index];

  if (port->controller.pci->is_root || is_marked (graph, port) || is_adrift (graph, port) || below == NULL)
    return FALSE;
  for (guint i = 0; i < below->len; i++)
    if (!is_aside (graph, g_ptr_array_index (below, i)))
      return FALSE;
  return TRUE;
}

static void
collect_aside (const VsmmuDotGraph *graph, guint bus, GPtrArray *names)
{
  const GPtrArray *below = graph->below[bus];

  for (guint i = 0; below != NULL && i < below->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (below, i);

    if (is_aside (graph, device))
      g_ptr_array_add (names, vsmmu_device_describe (device));
  }
}

/* One node for all devices that are aside on @bus and behind its ports. */
static void
add_aside (VsmmuDotGraph *graph, guint bus)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *id = g_strdup_printf ("emulated%u", bus);
  g_autofree char *title = NULL;
  const GPtrArray *below = graph->below[bus];
  GString *label;

  collect_aside (graph, bus, names);
  for (guint i = 0; below != NULL && i < below->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (below, i);

    if (vsmmu_device_is_pci_controller (device) && is_port_aside (graph, device))
      collect_aside (graph, (guint) device->controller.index, names);
  }
  if (names->len == 0)
    return;
  label = vsmmu_dot_label_new ();
  title = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u emulated device", "%u emulated devices", names->len),
                           names->len);
  vsmmu_dot_label_add_title (label, title);
  label_add_names (label, names);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_ENDPOINT, NULL, "%s", id);
  add_edge (graph, bus, id);
}

static void
add_port (VsmmuDotGraph *graph, const VsmmuDevice *port)
{
  GString *label = vsmmu_dot_label_new ();
  g_autofree char *id = g_strdup_printf ("bus%d", port->controller.index);

  vsmmu_dot_label_add (label, "%s", port->controller.pci->name);
  if (port->address_kind == VSMMU_ADDRESS_PCI)
    vsmmu_dot_label_add (label, _ ("bus %d at %02x:%02x.%x"), port->controller.index, port->address.bus,
                         port->address.slot, port->address.function);
  else
    vsmmu_dot_label_add (label, _ ("bus %d, without an address"), port->controller.index);
  vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_PORT, vsmmu_dot_graph_get_findings (graph, port), "%s", id);
  if (port->address_kind == VSMMU_ADDRESS_PCI && port->address.bus < graph->domain->n_buses &&
      graph->domain->buses[port->address.bus].model != NULL)
    add_edge (graph, port->address.bus, id);
}

/* What hangs on one bus; ports get their own nodes, and their buses come in their turn. */
static void
add_bus (VsmmuDotGraph *graph, guint bus)
{
  const GPtrArray *below = graph->below[bus];

  for (guint i = 0; below != NULL && i < below->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (below, i);

    if (!vsmmu_device_is_pci_controller (device)) {
      if (!is_aside (graph, device))
        add_endpoint (graph, device);
    } else if (!device->controller.pci->is_root && !is_port_aside (graph, device) && !is_adrift (graph, device) &&
               (!graph->is_free[device->controller.index] || is_marked (graph, device))) {
      add_port (graph, device);
    }
  }
  add_aside (graph, bus);
  add_free_ports (graph, bus);
}

static void
label_add_iommu (GString *label, const VsmmuDevice *iommu)
{
  const VsmmuIommu *options = &iommu->iommu;
  g_autofree char *title = NULL;
  g_autofree char *switches = vsmmu_options_describe (options, VSMMU_DRIVER_SWITCH);
  g_autofree char *numbers = vsmmu_options_describe (options, VSMMU_DRIVER_NUMBER);
  g_autofree char *model = vsmmu_text_shorten (options->model);

  if (!options->is_smmuv3) {
    vsmmu_dot_label_add (label, _ ("IOMMU of model '%s'"), model);
    return;
  }
  title = g_strdup_printf (options->accel == VSMMU_SWITCH_ON ? _ ("accelerated vSMMU '%s'") : _ ("emulated vSMMU '%s'"),
                           iommu->id);
  vsmmu_dot_label_add_title (label, title);
  if (options->accel != VSMMU_SWITCH_ON)
    return;
  vsmmu_dot_label_add (label, "%s", switches);
  vsmmu_dot_label_add (label, "%s", numbers);
}

/* The findings about a root bus and the vSMMU over it, which are one node. */
static GPtrArray *
findings_of_root (const VsmmuDotGraph *graph, const VsmmuBus *bus)
{
  const GPtrArray *parts[] = { vsmmu_dot_graph_get_findings (graph, bus->controller),
                               bus->vsmmu != NULL ? vsmmu_dot_graph_get_findings (graph, bus->vsmmu) : NULL };
  GPtrArray *all = g_ptr_array_new ();

  for (guint part = 0; part < G_N_ELEMENTS (parts); part++)
    for (guint i = 0; parts[part] != NULL && i < parts[part]->len; i++)
      g_ptr_array_add (all, g_ptr_array_index (parts[part], i));
  return all;
}

static void
add_root (VsmmuDotGraph *graph, guint number)
{
  const VsmmuBus *bus = &graph->domain->buses[number];
  const VsmmuController *controller = &bus->controller->controller;
  g_autoptr (GPtrArray) findings = findings_of_root (graph, bus);
  g_autofree char *title = vsmmu_device_describe (bus->controller);
  GString *label = vsmmu_dot_label_new ();
  VsmmuDotStyle style = VSMMU_DOT_PORT;

  vsmmu_dot_label_add_title (label, title);
  if (controller->bus_nr >= 0 && controller->numa_node >= 0)
    vsmmu_dot_label_add (label, _ ("bus number %d, NUMA node %d"), controller->bus_nr, controller->numa_node);
  else if (controller->bus_nr >= 0)
    vsmmu_dot_label_add (label, _ ("bus number %d"), controller->bus_nr);
  if (bus->vsmmu != NULL) {
    label_add_iommu (label, bus->vsmmu);
    style = bus->vsmmu->iommu.accel == VSMMU_SWITCH_ON ? VSMMU_DOT_VSMMU : VSMMU_DOT_EMULATED_SMMU;
  }
  vsmmu_dot_graph_add_node (graph, label, style, findings, "root%u", number);
}

/* The bus that a root is drawn with: buses in a loop of the document have none. */
static gboolean
is_below (const VsmmuDotGraph *graph, guint bus, int root)
{
  return graph->domain->buses[bus].model != NULL && graph->domain->buses[bus].root == root;
}

static gboolean
is_bus_aside (const VsmmuDotGraph *graph, guint bus)
{
  const VsmmuDevice *controller = graph->domain->buses[bus].controller;

  return controller != NULL && is_port_aside (graph, controller);
}

static void
add_roots (VsmmuDotGraph *graph)
{
  for (guint root = 0; root < graph->domain->n_buses; root++) {
    if (!is_below (graph, root, (int) root))
      continue;
    g_string_append_printf (graph->dot,
                            "  subgraph cluster_root%u {\n  style=\"rounded,filled\" color=\"#cfd8dc\" "
                            "fillcolor=\"#fbfcfd\" margin=10;\n",
                            root);
    add_root (graph, root);
    for (guint bus = root; bus < graph->domain->n_buses; bus++)
      if (is_below (graph, bus, (int) root) && !is_bus_aside (graph, bus))
        add_bus (graph, bus);
    /* A port may have a smaller index than its root bus. */
    for (guint bus = 0; bus < root; bus++)
      if (is_below (graph, bus, (int) root) && !is_bus_aside (graph, bus))
        add_bus (graph, bus);
    /* Outside, or the node of the guest would be in the box too. */
    g_string_append_printf (graph->dot, "  }\n  guest -> root%u;\n", root);
  }
  for (guint bus = 0; bus < graph->domain->n_buses; bus++) {
    if (!is_below (graph, bus, -1))
      continue;
    add_port (graph, graph->domain->buses[bus].controller);
    add_bus (graph, bus);
  }
}

/* IOMMUs without a bus: machine-wide ones, and those whose pciBus is wrong. */
static void
add_loose_iommus (VsmmuDotGraph *graph)
{
  for (guint i = 0; i < graph->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = g_ptr_array_index (graph->domain->iommus, i);
    const VsmmuBus *bus = iommu->iommu.has_pci_bus ? &graph->domain->buses[iommu->iommu.pci_bus] : NULL;
    GString *label;

    if (bus != NULL && bus->vsmmu == iommu && bus->model != NULL && bus->model->is_root)
      continue;
    if (i >= VSMMU_PCI_BUSES_MAX && !is_marked (graph, iommu))
      continue;
    label = vsmmu_dot_label_new ();
    vsmmu_dot_label_add_title (label,
                               iommu->iommu.names_pci_bus ? _ ("not on a root bus") : _ ("for the whole machine"));
    label_add_iommu (label, iommu);
    vsmmu_dot_graph_add_node (graph, label, VSMMU_DOT_EMULATED_SMMU, vsmmu_dot_graph_get_findings (graph, iommu),
                              "iommu%u", i);
    g_string_append_printf (graph->dot, "  guest -> iommu%u [style=dashed];\n", i);
  }
}

void
vsmmu_dot_guest_add (VsmmuDotGraph *graph)
{
  add_roots (graph);
  add_left_out (graph);
  add_loose_iommus (graph);
}
