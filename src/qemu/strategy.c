/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "model/version.h"
#include "qemu/lowering.h"

/* When libvirt and QEMU came to know what. */
#define LIBVIRT_OVERRIDE VSMMU_VERSION_ENCODE (8, 2, 0)
#define LIBVIRT_PCI_BUS VSMMU_VERSION_ENCODE (11, 10, 0)
#define LIBVIRT_IOMMUFD VSMMU_VERSION_ENCODE (12, 1, 0)
#define LIBVIRT_DOMAIN_IOMMUFD VSMMU_VERSION_ENCODE (12, 2, 0)
#define LIBVIRT_ACCEL VSMMU_VERSION_ENCODE (12, 7, 0)
#define QEMU_ACCEL VSMMU_VERSION_ENCODE (11, 0, 0)

gboolean
vsmmu_target_knows_iommufd (const VsmmuTarget *target, gboolean is_for_domain)
{
  return target->libvirt >= (is_for_domain ? LIBVIRT_DOMAIN_IOMMUFD : LIBVIRT_IOMMUFD);
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
  if (target->qemu != 0 && target->qemu < QEMU_ACCEL)
    return vsmmu_lowering_refuse (error, _ ("QEMU %s has no accelerated SMMUv3; use QEMU 11.0 or newer"), qemu);
  if (target->libvirt < LIBVIRT_OVERRIDE)
    return vsmmu_lowering_refuse (error,
                                  _ ("libvirt %s has no <qemu:override>, which is needed to pass an SMMUv3 through it; "
                                     "use libvirt 8.2 or newer"),
                                  libvirt);
  if (target->libvirt >= LIBVIRT_ACCEL)
    *strategy = VSMMU_STRATEGY_NATIVE;
  else
    *strategy = target->libvirt >= LIBVIRT_PCI_BUS ? VSMMU_STRATEGY_OVERRIDE : VSMMU_STRATEGY_STAND_IN;
  return TRUE;
}
