/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the IORT says of one SMMUv3. */
typedef struct {
  guint64 base;
  gboolean has_root_complex; /* some root complex is in front of it */
  gboolean is_canwbs;        /* all of them have the flag CANWBS */
} VsmmuIortSmmu;

/*
 * vsmmu_iort_parse:
 * @data: the ACPI table IORT (Arm DEN 0049)
 *
 * Nodes and mappings that do not lie inside the table are passed over; nothing
 * outside of @data is read, whatever it holds.
 *
 * Returns: (transfer full) (element-type VsmmuIortSmmu): the SMMUv3 nodes, or
 *   %NULL when this is no IORT
 */
GArray *vsmmu_iort_parse (const guint8 *data, gsize length);
