/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * vsmmu_hotplug_apply:
 * @guest: the guest as it is; it and @hotplug must outlive the result
 *
 * An attached device is the last of the devices and hostdevs of the result, at
 * the address where libvirt puts it; one to be detached is still there.
 *
 * Returns: (transfer full): a copy of @guest with its @plug set
 */
VsmmuDomain *vsmmu_hotplug_apply (const VsmmuHotplug *hotplug, const VsmmuDomain *guest);

/* Whether VFIO gives @device, the element of one, to the guest. */
gboolean vsmmu_hotplug_is_vfio (const xmlNode *device);

/* The document of the device; it belongs to @hotplug. */
xmlDocPtr vsmmu_hotplug_get_document (const VsmmuHotplug *hotplug);
