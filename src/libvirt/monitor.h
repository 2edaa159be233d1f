/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/connection.h"

/*
 * vsmmu_monitor_get_msi_gpa:
 * @id: of an arm-smmuv3 device in QEMU, which is libvirt's alias
 * @gpa: (out): its property msi-gpa: the GPA of the doorbell that it offers; 0 for none
 * @error: VSMMU_ERROR_NO_DOMAIN, or VSMMU_ERROR_PROBE when QEMU does not say
 *
 * Asks with qom-get. libvirt calls the domain tainted from then on.
 */
gboolean vsmmu_monitor_get_msi_gpa (VsmmuConnectionDomain *domain, const char *id, guint64 *gpa, GError **error);

/*
 * vsmmu_monitor_start_trace:
 *
 * Has QEMU write into its log what it gives KVM for each MSI: its trace kvm_arm_fixup_msi_route. A QEMU without it,
 * or a QEMU that does not answer, is not an error: the trace is only additional evidence. Taints as above.
 *
 * Returns: whether it was off and is on now; only then it is to be stopped
 */
gboolean vsmmu_monitor_start_trace (VsmmuConnectionDomain *domain);
void vsmmu_monitor_stop_trace (VsmmuConnectionDomain *domain);
