/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/numa-read.h"

#include <glib/gi18n-lib.h>

#include "base/number.h"

/* vCPUs, one bit for each */
typedef struct {
  guint64 bits[VSMMU_CPUS_MAX / 64];
} CpuSet;

gboolean
vsmmu_numa_read_set (const VsmmuReader *reader, const xmlNode *node, const char *suffix, guint64 *nodes, guint max)
{
  const char *text = vsmmu_xml_attribute (node, "nodeset");
  g_autofree char *expected = NULL;

  if (vsmmu_number_parse_nodes (text, nodes, max))
    return TRUE;
  memset (nodes, 0, max / 8);
  expected = g_strdup_printf (_ ("NUMA nodes from 0 to %u, such as 2-9 or 0,3"), max - 1);
  vsmmu_read_problem (reader, node, suffix, "nodeset", text, expected);
  return FALSE;
}

/* virDomainNumaDefNodeDistanceParseXML(): the distance is the same in the other direction, unless the sibling has its
 * own. */
static void
set_distance (VsmmuDomain *domain, guint cell, guint sibling, guint8 value)
{
  VsmmuCell *near = &g_array_index (domain->cells, VsmmuCell, cell);
  VsmmuCell *far = &g_array_index (domain->cells, VsmmuCell, sibling);

  near->has_distances = far->has_distances = TRUE;
  near->distances[cell] = far->distances[sibling] = VSMMU_DISTANCE_LOCAL;
  near->distances[sibling] = value;
  if (far->distances[cell] == 0)
    far->distances[cell] = value;
}

/* Whether libvirt accepts @value as the distance of two cells, or of one to itself. */
static gboolean
is_distance (guint64 value, gboolean is_itself)
{
  return value <= G_MAXUINT8 && (is_itself ? value == VSMMU_DISTANCE_LOCAL : value > VSMMU_DISTANCE_LOCAL);
}

static void
read_sibling (const VsmmuReader *reader, const xmlNode *node, const char *suffix, guint cell)
{
  const char *text = vsmmu_xml_attribute (node, "value");
  gint64 sibling =
      vsmmu_read_integer (reader, node, suffix, "id", 10, 0, (gint64) MAX (reader->domain->n_cells, 1) - 1, -1);
  guint64 value = 0;

  if (vsmmu_xml_attribute (node, "id") == NULL)
    vsmmu_read_problem (reader, node, suffix, "id", NULL, _ ("the number of a <cell>"));
  if (sibling < 0)
    return;
  if (text == NULL || !vsmmu_number_parse (text, 10, &value) || !is_distance (value, sibling == cell))
    vsmmu_read_problem (reader, node, suffix, "value", text,
                        sibling == cell ? _ ("10, the distance of a cell to itself")
                                        : _ ("a whole number from 11 to 255"));
  else if (sibling < (gint64) reader->domain->cells->len)
    set_distance (reader->domain, cell, (guint) sibling, (guint8) value);
}

static void
read_distances (const VsmmuReader *reader, const xmlNode *distances, const char *parent, guint cell)
{
  guint ordinal = 0;

  for (xmlNode *node = vsmmu_xml_element (distances->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    g_autofree char *suffix = NULL;

    if (!vsmmu_xml_is (node, "sibling"))
      continue;
    suffix = g_strdup_printf ("%s/distances/sibling[%u]", parent, ++ordinal);
    read_sibling (reader, node, suffix, cell);
  }
}

/* @all: (inout): the vCPUs of all cells so far */
static gboolean
read_cpus (const VsmmuReader *reader, const xmlNode *node, const char *suffix, CpuSet *all)
{
  const char *text = vsmmu_xml_attribute (node, "cpus");
  CpuSet cpus = { 0 };
  gboolean has_any = FALSE;

  if (text == NULL)
    return FALSE;
  if (!vsmmu_number_parse_set (text, cpus.bits, VSMMU_CPUS_MAX)) {
    vsmmu_read_problem (reader, node, suffix, "cpus", text, _ ("vCPUs such as 0-71 or 0,3"));
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (cpus.bits); i++) {
    has_any = has_any || cpus.bits[i] != 0;
    all->bits[i] |= cpus.bits[i];
  }
  return has_any;
}

/* libvirt gives the first cell the vCPUs that no cell names: virDomainNumaFillCPUsInNode(). */
static void
fill_first_cell (VsmmuDomain *domain, const CpuSet *all)
{
  for (guint cpu = 0; cpu < MIN (domain->vcpus, VSMMU_CPUS_MAX); cpu++)
    if ((all->bits[cpu / 64] >> cpu % 64 & 1) == 0)
      g_array_index (domain->cells, VsmmuCell, 0).has_cpus = TRUE;
}

/* The number of the cell at @node, which is the @ordinal-th; -1 when it has none that can be used. */
static int
read_id (const VsmmuReader *reader, const xmlNode *node, const char *suffix, guint ordinal)
{
  const VsmmuDomain *domain = reader->domain;
  gint64 id = vsmmu_read_integer (reader, node, suffix, "id", 10, 0, (gint64) domain->n_cells - 1, -1);

  if (id < 0 && vsmmu_xml_attribute (node, "id") == NULL)
    id = ordinal - 1;
  if (id < 0 || id >= (gint64) domain->cells->len)
    return -1;
  if (g_array_index (domain->cells, VsmmuCell, id).line == 0)
    return (int) id;
  /* libvirt refuses this if the first one has memory, and takes the second one otherwise. */
  vsmmu_read_problem (reader, node, suffix, "id", vsmmu_xml_attribute (node, "id"),
                      _ ("a number that no other <cell> has"));
  return -1;
}

static void
read_cell (const VsmmuReader *reader, const xmlNode *node, guint ordinal, CpuSet *cpus)
{
  g_autofree char *suffix = g_strdup_printf ("/cpu/numa/cell[%u]", ordinal);
  const xmlNode *distances = vsmmu_read_child (reader, node, suffix, "distances");
  const char *memory = vsmmu_xml_attribute (node, "memory");
  int id = read_id (reader, node, suffix, ordinal);
  gboolean has_cpus = read_cpus (reader, node, suffix, cpus);
  VsmmuCell *cell;

  if (memory == NULL)
    vsmmu_read_problem (reader, node, suffix, "memory", NULL, _ ("a size, 0 for a cell without memory"));
  if (id < 0)
    return;
  cell = &g_array_index (reader->domain->cells, VsmmuCell, id);
  cell->line = vsmmu_xml_line (node);
  cell->ordinal = ordinal;
  cell->has_cpus = has_cpus;
  cell->memory = vsmmu_read_size (memory, vsmmu_xml_attribute (node, "unit"));
  if (distances != NULL)
    read_distances (reader, distances, suffix, (guint) id);
}

/* QEMU's parse_numa_node() exits when there are more. */
static void
report_surplus (const VsmmuReader *reader, const xmlNode *node, guint ordinal)
{
  g_autofree char *suffix = g_strdup_printf ("/cpu/numa/cell[%u]", ordinal);
  g_autofree char *expected =
      g_strdup_printf (_ ("a number from 0 to %d; QEMU has no more NUMA nodes"), VSMMU_NODES_MAX - 1);

  vsmmu_read_problem (reader, node, suffix, "id", vsmmu_xml_attribute (node, "id"), expected);
}

void
vsmmu_numa_read_cells (VsmmuDomain *domain, const xmlNode *cpu)
{
  const VsmmuReader reader = { .domain = domain };
  const xmlNode *numa = vsmmu_read_child (&reader, cpu, "/cpu", "numa");
  CpuSet cpus = { 0 };
  guint ordinal = 0;

  if (numa == NULL)
    return;
  for (xmlNode *node = vsmmu_xml_element (numa->children); node != NULL; node = vsmmu_xml_element (node->next))
    domain->n_cells += vsmmu_xml_is (node, "cell");
  g_array_set_size (domain->cells, MIN (domain->n_cells, VSMMU_NODES_MAX));
  for (xmlNode *node = vsmmu_xml_element (numa->children); node != NULL; node = vsmmu_xml_element (node->next))
    if (vsmmu_xml_is (node, "cell") && ++ordinal <= VSMMU_NODES_MAX)
      read_cell (&reader, node, ordinal, &cpus);
    else if (vsmmu_xml_is (node, "cell") && ordinal == VSMMU_NODES_MAX + 1)
      report_surplus (&reader, node, ordinal);
  if (domain->cells->len > 0)
    fill_first_cell (domain, &cpus);
}

void
vsmmu_numa_read_memory (VsmmuDomain *domain, const xmlNode *numatune)
{
  const VsmmuReader reader = { .domain = domain };
  guint ordinal = 0;

  vsmmu_read_child (&reader, numatune, "/numatune", "memory");
  for (xmlNode *node = vsmmu_xml_element (numatune->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    gboolean is_node = vsmmu_xml_is (node, "memnode");
    g_autofree char *suffix = NULL;
    VsmmuMemoryNodes memory = { .cell = -1, .line = vsmmu_xml_line (node) };

    ordinal += is_node;
    if ((!is_node && !vsmmu_xml_is (node, "memory")) || vsmmu_xml_attribute (node, "nodeset") == NULL)
      continue;
    suffix = is_node ? g_strdup_printf ("/numatune/memnode[%u]", ordinal) : g_strdup ("/numatune/memory");
    if (!vsmmu_numa_read_set (&reader, node, suffix, memory.nodes.bits, VSMMU_HOST_NODES_MAX))
      continue;
    if (is_node)
      memory.cell = (int) vsmmu_read_integer (&reader, node, suffix, "cellid", 10, 0, G_MAXINT16, -1);
    if (!is_node || memory.cell >= 0)
      g_array_append_val (domain->memory_nodes, memory);
  }
}
