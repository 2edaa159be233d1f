/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>

G_BEGIN_DECLS

/**
 * VsmmuViommu: (skip)
 *
 * One vIOMMU, reference-counted.
 *
 * Since: 0.1
 */
typedef struct _VsmmuViommu VsmmuViommu;

/**
 * VsmmuIommuOps: (skip)
 * @size: sizeof (VsmmuIommuOps); members beyond it count as %NULL
 * @name: name used in messages; static, not translated
 * @get_msi_direct_gpa: (nullable): returns the GPA of the doorbell, whatever address the guest has written; fails with
 *   %VSMMU_ERROR_MSI when there is none, and never returns 0. QEMU's PCIIOMMUOps has a callback of this name
 * @translate: (nullable): translates a write to @iova by the device with @stream_id into a GPA; fails with
 *   %VSMMU_ERROR_MSI on a fault
 * @free: (nullable): frees @data
 *
 * The implementation of a vIOMMU. All functions but @free may be called by several threads at once.
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
 * @ops: the implementation; copied
 * @data: (transfer full): passed to the functions of @ops
 *
 * Returns: (transfer full): a vIOMMU
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuViommu *vsmmu_viommu_new (const VsmmuIommuOps *ops, gpointer data);

/**
 * VsmmuSmmuv3Ops: (skip)
 * @size: sizeof (VsmmuSmmuv3Ops); members beyond it count as %NULL
 * @read_register: reads the current value of the register at @offset, in bytes, of the SMMUv3; 32 bits wide except
 *   SMMU_STRTAB_BASE, which has 64: 0x000 SMMU_IDR0, 0x004 SMMU_IDR1, 0x014 SMMU_IDR5, 0x020 SMMU_CR0, 0x044
 *   SMMU_GBPA, 0x080 SMMU_STRTAB_BASE, 0x088 SMMU_STRTAB_BASE_CFG (IHI 0070, chapter 6)
 * @read_memory: copies @length bytes of guest memory, starting at the GPA @address; all or none
 * @free: (nullable): frees @data
 *
 * Access to the state of an emulated SMMUv3. All functions but @free may be called by several threads at once.
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
 * @ops: access to its registers and tables; copied
 * @data: (transfer full): passed to the functions of @ops
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
 * A PCI function of a guest: index of its bus in the topology in the upper 8 bits, slot and function in the lower 8.
 * The index is not the bus number, which the guest assigns and may change.
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
 * @VSMMU_MSI_BUS_BRIDGED: conventional PCI behind a PCI Express bridge, which uses 00.0 of this bus as the requester
 *   ID of all functions
 * @VSMMU_MSI_BUS_CONVENTIONAL: conventional PCI behind a conventional bridge, which uses its own address as the
 *   requester ID of all functions
 *
 * Which requester IDs the devices on a bus have.
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
 * @VSMMU_MSI_BUS_PLAIN: none of the following
 * @VSMMU_MSI_BUS_BYPASSES: created with bypass_iommu
 * @VSMMU_MSI_BUS_SERVED_ALONE: its vIOMMU serves this root bus only (an arm-smmuv3 device), not those of pxb-pcie too
 *   (`-machine iommu=`)
 *
 * Properties of a root bus.
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
 * The guest has not assigned a number to the bus, or the number is not known.
 *
 * Since: 0.1
 */
#define VSMMU_MSI_BUS_UNNUMBERED (-1)

/**
 * VsmmuMsiTopology: (skip)
 *
 * The PCI buses and functions of a guest, its vIOMMUs, and the regions of its physical address space. Immutable.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiTopology VsmmuMsiTopology;

/**
 * VsmmuMsiTopologyBuilder: (skip)
 *
 * A topology under construction.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiTopologyBuilder VsmmuMsiTopologyBuilder;

/**
 * vsmmu_msi_topology_builder_new: (skip)
 *
 * Returns: (transfer full): an empty topology
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuMsiTopologyBuilder *vsmmu_msi_topology_builder_new (void);

/**
 * vsmmu_msi_topology_builder_free: (skip)
 * @builder: (transfer full) (nullable): a topology to discard
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_free (VsmmuMsiTopologyBuilder *builder);

/**
 * vsmmu_msi_topology_builder_add_bus: (skip)
 * @builder: a topology
 * @kind: which requester IDs devices on it have
 * @parent: index of the bus that its bridge or pxb-pcie is on, which may be added later; -1 for none
 * @bridge: slot and function of that bridge, as slot << 3 | function
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
 * @bus: index of a root bus that was added before
 * @viommu: (nullable): the vIOMMU of the bus; referenced
 * @flags: its properties
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
 * @start: first GPA
 * @size: in bytes, not 0
 * @name: name used in messages; interned
 *
 * Adds a region of the guest's physical address space, such as RAM or a doorbell. The result of a translation must be
 * in one.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_topology_builder_add_region (VsmmuMsiTopologyBuilder *builder, guint64 start, guint64 size,
                                                         const char *name);

/**
 * vsmmu_msi_topology_builder_end: (skip)
 * @builder: (transfer full): a topology
 * @error: %VSMMU_ERROR_VALUE when the buses do not form a tree, or a device is not on a bus
 *
 * Returns: (transfer full): the topology, or %NULL with @error set; @builder is freed in either case
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
 * @VSMMU_MSI_PATH_DIRECT: the vIOMMU returns the GPA; the address is ignored
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
 * @data: the data that the guest wrote
 * @device_id: the DeviceID for the ITS: the requester ID, bus number << 8 | slot << 3 | function
 * @path: how the address became a GPA
 *
 * What KVM gets for one MSI (struct kvm_irq_routing_msi). No members will be added, as none are added to KVM's.
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
 * Turns the MSI address that a guest wrote into the doorbell address that KVM needs to inject the interrupt. Any
 * number of threads may resolve while others replace the topology.
 *
 * Since: 0.1
 */
typedef struct _VsmmuMsiResolver VsmmuMsiResolver;

/**
 * vsmmu_msi_resolver_new: (skip)
 * @topology: (transfer full): the topology to resolve MSIs in
 *
 * Returns: (transfer full): a resolver
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuMsiResolver *vsmmu_msi_resolver_new (VsmmuMsiTopology *topology);

/**
 * vsmmu_msi_resolver_free: (skip)
 * @resolver: (transfer full) (nullable): a resolver that no thread is using
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_resolver_free (VsmmuMsiResolver *resolver);

/**
 * vsmmu_msi_resolver_set_topology: (skip)
 * @resolver: a resolver
 * @topology: (transfer full): the topology after devices came or went
 *
 * Does not wait for threads that are resolving; they finish with the previous topology.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_msi_resolver_set_topology (VsmmuMsiResolver *resolver, VsmmuMsiTopology *topology);

/**
 * vsmmu_msi_resolve: (skip)
 * @resolver: a resolver
 * @devfn: the function that sends the MSI
 * @address: the address that the guest wrote; an IOVA behind a vIOMMU
 * @data: the data that the guest wrote
 * @route: (out): the route; unchanged on failure
 * @error: %VSMMU_ERROR_MSI when there is no such function, its bus has no number, or the translation fails; the
 *   message names the stage
 *
 * Decides as QEMU does in kvm_arch_fixup_msi_route(): without a vIOMMU, the address is the GPA; a vIOMMU with
 * `get_msi_direct_gpa` returns the GPA of the doorbell; otherwise, the address is translated, and the result must be in
 * a region of the topology. Does not lock anything unless the vIOMMU's translation does.
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
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is not a `virt` machine, or libvirt would reject the PCI tree
 *
 * What is known about the MSIs of each device before the guest runs: their path, and whether they will reach the
 * doorbell.
 *
 * Returns: (transfer full): one JSON object as `schemas/msi.schema.json` describes it, ending in a newline, or %NULL
 *   with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_msi_forecast_to_json (const VsmmuDomain *domain, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuViommu, vsmmu_viommu_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiTopologyBuilder, vsmmu_msi_topology_builder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiTopology, vsmmu_msi_topology_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiResolver, vsmmu_msi_resolver_free)

G_END_DECLS
