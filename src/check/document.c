/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/suggest.h"
#include "base/text.h"
#include "check/check.h"
#include "domain/acceleration.h"

/* Attributes that libvirt 12.8 knows on <driver> of other IOMMU models. */
static const char *const other_models_attributes[] = { "intremap",        "caching_mode", "eim",   "iotlb", "aw_bits",
                                                       "dma_translation", "passthrough",  "xtsup", NULL };

/* What to do about an attribute of <driver> that nobody knows. */
static char *
hint_for_driver (const char *name)
{
  const char *meant = vsmmu_suggest (name, vsmmu_iommu_attributes);

  if (meant != NULL)
    return g_strdup_printf (_ ("did you mean '%s'?"), meant);
  return g_strdup (_ ("remove it; smmuv3 has pciBus, accel, ats, ril, ssidsize, oas and cmdqv"));
}

static void
check_driver_attribute (VsmmuCheck *check, const VsmmuDevice *iommu, const char *name)
{
  g_autofree char *shown = vsmmu_text_shorten (name);

  if (g_strv_contains (vsmmu_iommu_attributes, name))
    return;
  if (g_strv_contains (other_models_attributes, name))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup_printf (_ ("remove '%s'"), name),
                        _ ("'%s' belongs to other IOMMU models; libvirt refuses it for smmuv3"), name);
  else
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), hint_for_driver (name),
                        _ ("unknown attribute '%s': libvirt ignores it without a word"), shown);
}

/* <iommu> itself has no attribute but the model. */
static void
check_iommu_attribute (VsmmuCheck *check, const VsmmuDevice *iommu, const char *name)
{
  const char *meant =
      g_strv_contains (vsmmu_iommu_attributes, name) ? name : vsmmu_suggest (name, vsmmu_iommu_attributes);
  g_autofree char *shown = vsmmu_text_shorten (name);

  if (strcmp (name, "model") == 0)
    return;
  vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""),
                      meant != NULL ? g_strdup_printf (_ ("put it on <driver>, as '%s'"), meant)
                                    : g_strdup (_ ("remove it")),
                      _ ("'%s' stands on <iommu>, where libvirt ignores it without a word"), shown);
}

void
vsmmu_rule_unknown_driver_attribute (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    const xmlAttr *attribute;

    if (!vsmmu_iommu_wants_acceleration (iommu))
      continue;
    for (attribute = iommu->node->properties; attribute != NULL; attribute = attribute->next)
      if (attribute->ns == NULL)
        check_iommu_attribute (check, iommu, (const char *) attribute->name);
    if (iommu->iommu.driver == NULL)
      continue;
    for (attribute = iommu->iommu.driver->properties; attribute != NULL; attribute = attribute->next)
      if (attribute->ns == NULL)
        check_driver_attribute (check, iommu, (const char *) attribute->name);
  }
}

void
vsmmu_rule_invalid_attribute_value (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (check->domain->problems, VsmmuValueProblem, i);
    g_autofree char *value = vsmmu_text_shorten (problem->value);
    char *hint;

    if (problem->unclear != NULL)
      continue;
    hint = g_strdup_printf (_ ("give %s"), problem->expected);
    if (problem->attribute == NULL)
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), hint, _ ("'%s' is not valid here"), value);
    else
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), hint,
                          _ ("'%s' is no value for attribute '%s'"), value, problem->attribute);
  }
}

void
vsmmu_rule_ambiguous_xml (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (check->domain->problems, VsmmuValueProblem, i);

    if (problem->unclear != NULL)
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), g_strdup (problem->expected), "%s",
                          problem->unclear);
  }
}

void
vsmmu_rule_option_without_accel (VsmmuCheck *check)
{
  static const char *const options[] = { "ats", "ril", "ssidsize", "oas", "cmdqv" };

  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (iommu->iommu.driver == NULL || iommu->iommu.accel == VSMMU_SWITCH_ON ||
        iommu->iommu.accel == VSMMU_SWITCH_INVALID)
      continue;
    for (guint o = 0; o < G_N_ELEMENTS (options); o++)
      if (vsmmu_xml_attribute (iommu->iommu.driver, options[o]) != NULL)
        vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                            g_strdup_printf (_ ("add accel='on', or remove '%s'"), options[o]),
                            _ ("'%s' needs accel='on'; libvirt refuses the domain"), options[o]);
  }
}

void
vsmmu_rule_accel_without_pci_bus (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (!iommu->iommu.is_smmuv3 || iommu->iommu.accel != VSMMU_SWITCH_ON || iommu->iommu.names_pci_bus)
      continue;
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("add pciBus with the index of the pcie-expander-bus that the devices hang off")),
                        _ ("accel='on' without pciBus makes a machine-wide, emulated SMMUv3: libvirt drops accel and "
                           "all its options"));
  }
}

void
vsmmu_rule_iommu_has_address (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (iommu->iommu.is_smmuv3 && iommu->iommu.has_address)
      vsmmu_check_report (check, iommu->address_line, vsmmu_device_path (iommu, "/address"),
                          g_strdup (_ ("remove <address>; pciBus says where the vSMMU belongs")),
                          _ ("an SMMUv3 is no PCI device and can have no address; libvirt refuses it"));
  }
}
