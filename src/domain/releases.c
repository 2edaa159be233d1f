/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/releases.h"

#define SINCE(program, major, minor)                                                                                   \
  {                                                                                                                    \
    offsetof (VsmmuTarget, program), VSMMU_VERSION_ENCODE (major, minor, 0), #major "." #minor                         \
  }
#define LIBVIRT(major, minor) SINCE (libvirt, major, minor) /* formatdomain.rst, NEWS.rst */
#define QEMU(major, minor) SINCE (qemu, major, minor)       /* the notes of its releases */

/* tests/test_releases.py reads this table, and holds all texts with the number of a release against it. */
static const struct {
  gsize program; /* offset in VsmmuTarget */
  guint since;
  const char *text;
} features[] = {
  [VSMMU_FEATURE_OVERRIDE] = LIBVIRT (8, 2),        /* <qemu:override> */
  [VSMMU_FEATURE_VFIO_DRIVER] = LIBVIRT (10, 0),    /* model in the <driver> of a <hostdev> */
  [VSMMU_FEATURE_MEM_RESERVE] = LIBVIRT (10, 3),    /* memReserve in the <target> of a <controller> */
  [VSMMU_FEATURE_PCI_BUS] = LIBVIRT (11, 10),       /* pciBus in the <driver> of an SMMUv3 */
  [VSMMU_FEATURE_IOMMUFD] = LIBVIRT (12, 1),        /* iommufd in the <driver> of a <hostdev> */
  [VSMMU_FEATURE_DOMAIN_IOMMUFD] = LIBVIRT (12, 2), /* <iommufd> in a <domain> */
  [VSMMU_FEATURE_ACCEL] = LIBVIRT (12, 7),          /* accel and the options that need it */
  [VSMMU_FEATURE_EMULATED_ITS] = QEMU (6, 2),       /* an ITS without KVM, from machine type virt-6.2 on */
  [VSMMU_FEATURE_QEMU_ACCEL] = QEMU (11, 0),        /* accel of arm-smmuv3 */
  [VSMMU_FEATURE_QEMU_AUTO] = QEMU (11, 1),         /* its options from the host; 11.0 has the value 'auto' only */
  [VSMMU_FEATURE_QEMU_CMDQV] = QEMU (11, 1),        /* cmdqv of arm-smmuv3 */
};
G_STATIC_ASSERT (G_N_ELEMENTS (features) == VSMMU_FEATURES);

gboolean
vsmmu_release_has (guint version, VsmmuFeature feature)
{
  return version >= features[feature].since;
}

static guint
version_of (const VsmmuTarget *target, VsmmuFeature feature)
{
  return G_STRUCT_MEMBER (guint, target, features[feature].program);
}

gboolean
vsmmu_target_has (const VsmmuTarget *target, VsmmuFeature feature)
{
  return vsmmu_release_has (version_of (target, feature), feature);
}

gboolean
vsmmu_target_lacks (const VsmmuTarget *target, VsmmuFeature feature)
{
  guint version = version_of (target, feature);

  return version != 0 && !vsmmu_release_has (version, feature);
}

const char *
vsmmu_feature_since (VsmmuFeature feature)
{
  return features[feature].text;
}
