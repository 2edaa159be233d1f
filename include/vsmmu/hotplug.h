/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>
#include <vsmmu/host.h>

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

/**
 * VsmmuHotplugPlace:
 * @VSMMU_PLACE_KEPT: there is nothing to choose: the device has an address, is
 *   not attached, takes no PCI address, or the guest has no accelerated SMMUv3
 * @VSMMU_PLACE_CHOSEN: a free port suits the device
 * @VSMMU_PLACE_UNKNOWN: free ports may suit it, but on which physical SMMUs
 *   the device and those behind the vSMMUs are is not known
 * @VSMMU_PLACE_NONE: no free port suits it: none behind a vSMMU of its
 *   physical SMMU or an empty one, or for an emulated device none outside
 */
typedef enum {
  VSMMU_PLACE_KEPT,
  VSMMU_PLACE_CHOSEN,
  VSMMU_PLACE_UNKNOWN,
  VSMMU_PLACE_NONE,
} VsmmuHotplugPlace;

/**
 * vsmmu_hotplug_choose_bus:
 * @hotplug: a device to be attached
 * @guest: the running guest
 * @host: (nullable): the host it runs on
 * @bus: (out): index of the pcie-root-port, 0-255, with %VSMMU_PLACE_CHOSEN
 *
 * Where a device without an address should go. libvirt takes the first free
 * port by index (qemuDomainEnsurePCIAddress()), whatever is behind it.
 *
 * Returns: whether @bus is where it should go
 */
VSMMU_PUBLIC VsmmuHotplugPlace vsmmu_hotplug_choose_bus (const VsmmuHotplug *hotplug, const VsmmuDomain *guest,
                                                         const VsmmuHost *host, guint *bus);

VSMMU_PUBLIC void vsmmu_hotplug_free (VsmmuHotplug *hotplug);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHotplug, vsmmu_hotplug_free)

G_END_DECLS
