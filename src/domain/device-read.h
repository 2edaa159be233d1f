/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_read_device:
 * @node: a child of <devices>, or the root of a device document
 * @ordinal: its number among the elements of that name; 0 for the root of a device document
 *
 * Returns: (transfer full): the device that @node describes
 */
VsmmuDevice *vsmmu_read_device (VsmmuDomain *domain, const xmlNode *node, guint ordinal);
