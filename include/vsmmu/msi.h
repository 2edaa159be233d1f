/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>

G_BEGIN_DECLS

/**
 * VsmmuViommu: (skip)
 *
 * One vIOMMU, counted by references.
 *
 * Since: 0.1
 */
typedef struct _VsmmuViommu VsmmuViommu;

/**
 * VsmmuIommuOps: (skip)
 * @size: sizeof (VsmmuIommuOps); members past it are taken for %NULL
 * @name: what messages call it; static, not translated
 * @get_msi_direct_gpa: (nullable): the GPA of the doorbell, whatever address the guest has written; %VSMMU_ERROR_MSI
 * when there is none, and never 0. QEMU's PCIIOMMUOps has a callback of this name
 * @translate: (nullable): the GPA that @iova of the device with @stream_id leads to on a write; %VSMMU_ERROR_MSI for a
 *   fault
 * @free: (nullable): frees @data
 *
 * What a vIOMMU offers. All but @free may be called by several threads at once.
 *
 * Since: 0.1
 */
typedef struct {
  gsize size;
  const char *name;
  gboolean (*get_msi_direct_gpa) (gpointer data, guint64 *gpa, GError **error);
  gboolean (*translate) (gpointer data, guint32 stream_id, guint64 iova, guint64 *gpa, GError **error);
  void (*free) (gpointer data);
} VsmmuIommuOps;

/**
 * vsmmu_viommu_new: (skip)
 * @ops: what it offers; copied
 * @data: (transfer full): for @ops
 *
 * Returns: (transfer full): a vIOMMU
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new (const VsmmuIommuOps *ops, gpointer data);

/**
 * VsmmuSmmuv3Ops: (skip)
 * @size: sizeof (VsmmuSmmuv3Ops); members past it are taken for %NULL
 * @read_register: the register at @offset of the SMMUv3 as it is now, 32 bits wide but for SMMU_STRTAB_BASE: 0x000
 *   SMMU_IDR0, 0x004 SMMU_IDR1, 0x014 SMMU_IDR5, 0x020 SMMU_CR0, 0x044 SMMU_GBPA, 0x080 SMMU_STRTAB_BASE, 0x088
 *   SMMU_STRTAB_BASE_CFG (IHI 0070, chapter 6)
 * @read_memory: copies @length bytes of guest memory from the GPA @address on, all or none
 * @free: (nullable): frees @data
 *
 * Where the state of an emulated SMMUv3 comes from. All but @free may be called by several threads at once.
 *
 * Since: 0.1
 */
typedef struct {
  gsize size;
  gboolean (*read_register) (gpointer data, guint offset, guint64 *value, GError **error);
  gboolean (*read_memory) (gpointer data, guint64 address, gpointer buffer, gsize length, GError **error);
  void (*free) (gpointer data);
} VsmmuSmmuv3Ops;

/**
 * vsmmu_viommu_new_smmuv3: (skip)
 * @ops: where its registers and tables are; copied
 * @data: (transfer full): for @ops
 *
 * Returns: (transfer full): an emulated SMMUv3, which walks the guest's tables as QEMU does
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new_smmuv3 (const VsmmuSmmuv3Ops *ops, gpointer data);

/**
 * vsmmu_viommu_ref: (skip)
 * @viommu: a vIOMMU
 *
 * Returns: (transfer full): @viommu
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_ref (VsmmuViommu *viommu);

/**
 * vsmmu_viommu_unref: (skip)
 * @viommu: (transfer full) (nullable): a vIOMMU
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_viommu_unref (VsmmuViommu *viommu);

/**
 * VsmmuPciDevfn: (skip)
 *
 * A PCI function of a guest: index of its bus in the topology in the upper 8 bits, slot and function in the lower ones.
 * The number of a bus is something else: the guest gives it, and may give another.
 *
 * Since: 0.1
 */
typedef guint16 VsmmuPciDevfn;

/**
 * VSMMU_PCI_DEVFN: (skip)
 * @bus: index of the bus in the topology, 0 to 255
 * @slot: 0 to 31
 * @function: 0 to 7
 *
 * Since: 0.1
 */
#define VSMMU_PCI_DEVFN(bus, slot, function) ((VsmmuPciDevfn) ((bus) << 8 | (slot) << 3 | (function)))

/**
 * VsmmuMsiBusKind: (skip)
 * @VSMMU_MSI_BUS_ROOT: pcie.0, or the bus of a pxb-pcie
 * @VSMMU_MSI_BUS_EXPRESS: behind a root port, upstream or downstream port
 * @VSMMU_MSI_BUS_BRIDGED: conventional PCI behind a PCI Express bridge, which speaks for all functions as 00.0 of this
 *   bus
 * @VSMMU_MSI_BUS_CONVENTIONAL: conventional PCI behind a conventional bridge, which speaks for all functions with its
 * own address
 *
 * What requester ids the devices on a bus have.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_MSI_BUS_ROOT,
  VSMMU_MSI_BUS_EXPRESS,
  VSMMU_MSI_BUS_BRIDGED,
  VSMMU_MSI_BUS_CONVENTIONAL,
} VsmmuMsiBusKind;

/**
 * VsmmuMsiBusFlags: (skip)
 * @VSMMU_MSI_BUS_PLAIN: neither of the next
 * @VSMMU_MSI_BUS_BYPASSES: made with bypass_iommu
 * @VSMMU_MSI_BUS_SERVED_ALONE: its vIOMMU serves this root bus only (an arm-smmuv3 device), not those of pxb-pcie too
 *   (`-machine iommu=`)
 *
 * What else there is to a root bus.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_MSI_BUS_PLAIN = 0,
  VSMMU_MSI_BUS_BYPASSES = 1 << 0,
  VSMMU_MSI_BUS_SERVED_ALONE = 1 << 1,
} VsmmuMsiBusFlags;

/**
 * VSMMU_MSI_BUS_UNNUMBERED: (skip)
 *
 * The guest has given the bus no number, or it is not known.
 *
 * Since: 0.1
 */
#define VSMMU_MSI_BUS_UNNUMBERED (-1)

/**
 * VsmmuMsiTopology: (skip)
 *
 * The PCI buses and functions of a guest, its vIOMMUs, and what lies in its memory. Immutable.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiTopology VsmmuMsiTopology;

/**
 * VsmmuMsiTopologyBuilder: (skip)
 *
 * A topology that is being described.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiTopologyBuilder VsmmuMsiTopologyBuilder;

/**
 * vsmmu_msi_topology_builder_new: (skip)
 *
 * Returns: (transfer full): a topology without anything
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuMsiTopologyBuilder *vsmmu_msi_topology_builder_new (void);

/**
 * vsmmu_msi_topology_builder_free: (skip)
 * @builder: (transfer full) (nullable): a topology that is not wanted
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_free (VsmmuMsiTopologyBuilder *builder);

/**
 * vsmmu_msi_topology_builder_add_bus: (skip)
 * @builder: a topology
 * @kind: what requester ids devices on it have
 * @parent: index of the bus that its bridge or pxb is on, which may be added later; -1 for none
 * @bridge: slot and function of that bridge, slot << 3 | function
 * @number: 0 to 255, or %VSMMU_MSI_BUS_UNNUMBERED
 *
 * Returns: the index of the bus: 0 for the first, and so on up to 255
 *
 * Since: 0.1
 */
VSMMU_PUBLIC guint vsmmu_msi_topology_builder_add_bus (VsmmuMsiTopologyBuilder *builder, VsmmuMsiBusKind kind,
                                                       int parent, guint8 bridge, int number);

/**
 * vsmmu_msi_topology_builder_set_root: (skip)
 * @builder: a topology
 * @bus: index of a root bus that was added
 * @viommu: (nullable): the vIOMMU that is set up on it; referenced
 * @flags: what else there is to it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_set_root (VsmmuMsiTopologyBuilder *builder, guint bus, VsmmuViommu *viommu,
                                                       VsmmuMsiBusFlags flags);

/**
 * vsmmu_msi_topology_builder_add_device: (skip)
 * @builder: a topology
 * @devfn: a function that may send MSIs
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_add_device (VsmmuMsiTopologyBuilder *builder, VsmmuPciDevfn devfn);

/**
 * vsmmu_msi_topology_builder_add_region: (skip)
 * @builder: a topology
 * @start: GPA
 * @size: bytes, not 0
 * @name: what messages call it; interned
 *
 * Something that lies in the guest's physical address space: a translated address must lead to one.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_add_region (VsmmuMsiTopologyBuilder *builder, guint64 start, guint64 size,
                                                         const char *name);

/**
 * vsmmu_msi_topology_builder_end: (skip)
 * @builder: (transfer full): a topology
 * @error: %VSMMU_ERROR_VALUE for a tree that is none, or a device on no bus
 *
 * Returns: (transfer full): the topology, or %NULL with @error set; @builder is gone in either case
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuMsiTopology *vsmmu_msi_topology_builder_end (VsmmuMsiTopologyBuilder *builder, GError **error);

/**
 * vsmmu_msi_topology_free: (skip)
 * @topology: (transfer full) (nullable): a topology
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_free (VsmmuMsiTopology *topology);

/**
 * VsmmuMsiPath: (skip)
 * @VSMMU_MSI_PATH_IDENTITY: no vIOMMU: the address is a GPA
 * @VSMMU_MSI_PATH_DIRECT: the vIOMMU says the GPA; the address is ignored
 * @VSMMU_MSI_PATH_TRANSLATED: the vIOMMU translates the address
 *
 * How the address of an MSI becomes a GPA.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_MSI_PATH_IDENTITY,
  VSMMU_MSI_PATH_DIRECT,
  VSMMU_MSI_PATH_TRANSLATED,
} VsmmuMsiPath;

/**
 * vsmmu_msi_path_to_string: (skip)
 * @path: a path
 *
 * Returns: (transfer none): `identity`, `direct` or `translated`; not translated
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_msi_path_to_string (VsmmuMsiPath path);

/**
 * VsmmuMsiRoute: (skip)
 * @address_lo: lower 32 bits of the doorbell's GPA
 * @address_hi: upper 32 bits
 * @data: as the guest wrote it
 * @device_id: for the ITS: the requester id, bus number << 8 | slot << 3 | function
 * @path: how the address became a GPA
 *
 * What KVM is given for one MSI (struct kvm_irq_routing_msi). It gets no more members, as KVM's does not.
 *
 * Since: 0.1
 */
typedef struct {
  guint32 address_lo;
  guint32 address_hi;
  guint32 data;
  guint32 device_id;
  VsmmuMsiPath path;
} VsmmuMsiRoute;

/**
 * VsmmuMsiResolver: (skip)
 *
 * Turns the MSI address that a guest wrote into the one that an interrupt is injected with. Any number of threads may
 * resolve while others replace the topology.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiResolver VsmmuMsiResolver;

/**
 * vsmmu_msi_resolver_new: (skip)
 * @topology: (transfer full): what to resolve in
 *
 * Returns: (transfer full): a resolver
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuMsiResolver *vsmmu_msi_resolver_new (VsmmuMsiTopology *topology);

/**
 * vsmmu_msi_resolver_free: (skip)
 * @resolver: (transfer full) (nullable): a resolver with which no thread is resolving
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_resolver_free (VsmmuMsiResolver *resolver);

/**
 * vsmmu_msi_resolver_set_topology: (skip)
 * @resolver: a resolver
 * @topology: (transfer full): the topology after devices came or went
 *
 * Does not wait for threads that are resolving; they finish with the topology that they began with.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_resolver_set_topology (VsmmuMsiResolver *resolver, VsmmuMsiTopology *topology);

/**
 * vsmmu_msi_resolve: (skip)
 * @resolver: a resolver
 * @devfn: the function that sends the MSI
 * @address: what the guest wrote as the address: an IOVA behind a vIOMMU
 * @data: what the guest wrote as the data
 * @route: (out): the route; unchanged on failure
 * @error: %VSMMU_ERROR_MSI: there is no such function, its bus has no number, or the translation fails; the message
 * says where
 *
 * Decides as QEMU does in kvm_arch_fixup_msi_route(): no vIOMMU, the address is the GPA; a vIOMMU that says the
 * doorbell's GPA, that; else the address is translated, and something must lie where it leads. Takes no lock unless the
 * vIOMMU's translation does.
 *
 * Returns: %FALSE with @error set, and never a route, on failure
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_msi_resolve (VsmmuMsiResolver *resolver, VsmmuPciDevfn devfn, guint64 address, guint32 data,
                                         VsmmuMsiRoute *route, GError **error);

/**
 * vsmmu_msi_forecast_to_json:
 * @domain: a domain
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is no `virt` machine, or libvirt would refuse the PCI tree
 *
 * What can be said of the MSIs of each device before the guest runs: which way they take, and whether they will reach
 * the doorbell.
 *
 * Returns: (transfer full): one JSON object as `schemas/msi.schema.json` describes it, ending in a newline, or %NULL
 * with
 *   @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_msi_forecast_to_json (const VsmmuDomain *domain, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuViommu, vsmmu_viommu_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiTopologyBuilder, vsmmu_msi_topology_builder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiTopology, vsmmu_msi_topology_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiResolver, vsmmu_msi_resolver_free)

G_END_DECLS
