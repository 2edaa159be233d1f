/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>

G_BEGIN_DECLS

/**
 * VsmmuHost:
 *
 * What a host's SMMUs, devices, kernel and tools support: each fact has a source or is unknown. Immutable and
 * reference-counted, so several threads may share one.
 *
 * Since: 0.1
 */
typedef struct _VsmmuHost VsmmuHost;

#define VSMMU_TYPE_HOST (vsmmu_host_get_type ())
VSMMU_PUBLIC GType vsmmu_host_get_type (void);

/**
 * VsmmuHostProbeFlags:
 * @VSMMU_HOST_PROBE_NONE: files only
 * @VSMMU_HOST_PROBE_DEVICES: also read the registers of each SMMU through iommufd, with a function behind it that is
 *   bound to a VFIO driver and not in use; the kernel resets that function. Requires root
 * @VSMMU_HOST_PROBE_TOOLS: also query the libvirt daemon and the QEMU binary
 *
 * What vsmmu_host_probe() reads.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_HOST_PROBE_NONE = 0,
  VSMMU_HOST_PROBE_DEVICES = 1 << 0,
  VSMMU_HOST_PROBE_TOOLS = 1 << 1,
} VsmmuHostProbeFlags;

/**
 * vsmmu_host_probe:
 * @root: (type filename) (nullable): directory with /sys, /proc and /dev of a host, mounted into a container or copied
 *   from elsewhere; %NULL or `/` for this host
 * @flags: what else to query; ignored when @root is not this host
 * @error: %VSMMU_ERROR_PROBE when @root has no /sys
 *
 * Reads what a host supports. Does not require root: what cannot be read is unknown, and listed under `unread` in
 * JSON. Nothing is changed, and no device is unbound from its driver.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuHost *vsmmu_host_probe (const char *root, VsmmuHostProbeFlags flags, GError **error);

/**
 * vsmmu_host_new_from_data:
 * @data: (array length=length) (element-type guint8): JSON as vsmmu_host_to_json() writes it and
 *   `schemas/host-facts.schema.json` describes it
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the file
 * @error: %VSMMU_ERROR_FACTS or %VSMMU_ERROR_READ
 *
 * Missing facts are unknown. Unknown members, values of the wrong type or out of range, duplicate addresses and
 * dangling references are errors.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuHost *vsmmu_host_new_from_data (const char *data, gsize length, const char *name, GError **error);

/**
 * vsmmu_host_new_from_file:
 * @path: (type filename): a file, in the encoding of file names, or `-` for standard input
 * @error: %VSMMU_ERROR_FACTS or %VSMMU_ERROR_READ
 *
 * Like vsmmu_host_new_from_data(); messages use @path as the name.
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuHost *vsmmu_host_new_from_file (const char *path, GError **error);

/**
 * vsmmu_host_to_json:
 * @host: facts
 *
 * Returns: (transfer full): one JSON object, ending in a newline; vsmmu_host_new_from_data() reads the same facts from
 *   it
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_host_to_json (const VsmmuHost *host);

/**
 * vsmmu_host_list_devices:
 * @host: facts
 *
 * Returns: (transfer full): the addresses, such as `0009:01:00.0`, of the PCI functions behind an SMMUv3 that are not
 *   bridges or ports: those that vsmmu_plan_new() can assign to a guest
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GStrv vsmmu_host_list_devices (const VsmmuHost *host);

/**
 * vsmmu_host_ref:
 * @host: facts
 *
 * Returns: (transfer full): @host
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuHost *vsmmu_host_ref (VsmmuHost *host);

/**
 * vsmmu_host_unref:
 * @host: (transfer full) (nullable): facts
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_host_unref (VsmmuHost *host);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuHost, vsmmu_host_unref)

G_END_DECLS
