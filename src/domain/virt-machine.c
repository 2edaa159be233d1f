/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/virt-machine.h"

#include <inttypes.h>

/* virt_machine_device_pre_plug_cb() has the doorbells: GITS_TRANSLATER, and MSI_SETSPI_NS. */
const VsmmuVirtFrame vsmmu_virt_frames[] = {
  [VSMMU_MSI_CONTROLLER_UNKNOWN] = { "unknown", 0, 0, 0 },
  [VSMMU_MSI_CONTROLLER_NONE] = { "none", 0, 0, 0 },
  [VSMMU_MSI_CONTROLLER_ITS] = { "its", 0x08080000, 0x20000, 0x08090040 },
  [VSMMU_MSI_CONTROLLER_GICV2M] = { "gicv2m", 0x08020000, 0x1000, 0x08020040 },
};

const VsmmuGuestRegion vsmmu_virt_low_regions[] = {
  { 0, 128 * VSMMU_MIB, "flash" },
  { 0x08000000, 0x20000, "GIC" },
  { 0x08030000, 0x20000, "GIC" },
  { 0x080a0000, 0xf60000, "GIC redistributors" },
  { 0x09000000, 0x50000, "platform devices" },
  { VSMMU_VIRT_MACHINE_SMMU, VSMMU_VIRT_SMMU_SIZE, "SMMUv3" },
  { 0x09070000, 0x60000, "platform devices" },
  { 0x0a000000, 0x4000, "virtio-mmio" },
  { VSMMU_VIRT_PLATFORM_SMMU, 32 * VSMMU_MIB, "platform bus" },
  { VSMMU_VIRT_MMIO_START, VSMMU_VIRT_MEMORY_START - VSMMU_VIRT_MMIO_START, "PCI Express window" },
  { 0, 0, NULL },
};

char *
vsmmu_virt_window_to_string (guint64 start, guint64 end)
{
  return g_strdup_printf ("0x%" PRIx64 "-0x%" PRIx64, start, end);
}
