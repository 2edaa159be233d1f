/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "base/text.h"
#include "check/finding.h"
#include "domain/acceleration.h"
#include "domain/options.h"
#include "domain/vsmmu.h"
#include "host/host.h"
#include "render/dot-label.h"
#include "vsmmu/render.h"

/* Names of one group of devices, and findings below the picture; the rest is counted. */
#define NAMES_MAX 6
#define LISTED_MAX 24
/* More devices than a picture can show; a root bus has room for 256 functions. */
#define ENDPOINTS_MAX 1024

/* What the nodes look like; severities say the same again in words. */
typedef enum {
  STYLE_GUEST,
  STYLE_VSMMU,
  STYLE_EMULATED_SMMU,
  STYLE_PORT,
  STYLE_FREE,
  STYLE_ENDPOINT,
  STYLE_HOSTDEV,
  STYLE_SMMU,
} Style;

static const struct {
  const char *fill;
  const char *border;
  const char *attributes;
} styles[] = {
  [STYLE_GUEST] = { "#f5f5f5", "#424242", "" },
  [STYLE_VSMMU] = { "#dcebfb", "#1f5f9e", "" },
  [STYLE_EMULATED_SMMU] = { "#eeeeee", "#757575", "" },
  [STYLE_PORT] = { "#fafafa", "#9e9e9e", "" },
  [STYLE_FREE] = { "#ffffff", "#9e9e9e", " style=\"rounded,dashed\"" },
  [STYLE_ENDPOINT] = { "#ffffff", "#757575", "" },
  [STYLE_HOSTDEV] = { "#e1f2e3", "#2e7d32", "" },
  [STYLE_SMMU] = { "#efe6f7", "#6a3d9a", "" },
};

static const struct {
  const char *word;
  const char *fill;
  const char *colour;
} severities[] = {
  [VSMMU_SEVERITY_NOTE] = { N_ ("note"), NULL, "#455a64" },
  [VSMMU_SEVERITY_WARNING] = { N_ ("WARNING"), "#fff1d6", "#a85b00" },
  [VSMMU_SEVERITY_ERROR] = { N_ ("ERROR"), "#fde3e3", "#b71c1c" },
};

typedef struct {
  GString *dot;
  const VsmmuDomain *domain;
  const VsmmuHost *host; /* (nullable) */
  const GPtrArray *findings;
  GHashTable *devices; /* XPath of a device → the device */
  GHashTable *marks;   /* device, or NULL for the guest → GPtrArray of findings */
  GHashTable *drawn;   /* devices that have a node, as a set */
  GHashTable *smmus;   /* the physical SMMUs behind devices of the guest, as a set */
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  GPtrArray *below[VSMMU_PCI_BUSES_MAX]; /* the devices on each bus */
  guint n_endpoints;                     /* those that there is or would be a node for */
} Graph;

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
    vsmmu_dot_label_add_mark (label, severities[finding->severity].colour, _ (severities[finding->severity].word),
                              finding->rule->id);
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

/* @label: (transfer full): from vsmmu_dot_label_new() */
static void G_GNUC_PRINTF (5, 6)
    add_node (Graph *graph, GString *label, Style style, const GPtrArray *findings, const char *format, ...)
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
                          is_marked ? severities[worst].fill : styles[style].fill,
                          is_marked ? severities[worst].colour : styles[style].border, is_marked ? " penwidth=3" : "");
  append_tooltip (graph->dot, findings);
  g_string_append (graph->dot, "];\n");
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

static const GPtrArray *
findings_of (const Graph *graph, const VsmmuDevice *device)
{
  return g_hash_table_lookup (graph->marks, device);
}

static gboolean
is_marked (const Graph *graph, const VsmmuDevice *device)
{
  return findings_of (graph, device) != NULL;
}

/* The id of the node that stands for @bus: where its devices hang. */
static char *
bus_id (const Graph *graph, guint bus)
{
  return g_strdup_printf (graph->domain->buses[bus].model->is_root ? "root%u" : "bus%u", bus);
}

static void
add_edge (Graph *graph, guint bus, const char *target)
{
  g_autofree char *source = bus_id (graph, bus);

  g_string_append_printf (graph->dot, "  %s -> %s;\n", source, target);
}

static const VsmmuHostDevice *
host_device_of (const Graph *graph, const VsmmuDevice *device)
{
  if (graph->host == NULL || !vsmmu_device_is_hostdev (device) || !device->hostdev.is_pci)
    return NULL;
  return vsmmu_host_device_at (graph->host, &device->hostdev.host);
}

/* The index of @device in the list, which names its node. */
static guint
number_of (const Graph *graph, const VsmmuDevice *device)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (graph->devices, device));
}

static void
add_endpoint (Graph *graph, const VsmmuDevice *device)
{
  GString *label;
  g_autofree char *name = vsmmu_device_describe (device);
  g_autofree char *id = g_strdup_printf ("device%u", number_of (graph, device));
  const VsmmuHostDevice *host_device = host_device_of (graph, device);

  if (graph->n_endpoints++ >= ENDPOINTS_MAX)
    return;
  label = vsmmu_dot_label_new ();
  vsmmu_dot_label_add_title (label, name);
  if (device->address_given)
    vsmmu_dot_label_add (label, "%02x:%02x.%x", device->address.bus, device->address.slot, device->address.function);
  else
    vsmmu_dot_label_add (label, _ ("%02x:%02x.%x, chosen by libvirt"), device->address.bus, device->address.slot,
                         device->address.function);
  add_node (graph, label, vsmmu_device_is_hostdev (device) ? STYLE_HOSTDEV : STYLE_ENDPOINT,
            findings_of (graph, device), "%s", id);
  add_edge (graph, device->address.bus, id);
  g_hash_table_add (graph->drawn, (gpointer) device);
  if (host_device != NULL && host_device->smmu != NULL)
    g_hash_table_add (graph->smmus, host_device->smmu);
}

/* What did not fit is not left out in silence. */
static void
add_left_out (Graph *graph)
{
  GString *label;
  guint count = graph->n_endpoints > ENDPOINTS_MAX ? graph->n_endpoints - ENDPOINTS_MAX : 0;

  if (count == 0)
    return;
  label = vsmmu_dot_label_new ();
  vsmmu_dot_label_add (
      label, g_dngettext (GETTEXT_PACKAGE, "%u more device is not drawn", "%u more devices are not drawn", count),
      count);
  add_node (graph, label, STYLE_FREE, NULL, "more");
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
add_free_ports (Graph *graph, guint bus)
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
  add_node (graph, label, STYLE_FREE, NULL, "%s", id);
  add_edge (graph, bus, id);
}

/* What QEMU emulates is of interest only behind an accelerated vSMMU, or when something is wrong with it. */
static gboolean
is_aside (const Graph *graph, const VsmmuDevice *device)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (graph->domain, device);

  return !vsmmu_device_is_pci_controller (device) && !vsmmu_device_is_hostdev (device) && !is_marked (graph, device) &&
         (vsmmu == NULL || !vsmmu_iommu_is_accelerated (vsmmu));
}

/* Whether a controller hangs off no root bus, because of an address that libvirt refuses. */
static gboolean
is_adrift (const Graph *graph, const VsmmuDevice *controller)
{
  return graph->domain->buses[controller->controller.index].root < 0;
}

/* A port that leads to nothing but devices that are aside is aside itself. */
static gboolean
is_port_aside (const Graph *graph, const VsmmuDevice *port)
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
collect_aside (const Graph *graph, guint bus, GPtrArray *names)
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
add_aside (Graph *graph, guint bus)
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
  add_node (graph, label, STYLE_ENDPOINT, NULL, "%s", id);
  add_edge (graph, bus, id);
}

static void
add_port (Graph *graph, const VsmmuDevice *port)
{
  GString *label = vsmmu_dot_label_new ();
  g_autofree char *id = g_strdup_printf ("bus%d", port->controller.index);

  vsmmu_dot_label_add (label, "%s", port->controller.pci->name);
  if (port->address_kind == VSMMU_ADDRESS_PCI)
    vsmmu_dot_label_add (label, _ ("bus %d at %02x:%02x.%x"), port->controller.index, port->address.bus,
                         port->address.slot, port->address.function);
  else
    vsmmu_dot_label_add (label, _ ("bus %d, without a place"), port->controller.index);
  add_node (graph, label, STYLE_PORT, findings_of (graph, port), "%s", id);
  if (port->address_kind == VSMMU_ADDRESS_PCI && port->address.bus < graph->domain->n_buses &&
      graph->domain->buses[port->address.bus].model != NULL)
    add_edge (graph, port->address.bus, id);
}

/* What hangs on one bus; ports get their own nodes, and their buses come in their turn. */
static void
add_bus (Graph *graph, guint bus)
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
findings_of_root (const Graph *graph, const VsmmuBus *bus)
{
  const GPtrArray *parts[] = { findings_of (graph, bus->controller),
                               bus->vsmmu != NULL ? findings_of (graph, bus->vsmmu) : NULL };
  GPtrArray *all = g_ptr_array_new ();

  for (guint part = 0; part < G_N_ELEMENTS (parts); part++)
    for (guint i = 0; parts[part] != NULL && i < parts[part]->len; i++)
      g_ptr_array_add (all, g_ptr_array_index (parts[part], i));
  return all;
}

static void
add_root (Graph *graph, guint number)
{
  const VsmmuBus *bus = &graph->domain->buses[number];
  const VsmmuController *controller = &bus->controller->controller;
  g_autoptr (GPtrArray) findings = findings_of_root (graph, bus);
  g_autofree char *title = vsmmu_device_describe (bus->controller);
  GString *label = vsmmu_dot_label_new ();
  Style style = STYLE_PORT;

  vsmmu_dot_label_add_title (label, title);
  if (controller->bus_nr >= 0 && controller->numa_node >= 0)
    vsmmu_dot_label_add (label, _ ("bus number %d, NUMA node %d"), controller->bus_nr, controller->numa_node);
  else if (controller->bus_nr >= 0)
    vsmmu_dot_label_add (label, _ ("bus number %d"), controller->bus_nr);
  if (bus->vsmmu != NULL) {
    label_add_iommu (label, bus->vsmmu);
    style = bus->vsmmu->iommu.accel == VSMMU_SWITCH_ON ? STYLE_VSMMU : STYLE_EMULATED_SMMU;
  }
  add_node (graph, label, style, findings, "root%u", number);
}

/* The bus that a root is drawn with: buses in a loop of the document have none. */
static gboolean
is_below (const Graph *graph, guint bus, int root)
{
  return graph->domain->buses[bus].model != NULL && graph->domain->buses[bus].root == root;
}

static gboolean
is_bus_aside (const Graph *graph, guint bus)
{
  const VsmmuDevice *controller = graph->domain->buses[bus].controller;

  return controller != NULL && is_port_aside (graph, controller);
}

static void
add_roots (Graph *graph)
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

/* IOMMUs that stand over no bus: machine-wide ones, and those whose pciBus is wrong. */
static void
add_loose_iommus (Graph *graph)
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
                               iommu->iommu.names_pci_bus ? _ ("over no root bus") : _ ("for the whole machine"));
    label_add_iommu (label, iommu);
    add_node (graph, label, STYLE_EMULATED_SMMU, findings_of (graph, iommu), "iommu%u", i);
    g_string_append_printf (graph->dot, "  guest -> iommu%u [style=dashed];\n", i);
  }
}

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
    vsmmu_dot_label_add (label, "%s", nesting.value ? _ ("can be nested") : _ ("cannot be nested"));
  label_add_capability (text, "ats", smmu->capabilities[VSMMU_SMMU_ATS], TRUE);
  label_add_capability (text, "ril", smmu->capabilities[VSMMU_SMMU_RIL], TRUE);
  label_add_capability (text, "cmdqv", smmu->capabilities[VSMMU_SMMU_CMDQV], TRUE);
  if (text->len > 0)
    vsmmu_dot_label_add (label, "%s", text->str);
  g_string_truncate (text, 0);
  label_add_capability (text, "ssidsize", smmu->capabilities[VSMMU_SMMU_SSIDSIZE], FALSE);
  label_add_capability (text, "oas", smmu->capabilities[VSMMU_SMMU_OAS], FALSE);
  if (text->len > 0)
    vsmmu_dot_label_add (label, "%s", text->str);
}

static void
add_smmu (Graph *graph, const VsmmuHostSmmu *smmu)
{
  GString *label = vsmmu_dot_label_new ();
  g_autofree char *title = g_strdup_printf (_ ("physical SMMU 0x%" PRIx64), smmu->base);

  vsmmu_dot_label_add_title (label, title);
  label_add_smmu (label, smmu);
  add_node (graph, label, STYLE_SMMU, NULL, "smmu%" G_GINT64_MODIFIER "x", smmu->base);
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
add_smmu_edges (Graph *graph)
{
  for (guint i = 0; i < graph->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (graph->domain->hostdevs, i);
    const VsmmuHostDevice *device = host_device_of (graph, hostdev);

    gboolean is_wrong = has_finding (findings_of (graph, hostdev), "host-smmu-mismatch");

    if (device != NULL && device->smmu != NULL && g_hash_table_contains (graph->drawn, hostdev))
      g_string_append_printf (graph->dot,
                              "  device%u -> smmu%" G_GINT64_MODIFIER "x [color=\"%s\" penwidth=%d style=%s];\n",
                              number_of (graph, hostdev), device->smmu->base,
                              is_wrong ? severities[VSMMU_SEVERITY_ERROR].colour : styles[STYLE_SMMU].border,
                              is_wrong ? 3 : 2, is_wrong ? "dashed" : "solid");
  }
}

/* The host with the physical SMMUs that have something to do with the guest, and how many others there are. */
static void
add_host (Graph *graph)
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
  vsmmu_dot_label_add_title (label, host->name != NULL ? host->name : _ ("host without a name"));
  if (host->kernel != NULL)
    vsmmu_dot_label_add (label, _ ("kernel %s"), host->kernel);
  if (n_others > 0)
    vsmmu_dot_label_add (label, g_dngettext (GETTEXT_PACKAGE, "%u other SMMU", "%u other SMMUs", n_others), n_others);
  add_node (graph, label, STYLE_GUEST, NULL, "host");
}

static void
add_guest (Graph *graph)
{
  const VsmmuDomain *domain = graph->domain;
  g_autofree char *name = vsmmu_text_shorten (domain->name != NULL ? domain->name : _ ("guest without a name"));
  g_autofree char *machine = vsmmu_text_shorten (domain->machine);
  GString *label = vsmmu_dot_label_new ();

  vsmmu_dot_label_add_title (label, name);
  vsmmu_dot_label_add (label, _ ("machine '%s', %u vCPUs"), machine, domain->vcpus);
  add_node (graph, label, STYLE_GUEST, findings_of (graph, NULL), "guest");
}

/* What the marks mean, below the picture: errors first, then warnings; notes only as marks. */
static void
add_list (Graph *graph)
{
  const char *plain = severities[VSMMU_SEVERITY_NOTE].colour;
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
      text = g_strdup_printf (_ ("%s in line %u: %s [%s]"), _ (severities[severity].word), finding->line,
                              finding->message, finding->rule->id);
      vsmmu_dot_label_add_paragraph (label, severities[severity].colour, text);
    }
  }
  if (n_left_out > 0) {
    g_autofree char *text = g_strdup_printf (_ ("and %u more; 'virt-vsmmu check' shows them all"), n_left_out);

    vsmmu_dot_label_add_paragraph (label, plain, text);
  }
  if (n_listed == 0)
    vsmmu_dot_label_add_paragraph (label, plain, _ ("no errors and no warnings"));
  value = vsmmu_dot_label_end (label);
  g_string_append_printf (graph->dot, "  labelloc=b labeljust=l label=%s;\n", value);
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
mark (Graph *graph)
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
sort_devices (Graph *graph)
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
  Graph graph = { .dot = g_string_new (NULL), .domain = domain, .host = host, .findings = findings };

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
  add_roots (&graph);
  add_left_out (&graph);
  add_loose_iommus (&graph);
  add_host (&graph);
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
