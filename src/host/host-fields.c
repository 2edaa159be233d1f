/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"

#define AT(type, member) offsetof (type, member)
#define END                                                                                                            \
  {                                                                                                                    \
    NULL                                                                                                               \
  }

const char *const vsmmu_field_ymn[3] = { "n", "m", "y" };

const VsmmuField vsmmu_host_fields[] = {
  { "version", VSMMU_FIELD_OTHER },
  { "name", VSMMU_FIELD_TEXT, AT (VsmmuHost, name) },
  { "architecture", VSMMU_FIELD_TEXT, AT (VsmmuHost, architecture) },
  { "kernel", VSMMU_FIELD_OTHER },
  { "nodes", VSMMU_FIELD_OTHER },
  { "tools", VSMMU_FIELD_OTHER },
  { "hugepages", VSMMU_FIELD_OTHER },
  { "smmus", VSMMU_FIELD_OTHER },
  { "groups", VSMMU_FIELD_OTHER },
  { "devices", VSMMU_FIELD_OTHER },
  { "unread", VSMMU_FIELD_OTHER },
  END,
};

const VsmmuField vsmmu_host_kernel_fields[] = {
  { "release", VSMMU_FIELD_TEXT, AT (VsmmuHost, kernel) },
  { "options", VSMMU_FIELD_OTHER },
  END,
};

#define OPTION(name)                                                                                                   \
  {                                                                                                                    \
    "CONFIG_" #name, VSMMU_FIELD_FACT_YMN, AT (VsmmuHost, options[VSMMU_HOST_OPTION_##name])                           \
  }
const VsmmuField vsmmu_host_option_fields[] = {
  OPTION (ARM_SMMU_V3),    OPTION (ARM_SMMU_V3_IOMMUFD), OPTION (IOMMUFD),  OPTION (KVM),
  OPTION (TEGRA241_CMDQV), OPTION (VFIO_DEVICE_CDEV),    OPTION (VFIO_PCI), END,
};

const VsmmuField vsmmu_host_node_fields[] = {
  { "/dev/iommu", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_iommu) },
  { "/dev/kvm", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_kvm) },
  { "/dev/vfio/vfio", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_vfio) },
  END,
};

const VsmmuField vsmmu_host_tool_fields[] = {
  { "libvirt", VSMMU_FIELD_OTHER },
  { "qemu", VSMMU_FIELD_OTHER },
  { "emulator", VSMMU_FIELD_TEXT, AT (VsmmuHost, emulator) },
  { "qemu_accel", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_accel) },
  { "qemu_auto", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_auto) },
  { "qemu_cmdqv", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_cmdqv) },
  END,
};

const VsmmuField vsmmu_host_pages_fields[] = {
  { "size_kib", VSMMU_FIELD_NUMBER, AT (VsmmuHostPages, size), 1, G_GINT64_CONSTANT (1) << 30 },
  { "total", VSMMU_FIELD_COUNT, AT (VsmmuHostPages, total), 0, G_GINT64_CONSTANT (1) << 32 },
  { "free", VSMMU_FIELD_COUNT, AT (VsmmuHostPages, free), 0, G_GINT64_CONSTANT (1) << 32 },
  END,
};

/* NUMA nodes: MAX_NUMNODES of the kernel is 1024. */
#define NODE_MIN -1
#define NODE_MAX 1023

const VsmmuField vsmmu_host_smmu_fields[] = {
  { "name", VSMMU_FIELD_TEXT, AT (VsmmuHostSmmu, name) },
  { "platform", VSMMU_FIELD_TEXT, AT (VsmmuHostSmmu, platform) },
  { "numa_node", VSMMU_FIELD_FACT, AT (VsmmuHostSmmu, numa_node), NODE_MIN, NODE_MAX },
  { "features", VSMMU_FIELD_FACT_HEX32, AT (VsmmuHostSmmu, features) },
  { "registers", VSMMU_FIELD_OTHER },
  { "capabilities", VSMMU_FIELD_OTHER },
  END,
};

#define REGISTER(name, number)                                                                                         \
  {                                                                                                                    \
    name, VSMMU_FIELD_FACT_HEX32, AT (VsmmuHostSmmu, registers[VSMMU_SMMU_REGISTER_##number])                          \
  }
const VsmmuField vsmmu_host_register_fields[] = {
  REGISTER ("idr0", IDR0), REGISTER ("idr1", IDR1), REGISTER ("idr2", IDR2),
  REGISTER ("idr3", IDR3), REGISTER ("idr4", IDR4), REGISTER ("idr5", IDR5),
  REGISTER ("iidr", IIDR), REGISTER ("aidr", AIDR), END,
};

#define FLAG(name, capability)                                                                                         \
  {                                                                                                                    \
    name, VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostSmmu, capabilities[VSMMU_SMMU_##capability])                             \
  }
#define COUNT(name, capability, min, max)                                                                              \
  {                                                                                                                    \
    name, VSMMU_FIELD_FACT, AT (VsmmuHostSmmu, capabilities[VSMMU_SMMU_##capability]), min, max                        \
  }
const VsmmuField vsmmu_host_capability_fields[] = {
  FLAG ("nesting", NESTING),
  FLAG ("s2fwb", S2FWB),
  FLAG ("canwbs", CANWBS),
  FLAG ("ats", ATS),
  FLAG ("pri", PRI),
  FLAG ("ril", RIL),
  COUNT ("ssidsize", SSIDSIZE, 0, 31),
  COUNT ("sidsize", SIDSIZE, 0, 63),
  COUNT ("oas", OAS, 32, 56),
  FLAG ("gran4k", GRAN4K),
  FLAG ("gran16k", GRAN16K),
  FLAG ("gran64k", GRAN64K),
  COUNT ("stlevel", STLEVEL, 0, 3),
  COUNT ("ttf", TTF, 0, 3),
  COUNT ("ttendian", TTENDIAN, 0, 3),
  FLAG ("cmdqv", CMDQV),
  END,
};

const VsmmuField vsmmu_host_group_fields[] = {
  { "number", VSMMU_FIELD_OTHER },
  { "type", VSMMU_FIELD_TEXT, AT (VsmmuHostGroup, type) },
  { "regions", VSMMU_FIELD_OTHER },
  END,
};

const VsmmuField vsmmu_host_region_fields[] = {
  { "start", VSMMU_FIELD_HEX64, AT (VsmmuHostRegion, start) },
  { "end", VSMMU_FIELD_HEX64, AT (VsmmuHostRegion, end) },
  { "type", VSMMU_FIELD_TEXT, AT (VsmmuHostRegion, type) },
  END,
};

const VsmmuField vsmmu_host_device_fields[] = {
  { "address", VSMMU_FIELD_TEXT, AT (VsmmuHostDevice, name) },
  { "vendor", VSMMU_FIELD_HEX16, AT (VsmmuHostDevice, vendor) },
  { "device", VSMMU_FIELD_HEX16, AT (VsmmuHostDevice, device) },
  { "class", VSMMU_FIELD_HEX24, AT (VsmmuHostDevice, class_code) },
  { "driver", VSMMU_FIELD_TEXT, AT (VsmmuHostDevice, driver) },
  { "vfio", VSMMU_FIELD_TEXT, AT (VsmmuHostDevice, vfio) },
  { "smmu", VSMMU_FIELD_OTHER },
  { "group", VSMMU_FIELD_OTHER },
  { "parent", VSMMU_FIELD_OTHER },
  { "physical_function", VSMMU_FIELD_OTHER },
  { "numa_node", VSMMU_FIELD_FACT, AT (VsmmuHostDevice, numa_node), NODE_MIN, NODE_MAX },
  { "pasid", VSMMU_FIELD_FACT, AT (VsmmuHostDevice, pasid), 0, 20 },
  { "ats", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, ats) },
  { "pri", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, pri) },
  { "total_vfs", VSMMU_FIELD_FACT, AT (VsmmuHostDevice, total_vfs), 0, G_MAXUINT16 },
  { "vfs", VSMMU_FIELD_FACT, AT (VsmmuHostDevice, vfs), 0, G_MAXUINT16 },
  { "bars", VSMMU_FIELD_OTHER },
  END,
};

const VsmmuField vsmmu_host_bar_fields[] = {
  { "index", VSMMU_FIELD_OTHER },
  { "start", VSMMU_FIELD_HEX64, AT (VsmmuHostBar, start) },
  { "size", VSMMU_FIELD_NUMBER, AT (VsmmuHostBar, size), 1, G_MAXINT64 },
  { "io", VSMMU_FIELD_BOOLEAN, AT (VsmmuHostBar, is_io) },
  { "64bit", VSMMU_FIELD_BOOLEAN, AT (VsmmuHostBar, is_64bit) },
  { "prefetchable", VSMMU_FIELD_BOOLEAN, AT (VsmmuHostBar, is_prefetchable) },
  END,
};

const VsmmuField vsmmu_host_unread_fields[] = {
  { "path", VSMMU_FIELD_TEXT, AT (VsmmuHostUnread, path) },
  { "reason", VSMMU_FIELD_TEXT, AT (VsmmuHostUnread, reason) },
  END,
};
