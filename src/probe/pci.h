/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/tree.h"

/*
 * vsmmu_pci_probe:
 *
 * Adds the PCI functions and the IOMMU groups they are in to the host of @tree, sorted, with all but
 * their SMMUs.
 */
void vsmmu_pci_probe (const VsmmuTree *tree);

/*
 * vsmmu_pci_read_resource:
 * @text: the file `resource` in sysfs; is cut into lines
 * @bars: (out): of %VSMMU_HOST_BARS_MAX
 */
void vsmmu_pci_read_resource (char *text, VsmmuHostBar *bars);
