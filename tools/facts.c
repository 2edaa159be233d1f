/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <glib/gi18n.h>

#include "host/host.h"

VsmmuHost *
vsmmu_facts_load (const char *path, VsmmuHostProbeFlags flags, GError **error)
{
  if (path == NULL)
    return vsmmu_host_probe (NULL, flags, error);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return vsmmu_host_probe (path, VSMMU_HOST_PROBE_NONE, error);
  return vsmmu_host_new_from_file (path, error);
}

VsmmuHost *
vsmmu_facts_load_chosen (const VsmmuFactsOptions *options, GError **error)
{
  if (options->path == NULL && !options->is_this_host)
    return NULL;
  return vsmmu_facts_load (options->path, options->is_passive ? VSMMU_HOST_PROBE_NONE : VSMMU_HOST_PROBE_DEVICES,
                           error);
}

const char *
vsmmu_facts_find_fault (const VsmmuFactsOptions *options)
{
  if (options->path != NULL && options->is_this_host)
    return _ ("--host and --this-host cannot be used together");
  if (options->is_passive && !options->is_this_host)
    return _ ("--passive requires --this-host");
  return NULL;
}
