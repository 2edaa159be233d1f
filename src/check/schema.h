/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "vsmmu/schema.h"

/*
 * vsmmu_schema_check:
 * @document: a domain document; not changed
 * @file: the name findings use
 * @findings: (element-type VsmmuFinding): gets a finding of the rule
 *   `schema-violation` for each place that does not fit
 *
 * Validates @document. libxml2 says no more than "Extra element devices in
 * interleave" of an error deep inside, so the smallest parts that do not fit are
 * found by validating the document without them.
 */
void vsmmu_schema_check (const VsmmuSchema *schema, const xmlDoc *document, const char *file, GPtrArray *findings);
