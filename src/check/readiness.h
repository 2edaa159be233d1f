/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * VsmmuReadinessResult:
 * @VSMMU_READINESS_PASS: as it should be
 * @VSMMU_READINESS_WARN: not known, or not for every device
 * @VSMMU_READINESS_FAIL: no guest of this host can have an accelerated SMMUv3
 */
typedef enum {
  VSMMU_READINESS_PASS,
  VSMMU_READINESS_WARN,
  VSMMU_READINESS_FAIL,
} VsmmuReadinessResult;

/*
 * VsmmuReadiness:
 * @title: (translated): what was looked at; statically owned
 * @result: how it is
 * @message: (translated): what was found
 * @hint: (translated) (nullable): what to do about it; %NULL for a pass
 *
 * One check of a host.
 */
typedef struct {
  const char *title;
  VsmmuReadinessResult result;
  char *message;
  char *hint;
} VsmmuReadiness;

void vsmmu_readiness_free (VsmmuReadiness *readiness);

/*
 * vsmmu_host_check_readiness:
 * @host: facts
 *
 * What @host needs to give any guest an accelerated SMMUv3; in the manner of
 * virt-host-validate(1).
 *
 * Returns: (transfer full) (element-type VsmmuReadiness): the checks, in the order in which to fix those that fail
 */
GPtrArray *vsmmu_host_check_readiness (const VsmmuHost *host);

/*
 * vsmmu_readiness_result_to_string:
 *
 * Returns: `PASS`, `WARN` or `FAIL`; not translated
 */
const char *vsmmu_readiness_result_to_string (VsmmuReadinessResult result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuReadiness, vsmmu_readiness_free)
