/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VSMMU_DOCUMENT_MAX_BYTES:
 *
 * The size of the largest document that is read, in bytes.
 *
 * Since: 0.1
 */
#define VSMMU_DOCUMENT_MAX_BYTES (32u * 1024 * 1024)

/**
 * VsmmuDomain:
 *
 * What the rules and the QEMU arguments need to know about one libvirt domain: machine, PCI tree with the addresses
 * libvirt will assign, vSMMUs and VFIO devices, each with its line. Immutable, so several threads may share one.
 *
 * Since: 0.1
 */
typedef struct _VsmmuDomain VsmmuDomain;

#define VSMMU_TYPE_DOMAIN (vsmmu_domain_get_type ())
VSMMU_PUBLIC GType vsmmu_domain_get_type (void);

/**
 * vsmmu_domain_new_from_data:
 * @data: (array length=length) (element-type guint8): domain XML as `virsh define` accepts it or `virsh dumpxml`
 *   prints it
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ
 *
 * Document type declarations are rejected. Only the five predefined entities are expanded, and neither external
 * entities nor the network are used.
 *
 * The domain is what libvirt would start: vSMMUs and iommufd in `<qemu:commandline>` and `<qemu:override>` count as if
 * they were elements (see vsmmu_lift()). Lines are those of @data; a vSMMU that an override makes of a controller has
 * the line of that controller.
 *
 * Returns: (transfer full): a domain, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuDomain *vsmmu_domain_new_from_data (const char *data, gsize length, const char *name, GError **error);

/**
 * vsmmu_domain_new_from_file:
 * @path: (type filename): a file, in the encoding of file names, or `-` for standard input
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ
 *
 * Like vsmmu_domain_new_from_data(); messages use @path as the name.
 *
 * Returns: (transfer full): a domain, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuDomain *vsmmu_domain_new_from_file (const char *path, GError **error);

/**
 * vsmmu_domain_ref:
 * @domain: a domain
 *
 * Returns: (transfer full): @domain
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuDomain *vsmmu_domain_ref (VsmmuDomain *domain);

/**
 * vsmmu_domain_unref:
 * @domain: (transfer full) (nullable): a domain
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_domain_unref (VsmmuDomain *domain);

/**
 * vsmmu_domain_get_name:
 * @domain: a domain
 *
 * Returns: (transfer none) (nullable): the text of `<name>`
 *
 * Since: 0.1
 */
VSMMU_PUBLIC const char *vsmmu_domain_get_name (const VsmmuDomain *domain);

/**
 * vsmmu_domain_is_accelerated:
 * @domain: a domain
 *
 * Returns: whether the domain asks for an accelerated SMMUv3, even incorrectly: an `<iommu model='smmuv3'>` sets accel
 *   (to anything but off), a similar attribute, or an option that only an accelerated SMMUv3 has; or something in
 *   `<qemu:commandline>`, `<qemu:override>` or `<qemu:capabilities>` may make QEMU accelerate an SMMUv3, or cannot be
 *   understood. Rules report nothing about any other domain.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_domain_is_accelerated (const VsmmuDomain *domain);

/**
 * VsmmuHotplugAction:
 * @VSMMU_HOTPLUG_ATTACH: attach the device to a running guest
 * @VSMMU_HOTPLUG_DETACH: detach it from a running guest
 *
 * What will be done with a device.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_HOTPLUG_ATTACH,
  VSMMU_HOTPLUG_DETACH,
} VsmmuHotplugAction;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDomain, vsmmu_domain_unref)

G_END_DECLS
