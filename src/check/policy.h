/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "vsmmu/policy.h"

/*
 * vsmmu_policy_mismatch_of:
 * @document: domain XML as libvirt answers it, never one that was lifted
 * @action: (out): the strictest of all that its metadata say
 *
 * Returns: whether they say anything that there is
 */
gboolean vsmmu_policy_mismatch_of (const xmlDoc *document, VsmmuPolicyMismatch *action);

/*
 * vsmmu_policy_choose_mismatch:
 * @policy: (nullable): of the host; %NULL when it cannot be read, which stands for its defaults
 * @wanted: (nullable): what the metadata of a domain say
 * @is_overruled: (out): whether that is more lenient than the host, and does not count
 *
 * Returns: what to do about a mismatch: a domain may only be stricter than its host, unless `domains-decide` is set
 */
VsmmuPolicyMismatch vsmmu_policy_choose_mismatch (const VsmmuPolicy *policy, const VsmmuPolicyMismatch *wanted,
                                                  gboolean *is_overruled);
