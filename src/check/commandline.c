/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "domain/acceleration.h"
#include "domain/reach.h"

/*
 * commandline-not-understood
 */

/* Messages: %s is the argument, or the name of the property or capability. */
static const char *const smmu_messages[] = {
  [VSMMU_REACH_BY_DEVICE] = N_ ("the QEMU argument '%s' creates an SMMUv3 without an <iommu> element"),
  [VSMMU_REACH_BY_JSON] = N_ ("the QEMU argument '%s' is not valid JSON and may create an SMMUv3"),
  [VSMMU_REACH_BY_GLOBAL] = N_ ("the QEMU argument '%s' changes SMMUv3s in a way that cannot be checked"),
  [VSMMU_REACH_BY_SET] = N_ ("the QEMU argument '%s' may change an SMMUv3 in a way that cannot be checked"),
  [VSMMU_REACH_BY_MACHINE] =
      N_ ("the QEMU argument '%s' creates an SMMUv3 that upstream QEMU does not have and that may be accelerated"),
  [VSMMU_REACH_BY_CONFIG] = N_ ("the file '%s' contains more QEMU options, which may create an accelerated SMMUv3 and "
                                "cannot be checked"),
  [VSMMU_REACH_BY_OVERRIDE] = N_ ("the override of '%s' creates or changes an SMMUv3 in a way that cannot be checked"),
  [VSMMU_REACH_BY_CAPABILITY] = N_ ("the QEMU capability '%s' changes how libvirt passes SMMUv3 and VFIO devices to "
                                    "QEMU, which cannot be checked"),
};

static const char *const vfio_messages[] = {
  [VSMMU_REACH_BY_DEVICE] = N_ ("the QEMU argument '%s' creates a VFIO device without a <hostdev> element"),
  [VSMMU_REACH_BY_OBJECT] = N_ ("the QEMU argument '%s' creates an iommufd in addition to that of the <hostdev> "
                                "elements"),
  [VSMMU_REACH_BY_GLOBAL] = N_ ("the QEMU argument '%s' changes VFIO devices or their iommufd in a way that cannot be "
                                "checked"),
  [VSMMU_REACH_BY_SET] =
      N_ ("the QEMU argument '%s' changes a VFIO device, its iommufd or its bus in a way that cannot "
          "be checked"),
  [VSMMU_REACH_BY_OVERRIDE] = N_ ("the override of '%s' changes a VFIO device, its iommufd or its bus in a way that "
                                  "cannot be checked"),
};

/* Hints: %s is the option before the argument, or the name of the property. */
static const char *const smmu_hints[] = {
  [VSMMU_REACH_BY_DEVICE] = N_ ("remove '%s' and this argument, and add <iommu model='smmuv3'><driver pciBus='INDEX' "
                                "accel='on'/></iommu>, where INDEX is the index of its root bus; 'virt-vsmmu adapt "
                                "--lift' does this where possible"),
  [VSMMU_REACH_BY_JSON] = N_ ("remove '%s' and this argument, or correct the JSON so that QEMU accepts it and each "
                              "name occurs only once"),
  [VSMMU_REACH_BY_GLOBAL] = N_ ("remove '%s' and this argument, and set the option on the <driver> of each <iommu "
                                "model='smmuv3'>"),
  [VSMMU_REACH_BY_SET] = N_ ("remove '%s' and this argument, and set the option on the <driver> of the <iommu "
                             "model='smmuv3'>"),
  [VSMMU_REACH_BY_MACHINE] = N_ ("remove '%s' and this argument, and add <iommu model='smmuv3'><driver pciBus='INDEX' "
                                 "accel='on'/></iommu>, where INDEX is the index of its root bus"),
  [VSMMU_REACH_BY_CONFIG] = N_ ("remove '%s' and this argument, and add elements for the devices in that file"),
  [VSMMU_REACH_BY_OVERRIDE] = N_ ("remove <qemu:property name='%s'>, and set the option on the <driver> of an <iommu "
                                  "model='smmuv3'>; 'virt-vsmmu adapt --lift' does this where possible"),
  [VSMMU_REACH_BY_CAPABILITY] = N_ ("remove the element for '%s'"),
};

static const char *const vfio_hints[] = {
  [VSMMU_REACH_BY_DEVICE] = N_ ("remove '%s' and this argument, and add <hostdev mode='subsystem' type='pci'> with the "
                                "address of the device in <source>"),
  [VSMMU_REACH_BY_OBJECT] = N_ ("remove '%s' and this argument, and add <driver iommufd='yes'/> to each <hostdev>; "
                                "'virt-vsmmu adapt --lift' does this where possible"),
  [VSMMU_REACH_BY_GLOBAL] = N_ ("remove '%s' and this argument, and add <driver iommufd='yes'/> to each <hostdev>; "
                                "'virt-vsmmu adapt --lift' does this where possible"),
  [VSMMU_REACH_BY_SET] = N_ ("remove '%s' and this argument, and use <driver>, <source> and <address> of the device "
                             "instead"),
  [VSMMU_REACH_BY_OVERRIDE] = N_ ("remove <qemu:property name='%s'>, and use <driver>, <source> and <address> of the "
                                  "device instead; 'virt-vsmmu adapt --lift' does this where possible"),
};

/* What hints call it. */
static const char *
shown_option (const VsmmuReach *reach)
{
  if (reach->option != NULL)
    return reach->option->value;
  return reach->from->property != NULL ? reach->from->property : reach->from->value;
}

/* (transfer full): @format translated, with @what for its %s */
static char *
fill (const char *format, const char *what)
{
  g_auto (GStrv) parts = g_strsplit (_ (format), "%s", 2);

  return g_strjoinv (what, parts);
}

static void
check_commandline_not_understood (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;

  for (guint i = 0; i < domain->reaches->len; i++) {
    const VsmmuReach *reach = &g_array_index (domain->reaches, VsmmuReach, i);
    gboolean is_vfio = reach->kind == VSMMU_REACH_VFIO;
    const char *message = (is_vfio ? vfio_messages : smmu_messages)[reach->way];
    const char *hint = (is_vfio ? vfio_hints : smmu_hints)[reach->way];
    g_autofree char *what =
        vsmmu_text_shorten (reach->from->property != NULL ? reach->from->property : reach->from->value);
    g_autofree char *option = vsmmu_text_shorten (shown_option (reach));

    g_autofree char *text = fill (message, what);

    vsmmu_check_report (check, reach->from->line, g_strdup (reach->from->element), fill (hint, option), "%s", text);
  }
}

/*
 * commandline-conflict
 */

/* What in a <qemu:arg> conflicts with the parts that libvirt generates for a vSMMU, or stops QEMU when there is one. */
static const struct {
  const char *text;
  VsmmuSeverity severity;
} conflicts[] = {
  { "iommu=smmuv3", VSMMU_SEVERITY_ERROR },       { "virtio-iommu", VSMMU_SEVERITY_ERROR },
  { "kernel-irqchip=off", VSMMU_SEVERITY_ERROR }, { "kernel_irqchip=off", VSMMU_SEVERITY_ERROR },
  { "accel=tcg", VSMMU_SEVERITY_ERROR },          { "bypass-iommu=on", VSMMU_SEVERITY_ERROR },
  { "bypass_iommu=on", VSMMU_SEVERITY_ERROR },    { "-only-migratable", VSMMU_SEVERITY_ERROR },
  { "pxb-pcie", VSMMU_SEVERITY_WARNING },         { "vfio-pci", VSMMU_SEVERITY_WARNING },
};

static void
check_argument (VsmmuCheck *check, const VsmmuPassthrough *argument)
{
  g_autofree char *value = vsmmu_text_shorten (argument->value);

  for (guint i = 0; i < G_N_ELEMENTS (conflicts); i++) {
    if (strstr (argument->value, conflicts[i].text) == NULL)
      continue;
    vsmmu_check_report_as (check, conflicts[i].severity, argument->line, g_strdup (argument->element),
                           g_strdup (_ ("remove the argument, and use <iommu>, <controller> or <hostdev> instead")),
                           _ ("the QEMU argument '%s' conflicts with the vSMMU that libvirt sets up"), value);
    return;
  }
}

/* (transfer full): the QEMU ids of accelerated vSMMUs, of their buses and of VFIO devices, as a set */
static GHashTable *
collect_ids (const VsmmuDomain *domain)
{
  GHashTable *ids = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (!vsmmu_iommu_is_accelerated (iommu))
      continue;
    g_hash_table_add (ids, iommu->id);
    if (domain->buses[iommu->iommu.pci_bus].controller != NULL)
      g_hash_table_add (ids, domain->buses[iommu->iommu.pci_bus].controller->id);
  }
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    /* Overrides do not apply to devices that are attached later. */
    if (!hostdev->is_plug)
      g_hash_table_add (ids, hostdev->id);
  }
  return ids;
}

/* (transfer full): what commandline-not-understood reports, as a set of VsmmuPassthrough */
static GHashTable *
collect_reaches (const VsmmuDomain *domain)
{
  GHashTable *reported = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < domain->reaches->len; i++)
    g_hash_table_add (reported, (gpointer) g_array_index (domain->reaches, VsmmuReach, i).from);
  return reported;
}

static void
check_commandline_conflict (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  g_autoptr (GHashTable) ids = collect_ids (domain);
  g_autoptr (GHashTable) reported = collect_reaches (domain);

  for (guint i = 0; i < domain->arguments->len; i++) {
    const VsmmuPassthrough *argument = &g_array_index (domain->arguments, VsmmuPassthrough, i);

    if (!g_hash_table_contains (reported, argument))
      check_argument (check, argument);
  }
  for (guint i = 0; i < domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (domain->overrides, VsmmuPassthrough, i);
    g_autofree char *property = vsmmu_text_shorten (override->property);

    if (g_hash_table_contains (ids, override->alias) && !g_hash_table_contains (reported, override))
      vsmmu_check_report (check, override->line, g_strdup (override->element),
                          g_strdup (_ ("remove the override, and use the elements and attributes of libvirt instead")),
                          _ ("the override of '%s' changes '%s', which is a part of the vSMMU, without libvirt "
                             "knowing it"),
                          property, override->alias);
  }
}

const VsmmuRuleRow vsmmu_commandline_rules[] = {
  { { "commandline-not-understood", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("Extra QEMU arguments, overrides or capabilities affect an SMMUv3 or VFIO device and cannot be checked"),
      N_ ("Arguments in <qemu:commandline>, properties in <qemu:override> and changes in <qemu:capabilities> can "
          "create an SMMUv3, accelerate one, or give a VFIO device a different iommufd, bus or host device. Neither "
          "libvirt nor the other rules see this. If it puts devices of two physical SMMUs behind one vSMMU, they "
          "silently corrupt guest memory. 'virt-vsmmu adapt --lift' turns what it understands into elements; this "
          "rule reports the rest, and anything that cannot be read, such as a configuration file."),
      "QEMU qemu_init(), qemu_global_option(), qemu_set_option(), qdev_device_add(); seen on 11.1.3" },
    check_commandline_not_understood },
  { { "commandline-conflict", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING,
      N_ ("Extra QEMU arguments conflict with the vSMMU"),
      N_ ("Arguments in <qemu:commandline> and properties in <qemu:override> bypass the checks of libvirt and of "
          "virt-vsmmu. QEMU creates devices given in its legacy syntax before those of libvirt, which changes what "
          "an SMMUv3 is checked against. With a second IOMMU, QEMU does not start."),
      "QEMU virt_machine_device_pre_plug_cb(); order of -device options" },
    check_commandline_conflict },
  { { NULL }, NULL },
};
