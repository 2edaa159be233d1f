/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/connection.h"

/*
 * vsmmu_monitor_get_msi_gpa:
 * @id: of an arm-smmuv3 device in QEMU, which is libvirt's alias
 * @gpa: (out): its property msi-gpa: the GPA of the doorbell that it offers; 0 for none
 * @error: VSMMU_ERROR_NO_DOMAIN, or VSMMU_ERROR_PROBE when QEMU does not say
 *
 * Asks with qom-get. libvirt calls the domain tainted from then on.
 */
gboolean vsmmu_monitor_get_msi_gpa (VsmmuConnectionDomain *domain, const char *id, guint64 *gpa, GError **error);
