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
 * What a check considers beyond the document itself. Once everything is set, several checks may share one object, also
 * in several threads.
 *
 * Since: 0.1
 */
typedef struct _VsmmuCheckOptions VsmmuCheckOptions;

#define VSMMU_TYPE_CHECK_OPTIONS (vsmmu_check_options_get_type ())
VSMMU_PUBLIC GType vsmmu_check_options_get_type (void);

/**
 * vsmmu_check_options_new:
 *
 * Returns: (transfer full): options for a check of the document alone
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
 * @target: (nullable): enables the target rules; %NULL disables them; copied
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_check_options_set_target (VsmmuCheckOptions *options, const VsmmuTarget *target);

/**
 * vsmmu_check_options_set_host:
 * @options: options
 * @host: (nullable): enables the host rules; %NULL disables them; referenced
 *
 * Since: 0.1
 */
VSMMU_PUBLIC void vsmmu_check_options_set_host (VsmmuCheckOptions *options, VsmmuHost *host);

/**
 * vsmmu_check_options_set_schema:
 * @options: options
 * @libvirt_schema: (type filename) (nullable): path of libvirt's `domain.rng`; %NULL for the path that libvirt
 *   installs it to
 * @error: %VSMMU_ERROR_READ when the schema cannot be read
 *
 * Also validates domains against libvirt's RELAX NG schema, in which libvsmmu's definitions of `<iommu
 * model='smmuv3'>` and of VFIO hostdevs replace libvirt's own.
 *
 * Returns: %FALSE with @error set when the schema cannot be read; @options is unchanged in that case
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_check_options_set_schema (VsmmuCheckOptions *options, const char *libvirt_schema,
                                                      GError **error);

/**
 * vsmmu_check_options_set_device:
 * @options: options
 * @action: what will be done with the device
 * @data: (array length=length) (element-type guint8): XML with one device, such as `<hostdev>`, as its root element,
 *   as for `virsh attach-device` and `virsh detach-device`; copied
 * @length: bytes in @data, at most %VSMMU_DOCUMENT_MAX_BYTES
 * @name: the name that findings and messages use for the document
 * @error: %VSMMU_ERROR_XML, %VSMMU_ERROR_NOT_DEVICE or %VSMMU_ERROR_READ
 *
 * Also reports what attaching or detaching this device would do. The domain is then treated as a running guest, and
 * every rule also looks at a device to be attached, at the address that libvirt would assign. Findings about the
 * device have @name as their file, and their element begins with the root element (`/hostdev/driver`). The root
 * elements accepted as devices are those of libvirt's virDomainDeviceDefParse().
 *
 * Returns: %FALSE with @error set when @data is not a device; @options is unchanged in that case
 *
 * Since: 0.1
 */
VSMMU_PUBLIC gboolean vsmmu_check_options_set_device (VsmmuCheckOptions *options, VsmmuHotplugAction action,
                                                      const char *data, gsize length, const char *name, GError **error);

/**
 * vsmmu_check_domain:
 * @domain: a domain
 * @options: (nullable): what else to consider; %NULL for the document alone
 *
 * Applies every rule that @options enables.
 *
 * Returns: (transfer container) (element-type VsmmuFinding): findings sorted by line, those about a device document
 *   after those about the domain; empty when nothing was found
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_domain (const VsmmuDomain *domain, const VsmmuCheckOptions *options);

/**
 * vsmmu_check_data:
 * @data: (array length=length) (element-type guint8): a document
 * @length: bytes in @data
 * @name: the name that findings use for the document
 * @options: (nullable): what else to consider; %NULL for the document alone
 * @error: %VSMMU_ERROR_READ when the document is too large
 *
 * Like vsmmu_check_domain(), but a document that is not well-formed or not a domain results in the finding
 * `xml-malformed`.
 *
 * Returns: (transfer container) (element-type VsmmuFinding): findings, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_data (const char *data, gsize length, const char *name,
                                          const VsmmuCheckOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuCheckOptions, vsmmu_check_options_unref)

G_END_DECLS
