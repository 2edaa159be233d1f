/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_domain_new_mapped:
 * @lines: (nullable) (element-type guint): for each line of @data, the line that places name instead
 * @line: (out): the line that @error is about
 *
 * Reads the elements of the document alone: what arguments and overrides say is for vsmmu_domain_new_from_data().
 */
VsmmuDomain *vsmmu_domain_new_mapped (const char *data, gsize length, const char *name, const GArray *lines,
                                      guint *line, GError **error);

/* The same with the lines of @data, for what is lifted already, or is to be. */
VsmmuDomain *vsmmu_domain_new_raw (const char *data, gsize length, const char *name, GError **error);

/*
 * vsmmu_domain_new_from_node:
 * @node: a domain inside a document, which must outlive the result
 *
 * Returns: (transfer full): the domain; it has no document of its own
 */
VsmmuDomain *vsmmu_domain_new_from_node (const xmlNode *node, const char *name);

/*
 * vsmmu_domain_new_without:
 * @domain: a domain with a document, which must outlive the result
 * @nodes: (element-type xmlNode): some of its devices
 *
 * Returns: (transfer full): the domain that the document would be without @nodes; it has the same document, with them
 */
VsmmuDomain *vsmmu_domain_new_without (const VsmmuDomain *domain, const GPtrArray *nodes);

/* Gives devices the ids that they have when the document of a running guest is used for a new one. */
void vsmmu_domain_forget_run (VsmmuDomain *domain);
