/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/releases.h"
#include "host/host.h"

/* What the installed programs were asked, and the facts with their answers. */
static const struct {
  VsmmuFeature feature;
  gsize offset;
} facts[] = {
  { VSMMU_FEATURE_ACCEL, offsetof (VsmmuHost, libvirt_accel) },
  { VSMMU_FEATURE_PCI_BUS, offsetof (VsmmuHost, libvirt_accel) },
  { VSMMU_FEATURE_IOMMUFD, offsetof (VsmmuHost, libvirt_iommufd) },
  { VSMMU_FEATURE_QEMU_ACCEL, offsetof (VsmmuHost, qemu_accel) },
  { VSMMU_FEATURE_QEMU_AUTO, offsetof (VsmmuHost, qemu_auto) },
  { VSMMU_FEATURE_QEMU_CMDQV, offsetof (VsmmuHost, qemu_cmdqv) },
  { VSMMU_FEATURE_QEMU_IOMMUFD, offsetof (VsmmuHost, qemu_iommufd) },
  { VSMMU_FEATURE_QEMU_PASID, offsetof (VsmmuHost, qemu_pasid) },
};

/* A libvirt without accel may have pciBus all the same, and the version says so. */
static gboolean
decides (VsmmuFeature feature, const VsmmuFact *fact)
{
  return vsmmu_fact_is_known (*fact) && (feature != VSMMU_FEATURE_PCI_BUS || vsmmu_fact_is_true (*fact));
}

void
vsmmu_host_get_target (const VsmmuHost *host, VsmmuTarget *target)
{
  *target = host->tools;
  for (guint i = 0; i < G_N_ELEMENTS (facts); i++) {
    const VsmmuFact *fact = &G_STRUCT_MEMBER (VsmmuFact, host, facts[i].offset);

    if (decides (facts[i].feature, fact))
      vsmmu_target_learn (target, facts[i].feature, vsmmu_fact_is_true (*fact));
  }
}
