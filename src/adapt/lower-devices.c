/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "adapt/lowering.h"
#include "base/text.h"
#include "domain/acceleration.h"
#include "domain/releases.h"

/* Attributes that belong to VFIO devices and their ports, and that older libvirts silently drop. */
static const struct {
  const char *device;
  const char *element;
  const char *attribute;
  VsmmuFeature feature;
} attributes[] = {
  { "controller", "target", "memReserve", VSMMU_FEATURE_MEM_RESERVE },
  { "hostdev", "driver", "model", VSMMU_FEATURE_VFIO_DRIVER },
};

/* The name of the backend records the value of <iommufd>; QEMU accepts any name. */
static const char *
backend_name (const VsmmuDomain *domain)
{
  return vsmmu_iommufd_ids[domain->iommufd == VSMMU_SWITCH_INVALID ? VSMMU_SWITCH_ABSENT : domain->iommufd];
}

static void
remove_for_domain (VsmmuLowering *lowering)
{
  const xmlNode *iommufd = vsmmu_xml_child (lowering->root, "iommufd");

  if (iommufd == NULL)
    return;
  if (vsmmu_xml_attribute (iommufd, "fdgroup") != NULL)
    vsmmu_lowering_note (lowering->notes,
                         _ ("line %u: fdgroup is dropped; QEMU opens /dev/iommu itself and must have permission"),
                         lowering->domain->iommufd_line);
  vsmmu_edit_remove (lowering->edit, iommufd);
}

/* VFIO devices may also be attached to a running guest that has none, and do not work without iommufd. */
static gboolean
needs_iommufd (const VsmmuDomain *domain)
{
  if (domain->iommufd == VSMMU_SWITCH_ON)
    return TRUE;
  for (guint i = 0; i < domain->iommus->len; i++)
    if (vsmmu_iommu_is_accelerated (vsmmu_domain_iommu_at (domain, i)))
      return TRUE;
  for (guint i = 0; i < domain->hostdevs->len; i++)
    if (vsmmu_domain_uses_iommufd (domain, vsmmu_domain_hostdev_at (domain, i)))
      return TRUE;
  return FALSE;
}

/* An override for what <iommufd> of the domain does not say. QEMU does not accept the empty name as a backend. */
static void
override_iommufd (VsmmuLowering *lowering, const VsmmuDevice *hostdev, const char *backend)
{
  g_autofree char *id = vsmmu_text_escape (hostdev->id);

  g_string_append_printf (lowering->overrides,
                          "<qemu:device alias='%s'>\n"
                          "  <qemu:frontend>\n"
                          "    <qemu:property name='iommufd' type='string' value='%s'/>\n"
                          "  </qemu:frontend>\n"
                          "</qemu:device>\n",
                          id, backend);
}

/*
 * An override would do for the devices that are there at start, but not for those
 * that are attached later; so all get the backend, except those that must not have it.
 */
void
vsmmu_lower_iommufd (VsmmuLowering *lowering)
{
  const VsmmuDomain *domain = lowering->domain;
  gboolean is_needed = needs_iommufd (domain);

  if (vsmmu_target_has (lowering->target,
                        domain->iommufd_line != 0 ? VSMMU_FEATURE_DOMAIN_IOMMUFD : VSMMU_FEATURE_IOMMUFD))
    return;
  remove_for_domain (lowering);
  if (is_needed) {
    g_autofree char *object = g_strconcat ("iommufd,id=", backend_name (domain), NULL);
    g_autofree char *global = g_strconcat (VSMMU_IOMMUFD_PROPERTY "=", backend_name (domain), NULL);

    vsmmu_lowering_add_argument (lowering, "-object", object);
    vsmmu_lowering_add_argument (lowering, "-global", global);
  } else if (domain->iommufd == VSMMU_SWITCH_OFF) {
    /* No backend for all says the same, and lifting finds it. */
    vsmmu_lowering_add_argument (lowering, "-global", VSMMU_IOMMUFD_PROPERTY "=");
  }
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (hostdev->hostdev.iommufd != VSMMU_SWITCH_ABSENT)
      vsmmu_edit_remove_attribute (lowering->edit, vsmmu_xml_child (hostdev->node, "driver"), "iommufd");
    if (is_needed && !vsmmu_domain_uses_iommufd (domain, hostdev))
      override_iommufd (lowering, hostdev, "");
    else if (is_needed && domain->iommufd == VSMMU_SWITCH_ON && hostdev->hostdev.iommufd == VSMMU_SWITCH_ON)
      override_iommufd (lowering, hostdev, backend_name (domain));
  }
}

static void
add_initiators (VsmmuLowering *lowering, const VsmmuDevice *hostdev, guint *number)
{
  for (guint node = 0; node < VSMMU_NODES_MAX; node++) {
    g_autofree char *value = NULL;

    if (!vsmmu_nodes_contain (hostdev->hostdev.acpi_nodes, node))
      continue;
    value = g_strdup_printf ("acpi-generic-initiator,id=" VSMMU_INITIATOR_ID "%u,pci-dev=%s,node=%u", (*number)++,
                             hostdev->id, node);
    vsmmu_lowering_add_argument (lowering, "-object", value);
  }
}

void
vsmmu_lower_initiators (VsmmuLowering *lowering)
{
  guint number = 0;

  if (lowering->strategy != VSMMU_STRATEGY_STAND_IN)
    return;
  for (guint i = 0; i < lowering->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (lowering->domain->hostdevs, i);
    const xmlNode *acpi = vsmmu_xml_child (hostdev->node, "acpi");

    if (acpi == NULL || vsmmu_xml_attribute (acpi, "nodeset") == NULL)
      continue;
    if (acpi->properties->next == NULL)
      vsmmu_edit_remove (lowering->edit, acpi);
    else
      vsmmu_edit_remove_attribute (lowering->edit, acpi, "nodeset");
    add_initiators (lowering, hostdev, &number);
  }
}

void
vsmmu_lower_hole (VsmmuLowering *lowering)
{
  const VsmmuDevice *root = lowering->domain->buses[0].controller;
  g_autofree char *value = NULL;

  if (lowering->strategy != VSMMU_STRATEGY_STAND_IN || !root->controller.has_pcihole64)
    return;
  value = g_strdup_printf ("highmem-mmio-size=%" PRIu64 "K", root->controller.pcihole64);
  vsmmu_lowering_add_argument (lowering, "-machine", value);
  vsmmu_edit_remove (lowering->edit, vsmmu_xml_child (root->node, "pcihole64"));
}

void
vsmmu_lower_note_lost (VsmmuLowering *lowering)
{
  for (guint i = 0; i < lowering->domain->devices->len * G_N_ELEMENTS (attributes); i++) {
    const VsmmuDevice *device = g_ptr_array_index (lowering->domain->devices, i / G_N_ELEMENTS (attributes));
    guint row = i % G_N_ELEMENTS (attributes);
    const xmlNode *element = NULL;

    if (device->node != NULL && strcmp (device->element, attributes[row].device) == 0 &&
        vsmmu_target_lacks (lowering->target, attributes[row].feature))
      element = vsmmu_xml_child (device->node, attributes[row].element);
    if (element != NULL && vsmmu_xml_attribute (element, attributes[row].attribute) != NULL)
      vsmmu_lowering_note (lowering->notes, _ ("line %u: this libvirt version does not support '%s' and drops it"),
                           vsmmu_xml_line (element), attributes[row].attribute);
  }
}
