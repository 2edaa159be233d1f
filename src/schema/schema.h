/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "vsmmu/schema.h"

/* Whether @document fits @schema as a whole; vsmmu_schema_check() says where it does not. */
gboolean vsmmu_schema_is_valid (const VsmmuSchema *schema, xmlDocPtr document);
