/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * VsmmuPciHole:
 * @need: KiB that the devices so far take of the 64-bit PCI hole, saturated
 *
 * How much of a guest's 64-bit PCI hole its VFIO devices take, each behind a port of its own. The hole begins at a
 * multiple of its size. The firmware gives each port one window, aligned to the largest BAR in it.
 */
typedef struct {
  guint64 need;
} VsmmuPciHole;

/* KiB for emulated devices, and for what the firmware keeps free behind the ports. */
#define VSMMU_PCI_HOLE_RESERVE (32 * VSMMU_KIB_PER_GIB)

/* A larger one no processor addresses, in KiB. */
#define VSMMU_PCI_HOLE_MAX (128 * 1024 * VSMMU_KIB_PER_GIB)

/* Adds the BARs of @device that go into the hole. */
void vsmmu_pci_hole_add (VsmmuPciHole *hole, const VsmmuHostDevice *device);

/*
 * vsmmu_pci_hole_size:
 * @reserve: KiB that are to be free
 *
 * Returns: KiB, a power of two that QEMU accepts; 0 when nothing is large enough
 */
guint64 vsmmu_pci_hole_size (const VsmmuPciHole *hole, guint64 reserve);
