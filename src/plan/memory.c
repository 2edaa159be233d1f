/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "domain/virt-machine.h"
#include "host/binding.h"
#include "host/device-model.h"
#include "host/pci-hole.h"
#include "plan/layout.h"

/* What the guides for Grace give a GPU at least, though the memory of a GH200 takes less. */
#define HOLE_GPU_KIB (512 * VSMMU_KIB_PER_GIB)

static void
add_device (VsmmuPciHole *hole, guint64 *floor, const VsmmuHostDevice *device)
{
  vsmmu_pci_hole_add (hole, device);
  if (vsmmu_host_device_memory_nodes (device) > 0)
    *floor = MIN (*floor + HOLE_GPU_KIB, 2 * VSMMU_PCI_HOLE_MAX);
}

static VsmmuPciHole
hole_need (const VsmmuLayout *layout)
{
  VsmmuPciHole hole = { 0 };
  guint64 floor = 0;

  for (guint i = 0; i < layout->domain->hostdevs->len; i++) {
    const VsmmuHostDevice *device = vsmmu_host_device_of (layout->host, vsmmu_domain_hostdev_at (layout->domain, i));

    if (device != NULL)
      add_device (&hole, &floor, device);
  }
  for (guint i = 0; i < layout->groups->len; i++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, i);

    for (guint d = 0; d < group->devices->len; d++)
      add_device (&hole, &floor, g_ptr_array_index (group->devices, d));
  }
  hole.need = MAX (hole.need, floor);
  return hole;
}

gboolean
vsmmu_layout_size_hole (VsmmuLayout *layout, GError **error)
{
  VsmmuPciHole need = hole_need (layout);
  guint64 size = vsmmu_pci_hole_size (&need, VSMMU_PCI_HOLE_RESERVE);

  if (size == 0)
    return vsmmu_layout_refuse (error,
                                _ ("the memory of the devices does not fit into a 64-bit PCI hole of %d TiB, which is "
                                   "the maximum"),
                                (int) (VSMMU_PCI_HOLE_MAX / VSMMU_KIB_PER_GIB / 1024));
  layout->hole = size > VSMMU_VIRT_HOLE_MIN ? size : 0;
  return TRUE;
}

/* The guest's NUMA nodes with memory; those for the memory of GPUs have none. */
static guint
list_cells (const VsmmuLayout *layout, int cells[VSMMU_NODES_MAX])
{
  const VsmmuDomain *domain = layout->domain;
  guint count = 0;

  if (vsmmu_layout_adds_first_cell (layout))
    cells[count++] = 0;

  for (guint i = 0; i < domain->cells->len; i++)
    if (g_array_index (domain->cells, VsmmuCell, i).memory > 0)
      cells[count++] = (int) i;
  return count;
}

/* Whether the document puts the memory of guest node @cell on @node of the host, and only there. */
static gboolean
is_on (const VsmmuDomain *domain, int cell, gint64 node)
{
  const VsmmuMemoryNodes *found = NULL;

  for (guint i = 0; i < domain->memory_nodes->len; i++) {
    const VsmmuMemoryNodes *memory = &g_array_index (domain->memory_nodes, VsmmuMemoryNodes, i);

    if (memory->cell == cell || (memory->cell < 0 && found == NULL))
      found = memory;
  }
  for (guint i = 0; found != NULL && i < VSMMU_HOST_NODES_MAX; i++)
    if (vsmmu_nodes_contain (found->nodes.bits, i) != (i == node))
      return FALSE;
  return found != NULL;
}

/* The one guest node whose memory is bound to @node, or -1. */
static int
bound_node (const VsmmuDomain *domain, const int *cells, guint n_cells, gint64 node)
{
  int found = -1;

  for (guint i = 0; i < n_cells; i++) {
    if (!is_on (domain, cells[i], node))
      continue;
    if (found >= 0)
      return -1;
    found = cells[i];
  }
  return found;
}

/* Without an explicit binding of the memory, the node with the same number as on the host, or the only one; or -1. */
static int
likely_node (const VsmmuDomain *domain, const int *cells, guint n_cells, gint64 node)
{
  if (domain->memory_nodes->len > 0)
    return -1;
  for (guint i = 0; i < n_cells; i++)
    if (cells[i] == node)
      return cells[i];
  return n_cells == 1 ? cells[0] : -1;
}

int
vsmmu_layout_guest_node (const VsmmuLayout *layout, gint64 node)
{
  int cells[VSMMU_NODES_MAX];
  guint n_cells = list_cells (layout, cells);
  int found = bound_node (layout->domain, cells, n_cells, node);

  return found >= 0 ? found : likely_node (layout->domain, cells, n_cells, node);
}

static void
find_node (VsmmuLayout *layout, VsmmuPlanGroup *group, gint64 node)
{
  int cells[VSMMU_NODES_MAX];
  guint n_cells = list_cells (layout, cells);

  group->node = bound_node (layout->domain, cells, n_cells, node);
  if (group->node >= 0)
    return;
  group->node = likely_node (layout->domain, cells, n_cells, node);
  if (group->node >= 0)
    vsmmu_layout_note (layout,
                       _ ("%s is on NUMA node %d of the host; its pcie-expander-bus is set to <node>%d</node>, but "
                          "<numatune> does not bind the memory of this guest node to that host node"),
                       group->smmu->name, (int) node, group->node);
  else
    vsmmu_layout_note (layout,
                       _ ("%s is on NUMA node %d of the host; its pcie-expander-bus has no <node> because <numatune> "
                          "does not bind the memory of exactly one guest node to that host node"),
                       group->smmu->name, (int) node);
}

gint64
vsmmu_layout_host_node (const VsmmuHostDevice *device)
{
  VsmmuFact node = device->smmu->numa_node;

  /* The firmware may give a node to the root complex only. */
  if (!vsmmu_fact_is_known (node) || node.value < 0)
    node = device->numa_node;
  return vsmmu_fact_is_known (node) ? node.value : -1;
}

/* The NUMA node of the host that @group is on, or -1. */
static gint64
host_node (const VsmmuPlanGroup *group)
{
  if (group->devices->len > 0)
    return vsmmu_layout_host_node (g_ptr_array_index (group->devices, 0));
  return vsmmu_fact_is_known (group->smmu->numa_node) ? group->smmu->numa_node.value : -1;
}

void
vsmmu_layout_find_nodes (VsmmuLayout *layout)
{
  for (guint i = 0; i < layout->groups->len; i++) {
    VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, i);
    gint64 node = host_node (group);

    if (group->vsmmu == NULL && node >= 0)
      find_node (layout, group, node);
  }
}
