/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/iort.h"

#include <string.h>

/* Arm DEN 0049: the table's header (36 bytes of ACPI, then count and offset of nodes), nodes, mappings. */
#define TABLE_HEADER 48
#define TABLE_NODE_COUNT 36
#define TABLE_NODE_OFFSET 40
#define NODE_HEADER 16
#define NODE_MAPPING_COUNT 8
#define NODE_MAPPING_OFFSET 12
#define NODE_ROOT_COMPLEX 2
#define NODE_SMMUV3 4
#define SMMUV3_BASE 16
#define ROOT_COMPLEX_MEMORY_FLAGS 23
#define ROOT_COMPLEX_ATS 24
#define ROOT_COMPLEX_SEGMENT 28
#define ROOT_COMPLEX_LENGTH 32
#define MEMORY_FLAG_CANWBS (1 << 2)
#define ATS_SUPPORTED (1 << 0)
#define MAPPING_LENGTH 20
#define MAPPING_OUTPUT_REFERENCE 12

/* More than any machine has; keeps the time for a table that was made to be slow short. */
#define NODES_MAX 4096
#define MAPPINGS_MAX 65536

typedef struct {
  const guint8 *data;
  gsize length;
  GArray *smmus;
  GArray *root_complexes;
  GHashTable *by_offset; /* of a node → 1 + index in smmus */
  guint n_mappings;
  gboolean is_broken; /* something is not where another part says it is, so nothing is believed */
} Table;

static guint32
get32 (const Table *table, gsize offset)
{
  guint32 value;

  memcpy (&value, table->data + offset, sizeof (value));
  return GUINT32_FROM_LE (value);
}

static guint64
get64 (const Table *table, gsize offset)
{
  return get32 (table, offset) | (guint64) get32 (table, offset + 4) << 32;
}

static gsize
node_length (const Table *table, gsize offset)
{
  return table->data[offset + 1] | (gsize) table->data[offset + 2] << 8;
}

static void
add_smmu (Table *table, gsize offset)
{
  VsmmuIortSmmu smmu = { 0 };

  if (node_length (table, offset) < SMMUV3_BASE + 8) {
    table->is_broken = TRUE;
    return;
  }
  smmu.base = get64 (table, offset + SMMUV3_BASE);
  g_array_append_val (table->smmus, smmu);
  g_hash_table_insert (table->by_offset, GSIZE_TO_POINTER (offset), GUINT_TO_POINTER (table->smmus->len));
}

static void
list_root_complex (Table *table, gsize offset)
{
  VsmmuIortRootComplex root_complex = { 0 };

  if (node_length (table, offset) < ROOT_COMPLEX_LENGTH) {
    table->is_broken = TRUE;
    return;
  }
  root_complex.segment = get32 (table, offset + ROOT_COMPLEX_SEGMENT);
  root_complex.has_ats = (get32 (table, offset + ROOT_COMPLEX_ATS) & ATS_SUPPORTED) != 0;
  g_array_append_val (table->root_complexes, root_complex);
}

/* A root complex: its mappings say which SMMUs are behind it. */
static void
add_root_complex (Table *table, gsize offset)
{
  gsize length = node_length (table, offset);
  gsize count = get32 (table, offset + NODE_MAPPING_COUNT);
  gsize first = get32 (table, offset + NODE_MAPPING_OFFSET);
  gboolean is_canwbs;

  if (length < ROOT_COMPLEX_LENGTH || (count > 0 && (first < NODE_HEADER || first > length)) ||
      (count > 0 && count > (length - first) / MAPPING_LENGTH) || table->n_mappings + count > MAPPINGS_MAX) {
    table->is_broken = TRUE;
    return;
  }
  table->n_mappings += (guint) count;
  is_canwbs = (table->data[offset + ROOT_COMPLEX_MEMORY_FLAGS] & MEMORY_FLAG_CANWBS) != 0;
  for (gsize i = 0; i < count; i++) {
    gsize mapping = offset + first + i * MAPPING_LENGTH;
    gsize reference = get32 (table, mapping + MAPPING_OUTPUT_REFERENCE);
    guint found = GPOINTER_TO_UINT (g_hash_table_lookup (table->by_offset, GSIZE_TO_POINTER (reference)));
    VsmmuIortSmmu *smmu;

    if (found == 0)
      continue;
    smmu = &g_array_index (table->smmus, VsmmuIortSmmu, found - 1);
    smmu->n_root_complexes++;
    smmu->n_canwbs += is_canwbs;
  }
}

static void
for_each_node (Table *table, guint8 type, void (*add) (Table *table, gsize offset))
{
  gsize count = get32 (table, TABLE_NODE_COUNT);
  gsize offset = get32 (table, TABLE_NODE_OFFSET);

  table->is_broken |= count > NODES_MAX || (count > 0 && offset < TABLE_HEADER);
  for (gsize i = 0; i < count && !table->is_broken; i++) {
    gsize length = offset + NODE_HEADER <= table->length ? node_length (table, offset) : 0;

    if (length < NODE_HEADER || length > table->length - offset) {
      table->is_broken = TRUE;
      return;
    }
    if (table->data[offset] == type)
      add (table, offset);
    offset += length;
  }
}

/* Whether @data is a whole IORT; its header may say less than what was read, but never more. */
static gboolean
is_iort (Table *table)
{
  if (table->length < TABLE_HEADER || memcmp (table->data, "IORT", 4) != 0)
    return FALSE;
  if (get32 (table, 4) > table->length)
    return FALSE;
  table->length = get32 (table, 4);
  return table->length >= TABLE_HEADER;
}

GArray *
vsmmu_iort_parse (const guint8 *data, gsize length)
{
  g_autoptr (GHashTable) by_offset = g_hash_table_new (NULL, NULL);
  Table table = { .data = data, .length = length, .by_offset = by_offset };

  if (!is_iort (&table))
    return NULL;
  table.smmus = g_array_new (FALSE, TRUE, sizeof (VsmmuIortSmmu));
  for_each_node (&table, NODE_SMMUV3, add_smmu);
  for_each_node (&table, NODE_ROOT_COMPLEX, add_root_complex);
  if (table.is_broken)
    g_clear_pointer (&table.smmus, g_array_unref);
  return table.smmus;
}

GArray *
vsmmu_iort_list_root_complexes (const guint8 *data, gsize length)
{
  Table table = { .data = data, .length = length };

  if (!is_iort (&table))
    return NULL;
  table.root_complexes = g_array_new (FALSE, TRUE, sizeof (VsmmuIortRootComplex));
  for_each_node (&table, NODE_ROOT_COMPLEX, list_root_complex);
  if (table.is_broken)
    g_clear_pointer (&table.root_complexes, g_array_unref);
  return table.root_complexes;
}
