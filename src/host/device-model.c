/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/device-model.h"

#include <string.h>

#include "base/number.h"

#define NVIDIA 0x10de
#define NVGRACE "nvgrace_gpu_vfio_pci"

/* A Grace GPU can have eight partitions, each with memory of its own (QEMU: acpi-generic-initiator). */
#define NVGRACE_NODES 8

/* Where nvgrace_gpu_vfio_pci shows the memory of a GPU that it gives to the guest, and the part for uncached access:
 * USEMEM_REGION_INDEX and RESMEM_REGION_INDEX in Linux, drivers/vfio/pci/nvgrace-gpu/main.c. */
#define MEMORY_BAR 4
#define UNCACHED_BAR 2

/* 1 GiB, and what is left of blocks of 512 MiB, to the next power of two: nvgrace_gpu_init_nvdev_struct(). */
#define UNCACHED_SIZE (2 * VSMMU_GIB)

/* Linux, nvgrace_gpu_vfio_pci_table[]; the memory is what the GPUs are sold with, to the next power of two. */
static const VsmmuDeviceModel models[] = {
  { NVIDIA, 0x2342, "NVIDIA GH200", NVGRACE, NVGRACE_NODES, 128 * VSMMU_GIB, TRUE },
  { NVIDIA, 0x2345, "NVIDIA GH200", NVGRACE, NVGRACE_NODES, 128 * VSMMU_GIB, TRUE },
  { NVIDIA, 0x2348, "NVIDIA GH200", NVGRACE, NVGRACE_NODES, 256 * VSMMU_GIB, TRUE },
  { NVIDIA, 0x2941, "NVIDIA GB200", NVGRACE, NVGRACE_NODES, 256 * VSMMU_GIB, FALSE },
  { NVIDIA, 0x31c2, "NVIDIA GB300", NVGRACE, NVGRACE_NODES, 512 * VSMMU_GIB, FALSE },
};

/* For a GPU that is newer than the table, but bound to the driver; its memory is known from BAR 2. */
static const VsmmuDeviceModel newer = { NVIDIA, 0, "NVIDIA GPU", NVGRACE, NVGRACE_NODES, 0, FALSE };

const VsmmuDeviceModel *
vsmmu_device_model_of (const VsmmuHostDevice *device)
{
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    if (device->vendor == models[i].vendor && device->device == models[i].device)
      return &models[i];
  return g_strcmp0 (device->driver, newer.driver) == 0 ? &newer : NULL;
}

guint
vsmmu_host_device_memory_nodes (const VsmmuHostDevice *device)
{
  const VsmmuDeviceModel *model = vsmmu_device_model_of (device);

  return model != NULL ? model->memory_nodes : 0;
}

void
vsmmu_host_device_bars (const VsmmuHostDevice *device, VsmmuHostBar bars[VSMMU_HOST_BARS_MAX])
{
  const VsmmuDeviceModel *model = vsmmu_device_model_of (device);
  VsmmuHostBar shown = { .is_64bit = TRUE, .is_prefetchable = TRUE };

  memcpy (bars, device->bars, sizeof (device->bars));
  if (model == NULL)
    return;
  shown.start = bars[MEMORY_BAR].start;
  shown.size = MAX (model->memory, model->memory == 0 ? bars[UNCACHED_BAR].size : 0);
  bars[MEMORY_BAR] = shown;
  if (model->is_split)
    bars[UNCACHED_BAR].size = UNCACHED_SIZE;
}
