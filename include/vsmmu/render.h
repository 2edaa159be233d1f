/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>
#include <vsmmu/finding.h>
#include <vsmmu/host.h>

G_BEGIN_DECLS

/**
 * vsmmu_render_text:
 * @findings: (element-type VsmmuFinding): the findings of one document
 * @colour: whether to use terminal colours
 *
 * Returns: (transfer full): `file:line: severity: message [rule]` for each finding, with the hint on a line of its
 *   own; empty without findings
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_render_text (const GPtrArray *findings, gboolean colour);

/**
 * vsmmu_render_json:
 * @findings: (element-type VsmmuFinding): the findings of all documents
 * @files: how many documents were checked
 *
 * Returns: (transfer full): one JSON object as `schemas/findings.schema.json`
 *   describes it, ending in a newline
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_render_json (const GPtrArray *findings, guint files);

/**
 * vsmmu_render_sarif:
 * @findings: (element-type VsmmuFinding): the findings of all documents
 *
 * Returns: (transfer full): a SARIF 2.1.0 log, ending in a newline
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_render_sarif (const GPtrArray *findings);

/**
 * vsmmu_render_dot:
 * @domain: a domain
 * @host: (nullable): the host it is to run on, to show the physical SMMUs too
 * @findings: (element-type VsmmuFinding): what vsmmu_check_domain() reports for @domain
 *
 * A graph in Graphviz's DOT language: root buses with their vSMMUs, ports, devices, and the physical SMMUs of the VFIO
 * devices. Nodes with findings are marked by colour and text. The free ports of a bus are one node, and so are the
 * emulated devices that are not behind an accelerated SMMUv3.
 *
 * Names of nodes: `guest`, `root` and `bus` with the index of a controller, `device` and `iommu` with a number, and
 * `smmu` with the address of a physical SMMU.
 *
 * Returns: (transfer full): a digraph, in UTF-8 and ending in a newline
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_render_dot (const VsmmuDomain *domain, const VsmmuHost *host, const GPtrArray *findings);

G_END_DECLS
