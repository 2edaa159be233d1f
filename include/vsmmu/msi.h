/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>

G_BEGIN_DECLS

/**
 * VsmmuMsiController:
 * @VSMMU_MSI_CONTROLLER_UNKNOWN: libvirt or the host decides when the guest starts
 * @VSMMU_MSI_CONTROLLER_NONE: the machine has none, so there is no doorbell
 * @VSMMU_MSI_CONTROLLER_ITS: the ITS of a GICv3; its doorbell is GITS_TRANSLATER
 * @VSMMU_MSI_CONTROLLER_GICV2M: the GICv2m frame; its doorbell is MSI_SETSPI_NS
 *
 * What takes the MSIs of a `virt` machine (QEMU: finalize_msi_controller()).
 */
typedef enum {
  VSMMU_MSI_CONTROLLER_UNKNOWN,
  VSMMU_MSI_CONTROLLER_NONE,
  VSMMU_MSI_CONTROLLER_ITS,
  VSMMU_MSI_CONTROLLER_GICV2M,
} VsmmuMsiController;

/**
 * VsmmuMsiMachine:
 * @controller: which MSI controller the machine has
 * @frame_start: GPA of the frame that the doorbell is in; 0 without a controller
 * @frame_size: bytes
 * @doorbell: GPA that an MSI write must go to; 0 without a controller
 *
 * What of a machine decides where MSIs go. Addresses are those of QEMU's
 * base_memmap, which is the same for every version of `virt`.
 */
typedef struct {
  VsmmuMsiController controller;
  guint64 frame_start;
  guint64 frame_size;
  guint64 doorbell;
} VsmmuMsiMachine;

/**
 * vsmmu_msi_machine_of:
 * @domain: a domain
 * @machine: (out): what is known of its MSI controller
 *
 * Goes by the GIC version, the machine type's version, and `its=` and `msi=`
 * given with `<qemu:commandline>`.
 */
VSMMU_PUBLIC void vsmmu_msi_machine_of (const VsmmuDomain *domain, VsmmuMsiMachine *machine);

/**
 * vsmmu_msi_controller_to_string:
 *
 * Returns: `unknown`, `none`, `its` or `gicv2m`; not translated
 */
VSMMU_PUBLIC const char *vsmmu_msi_controller_to_string (VsmmuMsiController controller);

/**
 * VsmmuMemoryReader:
 * @read: copies @length bytes of guest memory from the GPA @address on, all or
 *   none; may be called by several threads at once
 * @free: frees the reader itself
 * @window: (nullable): a part of the guest's memory, or all of it, that can be
 *   looked at without @read
 * @window_start: GPA of its first byte
 * @window_size: bytes
 *
 * A way to read guest-physical memory: a file, a dump, a running guest. To be
 * the first member of a structure that has what is needed for that.
 */
typedef struct _VsmmuMemoryReader VsmmuMemoryReader;
struct _VsmmuMemoryReader {
  gboolean (*read) (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error);
  void (*free) (VsmmuMemoryReader *reader);
  const guint8 *window;
  guint64 window_start;
  guint64 window_size;
};

VSMMU_PUBLIC void vsmmu_memory_reader_free (VsmmuMemoryReader *reader);

/**
 * vsmmu_memory_reader_new_flat:
 * @path: a file, in the encoding of file names
 * @base: GPA of its first byte
 * @error: %VSMMU_ERROR_READ
 *
 * Returns: (transfer full): a reader of memory that lies in a file as it lay in
 *   the guest (`virsh qemu-monitor-command --hmp pmemsave`), or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuMemoryReader *vsmmu_memory_reader_new_flat (const char *path, guint64 base, GError **error);

/**
 * vsmmu_memory_reader_new_core:
 * @path: a file, in the encoding of file names
 * @error: %VSMMU_ERROR_READ when it cannot be read or is no such dump
 *
 * Returns: (transfer full): a reader of an ELF core of guest memory, as
 *   `virsh dump --memory-only` and QEMU's dump-guest-memory write it, or %NULL
 *   with @error set
 */
VSMMU_PUBLIC VsmmuMemoryReader *vsmmu_memory_reader_new_core (const char *path, GError **error);

/**
 * VsmmuSmmuv3Registers:
 *
 * The registers of an emulated SMMUv3 that decide how it translates, by their
 * names in the SMMUv3 specification (IHI 0070, chapter 6). A running guest's are
 * read with a width of 4 bytes each, @strtab_base with 8 or two times 4.
 */
typedef struct {
  guint32 idr0;            /* 0x000 */
  guint32 idr1;            /* 0x004 */
  guint32 idr5;            /* 0x014 */
  guint32 cr0;             /* 0x020 */
  guint32 gbpa;            /* 0x044 */
  guint64 strtab_base;     /* 0x080 */
  guint32 strtab_base_cfg; /* 0x088 */
} VsmmuSmmuv3Registers;

/**
 * VsmmuSmmuv3Source:
 * @read_registers: fills in the registers as they are now
 * @memory: (transfer full): where its tables are
 * @free: frees the source itself, but not @memory
 *
 * Where the state of one emulated SMMUv3 comes from. To be the first member of a
 * structure that has what is needed for that; may be used by several threads at
 * once.
 */
typedef struct _VsmmuSmmuv3Source VsmmuSmmuv3Source;
struct _VsmmuSmmuv3Source {
  gboolean (*read_registers) (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *registers, GError **error);
  VsmmuMemoryReader *memory;
  void (*free) (VsmmuSmmuv3Source *source);
};

VSMMU_PUBLIC void vsmmu_smmuv3_source_free (VsmmuSmmuv3Source *source);

/**
 * vsmmu_smmuv3_source_new_fixed:
 * @registers: values that do not change
 * @memory: (transfer full): guest memory
 *
 * Returns: (transfer full): the state of an SMMUv3 as it was when memory was dumped
 */
VSMMU_PUBLIC VsmmuSmmuv3Source *vsmmu_smmuv3_source_new_fixed (const VsmmuSmmuv3Registers *registers,
                                                               VsmmuMemoryReader *memory);

typedef struct _VsmmuViommu VsmmuViommu;

/**
 * VsmmuIommuOps:
 * @name: what messages call it; not translated
 * @get_msi_direct_gpa: (nullable): the GPA of the doorbell, whatever address the
 *   guest has written; %VSMMU_ERROR_MSI when there is none, and never 0. QEMU's
 *   PCIIOMMUOps has a callback of this name.
 * @translate: (nullable): the GPA that @iova of the device with @stream_id leads
 *   to on a write; %VSMMU_ERROR_MSI for a fault
 * @free: frees the vIOMMU itself
 *
 * What a kind of vIOMMU offers. All but @free may be called by several threads at once.
 */
typedef struct {
  const char *name;
  gboolean (*get_msi_direct_gpa) (const VsmmuViommu *viommu, guint64 *gpa, GError **error);
  gboolean (*translate) (const VsmmuViommu *viommu, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error);
  void (*free) (VsmmuViommu *viommu);
} VsmmuIommuOps;

/**
 * VsmmuViommu:
 *
 * One vIOMMU, counted by references. To be the first member of a structure that
 * has what its kind needs.
 */
struct _VsmmuViommu {
  const VsmmuIommuOps *ops;
  int ref_count; /* atomic; 1 for a new one */
};

VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_ref (VsmmuViommu *viommu);
VSMMU_PUBLIC void vsmmu_viommu_unref (VsmmuViommu *viommu);

/**
 * vsmmu_viommu_new_accelerated:
 * @machine: what takes the MSIs; without a doorbell, every MSI is
 *   %VSMMU_ERROR_MSI, where QEMU would have a GPA of 0 (`msi-doorbell-zero`)
 *
 * An accelerated SMMUv3 offers its doorbell and nothing else: its tables belong
 * to the hardware, so it has no way to read them.
 *
 * Returns: (transfer full): a vIOMMU
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new_accelerated (const VsmmuMsiMachine *machine);

/**
 * vsmmu_viommu_new_emulated:
 * @source: (transfer full) (nullable): its state; without, every translation is
 *   %VSMMU_ERROR_MSI
 *
 * Returns: (transfer full): an emulated SMMUv3, which walks the guest's tables
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new_emulated (VsmmuSmmuv3Source *source);

/**
 * vsmmu_viommu_new_opaque:
 *
 * Returns: (transfer full): a vIOMMU that translates, but keeps what it needs for
 *   that to itself, as virtio-iommu does: every MSI behind it is %VSMMU_ERROR_MSI
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new_opaque (void);

/**
 * VsmmuPciDevfn:
 *
 * A PCI function of a guest: index of its bus in the topology (for a domain, of
 * the controller) in the upper 8 bits, slot and function in the lower ones. The
 * number of a bus is something else: the guest gives it, and may give another.
 */
typedef guint16 VsmmuPciDevfn;
#define VSMMU_PCI_DEVFN(bus, slot, function) ((VsmmuPciDevfn) ((bus) << 8 | (slot) << 3 | (function)))

/**
 * VsmmuMsiBusKind:
 * @VSMMU_MSI_BUS_ROOT: pcie.0, or the bus of a pxb-pcie
 * @VSMMU_MSI_BUS_EXPRESS: behind a root port, upstream or downstream port
 * @VSMMU_MSI_BUS_BRIDGED: conventional PCI behind a PCI Express bridge, which
 *   speaks for all functions as 00.0 of this bus
 * @VSMMU_MSI_BUS_CONVENTIONAL: conventional PCI behind a conventional bridge,
 *   which speaks for all functions with its own address
 */
typedef enum {
  VSMMU_MSI_BUS_ROOT,
  VSMMU_MSI_BUS_EXPRESS,
  VSMMU_MSI_BUS_BRIDGED,
  VSMMU_MSI_BUS_CONVENTIONAL,
} VsmmuMsiBusKind;

/** VSMMU_MSI_BUSES_MAX, VSMMU_MSI_FUNCTIONS_MAX: buses of a guest, functions of a bus */
#define VSMMU_MSI_BUSES_MAX 256
#define VSMMU_MSI_FUNCTIONS_MAX 256

/** VSMMU_MSI_BUS_UNNUMBERED: the guest has given the bus no number, or it is not known */
#define VSMMU_MSI_BUS_UNNUMBERED (-1)

/**
 * VsmmuMsiBus:
 * @kind: what requester ids devices on it have
 * @parent: index of the bus that its bridge or pxb is on, -1 for none
 * @bridge: slot and function of that bridge, slot << 3 | function
 * @number: 0 to 255, or %VSMMU_MSI_BUS_UNNUMBERED
 * @is_bypassing: root buses: made with bypass_iommu
 * @is_per_bus: root buses: @viommu serves this root bus only (an arm-smmuv3
 *   device), not those of pxb-pcie too (`-machine iommu=`)
 * @viommu: (nullable): root buses: the vIOMMU that is set up on it
 */
typedef struct {
  VsmmuMsiBusKind kind;
  int parent;
  guint8 bridge;
  gint16 number;
  gboolean is_bypassing;
  gboolean is_per_bus;
  VsmmuViommu *viommu;
} VsmmuMsiBus;

/**
 * VsmmuGuestRegion:
 * @start: GPA
 * @size: bytes, not 0
 * @name: what messages call it; static
 *
 * Something that lies in the guest's physical address space.
 */
typedef struct {
  guint64 start;
  guint64 size;
  const char *name;
} VsmmuGuestRegion;

/**
 * VsmmuMsiTopology:
 *
 * The PCI buses and functions of a guest, its vIOMMUs, and what lies in its
 * memory. Immutable.
 */
typedef struct _VsmmuMsiTopology VsmmuMsiTopology;

/**
 * vsmmu_msi_topology_new:
 * @buses: the buses; a vIOMMU is referenced
 * @n_buses: at most %VSMMU_MSI_BUSES_MAX
 * @devices: the functions on them
 * @n_devices: how many
 * @regions: what a translated address may lead to
 * @n_regions: how many
 * @error: %VSMMU_ERROR_VALUE for a tree that is none, or a device on no bus
 *
 * Returns: (transfer full): a topology, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuMsiTopology *vsmmu_msi_topology_new (const VsmmuMsiBus *buses, guint n_buses,
                                                       const VsmmuPciDevfn *devices, guint n_devices,
                                                       const VsmmuGuestRegion *regions, guint n_regions,
                                                       GError **error);

/**
 * VsmmuMsiGuest:
 * @bus_numbers: for each controller index the number that the guest gave its bus,
 *   or %VSMMU_MSI_BUS_UNNUMBERED; what libvirt decides itself (pcie-root,
 *   pcie-expander-bus) need not be given
 * @open_smmu: (nullable): (transfer full): called once for each emulated SMMUv3
 *   with its id in QEMU (`iommu0`; %NULL for the one of the machine) and the GPA of
 *   its registers; %NULL with @error set ends the construction of the topology
 * @data: for @open_smmu
 *
 * What a domain's XML does not say of a guest.
 */
typedef struct {
  gint16 bus_numbers[VSMMU_MSI_BUSES_MAX];
  VsmmuSmmuv3Source *(*open_smmu) (gpointer data, const char *id, guint64 registers, GError **error);
  gpointer data;
} VsmmuMsiGuest;

/**
 * vsmmu_msi_topology_new_for_domain:
 * @domain: a domain of a `virt` machine
 * @guest: (nullable): what is known of the guest that runs; without, emulated
 *   SMMUv3s cannot translate, and only functions on root buses have a requester id
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is no `virt` machine, or libvirt would
 *   refuse the PCI tree; what @guest sets
 *
 * Returns: (transfer full): the topology that QEMU makes of @domain, or %NULL
 *   with @error set
 */
VSMMU_PUBLIC VsmmuMsiTopology *vsmmu_msi_topology_new_for_domain (const VsmmuDomain *domain, const VsmmuMsiGuest *guest,
                                                                  GError **error);

VSMMU_PUBLIC void vsmmu_msi_topology_free (VsmmuMsiTopology *topology);

/**
 * VsmmuMsiPath:
 * @VSMMU_MSI_PATH_IDENTITY: no vIOMMU: the address is a GPA
 * @VSMMU_MSI_PATH_DIRECT: the vIOMMU says the GPA; the address is ignored
 * @VSMMU_MSI_PATH_TRANSLATED: the vIOMMU translates the address
 */
typedef enum {
  VSMMU_MSI_PATH_IDENTITY,
  VSMMU_MSI_PATH_DIRECT,
  VSMMU_MSI_PATH_TRANSLATED,
} VsmmuMsiPath;

/**
 * vsmmu_msi_path_to_string:
 *
 * Returns: `identity`, `direct` or `translated`; not translated
 */
VSMMU_PUBLIC const char *vsmmu_msi_path_to_string (VsmmuMsiPath path);

/**
 * VsmmuMsiRoute:
 * @address_lo: lower 32 bits of the doorbell's GPA
 * @address_hi: upper 32 bits
 * @data: as the guest wrote it
 * @device_id: for the ITS: the requester id, bus number << 8 | slot << 3 | function
 * @path: how the address became a GPA
 *
 * What KVM is given for one MSI (struct kvm_irq_routing_msi).
 */
typedef struct {
  guint32 address_lo;
  guint32 address_hi;
  guint32 data;
  guint32 device_id;
  VsmmuMsiPath path;
} VsmmuMsiRoute;

/**
 * vsmmu_msi_route_find_fault:
 * @machine: what takes the MSIs
 * @route: the route of one MSI
 *
 * The doorbell that a vIOMMU offers (path %VSMMU_MSI_PATH_DIRECT) must be that of
 * the machine, in the frame of its controller and in the window that the guest
 * was told; a GPA that an address led to must be the doorbell.
 *
 * Returns: (nullable): the id of the rule that @route breaks: `msi-doorbell-zero`,
 *   `msi-doorbell-not-controller`, `msi-window-mismatch`, `msi-doorbell-mismatch` or
 *   `msi-address-wrong-target`; static; %NULL when it is right, or when the
 *   controller is not known
 */
VSMMU_PUBLIC const char *vsmmu_msi_route_find_fault (const VsmmuMsiMachine *machine, const VsmmuMsiRoute *route);

/**
 * VsmmuMsiResolver:
 *
 * Turns the MSI address that a guest wrote into the one that an interrupt is
 * injected with. Any number of threads may resolve while others replace the
 * topology.
 */
typedef struct _VsmmuMsiResolver VsmmuMsiResolver;

/**
 * vsmmu_msi_resolver_new:
 * @topology: (transfer full): what to resolve in
 *
 * Returns: (transfer full): a resolver
 */
VSMMU_PUBLIC VsmmuMsiResolver *vsmmu_msi_resolver_new (VsmmuMsiTopology *topology);

/** vsmmu_msi_resolver_free: no thread may be resolving */
VSMMU_PUBLIC void vsmmu_msi_resolver_free (VsmmuMsiResolver *resolver);

/**
 * vsmmu_msi_resolver_set_topology:
 * @topology: (transfer full): the topology after devices came or went
 *
 * Does not wait for threads that are resolving; they finish with the topology
 * that they began with.
 */
VSMMU_PUBLIC void vsmmu_msi_resolver_set_topology (VsmmuMsiResolver *resolver, VsmmuMsiTopology *topology);

/**
 * vsmmu_msi_resolve:
 * @devfn: the function that sends the MSI
 * @address: what the guest wrote as the address: an IOVA behind a vIOMMU
 * @data: what the guest wrote as the data
 * @route: (out): the route; unchanged on failure
 * @error: %VSMMU_ERROR_MSI: there is no such function, its bus has no number, or
 *   the translation fails; the message says where
 *
 * Decides as QEMU does in kvm_arch_fixup_msi_route(): no vIOMMU, the address is the GPA;
 * a vIOMMU that says the doorbell's GPA, that; else the address is translated,
 * and something must lie where it leads. Takes no lock unless the vIOMMU's
 * translation does.
 *
 * Returns: %FALSE with @error set, and never a route, on failure
 */
VSMMU_PUBLIC gboolean vsmmu_msi_resolve (VsmmuMsiResolver *resolver, VsmmuPciDevfn devfn, guint64 address, guint32 data,
                                         VsmmuMsiRoute *route, GError **error);

/**
 * VsmmuMsiForecast:
 * @VSMMU_MSI_CERTAIN: the MSIs go to the doorbell, whatever the guest writes
 * @VSMMU_MSI_UP_TO_GUEST: they go where the guest's addresses and tables say
 * @VSMMU_MSI_UNRESOLVABLE: there is no way to resolve them
 *
 * What can be said of a device's MSIs before the guest runs.
 */
typedef enum {
  VSMMU_MSI_CERTAIN,
  VSMMU_MSI_UP_TO_GUEST,
  VSMMU_MSI_UNRESOLVABLE,
} VsmmuMsiForecast;

/**
 * vsmmu_msi_forecast_to_string:
 *
 * Returns: `certain`, `up-to-guest` or `unresolvable`; not translated
 */
VSMMU_PUBLIC const char *vsmmu_msi_forecast_to_string (VsmmuMsiForecast forecast);

/**
 * VsmmuMsiDevice:
 * @name: (translated): what messages call it
 * @alias: (nullable): libvirt's name for it, if the XML has one
 * @line: of its element; 0 for one that libvirt adds
 * @address: (nullable): its PCI address in the XML, dddd:bb:ss.f, where bb is the
 *   index of a controller
 * @host: (nullable): address of the host's device that is given to the guest
 * @vsmmu: (nullable): the vIOMMU that serves it, as QEMU and libvirt call it
 * @path: the way of its MSIs
 * @forecast: what comes of that
 * @reason: (nullable): (translated): for %VSMMU_MSI_UNRESOLVABLE
 *
 * A PCI device of a domain that is no controller of a bus.
 */
typedef struct {
  char *name;
  char *alias;
  guint line;
  char *address;
  char *host;
  char *vsmmu;
  VsmmuMsiPath path;
  VsmmuMsiForecast forecast;
  char *reason;
} VsmmuMsiDevice;

VSMMU_PUBLIC void vsmmu_msi_device_free (VsmmuMsiDevice *device);

/**
 * vsmmu_msi_forecast:
 * @domain: a domain
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is no `virt` machine, or libvirt would
 *   refuse the PCI tree
 *
 * Returns: (transfer full) (element-type VsmmuMsiDevice): the way of the MSIs of
 *   each device, in the order of the XML, or %NULL with @error set
 */
VSMMU_PUBLIC GPtrArray *vsmmu_msi_forecast (const VsmmuDomain *domain, GError **error);

/**
 * vsmmu_msi_forecast_to_json:
 * @domain: a domain
 * @devices: (element-type VsmmuMsiDevice): what vsmmu_msi_forecast() says of it
 *
 * Returns: (transfer full): one JSON object as `schemas/msi.schema.json` describes
 *   it, ending in a newline
 */
VSMMU_PUBLIC char *vsmmu_msi_forecast_to_json (const VsmmuDomain *domain, const GPtrArray *devices);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiDevice, vsmmu_msi_device_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMemoryReader, vsmmu_memory_reader_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuSmmuv3Source, vsmmu_smmuv3_source_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuViommu, vsmmu_viommu_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiTopology, vsmmu_msi_topology_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiResolver, vsmmu_msi_resolver_free)

G_END_DECLS
