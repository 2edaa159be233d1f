/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "vsmmu/schema.h"

/*
 * vsmmu_schema_check:
 * @document: a domain document; only read, so threads may share it
 * @file: the name findings use
 * @findings: (element-type VsmmuFinding): gets a finding of the rule
 *   `schema-violation` for each place that does not fit, up to 20, and one more
 *   that says so when there are more
 *
 * Validates @document in time linear in its size. After a place that does not
 * fit it goes on as if that did, so errors in several places are all found.
 */
void vsmmu_schema_check (const VsmmuSchema *schema, const xmlDoc *document, const char *file, GPtrArray *findings);
