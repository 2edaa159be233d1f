/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VsmmuHotplugAction:
 * @VSMMU_HOTPLUG_ATTACH: give the device to a running guest
 * @VSMMU_HOTPLUG_DETACH: take it away from a running guest
 */
typedef enum {
  VSMMU_HOTPLUG_ATTACH,
  VSMMU_HOTPLUG_DETACH,
} VsmmuHotplugAction;

/**
 * VsmmuHotplug:
 *
 * A device document, as `virsh attach-device` and `virsh detach-device` take it,
 * and what is to be done with it. Immutable after it was made, so that several
 * threads may use one on several guests.
 */
typedef struct _VsmmuHotplug VsmmuHotplug;

/**
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
VSMMU_PUBLIC VsmmuHotplug *vsmmu_hotplug_new_from_data (VsmmuHotplugAction action, const char *data, gsize length,
                                                        const char *name, GError **error);

/**
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
VSMMU_PUBLIC VsmmuHotplug *vsmmu_hotplug_new_from_file (VsmmuHotplugAction action, const char *path, GError **error);

VSMMU_PUBLIC void vsmmu_hotplug_free (VsmmuHotplug *hotplug);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHotplug, vsmmu_hotplug_free)

G_END_DECLS
