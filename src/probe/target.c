/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/target.h"

#include "domain/releases.h"
#include "libvirt/connection.h"
#include "libvirt/qemu-log.h"
#include "probe/tools.h"

/* Whether it is worth starting the emulator. */
static gboolean
lacks_of_qemu (const VsmmuTarget *target)
{
  return vsmmu_target_lacks (target, VSMMU_FEATURE_QEMU_ACCEL) ||
         vsmmu_target_lacks (target, VSMMU_FEATURE_QEMU_AUTO) || vsmmu_target_lacks (target, VSMMU_FEATURE_QEMU_CMDQV);
}

/* Asks the emulator, which may differ from that of the guests. */
static void
ask_qemu (VsmmuHost *host)
{
  const VsmmuTarget known = host->tools;
  VsmmuTarget asked;

  vsmmu_tools_ask_qemu (host);
  asked = host->tools;
  host->tools = known;
  if (asked.qemu == known.qemu)
    g_strlcpy (host->tools.qemu_build, asked.qemu_build, VSMMU_BUILD_SIZE);
  else
    host->qemu_accel = host->qemu_auto = host->qemu_cmdqv = (VsmmuFact){ 0 };
}

void
vsmmu_target_refine (VsmmuTarget *target)
{
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();

  host->tools = *target;
  if (lacks_of_qemu (target))
    ask_qemu (host);
  if (vsmmu_target_lacks (target, VSMMU_FEATURE_ACCEL))
    vsmmu_tools_read_libvirt ("/", host);
  vsmmu_host_get_target (host, target);
}

gboolean
vsmmu_target_probe (const char *uri, VsmmuTarget *target, GError **error)
{
  if (!vsmmu_target_ask (uri, target, error))
    return FALSE;
  if (uri == NULL || vsmmu_uri_is_local (uri))
    vsmmu_target_refine (target);
  return TRUE;
}

VsmmuTarget *
vsmmu_target_new_for_uri (const char *uri, GError **error)
{
  VsmmuTarget target;

  return vsmmu_target_probe (uri, &target, error) ? g_memdup2 (&target, sizeof (target)) : NULL;
}
