/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "vsmmu/policy.h"

/* What the metadata of @domain says for it alone; %FALSE when they say nothing, or no word that there is. */
gboolean vsmmu_policy_mismatch_of (const VsmmuDomain *domain, VsmmuPolicyMismatch *action);
