/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "libvirt/qemu-log.h"
#include "verify/guest.h"
#include "verify/verify.h"

/* All that is known about a running guest. */
typedef struct {
  const VsmmuDomain *domain;
  const VsmmuHost *host;          /* (nullable) */
  const GPtrArray *host_findings; /* (element-type VsmmuFinding): with @host: vsmmu_check_domain() */
  const VsmmuGuest *guest;
  const VsmmuQemuLog *log;  /* (nullable) */
  gboolean is_log_of_guest; /* the guest can write into the log itself */
} VsmmuVerifySubject;

/* (transfer full): what follows of it, for each device of the guest that the domain's XML has; does no I/O */
VsmmuVerification *vsmmu_verify_judge (const VsmmuVerifySubject *subject);
