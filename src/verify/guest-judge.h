/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verify/guest.h"

/* @reason: (transfer full): @state in a few words */
void vsmmu_guest_device_judge (VsmmuGuestDevice *device, VsmmuVectorState state, char *reason);

/* (nullable): id of the rule that @vector breaks */
const char *vsmmu_guest_find_rule (const VsmmuGuest *guest, const VsmmuGuestDevice *device,
                                   const VsmmuGuestVector *vector);

/* Unless @device is judged already: what its vectors say; @known: the device of the domain's XML */
void vsmmu_guest_judge_device (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *known,
                               VsmmuGuestDevice *device);

/* Compares what QEMU reports for a vSMMU with what the machine has. */
void vsmmu_guest_judge_smmu (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *iommu,
                             const VsmmuGuestSmmu *smmu);
