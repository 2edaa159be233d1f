/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "adapt/lowering.h"
#include "base/target.h"
#include "domain/releases.h"

gboolean
vsmmu_strategy_choose (const VsmmuTarget *target, VsmmuStrategy *strategy, GError **error)
{
  g_autofree char *libvirt = vsmmu_target_libvirt_to_string (target);
  g_autofree char *qemu = vsmmu_target_qemu_to_string (target);

  if (target->libvirt == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                 _ ("the target has no libvirt version; write it as in libvirt=11.3,qemu=11.1"));
    return FALSE;
  }
  if (vsmmu_target_lacks (target, VSMMU_FEATURE_QEMU_ACCEL))
    return vsmmu_lowering_refuse (error, _ ("QEMU %s does not support an accelerated SMMUv3; use QEMU %s or newer"),
                                  qemu, vsmmu_feature_since (VSMMU_FEATURE_QEMU_ACCEL));
  if (vsmmu_target_lacks (target, VSMMU_FEATURE_OVERRIDE))
    return vsmmu_lowering_refuse (error,
                                  _ ("libvirt %s does not support <qemu:override>, which is required for an SMMUv3; "
                                     "use libvirt %s or newer"),
                                  libvirt, vsmmu_feature_since (VSMMU_FEATURE_OVERRIDE));
  if (vsmmu_target_has (target, VSMMU_FEATURE_ACCEL))
    *strategy = VSMMU_STRATEGY_NATIVE;
  else
    *strategy = vsmmu_target_has (target, VSMMU_FEATURE_PCI_BUS) ? VSMMU_STRATEGY_OVERRIDE : VSMMU_STRATEGY_STAND_IN;
  return TRUE;
}
