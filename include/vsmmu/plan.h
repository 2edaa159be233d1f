/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/finding.h>
#include <vsmmu/host.h>

G_BEGIN_DECLS

/**
 * VSMMU_PLAN_SPARE_PORTS_MAX:
 *
 * How many free ports a vSMMU may be asked to have.
 *
 * Since: 0.1
 */
#define VSMMU_PLAN_SPARE_PORTS_MAX 128

/**
 * VsmmuPlanOptions:
 *
 * What is to be planned beyond the devices.
 *
 * Since: 0.1
 */
typedef struct _VsmmuPlanOptions VsmmuPlanOptions;

#define VSMMU_TYPE_PLAN_OPTIONS (vsmmu_plan_options_get_type ())
VSMMU_PUBLIC GType vsmmu_plan_options_get_type (void);

/**
 * vsmmu_plan_options_new:
 *
 * Returns: (transfer full): options for a small guest with placeholders, and no spare ports
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
 * @spare_ports: free ports that each vSMMU with one of the devices has at least, 0 to %VSMMU_PLAN_SPARE_PORTS_MAX
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_plan_options_set_spare_ports (VsmmuPlanOptions *options, guint spare_ports);

/**
 * vsmmu_plan_options_set_name:
 * @options: options
 * @name: (nullable): of the guest that is written, without a slash; ignored when there is a guest
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
 * A guest with the devices that were asked for. Immutable, and counted by references.
 *
 * Since: 0.1
 */
typedef struct _VsmmuPlan VsmmuPlan;

#define VSMMU_TYPE_PLAN (vsmmu_plan_get_type ())
VSMMU_PUBLIC GType vsmmu_plan_get_type (void);

/**
 * vsmmu_plan_new:
 * @host: facts of the host that the guest is for
 * @devices: (array zero-terminated=1): addresses of functions of the host: `0009:01:00.0`, or `01:00.0` in domain 0
 * @options: (nullable): what else is to be planned
 * @error: %VSMMU_ERROR_VALUE for an address that is none, %VSMMU_ERROR_READ, %VSMMU_ERROR_XML or
 *   %VSMMU_ERROR_NOT_DOMAIN for the guest's document, and %VSMMU_ERROR_UNSUPPORTED when the guest cannot have the
 * devices
 *
 * Gives the devices to the guest behind accelerated SMMUv3s: one for each SMMU of the host, over a pcie-expander-bus of
 * its own, which QEMU demands and does not check. A vSMMU that the guest has is used again when a device behind it
 * shows that it is over the same SMMU.
 *
 * The rest of the guest stays as it is, byte for byte. Devices without an address that libvirt would put on a port it
 * adds get this port and address explicitly, because the ports planned for VFIO devices would come first otherwise.
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
 * Returns: (transfer none) (element-type utf8): (translated) sentences: what was not done, and what was done to the
 *   guest beyond the devices
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_plan_get_notes (const VsmmuPlan *plan);

/**
 * vsmmu_plan_get_findings:
 * @plan: a plan
 *
 * Returns: (transfer none) (element-type VsmmuFinding): what vsmmu_check_data() says of the plan's XML on the host;
 * with one of severity error, the XML is of no use
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_plan_get_findings (const VsmmuPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPlanOptions, vsmmu_plan_options_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPlan, vsmmu_plan_unref)

G_END_DECLS
