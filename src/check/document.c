/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "check/port.h"
#include "domain/acceleration.h"
#include "domain/options.h"

/* NVIDIA's libvirt has pasid='on'; the upstream one has the number of bits, ssidsize. */
#define PASID "pasid"

/* What to do about an unknown attribute of <driver>. */
static char *
hint_for_driver (const char *name)
{
  const char *meant = vsmmu_options_suggest (name);
  g_autofree char *all = vsmmu_options_list ();

  if (strcmp (name, PASID) == 0)
    return g_strdup (_ ("use ssidsize with the number of PASID bits, for example ssidsize='20', instead of 'pasid'"));
  if (meant != NULL)
    return g_strdup_printf (_ ("did you mean '%s'?"), meant);
  return g_strdup_printf (_ ("remove it; the attributes supported for smmuv3 are %s"), all);
}

static void
check_driver_attribute (VsmmuCheck *check, const VsmmuDevice *iommu, const char *name)
{
  g_autofree char *shown = vsmmu_text_shorten (name);

  if (vsmmu_options_is_attribute (name))
    return;
  if (vsmmu_options_is_of_other_models (name))
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup_printf (_ ("remove %s"), name),
                        _ ("attribute '%s' belongs to other IOMMU models; libvirt rejects it for smmuv3"), name);
  else
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), hint_for_driver (name),
                        _ ("unknown attribute '%s', which libvirt silently ignores"), shown);
}

/* <iommu> itself has no attribute but the model. */
static void
check_iommu_attribute (VsmmuCheck *check, const VsmmuDevice *iommu, const char *name)
{
  const char *meant = vsmmu_options_is_attribute (name) ? name : vsmmu_options_suggest (name);
  g_autofree char *shown = vsmmu_text_shorten (name);

  if (strcmp (name, "model") == 0)
    return;
  vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""),
                      meant != NULL ? g_strdup_printf (_ ("move it to <driver>, as '%s'"), meant)
                                    : g_strdup (_ ("remove it")),
                      _ ("attribute '%s' is not supported on <iommu>; libvirt silently ignores it"), shown);
}

static void
check_unknown_driver_attribute (VsmmuCheck *check)
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

/* (transfer full): what to do about a value that libvirt does not take */
static char *
hint_for_value (const VsmmuValueProblem *problem)
{
  g_autofree char *name = NULL;

  if (problem->attribute == NULL) {
    name = g_strdup (strrchr (problem->element, '/') + 1);
    name[strcspn (name, "[")] = '\0';
    return g_strdup_printf (_ ("set <%s> to %s"), name, problem->expected);
  }
  /* What is left out is auto. */
  if (g_strcmp0 (problem->value, "auto") == 0 && vsmmu_options_is_auto (problem->attribute))
    return g_strdup_printf (_ ("remove %s; without it, QEMU uses the value of the physical SMMU"), problem->attribute);
  return g_strdup_printf (_ ("set %s to %s"), problem->attribute, problem->expected);
}

static void
check_invalid_attribute_value (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (check->domain->problems, VsmmuValueProblem, i);
    g_autofree char *value = vsmmu_text_shorten (problem->value);
    char *hint;

    if (problem->unclear != NULL)
      continue;
    hint = hint_for_value (problem);
    if (problem->attribute == NULL)
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), hint, _ ("invalid value '%s'"), value);
    else if (problem->value == NULL)
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), hint, _ ("attribute '%s' is missing"),
                          problem->attribute);
    else
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), hint,
                          _ ("invalid value '%s' for attribute '%s'"), value, problem->attribute);
  }
}

static void
check_ambiguous_xml (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (check->domain->problems, VsmmuValueProblem, i);

    if (problem->unclear != NULL)
      vsmmu_check_report (check, problem->line, g_strdup (problem->element), g_strdup (problem->expected), "%s",
                          problem->unclear);
  }
}

static void
check_option_without_accel (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (iommu->iommu.driver == NULL || iommu->iommu.accel == VSMMU_SWITCH_ON ||
        iommu->iommu.accel == VSMMU_SWITCH_INVALID)
      continue;
    for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++)
      if (strcmp (option->name, "accel") != 0 && vsmmu_xml_attribute (iommu->iommu.driver, option->name) != NULL)
        vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                            g_strdup_printf (iommu->iommu.names_pci_bus ? _ ("set accel='on', or remove %s")
                                                                        : _ ("remove %s, or set accel='on' and "
                                                                             "pciBus"),
                                             option->name),
                            _ ("'%s' requires accel='on'; libvirt rejects the domain"), option->name);
  }
}

static void
check_accel_without_pci_bus (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (!iommu->iommu.is_smmuv3 || iommu->iommu.accel != VSMMU_SWITCH_ON || iommu->iommu.names_pci_bus)
      continue;
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        vsmmu_check_hint_for_bus (check->room),
                        _ ("accel='on' without pciBus creates a machine-wide, emulated SMMUv3; libvirt drops accel "
                           "and its options"));
  }
}

static void
check_iommu_has_address (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (iommu->iommu.is_smmuv3 && iommu->iommu.has_address)
      vsmmu_check_report (check, iommu->address_line, vsmmu_device_path (iommu, "/address"),
                          g_strdup (_ ("remove <address>; pciBus determines the place of the vSMMU")),
                          _ ("an SMMUv3 is not a PCI device and cannot have an address; libvirt rejects it"));
  }
}

const VsmmuRuleRow vsmmu_document_rules[] = {
  { { "xml-malformed", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("The document is not a valid domain XML document"),
      N_ ("The file is not well-formed XML, its root element is not <domain>, or it exceeds a safety limit, for "
          "example with a document type declaration or with elements nested too deeply. libvirt cannot read it "
          "either. Nothing else in the file is checked."),
      "libvirt virDomainDefParse(); libxml2" },
    NULL },
  { { "ignored-rule-unknown", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_WARNING,
      N_ ("A comment silences a rule that does not exist"),
      N_ ("A comment <!-- virt-vsmmu ignore=RULE --> before an element silences the findings of a rule about that "
          "element and everything in it. A rule that does not exist silences nothing."),
      "virt-vsmmu" },
    NULL },
  { { "schema-violation", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("An element or attribute does not match the schema"),
      N_ ("Only with --schema. libvirt ignores elements and attributes that it does not support, so a misspelled one "
          "silently has no effect. The schema lists everything that the installed libvirt supports. The smallest "
          "part of the document that does not match is reported."),
      "libvirt schemas/domain.rng; virsh define --validate" },
    NULL },
  { { "too-many-findings", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("The document has more findings than are shown"),
      N_ ("At most 1,000 findings are shown for one document, so that a document broken on purpose cannot fill a "
          "disk. The severity is that of the worst finding that is not shown."),
      "virt-vsmmu" },
    NULL },
  { { "unknown-driver-attribute", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("Unknown attribute on the <driver> of an SMMUv3"),
      N_ ("libvirt silently ignores attributes that it does not support, unless the document is validated against "
          "the schema. The names changed during development: ssidSize and ssid_size became ssidsize. With a wrong "
          "name, the option keeps its default, and the guest does not get what was asked for."),
      "libvirt virDomainIOMMUDefParseXML(); seen on 12.8: ssidSize='20' is accepted and ignored" },
    check_unknown_driver_attribute },
  { { "invalid-attribute-value", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("libvirt or QEMU does not accept the value"),
      N_ ("accel, ats, ril and cmdqv are 'on' or 'off'. There is no 'auto': to let QEMU choose, remove the "
          "attribute. ssidsize is 0 to 20, oas is 44 or 48, both decimal. libvirt rejects words, silently ignores "
          "negative numbers, and passes numbers that are too large to QEMU, which then does not start. The rule also "
          "covers the other values that the checks depend on: PCI addresses, bus numbers, sizes, and attributes that "
          "are 'yes' or 'no'."),
      "libvirt virXMLPropInt(), virXMLPropUInt(), virXMLPropTristateSwitch(); QEMU smmu_validate_property()" },
    check_invalid_attribute_value },
  { { "ambiguous-xml", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("Programs can read this XML in different ways"),
      N_ ("libvirt reads most attributes by their local name in any namespace, most elements only without a "
          "namespace, and the first or the last element where only one is allowed; releases differ. What such a "
          "document starts may not be what was checked, so it is rejected. Elements of other programs belong in "
          "<metadata>, where any namespace is allowed."),
      "libvirt virXMLPropString() (xmlGetProp()), virXPathNode(), virXMLNodeNameEqual(); seen on 12.8: <iommu "
      "x:model='smmuv3'> is an SMMUv3, and the last of two <gic> is used" },
    check_ambiguous_xml },
  { { "option-without-accel", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR,
      N_ ("An option of an accelerated SMMUv3 without accel='on'"),
      N_ ("ats, ril, ssidsize, oas and cmdqv describe a physical SMMU, which only an accelerated vSMMU uses. libvirt "
          "12.7 and newer reject the domain, even for cmdqv='off'; older versions ignore these options."),
      "libvirt virDomainIOMMUDefValidate(): accel must be enabled for iommu model 'smmuv3' when setting ..." },
    check_option_without_accel },
  { { "accel-without-pci-bus", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR, N_ ("accel='on' without pciBus"),
      N_ ("Without pciBus, libvirt asks QEMU for a machine-wide SMMUv3 (-machine iommu=smmuv3), which is always "
          "emulated. accel and its options are dropped, and VFIO devices then fail with 'requires iommu MAP "
          "notifier'. This happens when a program that writes the domain omits pciBus='0' because it is zero."),
      "libvirt qemuBuildIOMMUCommandLine(); seen on 12.8 with domxml-to-native" },
    check_accel_without_pci_bus },
  { { "iommu-has-address", VSMMU_RULE_GROUP_DOCUMENT, VSMMU_SEVERITY_ERROR, N_ ("An SMMUv3 with an <address>"),
      N_ ("An SMMUv3 is a platform device of the machine, and libvirt rejects an <address> on it. pciBus selects the "
          "devices behind it."),
      "libvirt virDomainIOMMUDefValidate(): iommu model 'smmuv3' can't have address" },
    check_iommu_has_address },
  { { NULL }, NULL },
};
