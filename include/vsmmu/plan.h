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
 * vsmmu_plan_options_set_name:
 * @options: options
 * @name: (nullable): name of the new guest, without a slash; copied; ignored after vsmmu_plan_options_set_guest()
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_name (VsmmuPlanOptions *options, const char *name);

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
