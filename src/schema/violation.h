/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "schema/schema.h"
#include "vsmmu/rule.h"

/*
 * VsmmuSchemaFunc:
 * @element: (transfer full): XPath
 * @message: (transfer full)
 * @hint: (transfer full)
 *
 * Called with one place that does not fit.
 */
typedef void (*VsmmuSchemaFunc) (VsmmuSeverity severity, guint line, char *element, char *message, char *hint,
                                 gpointer data);

/*
 * vsmmu_schema_check:
 * @document: a domain document; only read, so threads may share it
 * @report: called for each place that does not fit, up to 20, and once more to say so when there are more
 *
 * Validates @document in time linear in its size. After a place that does not
 * fit it goes on as if that did, so errors in several places are all found.
 */
void vsmmu_schema_check (const VsmmuSchema *schema, const xmlDoc *document, VsmmuSchemaFunc report, gpointer data);
