/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/tree.h"

/*
 * vsmmu_pci_probe:
 * @wanted: (nullable) (element-type utf8): names of the functions that matter; %NULL for all
 *
 * Adds PCI functions and the IOMMU groups they are in to the host of @tree, sorted, with all but
 * their SMMUs. What shares a group with a function that matters is among them.
 */
void vsmmu_pci_probe (const VsmmuTree *tree, const GPtrArray *wanted);

/*
 * vsmmu_pci_read_resource:
 * @text: the file `resource` in sysfs; is cut into lines
 * @bars: (out): of %VSMMU_HOST_BARS_MAX
 */
void vsmmu_pci_read_resource (char *text, VsmmuHostBar *bars);
