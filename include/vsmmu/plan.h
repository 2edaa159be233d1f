/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/finding.h>
#include <vsmmu/host.h>

G_BEGIN_DECLS

/**
 * VSMMU_PLAN_SPARE_PORTS_MAX:
 *
 * The largest number of spare ports for each vSMMU.
 *
 * Since: 0.1
 */
#define VSMMU_PLAN_SPARE_PORTS_MAX 128

/**
 * VSMMU_PLAN_MEMORY_MAX:
 *
 * The largest memory of a new guest, in GiB.
 *
 * Since: 0.1
 */
#define VSMMU_PLAN_MEMORY_MAX 65536

/**
 * VSMMU_PLAN_VCPUS_MAX:
 *
 * The largest number of vCPUs of a new guest, as many as QEMU's machine has.
 *
 * Since: 0.1
 */
#define VSMMU_PLAN_VCPUS_MAX 512

/**
 * VsmmuPlanManaged:
 * @VSMMU_PLAN_MANAGED_AUTO: libvirt does it, unless the driver that a device is bound to gives it to VFIO itself, or
 *   the device is a GPU with memory of its own that is bound to its VFIO driver already
 * @VSMMU_PLAN_MANAGED_YES: libvirt does it
 * @VSMMU_PLAN_MANAGED_NO: the host's administrator does it before the guest starts
 *
 * Who binds the devices to their VFIO drivers.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_PLAN_MANAGED_AUTO,
  VSMMU_PLAN_MANAGED_YES,
  VSMMU_PLAN_MANAGED_NO,
} VsmmuPlanManaged;

/**
 * VsmmuPlanOptions:
 *
 * What to plan beyond the devices.
 *
 * Since: 0.1
 */
typedef struct _VsmmuPlanOptions VsmmuPlanOptions;

#define VSMMU_TYPE_PLAN_OPTIONS (vsmmu_plan_options_get_type ())
VSMMU_PUBLIC GType vsmmu_plan_options_get_type (void);

/**
 * vsmmu_plan_options_new:
 *
 * Returns: (transfer full): options for a new, small guest with placeholders, without spare ports
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuPlanOptions *vsmmu_plan_options_new (void);

/**
 * vsmmu_plan_options_unref:
 * @options: (transfer full) (nullable): options
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_unref (VsmmuPlanOptions *options);

/**
 * vsmmu_plan_options_set_spare_ports:
 * @options: options
 * @spare_ports: minimum number of free ports of each vSMMU that gets one of the devices, 0 to
 *   %VSMMU_PLAN_SPARE_PORTS_MAX
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_spare_ports (VsmmuPlanOptions *options, guint spare_ports);

/**
 * vsmmu_plan_options_set_per_device:
 * @options: options
 * @is_per_device: whether each device gets a root bus and a vSMMU of its own, rather than one for all devices behind
 *   one SMMU of the host
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_per_device (VsmmuPlanOptions *options, gboolean is_per_device);

/**
 * vsmmu_plan_options_set_managed:
 * @options: options
 * @managed: who binds the devices to their VFIO drivers: the attribute managed of <hostdev>
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_managed (VsmmuPlanOptions *options, VsmmuPlanManaged managed);

/**
 * vsmmu_plan_options_set_name:
 * @options: options
 * @name: (nullable): name of the new guest, without a slash; copied; ignored after vsmmu_plan_options_set_guest()
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_name (VsmmuPlanOptions *options, const char *name);

/**
 * vsmmu_plan_options_set_size:
 * @options: options
 * @memory: memory of the new guest in GiB, 1 to %VSMMU_PLAN_MEMORY_MAX; 0 for a placeholder
 * @vcpus: its vCPUs, 1 to %VSMMU_PLAN_VCPUS_MAX; 0 for a placeholder
 *
 * Both are split evenly among the NUMA nodes of the host that the devices are on. Ignored after
 * vsmmu_plan_options_set_guest().
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_size (VsmmuPlanOptions *options, guint memory, guint vcpus);

/**
 * vsmmu_plan_options_set_guest:
 * @options: options
 * @data: (array length=length) (element-type guint8): domain XML to add the devices to; copied
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that findings and messages use for the document
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_guest (VsmmuPlanOptions *options, const char *data, gsize length,
                                                const char *name);

/**
 * VsmmuPlan:
 *
 * A guest with the requested devices. Immutable and reference-counted.
 *
 * Since: 0.1
 */
typedef struct _VsmmuPlan VsmmuPlan;

#define VSMMU_TYPE_PLAN (vsmmu_plan_get_type ())
VSMMU_PUBLIC GType vsmmu_plan_get_type (void);

/**
 * vsmmu_plan_new:
 * @host: facts of the host that the guest is for
 * @devices: (array zero-terminated=1): addresses of PCI functions of the host, as `0009:01:00.0`, or `01:00.0` in PCI
 *   domain 0
 * @options: (nullable): what else to plan
 * @error: %VSMMU_ERROR_VALUE for an invalid address, %VSMMU_ERROR_READ, %VSMMU_ERROR_XML or %VSMMU_ERROR_NOT_DOMAIN
 *   for the guest's document, and %VSMMU_ERROR_UNSUPPORTED when the devices cannot be assigned to the guest
 *
 * Assigns the devices to the guest behind accelerated SMMUv3s: one vSMMU for each SMMU of the host, on a
 * pcie-expander-bus of its own, as QEMU requires but does not check. An existing vSMMU of the guest is reused when a
 * device behind it shows that it belongs to the same SMMU.
 *
 * The rest of the guest is unchanged, byte for byte. A device without an address, for which libvirt would add a port,
 * gets this port and address explicitly; otherwise, libvirt would place it on a port planned for a VFIO device.
 *
 * Returns: (transfer full): the plan, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuPlan *vsmmu_plan_new (const VsmmuHost *host, const char *const *devices,
                                        const VsmmuPlanOptions *options, GError **error);

/**
 * vsmmu_plan_unref:
 * @plan: (transfer full) (nullable): a plan
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_unref (VsmmuPlan *plan);

/**
 * vsmmu_plan_get_xml:
 * @plan: a plan
 * @length: (out): bytes in the result
 *
 * Returns: (transfer none) (array length=length) (element-type guint8): domain XML with a NUL after it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_plan_get_xml (const VsmmuPlan *plan, gsize *length);

/**
 * vsmmu_plan_get_notes:
 * @plan: a plan
 *
 * Returns: (transfer none) (element-type utf8): (translated) sentences about what was not done, and about changes to
 *   the guest beyond the devices
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_plan_get_notes (const VsmmuPlan *plan);

/**
 * vsmmu_plan_get_findings:
 * @plan: a plan
 *
 * Returns: (transfer none) (element-type VsmmuFinding): what vsmmu_check_data() reports for the plan's XML on the
 *   host; do not use the XML if one of them is an error
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_plan_get_findings (const VsmmuPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPlanOptions, vsmmu_plan_options_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPlan, vsmmu_plan_unref)

G_END_DECLS
