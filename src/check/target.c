/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/target.h"
#include "check/check.h"
#include "domain/acceleration.h"
#include "domain/options.h"
#include "domain/releases.h"
#include "domain/vsmmu.h"

/* The accelerated vSMMUs one after the other; %NULL after the last. */
static const VsmmuDevice *
next_accelerated (const VsmmuCheck *check, guint *i)
{
  while (*i < check->domain->iommus->len) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, (*i)++);

    if (vsmmu_iommu_is_accelerated (iommu))
      return iommu;
  }
  return NULL;
}

/* Whether QEMU has an accelerated SMMUv3, but not @feature; without one, another rule says so. */
static gboolean
lacks_only (const VsmmuCheck *check, VsmmuFeature feature)
{
  return vsmmu_target_lacks (check->target, feature) && !vsmmu_target_lacks (check->target, VSMMU_FEATURE_QEMU_ACCEL);
}

/* (transfer full): which QEMU to use instead of this, which is too old or was built without accel */
static char *
hint_accel (const VsmmuCheck *check)
{
  if (vsmmu_release_has (check->target->qemu, VSMMU_FEATURE_QEMU_ACCEL))
    return g_strdup (_ ("use a build of QEMU that lists accel in the output of 'qemu-system-aarch64 -M none -device "
                        "arm-smmuv3,help'"));
  return g_strdup_printf (_ ("use QEMU %s or newer; %s or newer also supports automatic options and cmdqv"),
                          vsmmu_feature_since (VSMMU_FEATURE_QEMU_ACCEL),
                          vsmmu_feature_since (VSMMU_FEATURE_QEMU_AUTO));
}

static void
check_target_qemu_too_old (VsmmuCheck *check)
{
  guint i = 0;
  const VsmmuDevice *iommu = next_accelerated (check, &i);
  g_autofree char *version = vsmmu_target_qemu_to_string (check->target);

  if (iommu != NULL && vsmmu_target_lacks (check->target, VSMMU_FEATURE_QEMU_ACCEL))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), hint_accel (check),
                        _ ("QEMU %s does not support an accelerated SMMUv3"), version);
}

static void
check_target_qemu_no_auto (VsmmuCheck *check)
{
  guint i = 0;
  const VsmmuDevice *iommu;
  g_autofree char *version = vsmmu_target_qemu_to_string (check->target);

  if (!lacks_only (check, VSMMU_FEATURE_QEMU_AUTO))
    return;
  while ((iommu = next_accelerated (check, &i)) != NULL) {
    g_autofree char *options = vsmmu_iommu_auto_options (iommu);

    if (options != NULL)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup_printf (_ ("set %s to the values of the physical SMMU, or use QEMU %s or newer"),
                                           options, vsmmu_feature_since (VSMMU_FEATURE_QEMU_AUTO)),
                          _ ("QEMU %s cannot take %s from the host"), version, options);
  }
}

static void
check_target_qemu_no_cmdqv (VsmmuCheck *check)
{
  guint i = 0;
  const VsmmuDevice *iommu;
  g_autofree char *version = vsmmu_target_qemu_to_string (check->target);

  if (!lacks_only (check, VSMMU_FEATURE_QEMU_CMDQV))
    return;
  while ((iommu = next_accelerated (check, &i)) != NULL)
    if (iommu->iommu.cmdqv == VSMMU_SWITCH_ON)
      vsmmu_check_report (
          check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
          g_strdup_printf (_ ("remove cmdqv, or use QEMU %s or newer"), vsmmu_feature_since (VSMMU_FEATURE_QEMU_CMDQV)),
          _ ("QEMU %s does not support cmdqv"), version);
}

/* Only the program itself can say this: each release with an accelerated SMMUv3 has iommufd if it was built with it. */
static void
check_target_qemu_no_iommufd (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  g_autofree char *version = vsmmu_target_qemu_to_string (check->target);

  if (!lacks_only (check, VSMMU_FEATURE_QEMU_IOMMUFD))
    return;
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
    g_autofree char *name = vsmmu_device_describe (hostdev);

    if (vsmmu_domain_accelerated_over (domain, hostdev) != NULL)
      vsmmu_check_report (
          check, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup (_ ("use a build of QEMU that lists iommufd in the output of 'qemu-system-aarch64 -M none -device "
                       "vfio-pci,help'")),
          _ ("QEMU %s was built without iommufd and cannot assign %s"), version, name);
  }
}

static void
check_target_qemu_no_pasid (VsmmuCheck *check)
{
  guint i = 0;
  const VsmmuDevice *iommu;
  g_autofree char *version = vsmmu_target_qemu_to_string (check->target);

  if (!lacks_only (check, VSMMU_FEATURE_QEMU_PASID))
    return;
  while ((iommu = next_accelerated (check, &i)) != NULL)
    if (iommu->iommu.ssidsize > 0)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (_ ("set ssidsize='0', or use a build of QEMU that lists x-vpasid-cap-offset in the "
                                       "output of 'qemu-system-aarch64 -M none -device vfio-pci,help'")),
                          _ ("QEMU %s shows no PASID capability of VFIO devices to the guest; ssidsize='%d' has no "
                             "effect"),
                          version, iommu->iommu.ssidsize);
}

/* (transfer full): what to do about a libvirt that drops what an accelerated SMMUv3 needs */
static char *
hint_newer (const VsmmuCheck *check)
{
  const char *since = vsmmu_feature_since (VSMMU_FEATURE_ACCEL);
  g_autofree char *version = vsmmu_target_libvirt_to_string (check->target);

  if (vsmmu_target_lacks (check->target, VSMMU_FEATURE_OVERRIDE))
    return g_strdup_printf (_ ("use libvirt %s or newer"), since);
  return g_strdup_printf (_ ("use libvirt %s or newer, or make this version pass it to QEMU: use 'virt-vsmmu adapt "
                             "--target libvirt=%s', or define the domain through virt-vsmmu-connect"),
                          since, version);
}

static void
check_target_libvirt_drops_accel (VsmmuCheck *check)
{
  guint i = 0;
  const VsmmuDevice *iommu;
  g_autofree char *version = vsmmu_target_libvirt_to_string (check->target);

  if (!vsmmu_target_lacks (check->target, VSMMU_FEATURE_ACCEL))
    return;
  while ((iommu = next_accelerated (check, &i)) != NULL)
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), hint_newer (check),
                        _ ("libvirt %s silently drops accel='on' and its options when the domain is defined"), version);
}

static void
check_target_libvirt_no_iommufd (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  g_autofree char *version = vsmmu_target_libvirt_to_string (check->target);

  if (domain->iommufd == VSMMU_SWITCH_ON && vsmmu_target_lacks (check->target, VSMMU_FEATURE_DOMAIN_IOMMUFD))
    vsmmu_check_report (check, domain->iommufd_line, g_strdup ("/domain/iommufd"), hint_newer (check),
                        _ ("libvirt %s silently drops <iommufd enabled='yes'/>"), version);
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
    g_autofree char *name = vsmmu_device_describe (hostdev);

    if (hostdev->hostdev.iommufd == VSMMU_SWITCH_ON && vsmmu_target_lacks (check->target, VSMMU_FEATURE_IOMMUFD))
      vsmmu_check_report (check, hostdev->hostdev.driver_line, vsmmu_device_path (hostdev, "/driver"),
                          hint_newer (check), _ ("libvirt %s silently drops iommufd='yes' of %s"), version, name);
  }
}

/*
 * (transfer full): what to write into qemu.conf, where a device is allowed by its path alone: qemuSetupDevicesCgroup()
 * and qemuDomainPopulateDevices() look each up, without patterns. The character devices are known with the facts of a
 * host.
 */
static char *
hint_for_acl (const VsmmuCheck *check)
{
  g_autoptr (GString) paths = g_string_new ("\"/dev/iommu\"");
  g_autoptr (GString) directories = g_string_new (NULL);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = check->host != NULL ? vsmmu_host_device_of (check->host, hostdev) : NULL;
    g_autofree char *host = vsmmu_pci_address_to_string (&hostdev->hostdev.host);

    if (!hostdev->hostdev.is_pci)
      continue;
    if (device != NULL && device->vfio != NULL)
      g_string_append_printf (paths, ", \"/dev/vfio/devices/%s\"", device->vfio);
    else
      g_string_append_printf (directories, "%s/sys/bus/pci/devices/%s/vfio-dev", directories->len > 0 ? ", " : "",
                              host);
  }
  if (directories->len == 0)
    return g_strdup_printf (_ ("add %s to the default cgroup_device_acl in qemu.conf, and let udev and AppArmor allow "
                               "QEMU to open them; PERMISSIONS in virt-vsmmu(1) shows the three files"),
                            paths->str);
  return g_strdup_printf (_ ("add %s and \"/dev/vfio/devices/NAME\" to the default cgroup_device_acl in qemu.conf, "
                             "where NAME is what the host has in %s, and let udev and AppArmor allow QEMU to open "
                             "them; PERMISSIONS in virt-vsmmu(1) shows the three files"),
                          paths->str, directories->str);
}

static void
check_target_device_acl (VsmmuCheck *check)
{
  g_autofree char *version = vsmmu_target_libvirt_to_string (check->target);
  const VsmmuDevice *hostdev;

  if (!vsmmu_target_lacks (check->target, VSMMU_FEATURE_IOMMUFD) || check->domain->hostdevs->len == 0)
    return;
  hostdev = g_ptr_array_index (check->domain->hostdevs, 0);
  vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""), hint_for_acl (check),
                      _ ("libvirt %s does not open iommufd devices for QEMU, and does not allow QEMU to open them"),
                      version);
}

const VsmmuRuleRow vsmmu_target_rules[] = {
  { { "target-qemu-too-old", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This QEMU version does not support an accelerated SMMUv3"),
      N_ ("QEMU supports accel, a property of arm-smmuv3, since 11.0, if it was built with it."), "QEMU 11.0 release" },
    check_target_qemu_too_old },
  { { "target-qemu-no-auto", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This QEMU version cannot take options from the host"),
      N_ ("QEMU 11.0 accepts the value 'auto' for ats, ril, ssidsize and oas, but does not ask the host; QEMU 11.1 "
          "does. Before that, all four must be set."),
      "QEMU 11.0 qemu-options: 'auto' mode is not currently supported" },
    check_target_qemu_no_auto },
  { { "target-qemu-no-cmdqv", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This QEMU version does not support cmdqv"),
      N_ ("QEMU supports cmdqv, the command queue virtualization of Tegra241, since 11.1."), "QEMU 11.1 release" },
    check_target_qemu_no_cmdqv },
  { { "target-qemu-no-iommufd", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This QEMU was built without iommufd"),
      N_ ("An accelerated SMMUv3 works with VFIO devices that use iommufd. Whether QEMU has it depends on how it was "
          "built, so the installed program is asked for the properties of vfio-pci; a version number does not say it."),
      "QEMU hw/vfio/pci.c vfio_pci_properties: iommufd under CONFIG_IOMMUFD" },
    check_target_qemu_no_iommufd },
  { { "target-qemu-no-pasid", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_WARNING,
      N_ ("This QEMU does not show PASIDs to the guest"),
      N_ ("With ssidsize above 0, the guest can use PASIDs if it sees that its devices have them. The kernel hides "
          "that capability, and QEMU makes one up, in the place that the property x-vpasid-cap-offset of vfio-pci "
          "says. A vendor's build without this property has ssidsize all the same. The installed program is asked for "
          "it."),
      "QEMU hw/vfio/pci.c: x-vpasid-cap-offset" },
    check_target_qemu_no_pasid },
  { { "target-libvirt-drops-accel", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This libvirt version silently drops 'accel'"),
      N_ ("libvirt supports accel and its options since 12.7, and pciBus since 11.10. An older version accepts the "
          "document, drops what it does not support, and starts the guest with an emulated SMMUv3. From 8.2 on, "
          "libvirt can be made to pass everything to QEMU: 'virt-vsmmu adapt' writes the domain in a form that "
          "libvirt stores and passes on without interpreting it. virt-vsmmu-connect does this on the way to any "
          "libvirt, and still shows the domain as it was written."),
      "libvirt formatdomain; seen on 11.3" },
    check_target_libvirt_drops_accel },
  { { "target-libvirt-no-iommufd", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_ERROR,
      N_ ("This libvirt version silently drops 'iommufd'"),
      N_ ("libvirt supports iommufd in the <driver> of a <hostdev> since 12.1, and <iommufd> in the domain since "
          "12.2. An older version uses the legacy VFIO container, which does not work with an accelerated SMMUv3. "
          "'virt-vsmmu adapt' and virt-vsmmu-connect give the VFIO devices of a guest iommufd through QEMU's command "
          "line."),
      "libvirt formatdomain; seen on 11.3" },
    check_target_libvirt_no_iommufd },
  { { "target-device-acl", VSMMU_RULE_GROUP_TARGET, VSMMU_SEVERITY_WARNING,
      N_ ("QEMU must be allowed to open the iommufd devices"),
      N_ ("Since 12.1, libvirt opens /dev/iommu and /dev/vfio/devices/vfioN itself and passes the file descriptors to "
          "QEMU. With an older version, QEMU opens them, and three things must allow it: cgroup_device_acl in "
          "qemu.conf, which lists each device by its path and without patterns; the owner and the mode of the files, "
          "which a udev rule sets; and AppArmor, where it confines QEMU: the profile that libvirt generates allows "
          "/dev/vfio/vfio and /dev/vfio/[0-9]* only."),
      "libvirt qemu.conf: cgroup_device_acl; virt-aa-helper get_files(); Debian's abstractions/libvirt-qemu" },
    check_target_device_acl },
  { { NULL }, NULL },
};
