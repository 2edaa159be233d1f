/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* NUMA nodes that a guest can have; QEMU's MAX_NODES is 128. */
#define VSMMU_NODES_MAX 128

/* The distance of a node to itself, and the default for two nodes: ACPI, System Locality Information Table. */
#define VSMMU_DISTANCE_LOCAL 10
#define VSMMU_DISTANCE_REMOTE 20

/* vCPUs, and NUMA nodes, that libvirt can name: VIR_DOMAIN_CPUMASK_LEN. */
#define VSMMU_CPUS_MAX 16384

/* NUMA nodes of the host that libvirt can name, in bits. */
#define VSMMU_HOST_NODES_MAX 1024
typedef struct {
  guint64 bits[VSMMU_HOST_NODES_MAX / 64];
} VsmmuNodeSet;

/* Where on the host the memory of one guest NUMA node, or of all, is: <numatune>. */
typedef struct {
  int cell; /* -1 for the whole guest */
  guint line;
  VsmmuNodeSet nodes;
} VsmmuMemoryNodes;

/*
 * One NUMA node of the guest: <cpu><numa><cell>. Its number is its place in the array of cells, whatever the order of
 * the document.
 */
typedef struct {
  guint line;    /* 0 when no element has this number, which libvirt refuses */
  guint ordinal; /* 1-based, among the elements */
  gboolean has_cpus;
  guint64 memory;                    /* KiB; 0 for a cell without memory */
  gboolean has_distances;            /* its own, or those of another cell to it */
  guint8 distances[VSMMU_NODES_MAX]; /* to each cell, 0 when nobody says; libvirt makes them symmetric */
} VsmmuCell;

/* Whether node @node is in @nodes, bits of 64-bit words. */
static inline gboolean
vsmmu_nodes_contain (const guint64 *nodes, guint node)
{
  return (nodes[node / 64] >> node % 64 & 1) != 0;
}
