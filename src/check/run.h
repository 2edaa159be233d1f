/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/hotplug.h"
#include "host/host.h"
#include "schema/schema.h"
#include "vsmmu/check.h"

/* Everything is borrowed when callers fill it in themselves, and owned with vsmmu_check_options_new(). */
struct _VsmmuCheckOptions {
  const VsmmuTarget *target;
  const VsmmuHost *host;
  const VsmmuSchema *schema;
  const VsmmuHotplug *hotplug;
  /* Make a document that is not a domain the error VSMMU_ERROR_NOT_DOMAIN instead of a finding, for callers that come
   * across networks and storage pools. */
  gboolean domains_only;
  /* Let comments in the document silence rules; see vsmmu_suppressions_apply(). */
  gboolean honors_comments;
};

/*
 * vsmmu_check_file:
 * @path: a file, or `-` for standard input
 * @options: (nullable): what else to look at
 * @error: %VSMMU_ERROR_READ when the file cannot be read or is too large
 *
 * As vsmmu_check_data().
 *
 * Returns: (transfer full) (element-type VsmmuFinding): findings, or %NULL with @error set
 */
GPtrArray *vsmmu_check_file (const char *path, const VsmmuCheckOptions *options, GError **error);
