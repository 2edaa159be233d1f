/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* (transfer full): findings (element-type VsmmuFinding) as schemas/findings.schema.json describes them */
JsonArray *vsmmu_findings_to_json (const GPtrArray *findings);
