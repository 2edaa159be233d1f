/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "verify/verify.h"

/* (transfer full): one device as schemas/verification.schema.json describes it */
JsonObject *vsmmu_verified_device_to_json (const VsmmuVerifiedDevice *device);

/* (transfer full): how often the guest was read */
JsonObject *vsmmu_verification_reads_to_json (const VsmmuVerification *verification);

/* (transfer full): what it took its time for */
JsonObject *vsmmu_verification_parts_to_json (const VsmmuVerification *verification);
