/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/target.h"

#include "domain/domain.h"
#include "libvirt/connection.h"
#include "libvirt/qemu-log.h"
#include "probe/tools.h"

/* Asks the emulator, which may differ from that of the guests. */
static void
refine_qemu (VsmmuHost *host)
{
  g_autoptr (VsmmuHost) asked = vsmmu_host_new ();

  vsmmu_tools_find_qemu (host);
  asked->emulator = g_strdup (host->emulator);
  if (!vsmmu_tools_ask_qemu_version (asked) || asked->tools.qemu != host->tools.qemu)
    return;
  g_strlcpy (host->tools.qemu_build, asked->tools.qemu_build, VSMMU_BUILD_SIZE);
  vsmmu_tools_ask_qemu_properties (host);
}

static void
refine (VsmmuHost *host)
{
  refine_qemu (host);
  vsmmu_tools_read_libvirt ("/", host);
}

void
vsmmu_target_refine (VsmmuTarget *target)
{
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();

  host->tools = *target;
  refine (host);
  vsmmu_host_get_target (host, target);
}

gboolean
vsmmu_target_probe (const char *uri, VsmmuTarget *target, GError **error)
{
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();

  if (!vsmmu_tools_ask_libvirt (uri, host, error))
    return FALSE;
  if (uri == NULL || vsmmu_uri_is_local (uri))
    refine (host);
  vsmmu_host_get_target (host, target);
  return TRUE;
}

/* (nullable): the first emulator, which libvirt starts */
static const char *
emulator_of (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (g_strcmp0 (device->element, "emulator") == 0)
      return vsmmu_xml_text (device->node);
  }
  return NULL;
}

void
vsmmu_target_probe_for_domain (const VsmmuDomain *domain, VsmmuTarget *target)
{
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();

  host->emulator = g_strdup (emulator_of (domain));
  if (vsmmu_tools_may_run_qemu (host) && vsmmu_tools_ask_qemu_version (host))
    vsmmu_tools_ask_qemu_properties (host);
  vsmmu_host_get_target (host, target);
}

VsmmuTarget *
vsmmu_target_new_for_uri (const char *uri, GError **error)
{
  VsmmuTarget target;

  return vsmmu_target_probe (uri, &target, error) ? g_memdup2 (&target, sizeof (target)) : NULL;
}
