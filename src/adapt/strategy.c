/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lowering.h"
#include "base/version.h"
#include "domain/releases.h"

gboolean
vsmmu_target_knows_iommufd (const VsmmuTarget *target, gboolean is_for_domain)
{
  return target->libvirt >= (is_for_domain ? VSMMU_LIBVIRT_DOMAIN_IOMMUFD : VSMMU_LIBVIRT_IOMMUFD);
}

gboolean
vsmmu_strategy_choose (const VsmmuTarget *target, VsmmuStrategy *strategy, GError **error)
{
  g_autofree char *libvirt = vsmmu_version_to_string (target->libvirt);
  g_autofree char *qemu = vsmmu_version_to_string (target->qemu);

  if (target->libvirt == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                 _ ("the target names no libvirt: write it like libvirt=11.3,qemu=11.1"));
    return FALSE;
  }
  if (target->qemu != 0 && target->qemu < VSMMU_QEMU_ACCEL)
    return vsmmu_lowering_refuse (error, _ ("QEMU %s has no accelerated SMMUv3; use QEMU 11.0 or newer"), qemu);
  if (target->libvirt < VSMMU_LIBVIRT_OVERRIDE)
    return vsmmu_lowering_refuse (error,
                                  _ ("libvirt %s has no <qemu:override>, which is needed to pass an SMMUv3 through it; "
                                     "use libvirt 8.2 or newer"),
                                  libvirt);
  if (target->libvirt >= VSMMU_LIBVIRT_ACCEL)
    *strategy = VSMMU_STRATEGY_NATIVE;
  else
    *strategy = target->libvirt >= VSMMU_LIBVIRT_PCI_BUS ? VSMMU_STRATEGY_OVERRIDE : VSMMU_STRATEGY_STAND_IN;
  return TRUE;
}
