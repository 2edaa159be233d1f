/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/pci-hole.h"

#include "domain/virt-machine.h"
#include "host/device-model.h"

static guint64
round_up (guint64 size, guint64 alignment)
{
  return (size + alignment - 1) / alignment * alignment;
}

/* Facts may be anything; other sizes take the next power of two. */
static guint64
size_of (const VsmmuHostBar *bar)
{
  guint64 size = 1;

  while (size * 1024 < bar->size && size < VSMMU_PCI_HOLE_MAX)
    size *= 2;
  return size;
}

void
vsmmu_pci_hole_add (VsmmuPciHole *hole, const VsmmuHostDevice *device)
{
  VsmmuHostBar bars[VSMMU_HOST_BARS_MAX];
  guint64 largest = 0;
  guint64 sum = 0;

  vsmmu_host_device_bars (device, bars);
  for (guint i = 0; i < VSMMU_HOST_BARS_MAX; i++) {
    /* A bridge has one 64-bit window, and it is prefetchable. */
    if (bars[i].size == 0 || bars[i].is_io || !bars[i].is_64bit || !bars[i].is_prefetchable)
      continue;
    largest = MAX (largest, size_of (&bars[i]));
    sum += size_of (&bars[i]);
  }
  if (largest > 0)
    hole->need = MIN (round_up (hole->need, largest) + sum, 2 * VSMMU_PCI_HOLE_MAX);
}

guint64
vsmmu_pci_hole_size (const VsmmuPciHole *hole, guint64 reserve)
{
  guint64 size = VSMMU_VIRT_HOLE_MIN;

  while (size < hole->need + reserve && size <= VSMMU_PCI_HOLE_MAX)
    size *= 2;
  return size <= VSMMU_PCI_HOLE_MAX ? size : 0;
}
