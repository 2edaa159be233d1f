/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "check/host.h"
#include "domain/vsmmu.h"
#include "host/binding.h"
#include "host/host-fields.h"
#include "host/kernel.h"

/* QEMU's vSMMU has these in its own IDRs and compares: smmuv3_accel_check_hw_compatible(), 11.1. */
const VsmmuRequirement vsmmu_requirements[] = {
  { "host-stlevel", VSMMU_SMMU_STLEVEL, 1, 1 },  { "host-table-format", VSMMU_SMMU_TTENDIAN, 0, 2 },
  { "host-table-format", VSMMU_SMMU_TTF, 2, 3 }, { "host-sidsize", VSMMU_SMMU_SIDSIZE, 16, 63 },
  { "host-granule", VSMMU_SMMU_GRAN4K, 1, 1 },   { "host-granule", VSMMU_SMMU_GRAN16K, 1, 1 },
  { "host-granule", VSMMU_SMMU_GRAN64K, 1, 1 },  { NULL },
};

gboolean
vsmmu_requirement_is_broken (const VsmmuRequirement *requirement, const VsmmuHostSmmu *smmu)
{
  VsmmuFact fact = smmu->capabilities[requirement->capability];

  return vsmmu_fact_is_known (fact) && (fact.value < requirement->min || fact.value > requirement->max);
}

/* (transfer full): of pages of @size KiB, whose field is @value */
static char *
describe_granule (const char *smmu, int size, int value)
{
  return g_strdup_printf (
      _ ("%s does not support pages of %d KiB (IDR5.GRAN%dK is %d), which QEMU's accelerated SMMUv3 "
         "requires"),
      smmu, size, size, value);
}

/* (transfer full): what is wrong with @smmu, whose @capability is @value */
static char *
describe_lack (const char *smmu, VsmmuSmmuCapability capability, int value)
{
  switch (capability) {
  case VSMMU_SMMU_STLEVEL:
    return g_strdup_printf (_ ("%s does not support two-level stream tables (IDR0.ST_LEVEL is %d), which QEMU's "
                               "accelerated SMMUv3 requires"),
                            smmu, value);
  case VSMMU_SMMU_TTENDIAN:
    return g_strdup_printf (_ ("%s does not support little-endian tables (IDR0.TTENDIAN is %d), which QEMU's "
                               "accelerated SMMUv3 requires"),
                            smmu, value);
  case VSMMU_SMMU_TTF:
    return g_strdup_printf (_ ("%s does not support AArch64 tables (IDR0.TTF is %d), which QEMU's accelerated SMMUv3 "
                               "requires"),
                            smmu, value);
  case VSMMU_SMMU_SIDSIZE:
    return g_strdup_printf (_ ("%s supports %d StreamID bits (IDR1.SIDSIZE), but QEMU's accelerated SMMUv3 requires "
                               "16 or more"),
                            smmu, value);
  case VSMMU_SMMU_GRAN4K:
    return describe_granule (smmu, 4, value);
  case VSMMU_SMMU_GRAN16K:
    return describe_granule (smmu, 16, value);
  default:
    return describe_granule (smmu, 64, value);
  }
}

void
vsmmu_check_report_vsmmu (VsmmuCheck *check, const VsmmuBinding *binding, char *hint, char *message)
{
  g_autofree char *owned = message;

  vsmmu_check_report (check, binding->iommu->iommu.driver_line, vsmmu_device_path (binding->iommu, "/driver"), hint,
                      "%s", owned);
}

static void
check_host_requirement (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];

    for (const VsmmuRequirement *row = vsmmu_requirements; binding->smmu != NULL && row->rule != NULL; row++) {
      if (strcmp (row->rule, check->rule->id) == 0 && vsmmu_requirement_is_broken (row, binding->smmu))
        vsmmu_check_report_vsmmu (check, binding,
                                  g_strdup (_ ("use a device behind another SMMU, or remove accel='on'")),
                                  describe_lack (binding->smmu->name, row->capability,
                                                 (int) binding->smmu->capabilities[row->capability].value));
    }
  }
}

/* What an option requires and what the SMMU has; only when they are known not to match. */
static gboolean
is_too_much (const VsmmuHostSmmu *smmu, VsmmuSmmuCapability capability, gint64 asked)
{
  VsmmuFact fact = smmu->capabilities[capability];

  return vsmmu_fact_is_known (fact) && fact.value < asked;
}

/* (transfer full): what is wrong with the option that @smmu cannot do */
static char *
describe_switch (const char *smmu, VsmmuSmmuCapability capability)
{
  if (capability == VSMMU_SMMU_ATS)
    return g_strdup_printf (_ ("ats='on', but %s does not support ATS; QEMU rejects the device"), smmu);
  return g_strdup_printf (_ ("ril='on', but %s does not support range invalidation; QEMU rejects the device"), smmu);
}

/* Options that are on or off. */
static const struct {
  const char *rule;
  VsmmuSmmuCapability capability;
  gsize option;     /* offset of the #VsmmuSwitch in #VsmmuIommu */
  const char *hint; /* translatable */
} switches[] = {
  { "host-ats", VSMMU_SMMU_ATS, G_STRUCT_OFFSET (VsmmuIommu, ats), N_ ("set ats='off', or remove ats") },
  { "host-ril", VSMMU_SMMU_RIL, G_STRUCT_OFFSET (VsmmuIommu, ril), N_ ("set ril='off', or remove ril") },
};

static void
check_host_switch (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];

    for (guint row = 0; binding->smmu != NULL && row < G_N_ELEMENTS (switches); row++)
      if (strcmp (switches[row].rule, check->rule->id) == 0 &&
          G_STRUCT_MEMBER (VsmmuSwitch, &binding->iommu->iommu, switches[row].option) == VSMMU_SWITCH_ON &&
          is_too_much (binding->smmu, switches[row].capability, 1))
        vsmmu_check_report_vsmmu (check, binding, g_strdup (_ (switches[row].hint)),
                                  describe_switch (binding->smmu->name, switches[row].capability));
  }
}

static void
check_host_ssidsize (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    int has;

    if (binding->smmu == NULL || !is_too_much (binding->smmu, VSMMU_SMMU_SSIDSIZE, binding->iommu->iommu.ssidsize))
      continue;
    has = (int) binding->smmu->capabilities[VSMMU_SMMU_SSIDSIZE].value;
    vsmmu_check_report_vsmmu (
        check, binding, g_strdup_printf (_ ("set ssidsize='%d' or less, or remove ssidsize"), has),
        g_strdup_printf (_ ("ssidsize='%d', but %s supports at most %d SubstreamID bits; QEMU rejects the "
                            "device"),
                         binding->iommu->iommu.ssidsize, binding->smmu->name, has));
  }
}

/* IDR3.BBML of QEMU's SMMUv3 (smmuv3.c). */
#define QEMU_BBML 2

/* QEMU's default, which it does not take from the host. */
#define OAS_DEFAULT 44

static void
check_host_oas (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    int asked, has;
    char *message;

    if (binding->smmu == NULL)
      continue;
    asked = binding->iommu->iommu.oas > 0 ? binding->iommu->iommu.oas : OAS_DEFAULT;
    if (!is_too_much (binding->smmu, VSMMU_SMMU_OAS, asked))
      continue;
    has = (int) binding->smmu->capabilities[VSMMU_SMMU_OAS].value;
    if (binding->iommu->iommu.oas > 0)
      message = g_strdup_printf (_ ("oas='%d', but %s supports addresses of at most %d bits; QEMU rejects the device"),
                                 asked, binding->smmu->name, has);
    else
      message = g_strdup_printf (_ ("without oas, the guest has addresses of %d bits, but %s supports at most %d; QEMU "
                                    "rejects the device"),
                                 asked, binding->smmu->name, has);
    vsmmu_check_report_vsmmu (check, binding,
                              g_strdup (has >= OAS_DEFAULT
                                            ? _ ("set oas='44'")
                                            : _ ("use a device behind another SMMU, or remove accel='on'")),
                              message);
  }
}

/* (transfer full): why @smmu cannot nest; only when it is known that it cannot */
static char *
describe_lack_of_nesting (const VsmmuHostSmmu *smmu)
{
  if (vsmmu_fact_is_false (smmu->capabilities[VSMMU_SMMU_NESTING]))
    return g_strdup_printf (_ ("%s does not support nested translation, or the kernel disables it because of an "
                               "erratum"),
                            smmu->name);
  return g_strdup_printf (_ ("%s does not support S2FWB, and a root complex in front of it has no CANWBS; guest memory "
                             "would not stay coherent"),
                          smmu->name);
}

static gboolean
cannot_nest (const VsmmuHostSmmu *smmu)
{
  return vsmmu_fact_is_false (vsmmu_host_smmu_supports_vsmmu (smmu));
}

/* For a vSMMU that waits for devices: no SMMU of the host would do. */
static gboolean
nothing_nests (const VsmmuHost *host)
{
  for (guint i = 0; i < host->smmus->len; i++)
    if (!cannot_nest (g_ptr_array_index (host->smmus, i)))
      return FALSE;
  return TRUE;
}

static void
check_host_no_nesting (VsmmuCheck *check)
{
  gboolean is_hopeless = nothing_nests (check->host);

  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];

    if (binding->smmu != NULL && cannot_nest (binding->smmu))
      vsmmu_check_report_vsmmu (
          check, binding,
          g_strdup (_ ("use a device behind an SMMU that 'virt-vsmmu host' lists as nesting and coherent, or "
                       "remove accel='on'")),
          describe_lack_of_nesting (binding->smmu));
    else if (binding->iommu != NULL && binding->smmu == NULL && is_hopeless && check->host->has_smmus)
      vsmmu_check_report_vsmmu (check, binding, g_strdup (_ ("use another host, or remove accel='on'")),
                                g_strdup (check->host->smmus->len == 0
                                              ? _ ("the host has no SMMUv3")
                                              : _ ("no SMMU of the host supports accelerated SMMUv3s")));
  }
}

/* What QEMU's SMMUv3 shows the guest without a look at the SMMU of the host. */
static void
check_host_not_compared (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    const VsmmuHostSmmu *smmu = binding->smmu;

    if (smmu == NULL)
      continue;
    if (is_too_much (smmu, VSMMU_SMMU_ASID16, 1))
      vsmmu_check_report_vsmmu (
          check, binding, g_strdup (_ ("use a device behind another SMMU")),
          g_strdup_printf (_ ("%s has ASIDs of 8 bits, but QEMU shows the guest 16 bits; with more than 256 "
                              "address spaces, its invalidations fail"),
                           smmu->name));
    if (is_too_much (smmu, VSMMU_SMMU_BBML, QEMU_BBML))
      vsmmu_check_report_vsmmu (
          check, binding, g_strdup (_ ("use a device behind another SMMU")),
          g_strdup_printf (_ ("%s has BBML %d, but QEMU shows the guest BBML %d; the guest may change tables "
                              "in a way that the SMMU does not allow"),
                           smmu->name, (int) smmu->capabilities[VSMMU_SMMU_BBML].value, QEMU_BBML));
    if (vsmmu_fact_is_true (smmu->capabilities[VSMMU_SMMU_REPEAT_TLBI]))
      vsmmu_check_report_vsmmu (
          check, binding,
          g_strdup (_ ("use a QEMU that issues invalidations twice for this SMMU, or a device behind another "
                       "SMMU")),
          g_strdup_printf (_ ("%s has an erratum that requires invalidations to be issued twice; devices may "
                              "use mappings that the guest has removed"),
                           smmu->name));
  }
}

/* The facts about @smmu that rules need but that are unknown, in the order of the capabilities. */
static char *
list_unknown (const VsmmuBinding *binding)
{
  const VsmmuIommu *options = &binding->iommu->iommu;
  const struct {
    VsmmuSmmuCapability capability;
    gboolean is_needed;
  } needs[] = {
    { VSMMU_SMMU_ATS, options->ats == VSMMU_SWITCH_ON },     { VSMMU_SMMU_RIL, options->ril == VSMMU_SWITCH_ON },
    { VSMMU_SMMU_SSIDSIZE, options->ssidsize > 0 },          { VSMMU_SMMU_OAS, TRUE },
    { VSMMU_SMMU_CMDQV, options->cmdqv == VSMMU_SWITCH_ON },
  };
  g_autoptr (GString) list = g_string_new (NULL);

  if (!vsmmu_fact_is_known (vsmmu_host_smmu_supports_vsmmu (binding->smmu)))
    g_string_append (list, "nesting");
  for (guint i = 0; i < G_N_ELEMENTS (needs); i++)
    if (needs[i].is_needed && !vsmmu_fact_is_known (binding->smmu->capabilities[needs[i].capability]))
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "",
                              vsmmu_host_capability_fields[needs[i].capability].name);
  for (const VsmmuRequirement *row = vsmmu_requirements; row->rule != NULL; row++)
    if (!vsmmu_fact_is_known (binding->smmu->capabilities[row->capability]))
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "",
                              vsmmu_host_capability_fields[row->capability].name);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static void
report_unknown_smmus (VsmmuCheck *check)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBinding *binding = &check->bindings[i];
    g_autofree char *unknown = binding->smmu != NULL ? list_unknown (binding) : NULL;

    if (unknown != NULL && *unknown != '\0')
      vsmmu_check_report_vsmmu (
          check, binding,
          g_strdup (_ ("collect the facts as root, with an unused device behind this SMMU bound to "
                       "vfio-pci")),
          g_strdup_printf (_ ("these facts about %s are unknown and were not checked: %s"), binding->smmu->name,
                           unknown));
  }
}

/* Whether the number of pages of any pool is unknown. */
static gboolean
has_unknown_pool (const VsmmuHost *host)
{
  for (guint i = 0; i < host->pages->len; i++)
    if (g_array_index (host->pages, VsmmuHostPages, i).total < 0)
      return TRUE;
  return FALSE;
}

/* The facts about the whole host that rules need but that are unknown. */
static void
report_unknown_host (VsmmuCheck *check)
{
  const VsmmuHost *host = check->host;
  const struct {
    const char *name;
    gboolean is_unknown;
  } needs[] = {
    { "/proc/sys/kernel/osrelease", vsmmu_kernel_has (host->kernel, VSMMU_KERNEL_ACCEL) == VSMMU_KERNEL_UNKNOWN },
    { "/sys/class/iommu", !host->has_smmus },
    { "/sys/bus/pci", !host->has_devices },
    { "/dev/iommu", !vsmmu_fact_is_known (host->dev_iommu) },
    { "/dev/kvm", !vsmmu_fact_is_known (host->dev_kvm) },
    { "CONFIG_ARM_SMMU_V3_IOMMUFD", !vsmmu_fact_is_known (host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD]) },
    { "CONFIG_VFIO_DEVICE_CDEV", !vsmmu_fact_is_known (host->options[VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV]) },
    { "/sys/kernel/mm/hugepages", check->domain->has_hugepages && (!host->has_pages || has_unknown_pool (host)) },
  };
  const VsmmuDevice *iommu = vsmmu_domain_first_accelerated (check->domain);
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (needs); i++)
    if (needs[i].is_unknown)
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", needs[i].name);
  if (iommu != NULL && list->len > 0)
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                        g_strdup (_ ("collect the facts on the host as root with 'virt-vsmmu host --json'")),
                        _ ("these facts about the host are unknown and were not checked: %s"), list->str);
}

static void
report_unknown_devices (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuHostDevice *device = vsmmu_host_device_of (check->host, hostdev);

    if (device == NULL || device->smmu == NULL || vsmmu_domain_accelerated_over (check->domain, hostdev) == NULL ||
        (device->group != NULL && device->group->has_regions))
      continue;
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                        g_strdup (_ ("collect the facts on the host as root with 'virt-vsmmu host --json'")),
                        device->group == NULL
                            ? _ ("the IOMMU group of %s is unknown and was not checked")
                            : _ ("the MSI window of the IOMMU group of %s is unknown and was not checked"),
                        device->name);
  }
}

static void
check_host_fact_unknown (VsmmuCheck *check)
{
  report_unknown_host (check);
  report_unknown_smmus (check);
  report_unknown_devices (check);
}

const VsmmuRuleRow vsmmu_host_smmu_rules[] = {
  { { "host-no-nesting", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The physical SMMU does not support accelerated SMMUv3s"),
      N_ ("The SMMU must support two stages of translation, and the kernel must allow their use; for MMU-600 before "
          "r2 and for MMU-700 before r1p1, before Linux 7.1 for every MMU-700, it does not, because of errata. Guest memory must stay coherent regardless of the "
          "guest's tables: either the SMMU supports S2FWB, or the firmware reports CANWBS for every root complex in "
          "front of it. Otherwise QEMU stops with 'IOMMU_VIOMMU_ALLOC failed: Operation not supported'."),
      "Linux arm_smmu_get_viommu_size(), arm_smmu_device_iidr_probe(); IORT root complex memory access flags; "
      "tested with and without CANWBS" },
    check_host_no_nesting },
  { { "host-stlevel", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The physical SMMU does not support two-level stream tables"),
      N_ ("QEMU's SMMUv3 uses two-level stream tables. QEMU rejects a device whose SMMU has linear stream tables "
          "only."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR0.ST_LEVEL" },
    check_host_requirement },
  { { "host-table-format", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The physical SMMU does not support the table format of the guest"),
      N_ ("QEMU's SMMUv3 uses little-endian tables in the AArch64 format. QEMU rejects a device whose SMMU does not "
          "support them."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR0.TTENDIAN, IDR0.TTF" },
    check_host_requirement },
  { { "host-sidsize", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The StreamIDs of the physical SMMU are too short"),
      N_ ("QEMU's SMMUv3 has StreamIDs of 16 bits, enough for every function below one PCI root. QEMU rejects a "
          "device whose SMMU has fewer bits."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR1.SIDSIZE" },
    check_host_requirement },
  { { "host-granule", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The physical SMMU does not support a page size"),
      N_ ("QEMU's SMMUv3 offers pages of 4, 16 and 64 KiB. QEMU rejects a device whose SMMU does not support all of "
          "them, even if the guest does not use them."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR5.GRAN4K, GRAN16K, GRAN64K" },
    check_host_requirement },
  { { "host-ats", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("ats='on', but the physical SMMU does not support ATS"),
      N_ ("With ats='on', QEMU rejects a device whose SMMU does not support ATS. Without ats, QEMU uses the value of "
          "the host."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR0.ATS" },
    check_host_switch },
  { { "host-ril", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("ril='on', but the physical SMMU does not support range invalidation"),
      N_ ("With ril='on', QEMU rejects a device whose SMMU does not support range invalidation: 'Host SMMUv3 doesn't "
          "support Range Invalidation'. Without ril, QEMU uses the value of the host."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR3.RIL" },
    check_host_switch },
  { { "host-ssidsize", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("ssidsize is larger than the physical SMMU supports"),
      N_ ("QEMU rejects a device whose SMMU has fewer SubstreamID bits than ssidsize. Without ssidsize, QEMU uses "
          "the value of the host."),
      "QEMU smmuv3_accel_check_hw_compatible(): IDR1.SSIDSIZE" },
    check_host_ssidsize },
  { { "host-oas", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_ERROR,
      N_ ("The output address size is larger than the physical SMMU supports"),
      N_ ("QEMU rejects a device whose SMMU has a smaller output address size than the SMMUv3. Without oas, the "
          "SMMUv3 has 44 bits; unlike the other options, QEMU does not take this one from the host."),
      "QEMU smmuv3_accel_check_hw_compatible(), smmu_validate_property(): IDR5.OAS" },
    check_host_oas },
  { { "host-not-compared", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_WARNING,
      N_ ("QEMU shows the guest more than the physical SMMU has"),
      N_ ("QEMU compares some features of its SMMUv3 with the SMMU of the host and refuses what does not fit. It does "
          "not compare the width of ASIDs, which is always 16 bits, and the level of break-before-make, which is "
          "always 2. It does not know the erratum of Tegra264 that requires invalidations to be issued twice either, "
          "which Linux leaves to QEMU from 7.3 on."),
      "QEMU smmuv3.c: IDR0.ASID16, IDR3.BBML; smmuv3_accel_check_hw_compatible(); Linux arm_vsmmu_validate_user_cmd(), "
      "IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI; not tried on hardware" },
    check_host_not_compared },
  { { "host-fact-unknown", VSMMU_RULE_GROUP_HOST, VSMMU_SEVERITY_NOTE, N_ ("A fact about the host is unknown"),
      N_ ("Facts that could not be read are unknown, and rules that depend on them report nothing. Only root can "
          "read the registers of an SMMU, and only through a device behind it that is bound to vfio-pci and not used "
          "by a guest. The IORT and the kernel log may require root as well."),
      "Linux IOMMU_GET_HW_INFO; /sys/firmware/acpi/tables/IORT" },
    check_host_fact_unknown },
  { { NULL }, NULL },
};
