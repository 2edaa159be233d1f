/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "host/binding.h"
#include "host/device-model.h"
#include "plan/layout.h"

/*
 * The distances that NVIDIA's guides and KubeVirt give the NUMA nodes of a Grace guest: cells with CPUs of two sockets;
 * CPUs and the memory of a GPU of the same socket, and of the other one; two partitions of one GPU; two GPUs.
 */
#define DISTANCE_SOCKETS 40
#define DISTANCE_NEAR_GPU 80
#define DISTANCE_FAR_GPU 120
#define DISTANCE_PARTITIONS 11
#define DISTANCE_GPUS 40

/* Whose memory a cell is for, and which cell is near to that device; for CPUs, both are -1. */
typedef struct {
  int owner;
  int near;
} Place;

/* The guest's cells and those that are planned. */
typedef struct {
  Place places[VSMMU_NODES_MAX];
  guint n_cells;
} Cells;

/* The guest with the devices that are moved behind vSMMUs. */
static const VsmmuDomain *
whole_guest (const VsmmuLayout *layout)
{
  return layout->adoption != NULL ? layout->adoption->guest : layout->domain;
}

static int
node_of_bus (const VsmmuDomain *domain, guint root)
{
  const VsmmuDevice *controller = domain->buses[root].controller;

  return controller != NULL ? controller->controller.numa_node : -1;
}

/* The cell that @device is to be near to, or -1; @hostdev is %NULL for a device that the guest does not have yet. */
static int
near_of (const VsmmuLayout *layout, const VsmmuHostDevice *device, const VsmmuDevice *hostdev)
{
  const VsmmuDomain *domain = layout->domain;
  int root =
      hostdev != NULL && hostdev->address_kind == VSMMU_ADDRESS_PCI ? domain->buses[hostdev->address.bus].root : -1;
  int node = root > 0 ? node_of_bus (domain, (guint) root) : -1;

  for (guint g = 0; device != NULL && g < layout->groups->len; g++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, g);

    if (g_ptr_array_find (group->devices, device, NULL))
      node = group->vsmmu == NULL ? group->node : node_of_bus (domain, group->root);
  }
  if (node >= 0 || device == NULL || device->smmu == NULL)
    return node;
  return vsmmu_layout_guest_node (layout, vsmmu_layout_host_node (device));
}

static gboolean
add_memory (VsmmuLayout *layout, VsmmuPlanMemory memory, GError **error)
{
  memory.first = layout->n_cells;
  if (memory.first + memory.count > VSMMU_NODES_MAX)
    return vsmmu_layout_refuse (error,
                                _ ("the memory of %s needs %u NUMA nodes of the guest, which has %u; QEMU supports %d"),
                                memory.device->name, memory.count, memory.first, VSMMU_NODES_MAX);
  layout->n_cells += memory.count;
  g_array_append_val (layout->memories, memory);
  return TRUE;
}

/* Adds @device when it needs cells and has none. */
static void
add_needed (const VsmmuLayout *layout, GArray *needed, const VsmmuHostDevice *device)
{
  VsmmuPlanMemory memory = { .device = device,
                             .hostdev = vsmmu_host_hostdev_of (layout->host, whole_guest (layout), device),
                             .count = vsmmu_host_device_memory_nodes (device) };

  if (memory.count == 0 || (memory.hostdev != NULL && memory.hostdev->hostdev.has_acpi_nodes))
    return;
  for (guint i = 0; i < needed->len; i++)
    if (g_array_index (needed, VsmmuPlanMemory, i).device == device)
      return;
  g_array_append_val (needed, memory);
}

/* (transfer full) (element-type VsmmuPlanMemory): of devices that get a port, then of those that stay where they are */
static GArray *
list_needed (const VsmmuLayout *layout)
{
  const GArray *there[] = { layout->in_place, layout->adoption != NULL ? layout->adoption->stay : NULL };
  GArray *needed = g_array_new (FALSE, FALSE, sizeof (VsmmuPlanMemory));

  for (guint g = 0; g < layout->groups->len; g++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, g);

    for (guint i = 0; i < group->devices->len; i++)
      add_needed (layout, needed, g_ptr_array_index (group->devices, i));
  }
  for (guint t = 0; t < G_N_ELEMENTS (there); t++)
    for (guint i = 0; there[t] != NULL && i < there[t]->len; i++)
      add_needed (layout, needed, g_array_index (there[t], VsmmuAdopted, i).device);
  return needed;
}

/* Without cells in the document, the guest has one, which has to be written down as well. */
static gboolean
can_have_cells (const VsmmuDomain *domain, GError **error)
{
  if (domain->n_cells > 0 || (domain->memory > 0 && domain->vcpus > 0))
    return TRUE;
  return vsmmu_layout_refuse (error, _ ("%s: the guest has no <memory> or <vcpu>; set both, and plan again"),
                              domain->file);
}

gboolean
vsmmu_layout_find_cells (VsmmuLayout *layout, GError **error)
{
  g_autoptr (GArray) needed = list_needed (layout);

  if (needed->len == 0)
    return TRUE;
  if (!can_have_cells (layout->domain, error))
    return FALSE;
  layout->n_cells = MAX (layout->domain->n_cells, 1);
  for (guint i = 0; i < needed->len; i++)
    if (!add_memory (layout, g_array_index (needed, VsmmuPlanMemory, i), error))
      return FALSE;
  return TRUE;
}

static void
place_cells (const VsmmuLayout *layout, Cells *cells)
{
  const VsmmuDomain *guest = whole_guest (layout);

  cells->n_cells = layout->n_cells;
  for (guint i = 0; i < VSMMU_NODES_MAX; i++)
    cells->places[i] = (Place){ .owner = -1, .near = -1 };
  for (guint i = 0; i < guest->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (guest, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (layout->host, hostdev);

    for (guint cell = 0; cell < cells->n_cells; cell++)
      if (vsmmu_nodes_contain (hostdev->hostdev.acpi_nodes, cell))
        cells->places[cell] = (Place){ .owner = (int) i, .near = near_of (layout, device, hostdev) };
  }
  for (guint i = 0; i < layout->memories->len; i++) {
    const VsmmuPlanMemory *memory = &g_array_index (layout->memories, VsmmuPlanMemory, i);

    for (guint cell = memory->first; cell < memory->first + memory->count; cell++)
      cells->places[cell] = (Place){ .owner = (int) (guest->hostdevs->len + i),
                                     .near = near_of (layout, memory->device, memory->hostdev) };
  }
}

static guint
distance_to_gpu (guint cpus, const Place *gpu)
{
  return gpu->near < 0 || gpu->near == (int) cpus ? DISTANCE_NEAR_GPU : DISTANCE_FAR_GPU;
}

static guint
distance_of (const Cells *cells, guint from, guint to)
{
  const Place *a = &cells->places[from];
  const Place *b = &cells->places[to];

  if (from == to)
    return VSMMU_DISTANCE_LOCAL;
  if (a->owner < 0 && b->owner < 0)
    return DISTANCE_SOCKETS;
  if (a->owner < 0)
    return distance_to_gpu (from, b);
  if (b->owner < 0)
    return distance_to_gpu (to, a);
  return a->owner == b->owner ? DISTANCE_PARTITIONS : DISTANCE_GPUS;
}

/* Lines with the distances of @cell to those from @first on; the cells of one device are on one line. */
static void
write_siblings (GString *text, const Cells *cells, guint cell, guint first)
{
  for (guint to = first; to < cells->n_cells; to++) {
    gboolean goes_on = to > first && cells->places[to].owner == cells->places[to - 1].owner;

    if (!goes_on && to > first)
      g_string_append_c (text, '\n');
    g_string_append_printf (text, "<sibling id='%u' value='%u'/>", to, distance_of (cells, cell, to));
  }
  g_string_append (text, "\n");
}

static void
write_cell (GString *text, const Cells *cells, guint cell, const char *attributes)
{
  g_autoptr (GString) siblings = g_string_new (NULL);
  g_autofree char *distances = NULL;

  write_siblings (siblings, cells, cell, 0);
  distances = vsmmu_layout_wrap ("distances", siblings->str);
  g_string_append_printf (text, "<cell id='%u' %s>\n", cell, attributes);
  vsmmu_layout_indent (text, distances);
  g_string_append (text, "</cell>\n");
}

static void
write_new_cells (GString *text, const VsmmuLayout *layout, const Cells *cells)
{
  for (guint i = 0; i < layout->memories->len; i++) {
    const VsmmuPlanMemory *memory = &g_array_index (layout->memories, VsmmuPlanMemory, i);

    g_string_append_printf (text, "<!-- For the memory of %s of the host -->\n", memory->device->name);
    for (guint cell = memory->first; cell < memory->first + memory->count; cell++)
      write_cell (text, cells, cell, "memory='0' unit='KiB'");
  }
}

static gboolean
has_distances (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->cells->len; i++)
    if (g_array_index (domain->cells, VsmmuCell, i).has_distances)
      return TRUE;
  return FALSE;
}

/* The distances of a cell that the document has, to those that are planned; to all if the document has none. */
static void
extend_cell (const VsmmuLayout *layout, VsmmuEdit *edit, const Cells *cells, const xmlNode *node, guint cell)
{
  const xmlNode *distances = vsmmu_xml_child (node, "distances");
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *lines = NULL;

  write_siblings (text, cells, cell, has_distances (layout->domain) ? layout->domain->n_cells : 0);
  if (distances != NULL) {
    vsmmu_edit_append (edit, distances, text->str);
    return;
  }
  lines = vsmmu_layout_wrap ("distances", text->str);
  vsmmu_edit_append (edit, node, lines);
}

/* The number of the cell that is the @ordinal-th of the document. */
static guint
number_of (const VsmmuDomain *domain, guint ordinal)
{
  guint number = 0;

  while (number < domain->cells->len && g_array_index (domain->cells, VsmmuCell, number).ordinal != ordinal)
    number++;
  return number;
}

static void
extend_cells (const VsmmuLayout *layout, VsmmuEdit *edit, const Cells *cells, const xmlNode *numa)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const xmlNode *last = NULL;
  guint ordinal = 0;

  for (xmlNode *node = vsmmu_xml_element (numa->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    if (!vsmmu_xml_is (node, "cell"))
      continue;
    extend_cell (layout, edit, cells, node, number_of (layout->domain, ++ordinal));
    last = node;
  }
  write_new_cells (text, layout, cells);
  vsmmu_edit_insert_after (edit, last, text->str);
}

/* (transfer full): lines of <numa> for a guest that has none */
static char *
write_numa (const VsmmuLayout *layout, const Cells *cells)
{
  const VsmmuDomain *domain = layout->domain;
  g_autofree char *attributes =
      g_strdup_printf ("cpus='0-%u' memory='%" PRIu64 "' unit='KiB'", domain->vcpus - 1, domain->memory);
  g_autoptr (GString) text = g_string_new (NULL);

  write_cell (text, cells, 0, attributes);
  write_new_cells (text, layout, cells);
  return vsmmu_layout_wrap ("numa", text->str);
}

static void
add_to_numa (const VsmmuLayout *layout, VsmmuEdit *edit)
{
  const xmlNode *root = xmlDocGetRootElement (layout->domain->document);
  const xmlNode *cpu = vsmmu_xml_child (root, "cpu");
  const xmlNode *numa = cpu != NULL ? vsmmu_xml_child (cpu, "numa") : NULL;
  g_autofree char *text = NULL;
  g_autofree char *outer = NULL;
  Cells cells;

  place_cells (layout, &cells);
  if (layout->domain->n_cells > 0) {
    extend_cells (layout, edit, &cells, numa);
    return;
  }
  text = write_numa (layout, &cells);
  outer = vsmmu_layout_wrap ("cpu", text);
  if (numa != NULL)
    vsmmu_edit_replace (edit, numa, g_strchomp (text));
  else
    vsmmu_edit_append (edit, cpu != NULL ? cpu : root, cpu != NULL ? text : outer);
}

/* Gives @memory to a device that the guest has. */
static void
add_nodeset (const VsmmuPlanMemory *memory, VsmmuEdit *edit)
{
  const xmlNode *acpi = vsmmu_xml_child (memory->hostdev->node, "acpi");
  g_autofree char *nodes = g_strdup_printf ("%u-%u", memory->first, memory->first + memory->count - 1);
  g_autofree char *line = g_strdup_printf ("<acpi nodeset='%s'/>\n", nodes);

  if (acpi != NULL)
    vsmmu_edit_set_attribute (edit, acpi, "nodeset", nodes);
  else
    vsmmu_edit_append (edit, memory->hostdev->node, line);
}

void
vsmmu_layout_write_cells (VsmmuLayout *layout, VsmmuEdit *edit)
{
  if (layout->memories->len == 0)
    return;
  add_to_numa (layout, edit);
  for (guint i = 0; i < layout->memories->len; i++) {
    const VsmmuPlanMemory *memory = &g_array_index (layout->memories, VsmmuPlanMemory, i);

    if (memory->hostdev == NULL)
      continue;
    add_nodeset (memory, edit);
    vsmmu_layout_note (layout, _ ("line %u: NUMA nodes %u to %u were added for the memory of %s"),
                       memory->hostdev->line, memory->first, memory->first + memory->count - 1, memory->device->name);
  }
  if (layout->domain->n_cells == 0)
    vsmmu_layout_note (layout, _ ("the memory and the vCPUs of the guest are now on its NUMA node 0; the nodes for the "
                                  "memory of devices follow"));
}
