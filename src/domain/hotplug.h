/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * VsmmuHotplug:
 *
 * A device document, as `virsh attach-device` and `virsh detach-device` take it,
 * and what is to be done with it. Immutable after it was made, so that several
 * threads may use one on several guests.
 */
typedef struct _VsmmuHotplug VsmmuHotplug;

/*
 * vsmmu_hotplug_new_from_data:
 * @action: what is to be done
 * @data: XML with one device, such as `<hostdev>`, as its root element
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DEVICE or %VSMMU_ERROR_READ
 *
 * The limits are those of vsmmu_domain_new_from_data(). Which root elements
 * are devices is what libvirt's virDomainDeviceDefParse() says.
 *
 * Returns: (transfer full): a device to be attached or detached, or %NULL with
 *   @error set
 */
VsmmuHotplug *vsmmu_hotplug_new_from_data (VsmmuHotplugAction action, const char *data, gsize length, const char *name,
                                           GError **error);

/*
 * vsmmu_hotplug_new_from_file:
 * @action: what is to be done
 * @path: a file, in the encoding of file names, or `-` for standard input
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DEVICE or %VSMMU_ERROR_READ
 *
 * As vsmmu_hotplug_new_from_data(); @path is the name messages use.
 *
 * Returns: (transfer full): a device to be attached or detached, or %NULL with
 *   @error set
 */
VsmmuHotplug *vsmmu_hotplug_new_from_file (VsmmuHotplugAction action, const char *path, GError **error);

void vsmmu_hotplug_free (VsmmuHotplug *hotplug);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHotplug, vsmmu_hotplug_free)

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
