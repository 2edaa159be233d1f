/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/msi.h"

/*
 * VsmmuMsiForecast:
 * @VSMMU_MSI_CERTAIN: the MSIs go to the doorbell, whatever the guest writes
 * @VSMMU_MSI_UP_TO_GUEST: they go where the guest's addresses and tables say
 * @VSMMU_MSI_UNRESOLVABLE: there is no way to resolve them
 *
 * What is known about a device's MSIs before the guest runs.
 */
typedef enum {
  VSMMU_MSI_CERTAIN,
  VSMMU_MSI_UP_TO_GUEST,
  VSMMU_MSI_UNRESOLVABLE,
} VsmmuMsiForecast;

/*
 * vsmmu_msi_forecast_to_string:
 *
 * Returns: `certain`, `up-to-guest` or `unresolvable`; not translated
 */
const char *vsmmu_msi_forecast_to_string (VsmmuMsiForecast forecast);

/*
 * VsmmuMsiDevice:
 * @name: (translated): what messages call it
 * @alias: (nullable): libvirt's name for it, if the XML has one
 * @line: of its element; 0 when libvirt adds it
 * @address: (nullable): its PCI address in the XML, dddd:bb:ss.f, where bb is the
 *   index of a controller
 * @host: (nullable): address of the host's device that is given to the guest
 * @vsmmu: (nullable): the vIOMMU that serves it, as QEMU and libvirt call it
 * @path: the way of its MSIs
 * @forecast: the result
 * @reason: (nullable): (translated): for %VSMMU_MSI_UNRESOLVABLE
 *
 * A PCI device of a domain that is not a controller of a bus.
 */
typedef struct {
  char *name;
  char *alias;
  guint line;
  char *address;
  char *host;
  char *vsmmu;
  VsmmuMsiPath path;
  VsmmuMsiForecast forecast;
  char *reason;
} VsmmuMsiDevice;

void vsmmu_msi_device_free (VsmmuMsiDevice *device);

/*
 * vsmmu_msi_forecast:
 * @domain: a domain
 * @error: %VSMMU_ERROR_UNSUPPORTED when it is no `virt` machine, or libvirt would
 *   refuse the PCI tree
 *
 * Returns: (transfer full) (element-type VsmmuMsiDevice): the way of the MSIs of
 *   each device, in the order of the XML, or %NULL with @error set
 */
GPtrArray *vsmmu_msi_forecast (const VsmmuDomain *domain, GError **error);

/*
 * vsmmu_msi_devices_to_json:
 * @domain: a domain
 * @devices: (element-type VsmmuMsiDevice): what vsmmu_msi_forecast() returned for it
 *
 * Returns: (transfer full): one JSON object as `schemas/msi.schema.json` describes
 *   it, ending in a newline
 */
char *vsmmu_msi_devices_to_json (const VsmmuDomain *domain, const GPtrArray *devices);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMsiDevice, vsmmu_msi_device_free)
