/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/target.h>

G_BEGIN_DECLS

/**
 * vsmmu_lower_domain: (skip)
 * @xml: domain XML, lowered already or not
 * @length: bytes in @xml, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @target: the libvirt and QEMU that the result is for
 * @notes: (element-type utf8): an array with g_free() as its free function; translated sentences about what changed or
 *   could not be preserved are added to it
 * @out_length: (out): bytes in the result
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ for a document that cannot be read,
 *   %VSMMU_ERROR_UNSUPPORTED when the domain cannot be expressed for @target, and as vsmmu_strategy_choose()
 *
 * Rewrites a domain with vSMMUs so that the libvirt of @target passes them, and what its VFIO devices need, to QEMU. A
 * domain without a vSMMU, accelerated or not, is returned byte for byte, whatever the target; so is a domain that the
 * libvirt of @target supports completely, for example because it is lowered already. In other domains, only what must
 * change is changed; vsmmu_lift() returns a domain with the same meaning.
 *
 * Only what lowering itself needs is checked; vsmmu_check_domain() reports what else is wrong.
 *
 * Returns: (transfer full): domain XML with a NUL after it, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_lower_domain (const char *xml, gsize length, const char *name, const VsmmuTarget *target,
                                       GPtrArray *notes, gsize *out_length, GError **error);

/**
 * vsmmu_lower_device: (skip)
 * @xml: XML with one device as its root element, for attach, update or detach
 * @length: bytes in @xml, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @target: the libvirt and QEMU that the domain of the guest was lowered for
 * @notes: as for vsmmu_lower_domain()
 * @out_length: (out): bytes in the result
 * @error: as for vsmmu_lower_domain(), with %VSMMU_ERROR_NOT_DEVICE instead of %VSMMU_ERROR_NOT_DOMAIN
 *
 * Like vsmmu_lower_domain(), for one device of a guest whose domain was lowered. The iommufd of a hostdev is removed
 * when the libvirt of @target does not support it, because every VFIO device of a lowered guest uses iommufd anyway.
 *
 * Returns: (transfer full): device XML with a NUL after it, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_lower_device (const char *xml, gsize length, const char *name, const VsmmuTarget *target,
                                       GPtrArray *notes, gsize *out_length, GError **error);

/**
 * vsmmu_lift: (skip)
 * @xml: any XML that libvirt returns
 * @length: bytes in @xml, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @notes: (element-type utf8): as for vsmmu_lower_domain(); receives what domain XML cannot express about the vSMMUs
 * @out_length: (out): bytes in the result
 * @error: %VSMMU_ERROR_XML or %VSMMU_ERROR_READ for a document that cannot be read, %VSMMU_ERROR_UNSUPPORTED for a
 *   domain with two devices of the same alias
 *
 * Reverts lowering in every `<domain>` and `<inactiveDomain>` of the document, for example in a snapshot. QEMU
 * arguments and overrides of the domain become the elements that a newer libvirt has for them; `<metadata>` does not
 * influence that. Everything else, and every document in which nothing is lowered, is returned byte for byte.
 *
 * Returns: (transfer full): XML with a NUL after it, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_lift (const char *xml, gsize length, const char *name, GPtrArray *notes, gsize *out_length,
                               GError **error);

G_END_DECLS
