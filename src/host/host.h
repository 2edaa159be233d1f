/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/target.h"
#include "domain/pci.h"
#include "vsmmu/host.h"

/* VSMMU_HOST_FORMAT_VERSION: the version of the JSON format of host facts. */
#define VSMMU_HOST_FORMAT_VERSION 1

/*
 * VsmmuFactSource:
 * @VSMMU_FACT_SOURCE_NONE: not read; the fact is unknown
 * @VSMMU_FACT_SOURCE_SYSFS: an attribute or link in /sys
 * @VSMMU_FACT_SOURCE_PROCFS: a file in /proc
 * @VSMMU_FACT_SOURCE_DEVFS: whether a node in /dev exists
 * @VSMMU_FACT_SOURCE_CONFIG_SPACE: the PCI configuration space, beyond the first
 *   64 bytes for root only
 * @VSMMU_FACT_SOURCE_IOMMUFD: the ioctl IOMMU_GET_HW_INFO: raw registers
 * @VSMMU_FACT_SOURCE_IORT: the ACPI table IORT
 * @VSMMU_FACT_SOURCE_KERNEL_LOG: what the SMMU's driver said at boot, which says
 *   less than the registers and may have been overwritten
 * @VSMMU_FACT_SOURCE_KERNEL_CONFIG: the configuration the kernel was built with
 * @VSMMU_FACT_SOURCE_LIBVIRT: the libvirt daemon
 * @VSMMU_FACT_SOURCE_QEMU: the QEMU program
 * @VSMMU_FACT_SOURCE_APPARMOR: libvirt's profile in /etc/apparmor.d, or its qemu.conf
 * @VSMMU_FACT_SOURCE_GIVEN: written by hand into a file of facts
 *
 * Where a fact is from.
 */
typedef enum {
  VSMMU_FACT_SOURCE_NONE,
  VSMMU_FACT_SOURCE_SYSFS,
  VSMMU_FACT_SOURCE_PROCFS,
  VSMMU_FACT_SOURCE_DEVFS,
  VSMMU_FACT_SOURCE_CONFIG_SPACE,
  VSMMU_FACT_SOURCE_IOMMUFD,
  VSMMU_FACT_SOURCE_IORT,
  VSMMU_FACT_SOURCE_KERNEL_LOG,
  VSMMU_FACT_SOURCE_KERNEL_CONFIG,
  VSMMU_FACT_SOURCE_LIBVIRT,
  VSMMU_FACT_SOURCE_QEMU,
  VSMMU_FACT_SOURCE_APPARMOR,
  VSMMU_FACT_SOURCE_GIVEN,
} VsmmuFactSource;

/*
 * VsmmuFact:
 * @source: where @value is from; %VSMMU_FACT_SOURCE_NONE when it is unknown
 * @value: the value; 0 or 1 for what is true or false
 *
 * One thing about a host that might not have been readable.
 */
typedef struct {
  VsmmuFactSource source;
  gint64 value;
} VsmmuFact;

/* VSMMU_FACT: a fact from its source and value. */
#define VSMMU_FACT(fact_source, fact_value) ((VsmmuFact){ .source = (fact_source), .value = (gint64) (fact_value) })

/*
 * vsmmu_fact_is_known:
 *
 * Returns: whether @fact was read
 */
static inline gboolean
vsmmu_fact_is_known (VsmmuFact fact)
{
  return fact.source != VSMMU_FACT_SOURCE_NONE;
}

/*
 * vsmmu_fact_is_true:
 *
 * Returns: whether @fact is known, and not 0
 */
static inline gboolean
vsmmu_fact_is_true (VsmmuFact fact)
{
  return vsmmu_fact_is_known (fact) && fact.value != 0;
}

/*
 * vsmmu_fact_is_false:
 *
 * Returns: whether @fact is known, and 0; not the opposite of vsmmu_fact_is_true()
 */
static inline gboolean
vsmmu_fact_is_false (VsmmuFact fact)
{
  return vsmmu_fact_is_known (fact) && fact.value == 0;
}

/*
 * VsmmuSmmuRegister:
 * @VSMMU_SMMU_REGISTER_IDR0: offset 0x0; IDR1 to IDR5 follow
 * @VSMMU_SMMU_REGISTER_IIDR: offset 0x18: who made it
 * @VSMMU_SMMU_REGISTER_AIDR: offset 0x1c: architecture version
 *
 * The identification registers that IOMMU_GET_HW_INFO returns (struct
 * iommu_hw_info_arm_smmuv3); 32 bits each.
 */
typedef enum {
  VSMMU_SMMU_REGISTER_IDR0,
  VSMMU_SMMU_REGISTER_IDR1,
  VSMMU_SMMU_REGISTER_IDR2,
  VSMMU_SMMU_REGISTER_IDR3,
  VSMMU_SMMU_REGISTER_IDR4,
  VSMMU_SMMU_REGISTER_IDR5,
  VSMMU_SMMU_REGISTER_IIDR,
  VSMMU_SMMU_REGISTER_AIDR,
  VSMMU_SMMU_REGISTERS,
} VsmmuSmmuRegister;

/*
 * VsmmuSmmuCapability:
 * @VSMMU_SMMU_NESTING: stage 1 on top of stage 2 (IDR0.S1P and S2P), which the
 *   kernel switches off for SMMUs with errata (arm_smmu_device_iidr_probe())
 * @VSMMU_SMMU_S2FWB: stage 2 forces write-back (IDR3.FWB)
 * @VSMMU_SMMU_CANWBS: the root complexes in front of it are coherent whatever a
 *   device asks for (IORT, memory access flags, bit 2); unknown when some are
 *   and some are not
 * @VSMMU_SMMU_ATS: IDR0.ATS
 * @VSMMU_SMMU_PRI: IDR0.PRI
 * @VSMMU_SMMU_RIL: range invalidation, IDR3.RIL
 * @VSMMU_SMMU_SSIDSIZE: bits of a SubstreamID, 0 to 20: IDR1.SSIDSIZE
 * @VSMMU_SMMU_SIDSIZE: bits of a StreamID, 0 to 32: IDR1.SIDSIZE
 * @VSMMU_SMMU_OAS: bits of an output address, 32 to 56: IDR5.OAS
 * @VSMMU_SMMU_GRAN4K: pages of 4 KiB: IDR5.GRAN4K
 * @VSMMU_SMMU_GRAN16K: pages of 16 KiB: IDR5.GRAN16K
 * @VSMMU_SMMU_GRAN64K: pages of 64 KiB: IDR5.GRAN64K
 * @VSMMU_SMMU_STLEVEL: stream tables: 0 linear, 1 also two levels: IDR0.ST_LEVEL
 * @VSMMU_SMMU_TTF: translation table formats: 1 AArch32, 2 AArch64, 3 both: IDR0.TTF
 * @VSMMU_SMMU_TTENDIAN: endianness of tables: 0 both, 2 little, 3 big: IDR0.TTENDIAN
 * @VSMMU_SMMU_CMDQV: command queue virtualization of Tegra241 and Tegra264
 * @VSMMU_SMMU_ASID16: ASIDs of 16 bits and not of 8: IDR0.ASID16
 * @VSMMU_SMMU_BBML: what tables may change without break-before-make, 0 to 2: IDR3.BBML
 * @VSMMU_SMMU_REPEAT_TLBI: whether invalidations must be issued twice, by the erratum T264-SMMU-3
 *   (IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI)
 * @VSMMU_SMMU_CMDQV_VERSION: version of the command queue virtualization, as the next two from struct
 *   iommu_hw_info_tegra241_cmdqv
 * @VSMMU_SMMU_CMDQV_QUEUES: how many command queues a guest can have, as a power of two
 * @VSMMU_SMMU_CMDQV_SIDS: how many devices a guest's command queues can be used for, as a power of two
 *
 * What a physical SMMU can do, as far as it matters to a vSMMU. Where nothing
 * else is said, 0 is no and 1 is yes.
 */
typedef enum {
  VSMMU_SMMU_NESTING,
  VSMMU_SMMU_S2FWB,
  VSMMU_SMMU_CANWBS,
  VSMMU_SMMU_ATS,
  VSMMU_SMMU_PRI,
  VSMMU_SMMU_RIL,
  VSMMU_SMMU_SSIDSIZE,
  VSMMU_SMMU_SIDSIZE,
  VSMMU_SMMU_OAS,
  VSMMU_SMMU_GRAN4K,
  VSMMU_SMMU_GRAN16K,
  VSMMU_SMMU_GRAN64K,
  VSMMU_SMMU_STLEVEL,
  VSMMU_SMMU_TTF,
  VSMMU_SMMU_TTENDIAN,
  VSMMU_SMMU_CMDQV,
  VSMMU_SMMU_ASID16,
  VSMMU_SMMU_BBML,
  VSMMU_SMMU_REPEAT_TLBI,
  VSMMU_SMMU_CMDQV_VERSION,
  VSMMU_SMMU_CMDQV_QUEUES,
  VSMMU_SMMU_CMDQV_SIDS,
  VSMMU_SMMU_CAPABILITIES,
} VsmmuSmmuCapability;

typedef struct _VsmmuHostDevice VsmmuHostDevice;

/*
 * VsmmuHostSmmu:
 * @name: as in /sys/class/iommu: `smmu3.0x` and 16 digits; stable across boots
 * @base: physical address of its registers
 * @platform: (nullable): the platform device, `arm-smmu-v3.1.auto`, which the
 *   kernel log names; numbered in the order of the IORT, not of the addresses
 * @numa_node: NUMA node of the host, -1 for none
 * @registers: by #VsmmuSmmuRegister
 * @capabilities: by #VsmmuSmmuCapability
 * @probed: (nullable): address of the function that was opened to read @registers
 * @features: the driver's feature bits as its line in the kernel log has them
 * @devices: (element-type VsmmuHostDevice): borrowed; the functions behind it,
 *   bridges and ports too, in the order of their addresses
 *
 * One SMMUv3 of the host.
 */
typedef struct {
  char *name;
  guint64 base;
  char *platform;
  VsmmuFact numa_node;
  char *probed;
  VsmmuFact registers[VSMMU_SMMU_REGISTERS];
  VsmmuFact capabilities[VSMMU_SMMU_CAPABILITIES];
  VsmmuFact features;
  GPtrArray *devices;
} VsmmuHostSmmu;

/*
 * VsmmuHostRegion:
 * @start: first IOVA
 * @end: last IOVA
 * @type: as in sysfs: `msi`, `direct`, `direct-relaxable`, `reserved`
 *
 * A reserved region of an IOMMU group (reserved_regions in sysfs).
 */
typedef struct {
  guint64 start;
  guint64 end;
  char *type;
} VsmmuHostRegion;

/*
 * VsmmuHostGroup:
 * @number: as in /sys/kernel/iommu_groups
 * @type: (nullable): `DMA`, `DMA-FQ`, `identity`, …
 * @has_regions: whether the reserved regions could be read
 * @regions: (element-type VsmmuHostRegion): reserved regions
 * @devices: (element-type VsmmuHostDevice): borrowed; the PCI functions in it
 *
 * One IOMMU group: devices that the IOMMU cannot distinguish.
 */
typedef struct {
  guint number;
  char *type;
  gboolean has_regions;
  GPtrArray *regions;
  GPtrArray *devices;
} VsmmuHostGroup;

/* VSMMU_HOST_BARS_MAX: six base address registers and the expansion ROM. */
#define VSMMU_HOST_BARS_MAX 7

/*
 * VsmmuHostBar:
 * @start: physical address on the host
 * @size: in bytes; 0 for a register that is not there
 * @is_io: I/O ports, not memory
 * @is_64bit: takes two registers
 * @is_prefetchable: belongs into a prefetchable window of a bridge
 *
 * What one base address register decodes (`resource` in sysfs).
 */
typedef struct {
  guint64 start;
  guint64 size;
  gboolean is_io;
  gboolean is_64bit;
  gboolean is_prefetchable;
} VsmmuHostBar;

/*
 * VsmmuHostDevice:
 * @name: address as sysfs writes it: `0009:01:00.0`
 * @domain: PCI segment
 * @bus: 0 to 255
 * @slot: 0 to 31
 * @function: 0 to 7
 * @vendor: vendor id
 * @device: device id
 * @class_code: 24 bits: class, subclass, programming interface
 * @driver: (nullable): the driver it is bound to
 * @vfio: (nullable): its VFIO character device, `vfio0` for
 *   /dev/vfio/devices/vfio0
 * @smmu: (nullable): borrowed; the SMMU it is behind
 * @group: (nullable): borrowed; its IOMMU group
 * @parent: (nullable): borrowed; the bridge or port it is below
 * @physical_function: (nullable): borrowed; for a virtual function
 * @numa_node: NUMA node of the host, -1 for none
 * @pasid: bits of a PASID it can use, 1 to 20; 0 without the capability
 * @ats: whether it has the ATS capability
 * @kernel_ats: whether the kernel lets it use ATS, as IOMMU_GET_HW_INFO says it; only of the function that was opened,
 *   as the next three
 * @kernel_pasid: bits of a PASID that the kernel lets it use, 0 for none
 * @pasid_exec: whether requests with a PASID may execute
 * @pasid_priv: whether they may be privileged
 * @root_ats: whether the firmware reports ATS for its root complex; the kernel leaves ATS off without
 * @pri: whether it has the PRI capability
 * @total_vfs: how many virtual functions it can have; 0 without SR-IOV
 * @vfs: how many it has now
 * @bars: base address registers, the seventh being the expansion ROM
 *
 * One PCI function of the host.
 */
struct _VsmmuHostDevice {
  char *name;
  guint32 domain;
  guint8 bus;
  guint8 slot;
  guint8 function;
  guint16 vendor;
  guint16 device;
  guint32 class_code;
  char *driver;
  char *vfio;
  VsmmuHostSmmu *smmu;
  VsmmuHostGroup *group;
  VsmmuHostDevice *parent;
  VsmmuHostDevice *physical_function;
  VsmmuFact numa_node;
  VsmmuFact pasid;
  VsmmuFact ats;
  VsmmuFact kernel_ats;
  VsmmuFact kernel_pasid;
  VsmmuFact pasid_exec;
  VsmmuFact pasid_priv;
  VsmmuFact root_ats;
  VsmmuFact pri;
  VsmmuFact total_vfs;
  VsmmuFact vfs;
  VsmmuHostBar bars[VSMMU_HOST_BARS_MAX];
};

/*
 * VsmmuHostOption:
 *
 * Options of the kernel's configuration that an accelerated vSMMU needs; a fact's
 * value is 0 for not set, 1 for a module, 2 for built in.
 */
typedef enum {
  VSMMU_HOST_OPTION_ARM_SMMU_V3,
  VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD,
  VSMMU_HOST_OPTION_IOMMUFD,
  VSMMU_HOST_OPTION_KVM,
  VSMMU_HOST_OPTION_TEGRA241_CMDQV,
  VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV,
  VSMMU_HOST_OPTION_VFIO_PCI,
  VSMMU_HOST_OPTIONS,
} VsmmuHostOption;

/* The values of an option's fact. */
#define VSMMU_OPTION_MODULE 1
#define VSMMU_OPTION_BUILT_IN 2

/*
 * VsmmuHostPages:
 * @size: of a page, in KiB
 * @total: pages in the pool; -1 when not known, as is the next
 * @free: those that nobody uses
 *
 * One pool of huge pages, of all NUMA nodes together.
 */
typedef struct {
  guint64 size;
  gint64 total;
  gint64 free;
} VsmmuHostPages;

/*
 * VsmmuHostUnread:
 * @path: a file or device
 * @reason: why, as the system says it
 *
 * Something that exists but could not be read; the facts in it are unknown.
 */
typedef struct {
  char *path;
  char *reason;
} VsmmuHostUnread;

/*
 * VsmmuHost:
 * @name: (nullable): what the host calls itself
 * @architecture: (nullable): as `uname -m` says it
 * @kernel: (nullable): release of the kernel
 * @options: configuration of the kernel, by #VsmmuHostOption
 * @dev_iommu: whether /dev/iommu exists
 * @dev_kvm: whether /dev/kvm exists
 * @dev_vfio: whether /dev/vfio/vfio exists
 * @apparmor: whether AppArmor confines the guests that libvirt starts
 * @apparmor_iommu: whether its profile for them allows QEMU to open /dev/iommu
 * @apparmor_vfio: the same for the VFIO character devices that are there, or for any
 * @selinux: whether SELinux is enforcing
 * @has_pages: whether the pools of huge pages could be read
 * @pages: (element-type VsmmuHostPages): pools of huge pages
 * @tools: libvirt's and QEMU's versions, 0 for unknown
 * @libvirt_accel: whether the installed libvirt has accel in the <driver> of an SMMUv3
 * @libvirt_iommufd: whether it has iommufd in the <driver> of a <hostdev>
 * @emulator: (nullable): path of the QEMU program that was asked
 * @qemu_accel: whether its arm-smmuv3 has the property accel
 * @qemu_auto: whether it takes options from the host (QEMU 11.1)
 * @qemu_cmdqv: whether its arm-smmuv3 has the property cmdqv
 * @qemu_iommufd: whether its vfio-pci has the property iommufd
 * @qemu_pasid: whether its vfio-pci shows PASIDs to the guest: the property x-vpasid-cap-offset
 * @has_smmus: whether it is known which SMMUs there are
 * @has_devices: whether it is known which PCI functions there are
 * @other_iommu: (nullable): an IOMMU in /sys/class/iommu that is not an SMMUv3: `smmu.0x…` for an SMMUv2, `virtio0`,
 * `dmar0`
 * @smmus: (element-type VsmmuHostSmmu): by name
 * @groups: (element-type VsmmuHostGroup): by number
 * @devices: (element-type VsmmuHostDevice): by address
 * @unread: (element-type VsmmuHostUnread): what could not be read
 *
 * What a host's SMMUs, devices, kernel and tools can do. Immutable once made,
 * so that several threads may read one.
 */
struct _VsmmuHost {
  char *name;
  char *architecture;
  char *kernel;
  VsmmuFact options[VSMMU_HOST_OPTIONS];
  VsmmuFact dev_iommu;
  VsmmuFact dev_kvm;
  VsmmuFact dev_vfio;
  VsmmuFact apparmor;
  VsmmuFact apparmor_iommu;
  VsmmuFact apparmor_vfio;
  VsmmuFact selinux;
  gboolean has_pages;
  GArray *pages;
  VsmmuTarget tools;
  VsmmuFact libvirt_accel;
  VsmmuFact libvirt_iommufd;
  char *emulator;
  VsmmuFact qemu_accel;
  VsmmuFact qemu_auto;
  VsmmuFact qemu_cmdqv;
  VsmmuFact qemu_iommufd;
  VsmmuFact qemu_pasid;
  gboolean has_smmus;
  gboolean has_devices;
  char *other_iommu;
  GPtrArray *smmus;
  GPtrArray *groups;
  GPtrArray *devices;
  GPtrArray *unread;
};

/* Anything above these limits is an attack, not a host. */
#define VSMMU_HOST_SMMUS_MAX 1024
#define VSMMU_HOST_DEVICES_MAX 65536
#define VSMMU_HOST_GROUPS_MAX 65536
#define VSMMU_HOST_REGIONS_MAX 64
#define VSMMU_HOST_PAGES_MAX 16
#define VSMMU_HOST_UNREAD_MAX 64

/* (transfer full): no facts at all */
VsmmuHost *vsmmu_host_new (void);

/* (transfer full): nothing known but @name */
VsmmuHostSmmu *vsmmu_host_smmu_new (const char *name);
VsmmuHostGroup *vsmmu_host_group_new (guint number);
VsmmuHostDevice *vsmmu_host_device_new (const char *name);
VsmmuHostRegion *vsmmu_host_region_new (guint64 start, guint64 end, const char *type);

/* Notes that @path could not be read, once; the first %VSMMU_HOST_UNREAD_MAX only. */
void vsmmu_host_add_unread (VsmmuHost *host, const char *path, const char *reason);

/* Sorts what is looked up by name or number; needed before the lookups below. */
void vsmmu_host_sort (VsmmuHost *host);

/* Lookups in a host that is sorted; %NULL when there is no such thing. */
VsmmuHostSmmu *vsmmu_host_smmu_named (const VsmmuHost *host, const char *name);
VsmmuHostGroup *vsmmu_host_group_numbered (const VsmmuHost *host, guint number);
VsmmuHostDevice *vsmmu_host_device_named (const VsmmuHost *host, const char *name);
VsmmuHostDevice *vsmmu_host_device_at (const VsmmuHost *host, const VsmmuPciAddress *address);

/*
 * vsmmu_host_cut_circles:
 *
 * Removes parents that form a loop, so that a walk up ends.
 *
 * Returns: (nullable): the first device that lost its parent
 */
const VsmmuHostDevice *vsmmu_host_cut_circles (VsmmuHost *host);

/* Fills in the devices of each SMMU and each group. */
void vsmmu_host_connect (VsmmuHost *host);

/* Fills in the capabilities that follow from registers and feature bits. */
void vsmmu_host_finish (VsmmuHost *host);

/* Whether a device that can be assigned is known to be behind @smmu; SMMUs for platform devices only are usual. */
gboolean vsmmu_host_smmu_has_devices (const VsmmuHostSmmu *smmu);

/*
 * vsmmu_host_group_direct_region:
 *
 * Returns: (nullable): a region of @group that firmware wants mapped one to one for good. The kernel gives no device
 *   with such a region to VFIO (iommu_group_claim_dma_owner()). A region of type `direct-relaxable` is not meant.
 */
const VsmmuHostRegion *vsmmu_host_group_direct_region (const VsmmuHostGroup *group);

/* Whether there is no /dev/iommu because the module iommufd, which the kernel has, is not loaded. */
gboolean vsmmu_host_needs_iommufd_module (const VsmmuHost *host);

/*
 * vsmmu_host_describe_denied:
 *
 * Returns: (transfer full) (nullable): the files of iommufd that AppArmor is known not to allow QEMU to open, separated
 * by commas; %NULL for none
 */
char *vsmmu_host_describe_denied (const VsmmuHost *host);

/* Whether some SMMU is known to have command queues that QEMU can give to a guest. */
gboolean vsmmu_host_has_cmdqv (const VsmmuHost *host);

/*
 * vsmmu_host_parse_address:
 * @text: dddd:bb:ss.f in lower-case hexadecimal, as sysfs writes it; the domain may have up to 8 digits
 *
 * Returns: %FALSE for anything else
 */
gboolean vsmmu_host_parse_address (const char *text, VsmmuPciAddress *address);

/* Whether @name is smmu3.0x and 16 digits; then @base is the address. */
gboolean vsmmu_host_parse_smmu (const char *name, guint64 *base);

/* The source called @name; %FALSE when there is none. */
gboolean vsmmu_fact_source_from_string (const char *name, VsmmuFactSource *source);

/*
 * vsmmu_smmu_decode:
 * @registers: by #VsmmuSmmuRegister
 * @release: (nullable): of the kernel, which switches nesting off for errata
 * @capabilities: (out): by #VsmmuSmmuCapability
 *
 * What the registers say; unknown where the register is. QEMU reads the same
 * fields, smmuv3_accel_check_hw_compatible().
 */
void vsmmu_smmu_decode (const VsmmuFact *registers, const char *release, VsmmuFact *capabilities);

/* The same from the driver's feature bits, ARM_SMMU_FEAT_*; an old kernel of @host does not know all of them. */
void vsmmu_smmu_decode_features (VsmmuFact features, const VsmmuHost *host, VsmmuFact *capabilities);

/*
 * vsmmu_host_complete:
 * @host: facts that were just read, and that nobody else has yet
 * @saved: facts of the same host that somebody read who may read more
 *
 * Fills in what is unknown in @host but known in @saved: of the kernel when it is the same, of SMMUs, and of
 * functions with the same address, vendor and device. What #VsmmuHost.unread of @saved does not name is no longer named
 * in that of @host.
 */
void vsmmu_host_complete (VsmmuHost *host, const VsmmuHost *saved);

/*
 * vsmmu_host_extract_answers:
 *
 * Returns: (transfer full) (nullable): of @host what no file says, but the kernel, libvirt and QEMU answered; %NULL
 * when nobody was asked
 */
VsmmuHost *vsmmu_host_extract_answers (const VsmmuHost *host);

/* Takes such answers for a host that was just read from files, and is not finished. */
void vsmmu_host_take_answers (VsmmuHost *host, const VsmmuHost *answers);

/*
 * vsmmu_host_find_device:
 * @name: address as sysfs writes it, `0009:01:00.0`
 *
 * Returns: (nullable): the function with that address; owned by @host. The time
 *   grows with the logarithm of their number.
 */
const VsmmuHostDevice *vsmmu_host_find_device (const VsmmuHost *host, const char *name);

/*
 * vsmmu_host_device_is_bridge:
 *
 * Returns: whether it is a PCI bridge or a port, which cannot be given to a guest
 */
gboolean vsmmu_host_device_is_bridge (const VsmmuHostDevice *device);

/*
 * vsmmu_host_get_target:
 * @target: (out): the versions of the host's tools; what they were asked counts more than these
 */
void vsmmu_host_get_target (const VsmmuHost *host, VsmmuTarget *target);

/* Whether it is known that @device has ATS, and that the kernel leaves it off: by its own word, or by the IORT. */
gboolean vsmmu_host_device_loses_ats (const VsmmuHostDevice *device);

/*
 * vsmmu_host_device_has_dma_alias:
 *
 * Returns: whether the kernel knows that requests of @device also come with the requester id of another function, by
 * its ids, so that it has more than one StreamID. Those below a bridge are not meant: their groups say so.
 */
gboolean vsmmu_host_device_has_dma_alias (const VsmmuHostDevice *device);

/* Whether it is a display controller or a processing accelerator. */
gboolean vsmmu_host_device_is_gpu (const VsmmuHostDevice *device);

/* Whether it is bound to vfio-pci or a variant of it, which all have vfio in their names. */
gboolean vsmmu_host_device_has_vfio_driver (const VsmmuHostDevice *device);

/*
 * vsmmu_host_device_is_for_vfio:
 *
 * Returns: whether the driver that @device is bound to gives it to VFIO: vfio-pci, a variant of it, or another driver
 *   that registers with VFIO, such as nvidia for a virtual GPU
 */
gboolean vsmmu_host_device_is_for_vfio (const VsmmuHostDevice *device);

/*
 * vsmmu_host_smmu_supports_vsmmu:
 *
 * Whether the kernel can put an accelerated vSMMU on @smmu: it must nest, and
 * guest memory must stay coherent, by S2FWB or by CANWBS
 * (arm_smmu_get_viommu_size()).
 *
 * Returns: a fact of 0 or 1, unknown when what is known does not decide it
 */
VsmmuFact vsmmu_host_smmu_supports_vsmmu (const VsmmuHostSmmu *smmu);

/* What QEMU requires of command queues (tegra241_cmdqv_probe()): this version, and powers of two. */
#define VSMMU_CMDQV_VERSION 1
#define VSMMU_CMDQV_QUEUES_MIN 1
#define VSMMU_CMDQV_SIDS_MIN 4

/* Whether QEMU can give a guest command queues of @smmu: a fact of 0 or 1, unknown when nothing is known */
VsmmuFact vsmmu_host_smmu_supports_cmdqv (const VsmmuHostSmmu *smmu);

/*
 * vsmmu_host_smmu_cmdqv_devices:
 *
 * Returns: how many devices a vSMMU with command queues of @smmu can have (tegra241_vintf_init_vsid()); where that is
 *   not known, how many QEMU requires
 */
guint vsmmu_host_smmu_cmdqv_devices (const VsmmuHostSmmu *smmu);

/* Whether guest memory stays coherent behind @smmu: a fact of 0 or 1, unknown when what is known does not decide it */
VsmmuFact vsmmu_host_smmu_is_coherent (const VsmmuHostSmmu *smmu);

/*
 * vsmmu_fact_source_to_string:
 *
 * Returns: `sysfs`, `iommufd`, …, as JSON spells it; `unknown` for
 *   %VSMMU_FACT_SOURCE_NONE; not translated
 */
const char *vsmmu_fact_source_to_string (VsmmuFactSource source);
