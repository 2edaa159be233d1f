/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/finding.h>
#include <vsmmu/host.h>

G_BEGIN_DECLS

/** VSMMU_PLAN_SPARE_PORTS_MAX: how many free ports a vSMMU may be asked to have. */
#define VSMMU_PLAN_SPARE_PORTS_MAX 128

/**
 * VsmmuPlanOptions:
 * @devices: %NULL-terminated addresses of functions of the host: `0009:01:00.0`,
 *   or `01:00.0` in domain 0
 * @spare_ports: free ports that each vSMMU with one of @devices has at least, 0
 *   to %VSMMU_PLAN_SPARE_PORTS_MAX
 * @name: (nullable): of the guest that is written; ignored with @guest
 * @guest: (nullable): domain XML to add the devices to; %NULL for a small guest
 *   with placeholders
 * @guest_length: bytes in @guest
 * @guest_name: (nullable): what messages call the document in @guest
 *
 * What is to be planned.
 */
typedef struct {
  const char *const *devices;
  guint spare_ports;
  const char *name;
  const char *guest;
  gsize guest_length;
  const char *guest_name;
} VsmmuPlanOptions;

/**
 * VsmmuPlan:
 * @xml: domain XML
 * @length: bytes in @xml
 * @is_unchanged: whether @xml is the guest as it was: the devices and ports are there
 * @notes: (element-type utf8): translated sentences: what was not done, and what
 *   was done to the guest beyond the devices
 * @findings: (element-type VsmmuFinding): what vsmmu_check_data() says of @xml on
 *   the host; with one of severity error, @xml is of no use
 *
 * A guest with the devices that were asked for.
 */
typedef struct {
  char *xml;
  gsize length;
  gboolean is_unchanged;
  GPtrArray *notes;
  GPtrArray *findings;
} VsmmuPlan;

/**
 * vsmmu_plan_new:
 * @host: facts of the host that the guest is for
 * @options: what is to be planned
 * @error: %VSMMU_ERROR_VALUE for an address that is none, %VSMMU_ERROR_READ,
 *   %VSMMU_ERROR_XML or %VSMMU_ERROR_NOT_DOMAIN for the guest's document, and
 *   %VSMMU_ERROR_UNSUPPORTED when the guest cannot have the devices
 *
 * Gives the devices to the guest behind accelerated SMMUv3s: one for each SMMU
 * of the host, over a pcie-expander-bus of its own, which QEMU demands and does
 * not check. A vSMMU that the guest has is used again when a device behind it
 * shows that it is over the same SMMU.
 *
 * The rest of @guest stays as it is, byte for byte. Devices without an address
 * that libvirt would put on a port it adds get this port and address explicitly,
 * because the ports planned for VFIO devices would come first otherwise.
 *
 * Returns: (transfer full): the plan, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuPlan *vsmmu_plan_new (const VsmmuHost *host, const VsmmuPlanOptions *options, GError **error);

/**
 * vsmmu_plan_new_into_file:
 * @host: facts of the host that the guest is for
 * @options: what is to be planned; its guest is ignored
 * @path: domain XML to add the devices to, in the encoding of file names, or `-`
 *   for standard input
 * @error: as for vsmmu_plan_new()
 *
 * As vsmmu_plan_new(); @path is the name messages use. The file is only read.
 *
 * Returns: (transfer full): the plan, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuPlan *vsmmu_plan_new_into_file (const VsmmuHost *host, const VsmmuPlanOptions *options,
                                                  const char *path, GError **error);

VSMMU_PUBLIC void vsmmu_plan_free (VsmmuPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPlan, vsmmu_plan_free)

G_END_DECLS
