/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_plug_place:
 * @domain: a domain whose devices have their addresses
 * @device: a device that is to be attached to it while it runs; gets its address
 * @reason: (out) (transfer full) (nullable): why libvirt refuses the address, for VSMMU_PLUG_REFUSED
 *
 * Does what libvirt 12.8 does in qemuDomainEnsurePCIAddress(): an address that is
 * given must be function 0 of a free slot on a bus that takes devices while the
 * guest runs; otherwise the first such slot is taken. No bus is added.
 */
VsmmuPlugOutcome vsmmu_plug_place (const VsmmuDomain *domain, VsmmuDevice *device, char **reason);
