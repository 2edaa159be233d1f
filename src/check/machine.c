/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "domain/acceleration.h"
#include "domain/virt-machine.h"
#include "msi/machine.h"

static void
check_machine_not_virt (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  g_autofree char *arch = vsmmu_text_shorten (domain->arch);
  g_autofree char *machine = vsmmu_text_shorten (domain->machine);
  guint line = domain->machine_line != 0 ? domain->machine_line : domain->line;
  char *element;
  char *hint;

  if (vsmmu_domain_is_virt (domain))
    return;
  element = g_strdup (domain->machine_line != 0 ? "/domain/os/type" : "/domain");
  if (domain->machine_line != 0)
    hint = g_strdup (_ ("set arch='aarch64' and machine='virt' on <type>"));
  else if (domain->os_line != 0)
    hint = g_strdup (_ ("add <type arch='aarch64' machine='virt'>hvm</type> to <os>"));
  else
    hint = g_strdup (_ ("add <os><type arch='aarch64' machine='virt'>hvm</type></os> to <domain>"));
  if (domain->machine == NULL)
    vsmmu_check_report (check, line, element, hint,
                        _ ("SMMUv3 is supported only by the arm64 machine 'virt', but the domain does not specify a "
                           "machine"));
  else if (domain->arch == NULL)
    vsmmu_check_report (check, line, element, hint,
                        _ ("SMMUv3 is supported only by the arm64 machine 'virt', but the domain does not specify an "
                           "architecture"));
  else
    vsmmu_check_report (check, line, element, hint,
                        _ ("SMMUv3 is supported only by the arm64 machine 'virt', not by %s '%s'"), arch, machine);
}

static void
check_needs_kvm (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  g_autofree char *type = vsmmu_text_shorten (domain->type);

  if (g_strcmp0 (domain->type, "kvm") != 0)
    vsmmu_check_report (check, domain->line, g_strdup ("/domain"), g_strdup (_ ("set type='kvm' on <domain>")),
                        _ ("an accelerated SMMUv3 requires KVM, but the domain type is '%s'"), type);
}

static void
check_needs_acpi (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;

  if (!domain->has_acpi)
    vsmmu_check_report (check, domain->features_line != 0 ? domain->features_line : domain->line,
                        g_strdup (domain->features_line != 0 ? "/domain/features" : "/domain"),
                        g_strdup (domain->features_line != 0 ? _ ("add <acpi/> to <features>")
                                                             : _ ("add <features><acpi/></features> to <domain>")),
                        _ ("an accelerated SMMUv3 is described to the guest only through ACPI, but ACPI is disabled"));
}

static void
check_needs_uefi (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;

  if (!domain->has_uefi)
    vsmmu_check_report (check, domain->os_line != 0 ? domain->os_line : domain->line,
                        g_strdup (domain->os_line != 0 ? "/domain/os" : "/domain"),
                        g_strdup (_ ("set firmware='efi' on <os>, or add a <loader> with the firmware")),
                        _ ("ACPI on arm64 requires UEFI firmware, but the domain has none"));
}

static void
check_no_msi_controller (VsmmuCheck *check)
{
  VsmmuMsiChoice choice = vsmmu_msi_choice_of (check->domain);
  g_autofree char *value = vsmmu_text_shorten (choice.argument != NULL ? choice.argument->value : NULL);

  /* Without an argument, it is an old machine without KVM, which other rules report. */
  if (choice.controller != VSMMU_MSI_CONTROLLER_NONE || choice.argument == NULL)
    return;
  if (choice.is_refused)
    vsmmu_check_report (check, choice.argument->line, g_strdup (choice.argument->element),
                        g_strdup (_ ("remove the option, or set version='3' on <gic>")),
                        _ ("'%s' requests an ITS, which only GICv3 and GICv4 have; QEMU does not start"), value);
  else
    vsmmu_check_report (check, choice.argument->line, g_strdup (choice.argument->element),
                        g_strdup (_ ("remove the option, so that the machine has an ITS or a GICv2m frame")),
                        _ ("'%s' leaves the guest without an MSI controller; there is no doorbell, and interrupts of "
                           "VFIO devices are lost"),
                        value);
}

static const char *
implicit_gic_element (const VsmmuDomain *domain)
{
  if (domain->gic_line != 0)
    return "/domain/features/gic";
  return domain->features_line != 0 ? "/domain/features" : "/domain";
}

static void
check_gic_version_implicit (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  guint line = domain->gic_line != 0 ? domain->gic_line : domain->features_line;

  if (line == 0)
    line = domain->line;
  /* Other machines have no GIC, and machine-not-virt reports them. */
  if (!vsmmu_domain_is_virt (domain))
    return;
  if (domain->gic == VSMMU_GIC_HOST)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_NOTE, line, g_strdup ("/domain/features/gic"),
                           g_strdup (_ ("set version='3' on <gic> if every host of the domain has a GICv3")),
                           _ ("the GIC version is that of the host, so the MSI doorbell is not known in advance"));
  else if (domain->gic == VSMMU_GIC_ABSENT)
    vsmmu_check_report (
        check, line, g_strdup (implicit_gic_element (domain)),
        g_strdup (domain->gic_line != 0 ? _ ("set version='3' on <gic>") : _ ("add <gic version='3'/> to <features>")),
        _ ("the GIC version is not set; libvirt chooses it, and thus the MSI doorbell, by host and "
           "domain type"));
}

static void
check_gicv2_limits (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const char *hint = _ ("set version='3' on <gic>");

  if (domain->gic != VSMMU_GIC_2)
    return;
  if (domain->vcpus > VSMMU_VIRT_GICV2_VCPUS_MAX)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_ERROR, domain->gic_line, g_strdup ("/domain/features/gic"),
                           g_strdup (hint), _ ("GICv2 supports at most %u vCPUs, but the domain has %u"),
                           VSMMU_VIRT_GICV2_VCPUS_MAX, domain->vcpus);
  else
    vsmmu_check_report (check, domain->gic_line, g_strdup ("/domain/features/gic"), g_strdup (hint),
                        _ ("GICv2 supports at most %u vCPUs and has no ITS, and its GICv2m frame has few interrupts"),
                        VSMMU_VIRT_GICV2_VCPUS_MAX);
}

static void
check_pcihole64_not_power_of_two (VsmmuCheck *check)
{
  guint minimum = VSMMU_VIRT_HOLE_MIN / VSMMU_KIB_PER_GIB;

  for (guint i = 0; i < check->domain->controllers->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (check->domain->controllers, i);
    const VsmmuController *controller = &device->controller;
    guint64 size = controller->pcihole64;
    guint64 better = VSMMU_VIRT_HOLE_MIN;
    g_autofree char *given = NULL;

    if (!controller->has_pcihole64)
      continue;
    if (size >= VSMMU_VIRT_HOLE_MIN && (size & (size - 1)) == 0)
      continue;
    while (better < size && better < G_MAXUINT64 / 4)
      better *= 2;
    given = size % VSMMU_KIB_PER_GIB == 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT " GiB", size / VSMMU_KIB_PER_GIB)
                                          : g_strdup_printf ("%" G_GUINT64_FORMAT " KiB", size);
    vsmmu_check_report (check, controller->pcihole64_line, vsmmu_device_path (device, "/pcihole64"),
                        g_strdup_printf (_ ("set <pcihole64 unit='GiB'>%u</pcihole64>, or remove <pcihole64> for %u "
                                            "GiB"),
                                         (guint) (better / VSMMU_KIB_PER_GIB), minimum),
                        _ ("the 64-bit PCI hole is %s; QEMU accepts only powers of two from %u GiB"), given, minimum);
  }
}

static void
check_not_migratable (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (!vsmmu_iommu_is_accelerated (iommu))
      continue;
    vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""),
                        g_strdup (_ ("shut the guest down instead of migrating or saving it")),
                        _ ("a guest with an accelerated SMMUv3 cannot be migrated, saved, or snapshotted with its "
                           "memory"));
    return;
  }
}

const VsmmuRuleRow vsmmu_machine_rules[] = {
  { { "machine-not-virt", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("The machine is not the arm64 machine 'virt'"),
      N_ ("Only the machine 'virt' of qemu-system-aarch64 supports an SMMUv3. The rules about the PCI tree are not "
          "applied to other machines."),
      "libvirt qemuValidateDomainDeviceDefIOMMU(): only supported with ARM Virt machines" },
    check_machine_not_virt },
  { { "needs-kvm", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("The domain does not use KVM"),
      N_ ("An accelerated SMMUv3 requires KVM with an in-kernel interrupt controller. libvirt defines the domain "
          "anyway, but QEMU does not start: 'SMMUv3 accel=on requires KVM with kernel-irqchip=on support'."),
      "QEMU virt_machine_device_pre_plug_cb()" },
    check_needs_kvm },
  { { "needs-acpi", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("ACPI is disabled"),
      N_ ("The guest finds an accelerated SMMUv3, and the addresses that it must not translate, in ACPI tables (the "
          "IORT with RMR nodes); QEMU does not describe it in the device tree. QEMU does not start: 'SMMUv3 with "
          "accel=on not supported for DT'."),
      "QEMU virt_machine_device_plug_cb(), build_iort_rmr_nodes()" },
    check_needs_acpi },
  { { "needs-uefi", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("The domain has no UEFI firmware"),
      N_ ("On arm64, only UEFI passes ACPI tables to the guest, and without firmware QEMU treats ACPI as disabled."),
      "QEMU virt_machine_device_plug_cb(); libvirt: ACPI requires UEFI on this architecture" },
    check_needs_uefi },
  { { "no-msi-controller", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("The guest has no MSI controller"),
      N_ ("The doorbell of an accelerated SMMUv3 is a register of the ITS or of the GICv2m frame. With msi=off, "
          "its=off on GICv3, or a GICv5, QEMU silently uses the address 0: a device then falls back to INTx or does "
          "not appear in the guest. QEMU does not start with an ITS but without a GICv3 or GICv4."),
      "QEMU virt_machine_device_pre_plug_cb() (msi-gpa); seen on the emulated arm64 host" },
    check_no_msi_controller },
  { { "gic-version-implicit", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING, N_ ("The GIC version is not set"),
      N_ ("Without <gic version=...>, libvirt uses the newest version that the host offers to KVM guests, or version "
          "2 if it cannot determine one. The MSI doorbell depends on it: 0x08090040 with the ITS of a GICv3, "
          "0x08020040 with GICv2m."),
      "libvirt qemuDomainDefEnableDefaultFeatures()" },
    check_gic_version_implicit },
  { { "gicv2-limits", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_WARNING, N_ ("GICv2 with an accelerated SMMUv3"),
      N_ ("GICv2 supports at most 8 vCPUs; QEMU does not start with more. It has no ITS, so MSIs use the GICv2m "
          "frame, which has few interrupts for devices with many vectors."),
      "QEMU virt machine: max CPUs with GICv2" },
    check_gicv2_limits },
  { { "pcihole64-not-power-of-two", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("QEMU does not accept the size of the 64-bit PCI hole"),
      N_ ("libvirt passes <pcihole64> to QEMU as highmem-mmio-size. QEMU accepts only powers of two that are not "
          "below its default of 512 GiB, and does not start otherwise."),
      "QEMU virt_set_highmem_mmio_size(); seen on 11.1.3" },
    check_pcihole64_not_power_of_two },
  { { "not-migratable", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_NOTE, N_ ("The guest cannot be migrated or saved"),
      N_ ("QEMU blocks migration, and with it saving and snapshots that include memory: 'Migration not supported "
          "with SMMUv3 accelerator mode enabled'."),
      "QEMU smmu_realize()" },
    check_not_migratable },
  { { NULL }, NULL },
};
