/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

VsmmuHost *
vsmmu_facts_load (const char *path, VsmmuHostProbeFlags flags, GError **error)
{
  if (path == NULL)
    return vsmmu_host_probe (NULL, flags, error);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return vsmmu_host_probe (path, VSMMU_HOST_PROBE_NONE, error);
  return vsmmu_host_new_from_file (path, error);
}
