/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>
#include <vsmmu/finding.h>
#include <vsmmu/host.h>
#include <vsmmu/hotplug.h>
#include <vsmmu/schema.h>
#include <vsmmu/target.h>

G_BEGIN_DECLS

/**
 * VsmmuCheckOptions:
 * @target: (nullable): switches the target rules on
 * @host: (nullable): switches the host rules on
 * @schema: (nullable): also validate against this schema; a device document is
 *   not validated
 * @hotplug: (nullable): also say what comes of attaching or detaching this
 *   device. The domain is then taken for a running guest, and every rule also
 *   looks at a device to be attached, at the address where libvirt puts it. Of
 *   findings about the device, the file is its document and the element begins
 *   with its root (`/hostdev/driver`)
 * @domains_only: make a document that is no domain the error
 *   %VSMMU_ERROR_NOT_DOMAIN instead of a finding, for callers that come across
 *   networks and storage pools
 *
 * What a check looks at beyond the document itself.
 */
typedef struct {
  const VsmmuTarget *target;
  const VsmmuHost *host;
  const VsmmuSchema *schema;
  const VsmmuHotplug *hotplug;
  gboolean domains_only;
} VsmmuCheckOptions;

/**
 * vsmmu_check_domain:
 * @domain: a domain
 * @options: (nullable): what else to look at
 *
 * Applies every rule that @options allow.
 *
 * Returns: (transfer full) (element-type VsmmuFinding): findings in the order
 *   of their lines, those about a device document after those about the domain;
 *   empty when there is nothing to say
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_domain (const VsmmuDomain *domain, const VsmmuCheckOptions *options);

/**
 * vsmmu_check_data:
 * @data: a document
 * @length: bytes in @data
 * @name: the name that findings use for the document
 * @options: (nullable): what else to look at
 * @error: %VSMMU_ERROR_READ when the document is too large
 *
 * As vsmmu_check_domain(), but a document that is not well-formed or not a
 * domain is the finding `xml-malformed`.
 *
 * Returns: (transfer full) (element-type VsmmuFinding): findings, or %NULL with @error set
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_data (const char *data, gsize length, const char *name,
                                          const VsmmuCheckOptions *options, GError **error);

/**
 * vsmmu_check_file:
 * @path: a file, or `-` for standard input
 * @options: (nullable): what else to look at
 * @error: %VSMMU_ERROR_READ when the file cannot be read or is too large
 *
 * As vsmmu_check_data().
 *
 * Returns: (transfer full) (element-type VsmmuFinding): findings, or %NULL with @error set
 */
VSMMU_PUBLIC GPtrArray *vsmmu_check_file (const char *path, const VsmmuCheckOptions *options, GError **error);

G_END_DECLS
