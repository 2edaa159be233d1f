/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * VsmmuDeviceModel:
 * @vendor: vendor id
 * @device: device id
 * @name: as messages have it; not translated
 * @driver: the VFIO driver that it needs instead of vfio-pci
 * @memory_nodes: NUMA nodes that a guest needs for the memory of the device, one for each partition (MIG) it can have
 * @memory: bytes of address space that VFIO shows for this memory, in BAR 4: a power of two
 * @is_split: whether VFIO shows a small part of the memory in BAR 2, for uncached access
 *
 * Facts about a kind of device that are neither in its configuration space nor in sysfs.
 */
typedef struct {
  guint16 vendor;
  guint16 device;
  const char *name;
  const char *driver;
  guint memory_nodes;
  guint64 memory;
  gboolean is_split;
} VsmmuDeviceModel;

/*
 * vsmmu_device_model_of:
 *
 * Returns: (nullable): the model of @device, by its ids, or by its driver when the ids are not known
 */
const VsmmuDeviceModel *vsmmu_device_model_of (const VsmmuHostDevice *device);

/* How many NUMA nodes without CPUs and memory a guest needs for the memory of @device; 0 for most devices. */
guint vsmmu_host_device_memory_nodes (const VsmmuHostDevice *device);

/*
 * vsmmu_host_device_bars:
 * @bars: (out): what a guest sees, which sizes the windows over it; start is that of the host
 *
 * The BARs of @device as VFIO shows them, which are not always those of sysfs.
 */
void vsmmu_host_device_bars (const VsmmuHostDevice *device, VsmmuHostBar bars[VSMMU_HOST_BARS_MAX]);
