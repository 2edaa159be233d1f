/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One SMMUv3 in the IORT. */
typedef struct {
  guint64 base;
  guint n_root_complexes; /* mappings of root complexes that lead to it */
  guint n_canwbs;         /* those of root complexes with the flag CANWBS */
} VsmmuIortSmmu;

/* What the IORT has for one root complex, which has a PCI segment of its own. */
typedef struct {
  guint32 segment;
  gboolean has_ats; /* without it, the kernel leaves ATS of the devices below off */
} VsmmuIortRootComplex;

/*
 * vsmmu_iort_parse:
 * @data: the ACPI table IORT (Arm DEN 0049)
 *
 * Of a table that is cut off, or whose nodes and mappings do not lie inside it, nothing is believed: what is missing
 * may say the opposite. Nothing outside of @data is read, whatever it holds.
 *
 * Returns: (transfer full) (element-type VsmmuIortSmmu): the SMMUv3 nodes, or %NULL when this is not a whole IORT
 */
GArray *vsmmu_iort_parse (const guint8 *data, gsize length);

/* (transfer full) (element-type VsmmuIortRootComplex): the root complexes in the same table; %NULL when it is not a
 * whole one
 */
GArray *vsmmu_iort_list_root_complexes (const guint8 *data, gsize length);
