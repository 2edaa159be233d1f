/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"

#define AT(type, member) offsetof (type, member)
#define END                                                                                                            \
  {                                                                                                                    \
    NULL                                                                                                               \
  }

const char *const vsmmu_field_ymn[3] = { "n", "m", "y" };

gboolean
vsmmu_field_is_fact (VsmmuFieldKind kind)
{
  return kind == VSMMU_FIELD_FACT || kind == VSMMU_FIELD_FACT_FLAG || kind == VSMMU_FIELD_FACT_HEX32 ||
         kind == VSMMU_FIELD_FACT_YMN;
}

const VsmmuField vsmmu_host_fields[] = {
  { "version", VSMMU_FIELD_OTHER },
  { "name", VSMMU_FIELD_TEXT, AT (VsmmuHost, name) },
  { "architecture", VSMMU_FIELD_TEXT, AT (VsmmuHost, architecture) },
  { "kernel", VSMMU_FIELD_OTHER },
  { "nodes", VSMMU_FIELD_OTHER },
  { "confinement", VSMMU_FIELD_OTHER },
  { "tools", VSMMU_FIELD_OTHER },
  { "hugepages", VSMMU_FIELD_OTHER },
  { "other_iommu", VSMMU_FIELD_TEXT, AT (VsmmuHost, other_iommu) },
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

#define OPTION(row, name) [row] = { name, VSMMU_FIELD_FACT_YMN, AT (VsmmuHost, options[row]) }
const VsmmuField vsmmu_host_option_fields[VSMMU_HOST_OPTIONS + 1] = {
  OPTION (VSMMU_HOST_OPTION_ARM_SMMU_V3, "CONFIG_ARM_SMMU_V3"),
  OPTION (VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD, "CONFIG_ARM_SMMU_V3_IOMMUFD"),
  OPTION (VSMMU_HOST_OPTION_IOMMUFD, "CONFIG_IOMMUFD"),
  OPTION (VSMMU_HOST_OPTION_KVM, "CONFIG_KVM"),
  OPTION (VSMMU_HOST_OPTION_TEGRA241_CMDQV, "CONFIG_TEGRA241_CMDQV"),
  OPTION (VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV, "CONFIG_VFIO_DEVICE_CDEV"),
  OPTION (VSMMU_HOST_OPTION_VFIO_PCI, "CONFIG_VFIO_PCI"),
};

const VsmmuField vsmmu_host_node_fields[] = {
  { "/dev/iommu", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_iommu) },
  { "/dev/kvm", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_kvm) },
  { "/dev/vfio/vfio", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, dev_vfio) },
  END,
};

const VsmmuField vsmmu_host_confinement_fields[] = {
  { "apparmor", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, apparmor) },
  { "apparmor_iommu", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, apparmor_iommu) },
  { "apparmor_vfio", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, apparmor_vfio) },
  { "selinux", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, selinux) },
  END,
};

const VsmmuField vsmmu_host_tool_fields[] = {
  { "libvirt", VSMMU_FIELD_OTHER },
  { "qemu", VSMMU_FIELD_OTHER },
  { "libvirt_accel", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, libvirt_accel) },
  { "libvirt_iommufd", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, libvirt_iommufd) },
  { "emulator", VSMMU_FIELD_TEXT, AT (VsmmuHost, emulator) },
  { "qemu_accel", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_accel) },
  { "qemu_auto", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_auto) },
  { "qemu_cmdqv", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_cmdqv) },
  { "qemu_iommufd", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_iommufd) },
  { "qemu_pasid", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHost, qemu_pasid) },
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
  { "probed", VSMMU_FIELD_TEXT, AT (VsmmuHostSmmu, probed) },
  { "features", VSMMU_FIELD_FACT_HEX32, AT (VsmmuHostSmmu, features) },
  { "registers", VSMMU_FIELD_OTHER },
  { "capabilities", VSMMU_FIELD_OTHER },
  END,
};

#define REGISTER(row, name) [row] = { name, VSMMU_FIELD_FACT_HEX32, AT (VsmmuHostSmmu, registers[row]) }
const VsmmuField vsmmu_host_register_fields[VSMMU_SMMU_REGISTERS + 1] = {
  REGISTER (VSMMU_SMMU_REGISTER_IDR0, "idr0"), REGISTER (VSMMU_SMMU_REGISTER_IDR1, "idr1"),
  REGISTER (VSMMU_SMMU_REGISTER_IDR2, "idr2"), REGISTER (VSMMU_SMMU_REGISTER_IDR3, "idr3"),
  REGISTER (VSMMU_SMMU_REGISTER_IDR4, "idr4"), REGISTER (VSMMU_SMMU_REGISTER_IDR5, "idr5"),
  REGISTER (VSMMU_SMMU_REGISTER_IIDR, "iidr"), REGISTER (VSMMU_SMMU_REGISTER_AIDR, "aidr"),
};

#define FLAG(row, name) [row] = { name, VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostSmmu, capabilities[row]) }
#define COUNT(row, name, min, max) [row] = { name, VSMMU_FIELD_FACT, AT (VsmmuHostSmmu, capabilities[row]), min, max }
const VsmmuField vsmmu_host_capability_fields[VSMMU_SMMU_CAPABILITIES + 1] = {
  FLAG (VSMMU_SMMU_NESTING, "nesting"),
  FLAG (VSMMU_SMMU_S2FWB, "s2fwb"),
  FLAG (VSMMU_SMMU_CANWBS, "canwbs"),
  FLAG (VSMMU_SMMU_ATS, "ats"),
  FLAG (VSMMU_SMMU_PRI, "pri"),
  FLAG (VSMMU_SMMU_RIL, "ril"),
  COUNT (VSMMU_SMMU_SSIDSIZE, "ssidsize", 0, 31),
  COUNT (VSMMU_SMMU_SIDSIZE, "sidsize", 0, 63),
  COUNT (VSMMU_SMMU_OAS, "oas", 32, 56),
  FLAG (VSMMU_SMMU_GRAN4K, "gran4k"),
  FLAG (VSMMU_SMMU_GRAN16K, "gran16k"),
  FLAG (VSMMU_SMMU_GRAN64K, "gran64k"),
  COUNT (VSMMU_SMMU_STLEVEL, "stlevel", 0, 3),
  COUNT (VSMMU_SMMU_TTF, "ttf", 0, 3),
  COUNT (VSMMU_SMMU_TTENDIAN, "ttendian", 0, 3),
  FLAG (VSMMU_SMMU_CMDQV, "cmdqv"),
  FLAG (VSMMU_SMMU_ASID16, "asid16"),
  COUNT (VSMMU_SMMU_BBML, "bbml", 0, 3),
  FLAG (VSMMU_SMMU_REPEAT_TLBI, "repeat_tlbi"),
  COUNT (VSMMU_SMMU_CMDQV_VERSION, "cmdqv_version", 0, G_MAXUINT8),
  COUNT (VSMMU_SMMU_CMDQV_QUEUES, "cmdqv_queues_log2", 0, 15),
  COUNT (VSMMU_SMMU_CMDQV_SIDS, "cmdqv_sids_log2", 0, 15),
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
  { "kernel_ats", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, kernel_ats) },
  { "kernel_pasid", VSMMU_FIELD_FACT, AT (VsmmuHostDevice, kernel_pasid), 0, 20 },
  { "pasid_exec", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, pasid_exec) },
  { "pasid_priv", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, pasid_priv) },
  { "root_ats", VSMMU_FIELD_FACT_FLAG, AT (VsmmuHostDevice, root_ats) },
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
