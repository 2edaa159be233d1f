/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/**
 * VSMMU_DOCUMENT_MAX_BYTES:
 *
 * The largest document that is read, in bytes.
 *
 * Since: 0.1
 */
#define VSMMU_DOCUMENT_MAX_BYTES (32u * 1024 * 1024)

/**
 * VsmmuDomain:
 *
 * What the rules and the QEMU arguments need to know of one libvirt domain:
 * machine, PCI tree with the addresses libvirt will choose, vSMMUs and VFIO
 * devices, each with the line it stands on. Immutable after it was made, so
 * several threads may read one.
 *
 * Since: 0.1
 */
typedef struct _VsmmuDomain VsmmuDomain;

#define VSMMU_TYPE_DOMAIN (vsmmu_domain_get_type ())
VSMMU_PUBLIC GType vsmmu_domain_get_type (void);

/**
 * vsmmu_domain_new_from_data:
 * @data: (array length=length) (element-type guint8): domain XML as `virsh define` takes it or `virsh dumpxml` prints
 * it
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ
 *
 * External entities, document type declarations and the network are off, as
 * is expansion of anything but the five predefined entities.
 *
 * The domain is what libvirt would start: what `<qemu:commandline>` and `<qemu:override>` say of vSMMUs and
 * iommufd counts as if elements said it (see vsmmu_lift()). Lines are those of @data; an element of a vSMMU that an
 * override makes has that of the controller that it is made of.
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
 * As vsmmu_domain_new_from_data(); @path is the name messages use.
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
 * Returns: whether the domain asks for an accelerated SMMUv3, even wrongly: some
 *   `<iommu model='smmuv3'>` names accel (other than off), something close to
 *   it, or an option that only an accelerated one has; or something in
 *   `<qemu:commandline>`, `<qemu:override>` or `<qemu:capabilities>` may make
 *   QEMU accelerate one, in whatever way it is written, or cannot be
 *   understood. Rules speak of no other domain.
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_domain_is_accelerated (const VsmmuDomain *domain);

/**
 * VsmmuHotplugAction:
 * @VSMMU_HOTPLUG_ATTACH: give the device to a running guest
 * @VSMMU_HOTPLUG_DETACH: take it away from a running guest
 *
 * What is to be done with a device.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_HOTPLUG_ATTACH,
  VSMMU_HOTPLUG_DETACH,
} VsmmuHotplugAction;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDomain, vsmmu_domain_unref)

G_END_DECLS
