/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt and QEMU say of themselves: any text at all. */
#include <stdint.h>
#include <string.h>

#include "probe/capabilities.h"
#include "probe/tools.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();
  char build[VSMMU_BUILD_SIZE];

  vsmmu_capabilities_read (text, host);
  if (host->emulator != NULL && !g_path_is_absolute (host->emulator))
    g_error ("an emulator without its path");
  if (vsmmu_fact_is_false (host->libvirt_iommufd))
    g_error ("capabilities do not say that something is missing");
  host->tools.qemu = vsmmu_tools_read_version (text);
  vsmmu_tools_read_build (text, build);
  if (strnlen (build, sizeof (build)) == sizeof (build))
    g_error ("a build without an end");
  vsmmu_tools_read_properties (host, text, text);
  if (!vsmmu_fact_is_known (host->qemu_accel) || !vsmmu_fact_is_known (host->qemu_iommufd))
    g_error ("a help that answers nothing");
  return 0;
}
