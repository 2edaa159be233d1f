/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/acceleration.h"

#include "domain/options.h"
#include "domain/reach.h"

static gboolean
has_value (const xmlAttr *attribute, const char *value)
{
  return attribute->children != NULL && xmlStrEqual (attribute->children->content, (const xmlChar *) value);
}

/* Whether an attribute of @node is, or resembles, an attribute that only an accelerated SMMUv3 has. */
static gboolean
mentions_acceleration (const xmlNode *node, gboolean is_driver)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next) {
    const char *name = (const char *) attribute->name;

    if (!vsmmu_options_is_attribute (name))
      name = vsmmu_options_suggest (name);
    if (name == NULL || strcmp (name, "pciBus") == 0)
      continue;
    if (strcmp (name, "accel") != 0 || !is_driver || !has_value (attribute, "off"))
      return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_iommu_is_accelerated (const VsmmuDevice *iommu)
{
  return iommu->iommu.is_smmuv3 && iommu->iommu.has_pci_bus && iommu->iommu.accel == VSMMU_SWITCH_ON;
}

gboolean
vsmmu_iommu_wants_acceleration (const VsmmuDevice *iommu)
{
  if (!iommu->iommu.is_smmuv3)
    return FALSE;
  return mentions_acceleration (iommu->node, FALSE) ||
         (iommu->iommu.driver != NULL && mentions_acceleration (iommu->iommu.driver, TRUE));
}

static gboolean
is_smmuv3 (const xmlNode *iommu)
{
  for (const xmlAttr *attribute = iommu->properties; attribute != NULL; attribute = attribute->next)
    if (xmlStrEqual (attribute->name, (const xmlChar *) "model") && has_value (attribute, "smmuv3"))
      return TRUE;
  return FALSE;
}

gboolean
vsmmu_domain_hides_vsmmu (const VsmmuDomain *domain, const xmlNode *root)
{
  gboolean is_unclear = FALSE;
  gboolean is_metadata = FALSE;

  for (guint i = 0; i < domain->problems->len; i++)
    is_unclear = is_unclear || g_array_index (domain->problems, VsmmuValueProblem, i).unclear != NULL;
  /* libvirt creates no devices from <metadata>, and not all of it may have been read. */
  for (const xmlNode *node = is_unclear ? root : NULL; node != NULL; node = vsmmu_xml_next (root, node, !is_metadata)) {
    is_metadata = node->parent == root && vsmmu_xml_is (node, "metadata");
    if (!vsmmu_xml_is_called (node, "iommu") || !is_smmuv3 (node))
      continue;
    if (mentions_acceleration (node, FALSE))
      return TRUE;
    for (const xmlNode *child = vsmmu_xml_element (node->children); child != NULL;
         child = vsmmu_xml_element (child->next))
      if (vsmmu_xml_is_called (child, "driver") && mentions_acceleration (child, TRUE))
        return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_domain_is_accelerated (const VsmmuDomain *domain)
{
  if (domain->hides_vsmmu)
    return TRUE;
  for (guint i = 0; i < domain->iommus->len; i++)
    if (vsmmu_iommu_wants_acceleration (vsmmu_domain_iommu_at (domain, i)))
      return TRUE;
  return vsmmu_reach_may_accelerate (domain);
}

const VsmmuReach *
vsmmu_domain_first_reach (const VsmmuDomain *domain)
{
  return domain->reaches->len > 0 && vsmmu_domain_is_accelerated (domain)
             ? &g_array_index (domain->reaches, VsmmuReach, 0)
             : NULL;
}
