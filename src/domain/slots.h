/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_slots_assign:
 * @domain: a domain of a virt machine; its devices get addresses, controllers
 *   that libvirt would add are appended, and its buses are filled in
 *
 * Does what libvirt 12.8 does in qemuDomainAssignPCIAddresses(): first a dry run
 * that finds out which controllers are missing, then the real one. When libvirt
 * would refuse, @domain->address_error says why.
 */
void vsmmu_slots_assign (VsmmuDomain *domain);
