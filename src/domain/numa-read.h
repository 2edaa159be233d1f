/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/read.h"

/* Reads the NUMA nodes of the guest, <cpu><numa>. */
void vsmmu_numa_read_cells (VsmmuDomain *domain, const xmlNode *cpu);

/* Reads where their memory is on the host, <numatune>. */
void vsmmu_numa_read_memory (VsmmuDomain *domain, const xmlNode *numatune);

/*
 * vsmmu_numa_read_set:
 * @suffix: path of @node below the device of @reader, or below <domain>
 * @max: nodes from this one on are refused; a multiple of 64
 *
 * Reads the attribute 'nodeset' of @node, and records it as a problem when it is none.
 *
 * Returns: whether @nodes has at least one node now
 */
gboolean vsmmu_numa_read_set (const VsmmuReader *reader, const xmlNode *node, const char *suffix, guint64 *nodes,
                              guint max);
