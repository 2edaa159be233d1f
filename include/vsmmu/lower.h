/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/target.h>

G_BEGIN_DECLS

/**
 * vsmmu_lower_domain: (skip)
 * @xml: domain XML, lowered already or not
 * @length: bytes in @xml, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @target: the libvirt and QEMU that it is for
 * @notes: (element-type utf8): to which translated sentences are added: what is not as it was, or could
 *   not be carried. It frees its elements with g_free()
 * @out_length: (out): bytes in the result
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DOMAIN or %VSMMU_ERROR_READ for a document that cannot be read,
 *   %VSMMU_ERROR_UNSUPPORTED when the domain cannot be expressed for @target, and as
 *   vsmmu_strategy_choose()
 *
 * Writes a domain with vSMMUs so that the libvirt of @target passes them, and what its VFIO devices need, to QEMU.
 * A domain without a vSMMU, accelerated or not, comes back byte for byte, whatever the target; so does one in which
 * there is nothing that the libvirt does not know, such as one that is lowered already. Of other domains all
 * bytes that need not change stay; vsmmu_lift() gives back a domain that means the same.
 *
 * Nothing is checked but what lowering itself needs: vsmmu_check_domain() says what else is wrong.
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
 * @target: the libvirt and QEMU of the guest, which was lowered for them
 * @notes: as for vsmmu_lower_domain()
 * @out_length: (out): bytes in the result
 * @error: as for vsmmu_lower_domain(), with %VSMMU_ERROR_NOT_DEVICE for %VSMMU_ERROR_NOT_DOMAIN
 *
 * The same for one device of a guest whose domain was lowered. The iommufd of a hostdev is taken out
 * for a libvirt that does not know it, because a lowered guest gives it to every VFIO device.
 *
 * Returns: (transfer full): device XML with a NUL after it, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_lower_device (const char *xml, gsize length, const char *name, const VsmmuTarget *target,
                                       GPtrArray *notes, gsize *out_length, GError **error);

/**
 * vsmmu_lift: (skip)
 * @xml: any XML that libvirt gives out
 * @length: bytes in @xml, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that messages use for the document
 * @notes: (element-type utf8): as for vsmmu_lower_domain(): what there is of vSMMUs that domain XML has no
 *   words for
 * @out_length: (out): bytes in the result
 * @error: %VSMMU_ERROR_XML or %VSMMU_ERROR_READ for a document that cannot be read, %VSMMU_ERROR_UNSUPPORTED for a
 *   domain in which two devices have one alias
 *
 * Undoes lowering in every `<domain>` and `<inactiveDomain>` that the document is or has in it, such as that of a
 * snapshot. The arguments and overrides of the domain count, and are written as the elements that a newer libvirt has
 * for them; `<metadata>` has no influence on that. All else, and every document in which nothing is lowered, comes back
 * byte for byte.
 *
 * Returns: (transfer full): XML with a NUL after it, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC char *vsmmu_lift (const char *xml, gsize length, const char *name, GPtrArray *notes, gsize *out_length,
                               GError **error);

G_END_DECLS
