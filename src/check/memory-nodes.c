/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"

static const VsmmuCell *
cell_at (const VsmmuDomain *domain, guint node)
{
  const VsmmuCell *cell = node < domain->cells->len ? &g_array_index (domain->cells, VsmmuCell, node) : NULL;

  return cell != NULL && cell->line != 0 ? cell : NULL;
}

/* Whether it is a node of its own account, and not one for the memory of a device. */
static gboolean
is_in_use (const VsmmuCell *cell)
{
  return cell->has_cpus || cell->memory > 0;
}

/* The next node of <acpi nodeset=…> of @hostdev from @node on; %VSMMU_NODES_MAX after the last. */
static guint
next_node (const VsmmuDevice *hostdev, guint node)
{
  while (node < VSMMU_NODES_MAX && !vsmmu_nodes_contain (hostdev->hostdev.acpi_nodes, node))
    node++;
  return node;
}

/* The next <hostdev> with a node set from @i on, or %NULL; @i is moved behind it. */
static const VsmmuDevice *
next_with_nodes (const VsmmuDomain *domain, guint *i)
{
  while (*i < domain->hostdevs->len) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, (*i)++);

    if (hostdev->hostdev.has_acpi_nodes)
      return hostdev;
  }
  return NULL;
}

static void
report_missing (VsmmuCheck *check, const VsmmuDevice *hostdev, guint node)
{
  char *path = vsmmu_device_path (hostdev, "/acpi");

  if (check->domain->n_cells == 0)
    vsmmu_check_report (check, hostdev->hostdev.acpi_line, path,
                        g_strdup_printf (_ ("add <numa> to <cpu>, with cells from 0 to the last that nodeset names; "
                                            "cell %u has memory='0' and no cpus"),
                                         node),
                        _ ("nodeset names NUMA node %u, but the guest has no NUMA nodes; QEMU exits"), node);
  else
    vsmmu_check_report (check, hostdev->hostdev.acpi_line, path,
                        g_strdup_printf (_ ("add <cell id='%u' memory='0'/> to <numa>, or change nodeset to cells that "
                                            "the guest has"),
                                         node),
                        _ ("nodeset names NUMA node %u, but the nodes of the guest are 0 to %u; QEMU exits"), node,
                        MAX (check->domain->cells->len, 1) - 1);
}

static void
check_memory_node_missing (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_nodes (check->domain, &i)) != NULL;) {
    guint node = next_node (hostdev, 0);

    while (node < VSMMU_NODES_MAX && cell_at (check->domain, node) != NULL)
      node = next_node (hostdev, node + 1);
    if (node < VSMMU_NODES_MAX)
      report_missing (check, hostdev, node);
  }
}

static void
check_memory_node_in_use (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_nodes (check->domain, &i)) != NULL;) {
    for (guint node = next_node (hostdev, 0); node < VSMMU_NODES_MAX; node = next_node (hostdev, node + 1)) {
      const VsmmuCell *cell = cell_at (check->domain, node);

      if (cell == NULL || !is_in_use (cell))
        continue;
      vsmmu_check_report (check, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
                          g_strdup (_ ("change nodeset to cells with memory='0' and without cpus")),
                          _ ("nodeset names NUMA node %u, which has CPUs or memory (line %u); the memory of the device "
                             "needs nodes of its own"),
                          node, cell->line);
      break;
    }
  }
}

static void
check_memory_node_shared (VsmmuCheck *check)
{
  const VsmmuDevice *owners[VSMMU_NODES_MAX] = { NULL };
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_nodes (check->domain, &i)) != NULL;) {
    gboolean is_reported = FALSE;

    for (guint node = next_node (hostdev, 0); node < VSMMU_NODES_MAX; node = next_node (hostdev, node + 1)) {
      if (owners[node] == NULL) {
        owners[node] = hostdev;
        continue;
      }
      if (!is_reported)
        vsmmu_check_report (check, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
                            g_strdup (_ ("change nodeset to cells that no other device has")),
                            _ ("NUMA node %u also belongs to the device on line %u"), node, owners[node]->line);
      is_reported = TRUE;
    }
  }
}

/* The last node with CPUs or memory, or -1. */
static int
last_in_use (const VsmmuDomain *domain)
{
  for (int node = (int) domain->cells->len - 1; node >= 0; node--)
    if (is_in_use (&g_array_index (domain->cells, VsmmuCell, node)))
      return node;
  return -1;
}

static void
check_memory_node_order (VsmmuCheck *check)
{
  int last = last_in_use (check->domain);
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_nodes (check->domain, &i)) != NULL;) {
    guint first = next_node (hostdev, 0);
    guint end = first;
    const VsmmuCell *cell = cell_at (check->domain, first);

    while (end < VSMMU_NODES_MAX && vsmmu_nodes_contain (hostdev->hostdev.acpi_nodes, end))
      end++;
    if (next_node (hostdev, end) < VSMMU_NODES_MAX)
      vsmmu_check_report (check, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
                          g_strdup (_ ("change nodeset to one range, such as 2-9")),
                          _ ("the NUMA nodes of the device are not consecutive: %u is missing"), end);
    else if (cell != NULL && !is_in_use (cell) && (int) first < last)
      vsmmu_check_report (check, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
                          g_strdup (_ ("number the cells with CPUs or memory first, and those of devices after them")),
                          _ ("NUMA node %u of the device comes before node %d, which has CPUs or memory"), first, last);
  }
}

/* The first cell with CPUs or memory whose distance from @cell is not known, or -1. */
static int
find_unknown_distance (const VsmmuDomain *domain, const VsmmuCell *cell)
{
  for (guint node = 0; node < domain->cells->len; node++)
    if (is_in_use (&g_array_index (domain->cells, VsmmuCell, node)) && cell->distances[node] == 0)
      return (int) node;
  return -1;
}

static void
check_memory_node_distance (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev;

  for (guint i = 0; (hostdev = next_with_nodes (check->domain, &i)) != NULL;) {
    for (guint node = next_node (hostdev, 0); node < VSMMU_NODES_MAX; node = next_node (hostdev, node + 1)) {
      const VsmmuCell *cell = cell_at (check->domain, node);
      int other = cell != NULL && !is_in_use (cell) ? find_unknown_distance (check->domain, cell) : -1;

      if (other < 0)
        continue;
      vsmmu_check_report (
          check, hostdev->hostdev.acpi_line, vsmmu_device_path (hostdev, "/acpi"),
          g_strdup_printf (
              _ ("add <distances> with a <sibling> for each cell to the <cell> on line %u; the host has the "
                 "values in /sys/devices/system/node/node*/distance"),
              cell->line),
          _ ("NUMA node %u of the device has no distance to node %d; the guest sees all of them as equally far"), node,
          other);
      break;
    }
  }
}

const VsmmuRuleRow vsmmu_memory_node_rules[] = {
  { { "memory-node-missing", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("A device names a NUMA node that the guest does not have"),
      N_ ("<acpi nodeset=...> of a <hostdev> names the NUMA nodes of the guest for the memory of the device, which are "
          "cells of <numa>. libvirt does not compare the two. QEMU does not start: 'acpi-generic-initiator: Specified "
          "node 5 is invalid.'"),
      "QEMU build_all_acpi_generic_initiators(); tested with QEMU 11.1 and libvirt 12.8" },
    check_memory_node_missing },
  { { "memory-node-in-use", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING,
      N_ ("A NUMA node for a device has CPUs or memory"),
      N_ ("The guest's driver adds the memory of a GPU to the NUMA nodes in <acpi nodeset=...>, so that programs can "
          "choose between it and the memory of the guest. With a node that has CPUs or memory already, the two cannot "
          "be told apart."),
      "QEMU acpi-generic-initiator; Linux drivers/acpi/numa/srat.c: Generic Initiator Affinity Structure" },
    check_memory_node_in_use },
  { { "memory-node-shared", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING, N_ ("Two devices have the same NUMA node"),
      N_ ("Each device needs NUMA nodes of its own for its memory. With a node that belongs to two of them, the memory "
          "of both is one pool in the guest."),
      "QEMU acpi-generic-initiator: 1 to n for a device and its nodes" },
    check_memory_node_shared },
  { { "memory-node-order", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING,
      N_ ("The NUMA nodes of a device are scattered"),
      N_ ("The driver of a GPU takes a range of NUMA nodes, from the first on, one for each partition. The nodes of the "
          "guest itself come before those of its devices, as on a real machine."),
      "KubeVirt appendGraceGINUMACells(); firmware of GB200: nodes 0 and 1 have CPUs, 2 to 33 belong to GPUs" },
    check_memory_node_order },
  { { "memory-node-distance", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING,
      N_ ("The NUMA nodes of a device have no distances"),
      N_ ("Without <distances>, every node is as far from a GPU as any other, and the guest may use the processor of "
          "the other socket for it. libvirt makes given distances symmetric, so that those of one side suffice."),
      "libvirt virDomainNumaDefNodeDistanceParseXML(); KubeVirt applyGraceNUMADistances()" },
    check_memory_node_distance },
  { { NULL }, NULL },
};
