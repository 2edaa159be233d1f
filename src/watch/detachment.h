/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_detachment_describe:
 * @xml: of the domain as it runs, as libvirt answers it
 * @alias: of the device that a verdict was about
 * @host: address of that device on the host, dddd:bb:ss.f
 * @error: VSMMU_ERROR_VALUE when @alias is not, or no longer, that device of the host, or what reading @xml sets
 *
 * Returns: (transfer full): a `<hostdev>` that names the device by its address on the host, for
 * virDomainDetachDeviceFlags(); %NULL with @error set
 */
char *vsmmu_detachment_describe (const char *xml, gsize length, const char *alias, const char *host, GError **error);
