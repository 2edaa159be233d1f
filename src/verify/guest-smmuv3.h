/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "msi/smmuv3.h"
#include "verify/guest-pci.h"

/*
 * vsmmu_guest_smmuv3_new:
 * @ecam: of the guest; must outlive the source
 * @at: GPA of the registers
 *
 * Returns: (transfer full): an emulated SMMUv3 of a running guest, whose registers are read once, when they are needed
 */
VsmmuSmmuv3Source *vsmmu_guest_smmuv3_new (const VsmmuEcam *ecam, guint64 at);
