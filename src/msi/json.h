/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "msi/machine.h"

/* (transfer full): an MSI controller as schemas/msi.schema.json describes it */
JsonObject *vsmmu_msi_machine_to_json (const VsmmuMsiMachine *machine);
