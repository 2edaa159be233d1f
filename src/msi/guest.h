/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "vsmmu/guest.h"

/*
 * vsmmu_guest_read:
 * @domain: the domain as it runs
 * @reader: reads devices with the width that is asked for
 * @error: VSMMU_ERROR_UNSUPPORTED, VSMMU_ERROR_MSI when there is no PCI host bridge, or what @reader sets
 *
 * Returns: (transfer full): what is seen in the guest without its monitor, or %NULL with @error set
 */
VsmmuGuest *vsmmu_guest_read (const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error);
