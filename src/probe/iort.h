/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One SMMUv3 in the IORT. */
typedef struct {
  guint64 base;
  guint n_root_complexes; /* mappings of root complexes that lead to it */
  guint n_canwbs;         /* those of root complexes with the flag CANWBS */
} VsmmuIortSmmu;

/*
 * vsmmu_iort_parse:
 * @data: the ACPI table IORT (Arm DEN 0049)
 *
 * Nodes and mappings that do not lie inside the table are passed over; nothing
 * outside of @data is read, whatever it holds.
 *
 * Returns: (transfer full) (element-type VsmmuIortSmmu): the SMMUv3 nodes, or %NULL when this is not an IORT
 */
GArray *vsmmu_iort_parse (const guint8 *data, gsize length);
