/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/virt-machine.h"

#include <inttypes.h>

#include "domain/domain.h"

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

/* The size in KiB in an argument of QEMU's, as its size_t options are; 0 when there is none. */
static guint64
hole_in (const char *argument)
{
  const char *option = strstr (argument, "highmem-mmio-size=");
  const char *text = option != NULL ? strchr (option, '=') + 1 : "";
  char *end = NULL;
  guint64 size = g_ascii_strtoull (text, &end, 10);
  const char unit[] = { end != NULL ? g_ascii_toupper (*end) : '\0', '\0' };

  if (end == text || !vsmmu_number_scale (&size, g_ascii_isalpha (*unit) ? unit : "b"))
    return 0;
  return size / 1024;
}

guint64
vsmmu_virt_hole_of (const VsmmuDomain *domain)
{
  const VsmmuDevice *root = domain->buses[0].controller;
  guint64 size = root != NULL && root->controller.has_pcihole64 ? root->controller.pcihole64 : VSMMU_VIRT_HOLE_MIN;

  /* libvirt adds the arguments after its own, and QEMU takes the last. */
  for (guint i = 0; i < domain->arguments->len; i++) {
    guint64 given = hole_in (g_array_index (domain->arguments, VsmmuPassthrough, i).value);

    if (given != 0)
      size = given;
  }
  return size;
}
