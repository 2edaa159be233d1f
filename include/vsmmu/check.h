/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>
#include <vsmmu/finding.h>
#include <vsmmu/host.h>
#include <vsmmu/target.h>

G_BEGIN_DECLS

/**
 * VsmmuCheckOptions:
 *
 * What a check looks at beyond the document itself. Several checks may use one, also in several threads, once nothing
 * is set any more.
 *
 * Since: 0.1
 */
typedef struct _VsmmuCheckOptions VsmmuCheckOptions;

#define VSMMU_TYPE_CHECK_OPTIONS (vsmmu_check_options_get_type ())
VSMMU_PUBLIC GType vsmmu_check_options_get_type (void);

/**
 * vsmmu_check_options_new:
 *
 * Returns: (transfer full): options with which a check looks at the document only
 *
 * Since: 0.1
 */
VSMMU_PUBLIC VsmmuCheckOptions *vsmmu_check_options_new (void);

/**
 * vsmmu_check_options_unref:
 * @options: (transfer full) (nullable): options
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_check_options_unref (VsmmuCheckOptions *options);

/**
 * vsmmu_check_options_set_target:
 * @options: options
 * @target: (nullable): switches the target rules on; copied
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_check_options_set_target (VsmmuCheckOptions *options, const VsmmuTarget *target);

/**
 * vsmmu_check_options_set_host:
 * @options: options
 * @host: (nullable): switches the host rules on; referenced
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_check_options_set_host (VsmmuCheckOptions *options, VsmmuHost *host);

/**
 * vsmmu_check_options_set_schema:
 * @options: options
 * @libvirt_schema: (type filename) (nullable): path of libvirt's `domain.rng`; %NULL to look where libvirt installs it
 * @error: %VSMMU_ERROR_READ
 *
 * Also validates domains against libvirt's RELAX NG schema, with what libvsmmu accepts for `<iommu model='smmuv3'>` and
 * VFIO hostdevs in place of libvirt's own definitions.
 *
 * Returns: %FALSE with @error set when the schema cannot be read; @options is then as before
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_check_options_set_schema (VsmmuCheckOptions *options, const char *libvirt_schema,
                                                      GError **error);

/**
 * vsmmu_check_options_set_device:
 * @options: options
 * @action: what is to be done with the device
 * @data: (array length=length) (element-type guint8): XML with one device, such as `<hostdev>`, as its root element, as
 *   `virsh attach-device` and `virsh detach-device` take it
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that findings and messages use for the document
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DEVICE or %VSMMU_ERROR_READ
 *
 * Also reports what attaching or detaching this device would do. The domain is then taken for a running guest, and
 * every rule also looks at a device to be attached, at the address where libvirt puts it. Of findings about the device,
 * the file is its document and the element begins with its root (`/hostdev/driver`). Which root elements are devices is
 * what libvirt's virDomainDeviceDefParse() says.
 *
 * Returns: %FALSE with @error set when @data is no device; @options is then as before
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_check_options_set_device (VsmmuCheckOptions *options, VsmmuHotplugAction action,
                                                      const char *data, gsize length, const char *name, GError **error);

/**
 * vsmmu_check_domain:
 * @domain: a domain
 * @options: (nullable): what else to look at
 *
 * Applies every rule that @options allow.
 *
 * Returns: (transfer container) (element-type VsmmuFinding): findings in the order
 *   of their lines, those about a device document after those about the domain;
 *   empty when there is nothing to say
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_domain (const VsmmuDomain *domain, const VsmmuCheckOptions *options);

/**
 * vsmmu_check_data:
 * @data: (array length=length) (element-type guint8): a document
 * @length: bytes in @data
 * @name: the name that findings use for the document
 * @options: (nullable): what else to look at
 * @error: %VSMMU_ERROR_READ when the document is too large
 *
 * As vsmmu_check_domain(), but a document that is not well-formed or not a
 * domain is the finding `xml-malformed`.
 *
 * Returns: (transfer container) (element-type VsmmuFinding): findings, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_data (const char *data, gsize length, const char *name,
                                          const VsmmuCheckOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuCheckOptions, vsmmu_check_options_unref)

G_END_DECLS
