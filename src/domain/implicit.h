/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_implicit_add:
 *
 * Adds to a domain of a virt machine what libvirt adds by itself before it gives
 * out PCI addresses: pcie-root, the controllers that disks and channels need,
 * and a video card for graphics; and gives controllers without an index theirs.
 */
void vsmmu_implicit_add (VsmmuDomain *domain);

/*
 * vsmmu_implicit_order_controllers:
 *
 * Sets the sort keys of all controllers to the order of libvirt's list: by type
 * as the types appear, then by index; one without an index in the document goes
 * to the end, and later ones stay behind it (virDomainControllerInsert()).
 */
void vsmmu_implicit_order_controllers (VsmmuDomain *domain);

/* (transfer none): a controller that libvirt adds, appended to the devices of @domain. */
VsmmuDevice *vsmmu_implicit_add_controller (VsmmuDomain *domain, const char *type, const char *model, int index);
