/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/finding.h"
#include "domain/domain.h"
#include "host/host.h"

/* What the nodes look like; vsmmu_dot_severities say the same again in words. */
typedef enum {
  VSMMU_DOT_GUEST,
  VSMMU_DOT_VSMMU,
  VSMMU_DOT_EMULATED_SMMU,
  VSMMU_DOT_PORT,
  VSMMU_DOT_FREE,
  VSMMU_DOT_ENDPOINT,
  VSMMU_DOT_HOSTDEV,
  VSMMU_DOT_SMMU,
} VsmmuDotStyle;

#define VSMMU_DOT_SMMU_COLOUR "#6a3d9a"

typedef struct {
  const char *word;
  const char *fill;
  const char *colour;
} VsmmuDotSeverity;

extern const VsmmuDotSeverity vsmmu_dot_severities[];

/* A picture that is being drawn, in the language of Graphviz. */
typedef struct {
  GString *dot;
  const VsmmuDomain *domain;
  const VsmmuHost *host; /* (nullable) */
  const GPtrArray *findings;
  GHashTable *devices; /* XPath of a device → the device */
  GHashTable *marks;   /* device, or NULL for the guest → GPtrArray of findings */
  GHashTable *drawn;   /* devices that have a node, as a set */
  GHashTable *smmus;   /* the physical SMMUs behind devices of the guest, as a set */
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  GPtrArray *below[VSMMU_PCI_BUSES_MAX]; /* the devices on each bus */
  guint n_endpoints;                     /* those that have or would have a node */
} VsmmuDotGraph;

/* Adds a node with an id in the manner of printf(); @label (transfer full): from vsmmu_dot_label_new(). */
void vsmmu_dot_graph_add_node (VsmmuDotGraph *graph, GString *label, VsmmuDotStyle style, const GPtrArray *findings,
                               const char *format, ...) G_GNUC_PRINTF (5, 6);

/* (nullable): the findings about @device; for %NULL about the guest */
const GPtrArray *vsmmu_dot_graph_get_findings (const VsmmuDotGraph *graph, const VsmmuDevice *device);

/* (nullable): the device of the host that @device gives to the guest */
const VsmmuHostDevice *vsmmu_dot_graph_get_host_device (const VsmmuDotGraph *graph, const VsmmuDevice *device);

/* The index of @device in the list, which names its node. */
guint vsmmu_dot_graph_get_number (const VsmmuDotGraph *graph, const VsmmuDevice *device);
