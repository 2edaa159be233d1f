/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/releases.h"

#include <string.h>

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
  [VSMMU_FEATURE_QEMU_IOMMUFD] = QEMU (9, 0),       /* iommufd of vfio-pci */
  [VSMMU_FEATURE_QEMU_PASID] = QEMU (11, 0),        /* a PASID capability that vfio-pci shows: x-vpasid-cap-offset */
};
G_STATIC_ASSERT (G_N_ELEMENTS (features) == VSMMU_FEATURES);

gboolean
vsmmu_release_has (guint version, VsmmuFeature feature)
{
  return version >= features[feature].since;
}

#define BIT(feature) (1u << (feature))
#define BUILD(program, major, minor, vendor, number)                                                                   \
  offsetof (VsmmuTarget, program), offsetof (VsmmuTarget, program##_build), VSMMU_VERSION_ENCODE (major, minor, 0),    \
      vendor, number
#define LIBVIRT_BUILD(major, minor, vendor, number) BUILD (libvirt, major, minor, vendor, number)
#define QEMU_BUILD(major, minor, vendor, number) BUILD (qemu, major, minor, vendor, number)

/*
 * Builds of vendors that have more than the release that they begin with: from which number of their own on, and what.
 * For what a row does not say, the release counts. Each row has where that is from.
 */
static const struct {
  gsize program;
  gsize build;      /* offset in VsmmuTarget, as @program */
  guint release;    /* without the third number */
  const char *text; /* what the build begins with; a number follows */
  guint number;
  guint has;
} builds[] = {
  /* OpenNebula's guide for NVIDIA GB200, 2026-07: domains with accel, pciBus and iommufd run on it. Builds before that
   * have the names of a draft. */
  { LIBVIRT_BUILD (11, 9, "+nvidia", 4),
    BIT (VSMMU_FEATURE_PCI_BUS) | BIT (VSMMU_FEATURE_IOMMUFD) | BIT (VSMMU_FEATURE_ACCEL) },
  /* The same guide: 10.1.0+nvidia1egmfix. Its options are on or off, none is taken from the host. */
  { QEMU_BUILD (10, 1, "+nvidia", 1), BIT (VSMMU_FEATURE_QEMU_ACCEL) | BIT (VSMMU_FEATURE_QEMU_CMDQV) },
  /* NVIDIA/QEMU, pull request 16, merged 2026-05-28: 1:11.0.0+nvidia1-1 */
  { QEMU_BUILD (11, 0, "+nvidia", 1),
    BIT (VSMMU_FEATURE_QEMU_ACCEL) | BIT (VSMMU_FEATURE_QEMU_AUTO) | BIT (VSMMU_FEATURE_QEMU_CMDQV) },
};

static guint
version_of (const VsmmuTarget *target, VsmmuFeature feature)
{
  return G_STRUCT_MEMBER (guint, target, features[feature].program);
}

/* Whether a row of the table is about the build that @target names, and says that it has @feature. */
static gboolean
build_has (const VsmmuTarget *target, VsmmuFeature feature)
{
  guint release = version_of (target, feature) / 1000 * 1000;

  for (guint i = 0; i < G_N_ELEMENTS (builds); i++) {
    const char *build = &G_STRUCT_MEMBER (char, target, builds[i].build);

    if (builds[i].program == features[feature].program && builds[i].release == release &&
        g_str_has_prefix (build, builds[i].text) &&
        g_ascii_strtoull (build + strlen (builds[i].text), NULL, 10) >= builds[i].number &&
        (builds[i].has & BIT (feature)) != 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_target_has (const VsmmuTarget *target, VsmmuFeature feature)
{
  if ((target->asked & BIT (feature)) != 0)
    return (target->has & BIT (feature)) != 0;
  return vsmmu_release_has (version_of (target, feature), feature) || build_has (target, feature);
}

gboolean
vsmmu_target_lacks (const VsmmuTarget *target, VsmmuFeature feature)
{
  gboolean is_known = version_of (target, feature) != 0 || (target->asked & BIT (feature)) != 0;

  return is_known && !vsmmu_target_has (target, feature);
}

void
vsmmu_target_learn (VsmmuTarget *target, VsmmuFeature feature, gboolean has)
{
  target->asked |= BIT (feature);
  target->has = has ? target->has | BIT (feature) : target->has & ~BIT (feature);
}

const char *
vsmmu_feature_since (VsmmuFeature feature)
{
  return features[feature].text;
}
