/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/error.h>

G_BEGIN_DECLS

/** VSMMU_DOCUMENT_MAX_BYTES: the largest document that is read, in bytes. */
#define VSMMU_DOCUMENT_MAX_BYTES (32u * 1024 * 1024)

/**
 * VsmmuDomain:
 *
 * What the rules and the QEMU arguments need to know of one libvirt domain:
 * machine, PCI tree with the addresses libvirt will choose, vSMMUs and VFIO
 * devices, each with the line it stands on. Immutable after it was made, so
 * several threads may read one.
 */
typedef struct _VsmmuDomain VsmmuDomain;

/**
 * vsmmu_domain_new_from_data:
 * @data: domain XML as `virsh define` takes it or `virsh dumpxml` prints it
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
 */
VSMMU_PUBLIC VsmmuDomain *vsmmu_domain_new_from_data (const char *data, gsize length, const char *name, GError **error);

/**
 * vsmmu_domain_new_from_file:
 * @path: a file, in the encoding of file names, or `-` for standard input
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ
 *
 * As vsmmu_domain_new_from_data(); @path is the name messages use.
 *
 * Returns: (transfer full): a domain, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuDomain *vsmmu_domain_new_from_file (const char *path, GError **error);

VSMMU_PUBLIC void vsmmu_domain_free (VsmmuDomain *domain);

/**
 * vsmmu_domain_get_name:
 *
 * Returns: (nullable): the text of `<name>`; owned by @domain
 */
VSMMU_PUBLIC const char *vsmmu_domain_get_name (const VsmmuDomain *domain);

/**
 * vsmmu_domain_is_accelerated:
 *
 * Returns: whether the domain asks for an accelerated SMMUv3, even wrongly: some
 *   `<iommu model='smmuv3'>` names accel (other than off), something close to
 *   it, or an option that only an accelerated one has; or something in
 *   `<qemu:commandline>`, `<qemu:override>` or `<qemu:capabilities>` may make
 *   QEMU accelerate one, in whatever way it is written, or cannot be
 *   understood. Rules speak of no other domain.
 */
VSMMU_PUBLIC gboolean vsmmu_domain_is_accelerated (const VsmmuDomain *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDomain, vsmmu_domain_free)

G_END_DECLS
