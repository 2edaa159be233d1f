/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "domain/releases.h"
#include "domain/vsmmu.h"

/* (nullable): the first device that QEMU uses through iommufd */
static const VsmmuDevice *
first_with_iommufd (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (hostdev->hostdev.is_pci && vsmmu_domain_uses_iommufd (domain, hostdev))
      return hostdev;
  }
  return NULL;
}

/* Whether the domain asks libvirt to start QEMU without a profile: <seclabel type='none'>, for AppArmor or for all. */
static gboolean
is_unconfined (const VsmmuDomain *domain)
{
  const xmlNode *root = xmlDocGetRootElement (domain->document);

  for (const xmlNode *node = vsmmu_xml_element (root->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    const char *model = vsmmu_xml_attribute (node, "model");

    if (vsmmu_xml_is (node, "seclabel") && g_strcmp0 (vsmmu_xml_attribute (node, "type"), "none") == 0 &&
        (model == NULL || strcmp (model, "apparmor") == 0))
      return TRUE;
  }
  return FALSE;
}

/* The libvirt that is checked for, or else that of the host */
static void
find_libvirt (const VsmmuCheck *check, VsmmuTarget *target)
{
  vsmmu_host_get_target (check->host, target);
  if (check->target != NULL && check->target->libvirt != 0)
    *target = *check->target;
}

static void
check_host_apparmor (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = first_with_iommufd (check->domain);
  g_autofree char *denied = vsmmu_host_describe_denied (check->host);
  g_autofree char *version = NULL;
  VsmmuTarget target;
  char *hint;

  find_libvirt (check, &target);
  if (vsmmu_domain_first_accelerated (check->domain) == NULL || hostdev == NULL || denied == NULL ||
      is_unconfined (check->domain) || vsmmu_target_has (&target, VSMMU_FEATURE_IOMMUFD))
    return;
  hint = g_strdup (_ ("add '/dev/iommu rw,' and '/dev/vfio/devices/* rw,' to a file in "
                      "/etc/apparmor.d/abstractions/libvirt-qemu.d on the host; PERMISSIONS in virt-vsmmu(1) has the "
                      "command"));
  version = vsmmu_target_libvirt_to_string (&target);
  if (vsmmu_target_lacks (&target, VSMMU_FEATURE_IOMMUFD))
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""), hint,
                        _ ("AppArmor on the host does not allow QEMU to open %s, and libvirt %s leaves that to QEMU"),
                        denied, version);
  else
    vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, hostdev->line, vsmmu_device_path (hostdev, ""), hint,
                           _ ("AppArmor on the host does not allow QEMU to open %s, which libvirt before %s leaves to "
                              "QEMU"),
                           denied, vsmmu_feature_since (VSMMU_FEATURE_IOMMUFD));
}

const VsmmuRuleRow vsmmu_host_confinement_rules[] = {
  { { "host-apparmor", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("AppArmor does not allow QEMU to open the iommufd devices"),
      N_ ("libvirt opens /dev/iommu and /dev/vfio/devices/vfioN for QEMU since 12.1, and adds each to the guest's AppArmor "
          "profile. An older version leaves it to QEMU, whose profile allows /dev/vfio/vfio and /dev/vfio/[0-9]* only, so "
          "that QEMU stops with 'Permission denied'. A file in "
          "/etc/apparmor.d/abstractions/libvirt-qemu.d can allow both; Debian 12 has only "
          "/etc/apparmor.d/local/abstractions/libvirt-qemu for this. libvirt loads a guest's profile when the guest is "
          "started, so nothing must be restarted. When the version of libvirt is unknown, this is a warning."),
      "libvirt qemuProcessOpenIommuFd(), qemuProcessOpenVfioDeviceFd(): virSecurityManagerSetImageFDLabel(); "
      "AppArmorSetFDLabel(); virt-aa-helper get_files(); Debian's abstractions/libvirt-qemu of 9.0, 11.3, 12.8 and "
      "12.9; tested with the profiles of 11.3 and 12.8 enforced by Linux 6.1" },
    check_host_apparmor },
  { { NULL }, NULL },
};
