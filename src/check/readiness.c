/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/readiness.h"

#include <glib/gi18n-lib.h>

#include "base/version.h"
#include "check/host.h"
#include "domain/releases.h"
#include "domain/virt-machine.h"
#include "host/kernel.h"

void
vsmmu_readiness_free (VsmmuReadiness *readiness)
{
  if (readiness == NULL)
    return;
  g_free (readiness->message);
  g_free (readiness->hint);
  g_free (readiness);
}

const char *
vsmmu_readiness_result_to_string (VsmmuReadinessResult result)
{
  static const char *const words[] = { "PASS", "WARN", "FAIL" };

  return words[result];
}

/* @message and @hint: (transfer full) */
static void
set (VsmmuReadiness *readiness, VsmmuReadinessResult result, char *message, char *hint)
{
  readiness->result = result;
  readiness->message = message;
  readiness->hint = hint;
}

static void
pass (VsmmuReadiness *readiness, const char *message)
{
  set (readiness, VSMMU_READINESS_PASS, g_strdup (message), NULL);
}

static void
check_architecture (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  if (host->architecture == NULL)
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")),
         g_strdup (_ ("make sure that the host is an arm64 machine")));
  else if (strcmp (host->architecture, "aarch64") == 0)
    pass (readiness, host->architecture);
  else
    set (readiness, VSMMU_READINESS_FAIL, g_strdup (host->architecture),
         g_strdup (_ ("use an arm64 machine; only these have SMMUs")));
}

static void
not_known (VsmmuReadiness *readiness, const char *hint)
{
  set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")), g_strdup (hint));
}

/* What an IOMMU other than an SMMUv3 is, by its name in /sys/class/iommu. */
static const struct {
  const char *prefix;
  const char *message; /* translatable, as is the hint */
  const char *hint;
} other_iommus[] = {
  { "smmu.0x", N_ ("none, but an SMMUv2"), N_ ("use a machine with SMMUv3; an SMMUv2 cannot translate for a guest") },
  { "virtio", N_ ("none, but a virtio-iommu: this is a virtual machine"),
    N_ ("run the command on the host; a guest with virtio-iommu cannot pass its devices on to a nested guest") },
  { "dmar", N_ ("none, but an Intel IOMMU"), N_ ("use an arm64 machine with SMMUv3") },
  { "ivhd", N_ ("none, but an AMD IOMMU"), N_ ("use an arm64 machine with SMMUv3") },
};

static void
check_no_smmus (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  for (guint i = 0; host->other_iommu != NULL && i < G_N_ELEMENTS (other_iommus); i++)
    if (g_str_has_prefix (host->other_iommu, other_iommus[i].prefix)) {
      set (readiness, VSMMU_READINESS_FAIL, g_strdup (_ (other_iommus[i].message)),
           g_strdup (_ (other_iommus[i].hint)));
      return;
    }
  set (readiness, VSMMU_READINESS_FAIL, g_strdup (_ ("none in /sys/class/iommu")),
       g_strdup (vsmmu_fact_is_false (host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3])
                     ? _ ("use a kernel with CONFIG_ARM_SMMU_V3")
                     : _ ("enable the SMMUs in the firmware, and use a kernel with CONFIG_ARM_SMMU_V3")));
}

static void
check_smmus (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  guint n = host->smmus->len;

  if (!host->has_smmus)
    not_known (readiness, _ ("make sure that /sys/class/iommu is readable"));
  else if (n > 0)
    set (readiness, VSMMU_READINESS_PASS,
         g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u SMMUv3", "%u SMMUv3s", n), n), NULL);
  else
    check_no_smmus (host, readiness);
}

static void
check_kernel (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  const char *since = vsmmu_kernel_feature_since (VSMMU_KERNEL_ACCEL);

  switch (vsmmu_kernel_has (host->kernel, VSMMU_KERNEL_ACCEL)) {
  case VSMMU_KERNEL_YES:
    pass (readiness, host->kernel);
    break;
  case VSMMU_KERNEL_MAYBE:
    set (readiness, VSMMU_READINESS_WARN, g_strdup (host->kernel),
         g_strdup_printf (
             _ ("start a guest with an accelerated SMMUv3: Linux supports it from %s, and some older kernels "
                "of this vendor do; otherwise QEMU stops with 'Failed to set vIOMMU'"),
             since));
    break;
  case VSMMU_KERNEL_NO:
    set (
        readiness, VSMMU_READINESS_FAIL, g_strdup (host->kernel),
        g_strdup_printf (_ ("use Linux %s or newer; on this kernel, QEMU stops with 'Failed to set vIOMMU: ... No such "
                            "file or directory'"),
                         since));
    break;
  case VSMMU_KERNEL_UNKNOWN:
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")),
         g_strdup_printf (_ ("make sure that the host kernel is Linux %s or newer"), since));
  }
}

/* Whether QEMU's fixed IDRs are compatible with those of @smmu. */
static VsmmuFact
is_compatible (const VsmmuHostSmmu *smmu)
{
  VsmmuFact fact = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, TRUE);

  for (const VsmmuRequirement *row = vsmmu_requirements; row->rule != NULL; row++) {
    if (vsmmu_requirement_is_broken (row, smmu))
      return VSMMU_FACT (smmu->capabilities[row->capability].source, FALSE);
    if (!vsmmu_fact_is_known (smmu->capabilities[row->capability]))
      fact.source = VSMMU_FACT_SOURCE_NONE;
  }
  return fact;
}

/* Answers of the SMMUs that have devices for guests: the names of those with no, and with none. */
typedef struct {
  GString *no;
  GString *unknown;
  guint n_no;
  guint n_unknown;
} Answers;

static void
add_name (GString *names, guint *n, const char *name)
{
  if (++*n <= 4)
    g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", name);
  else if (*n == 5)
    g_string_append (names, ", ...");
}

/* SMMUs that have no device for a guest spoil nothing, unless none has one. */
static gboolean
has_some_devices (const VsmmuHost *host)
{
  for (guint i = 0; i < host->smmus->len; i++)
    if (vsmmu_host_smmu_has_devices (g_ptr_array_index (host->smmus, i)))
      return TRUE;
  return FALSE;
}

/* (transfer container) (element-type VsmmuHostSmmu): those that matter */
static GPtrArray *
list_smmus (const VsmmuHost *host)
{
  gboolean are_all = !has_some_devices (host);
  GPtrArray *smmus = g_ptr_array_new ();

  for (guint i = 0; i < host->smmus->len; i++)
    if (are_all || vsmmu_host_smmu_has_devices (g_ptr_array_index (host->smmus, i)))
      g_ptr_array_add (smmus, g_ptr_array_index (host->smmus, i));
  return smmus;
}

static void
ask_all (const GPtrArray *smmus, VsmmuFact (*ask) (const VsmmuHostSmmu *smmu), Answers *answers)
{
  for (guint i = 0; i < smmus->len; i++) {
    const VsmmuHostSmmu *smmu = g_ptr_array_index (smmus, i);
    VsmmuFact answer = ask (smmu);

    if (vsmmu_fact_is_false (answer))
      add_name (answers->no, &answers->n_no, smmu->name);
    else if (!vsmmu_fact_is_known (answer))
      add_name (answers->unknown, &answers->n_unknown, smmu->name);
  }
}

/* One question to all SMMUs: some may do, and then the others are a warning. @hint: for those that do not */
static void
check_all (const VsmmuHost *host, VsmmuReadiness *readiness, VsmmuFact (*ask) (const VsmmuHostSmmu *smmu),
           const char *hint)
{
  g_autoptr (GString) no = g_string_new (NULL);
  g_autoptr (GString) unknown = g_string_new (NULL);
  Answers answers = { .no = no, .unknown = unknown };
  g_autoptr (GPtrArray) smmus = list_smmus (host);

  ask_all (smmus, ask, &answers);
  if (!host->has_smmus)
    not_known (readiness, _ ("make sure that /sys/class/iommu is readable"));
  else if (answers.n_no > 0)
    set (readiness, answers.n_no == smmus->len ? VSMMU_READINESS_FAIL : VSMMU_READINESS_WARN,
         g_strdup_printf (_ ("not for %s"), no->str), g_strdup (hint));
  else if (answers.n_unknown > 0)
    set (readiness, VSMMU_READINESS_WARN, g_strdup_printf (_ ("unknown for %s"), unknown->str),
         g_strdup (_ ("run the command as root, with an unused device behind each SMMU bound to vfio-pci")));
  else
    pass (readiness, _ ("yes, for all"));
}

static VsmmuFact
can_nest (const VsmmuHostSmmu *smmu)
{
  return smmu->capabilities[VSMMU_SMMU_NESTING];
}

static void
check_nesting (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  check_all (
      host, readiness, can_nest,
      _ ("use devices behind other SMMUs; these have one stage of translation only, or the kernel disables nesting "
         "because of an erratum, see 'virt-vsmmu explain host-no-nesting'"));
}

static void
check_coherence (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  check_all (host, readiness, vsmmu_host_smmu_is_coherent,
             _ ("use devices behind other SMMUs, or update the firmware: these do not support S2FWB, and the firmware "
                "does not report CANWBS for the root complexes"));
}

/* The rule of the first requirement that an SMMU is known not to meet, or %NULL. */
static const char *
broken_rule (const VsmmuHost *host)
{
  g_autoptr (GPtrArray) smmus = list_smmus (host);

  for (guint i = 0; i < smmus->len; i++)
    for (const VsmmuRequirement *row = vsmmu_requirements; row->rule != NULL; row++)
      if (vsmmu_requirement_is_broken (row, g_ptr_array_index (smmus, i)))
        return row->rule;
  return NULL;
}

static void
check_compatible (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  const char *rule = broken_rule (host);
  g_autofree char *hint = rule != NULL ? g_strdup_printf (_ ("use devices behind other SMMUs, because QEMU rejects "
                                                             "those behind these; see 'virt-vsmmu explain %s'"),
                                                          rule)
                                       : NULL;

  check_all (host, readiness, is_compatible, hint);
}

/* A node in /dev that is there or not. */
static void
check_node (VsmmuReadiness *readiness, VsmmuFact node, const char *hint)
{
  if (vsmmu_fact_is_true (node))
    pass (readiness, _ ("yes"));
  else if (vsmmu_fact_is_false (node))
    set (readiness, VSMMU_READINESS_FAIL, g_strdup (_ ("it does not exist")), g_strdup (hint));
  else
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")), g_strdup (hint));
}

static void
check_iommufd (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  if (vsmmu_host_needs_iommufd_module (host))
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("the module iommufd is not loaded")),
         g_strdup (_ ("run 'modprobe iommufd', and add iommufd to /etc/modules-load.d")));
  else
    check_node (readiness, host->dev_iommu, _ ("use a kernel with CONFIG_IOMMUFD, and load the module iommufd"));
}

static void
check_kvm (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  check_node (readiness, host->dev_kvm, _ ("use a kernel with CONFIG_KVM that is started at EL2"));
}

static void
check_option (VsmmuReadiness *readiness, VsmmuFact option, char *hint)
{
  g_autofree char *owned = hint;

  if (vsmmu_fact_is_true (option))
    pass (readiness, option.value == VSMMU_OPTION_MODULE ? _ ("as a module") : _ ("built in"));
  else
    set (readiness, vsmmu_fact_is_known (option) ? VSMMU_READINESS_FAIL : VSMMU_READINESS_WARN,
         g_strdup (vsmmu_fact_is_known (option) ? _ ("not set") : _ ("unknown")), g_steal_pointer (&owned));
}

static void
check_smmu_iommufd (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  check_option (readiness, host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD],
                g_strdup (_ ("use a kernel with CONFIG_ARM_SMMU_V3_IOMMUFD")));
}

static gboolean
has_cdev (const VsmmuHost *host)
{
  for (guint i = 0; i < host->devices->len; i++)
    if (((const VsmmuHostDevice *) g_ptr_array_index (host->devices, i))->vfio != NULL)
      return TRUE;
  return FALSE;
}

static void
check_cdev (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  if (has_cdev (host))
    pass (readiness, _ ("yes"));
  else
    check_option (readiness, host->options[VSMMU_HOST_OPTION_VFIO_DEVICE_CDEV],
                  g_strdup (_ ("use a kernel with CONFIG_VFIO_DEVICE_CDEV")));
}

static gboolean
is_assignable (const VsmmuHostDevice *device)
{
  return device->smmu != NULL && !vsmmu_host_device_is_bridge (device);
}

static void
check_window (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  g_autofree char *wanted = vsmmu_virt_window_to_string (VSMMU_VIRT_MSI_WINDOW_START, VSMMU_VIRT_MSI_WINDOW_END);
  guint n_known = 0;

  for (guint i = 0; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    g_autofree char *windows = NULL;

    if (!is_assignable (device) || device->group == NULL || !device->group->has_regions)
      continue;
    n_known++;
    if (!vsmmu_host_group_has_other_window (device->group))
      continue;
    windows = vsmmu_host_group_describe_windows (device->group);
    set (readiness, VSMMU_READINESS_FAIL,
         windows != NULL ? g_strdup_printf (_ ("%s has %s"), device->name, windows)
                         : g_strdup_printf (_ ("%s has no MSI window"), device->name),
         g_strdup_printf (_ ("use a kernel with the MSI window %s, which QEMU requires"), wanted));
    return;
  }
  if (n_known > 0)
    pass (readiness, wanted);
  else
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")),
         g_strdup (_ ("make sure that the host has devices behind an SMMU, with IOMMU groups")));
}

static void
check_groups (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  guint n = 0;
  guint n_shared = 0;

  for (guint i = 0; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    if (!is_assignable (device))
      continue;
    n++;
    n_shared += device->group != NULL && device->group->devices->len > 1;
  }
  if (!host->has_devices)
    not_known (readiness, _ ("make sure that /sys/bus/pci is readable"));
  else if (n == 0)
    set (readiness, VSMMU_READINESS_FAIL, g_strdup (_ ("no device behind an SMMU")),
         g_strdup (_ ("add a device that can be assigned to a guest")));
  else if (n_shared > 0)
    set (readiness, n_shared == n ? VSMMU_READINESS_FAIL : VSMMU_READINESS_WARN,
         g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u of %u devices behind an SMMU shares its IOMMU group",
                                       "%u of %u devices behind an SMMU share their IOMMU groups", n_shared),
                          n_shared, n),
         g_strdup (_ ("use other devices behind an accelerated SMMUv3; see 'virt-vsmmu explain host-group-shared'")));
  else
    set (readiness, VSMMU_READINESS_PASS,
         g_strdup_printf (
             g_dngettext (GETTEXT_PACKAGE, "%u device, alone in its group", "%u devices, each alone in its group", n),
             n),
         NULL);
}

/* Devices that the firmware wants mapped one to one cannot be assigned; when it is all GPUs, that is what matters. */
static void
check_direct (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  g_autoptr (GString) names = g_string_new (NULL);
  guint n_direct = 0;
  guint n_known = 0;
  guint n_gpus = 0;
  guint n_direct_gpus = 0;

  for (guint i = 0; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    gboolean is_direct;

    if (!is_assignable (device) || device->group == NULL || !device->group->has_regions)
      continue;
    is_direct = vsmmu_host_group_direct_region (device->group) != NULL;
    n_known++;
    n_gpus += vsmmu_host_device_is_gpu (device);
    n_direct_gpus += vsmmu_host_device_is_gpu (device) && is_direct;
    if (is_direct)
      add_name (names, &n_direct, device->name);
  }
  if (n_direct > 0)
    set (readiness,
         n_direct == n_known || (n_gpus > 0 && n_direct_gpus == n_gpus) ? VSMMU_READINESS_FAIL : VSMMU_READINESS_WARN,
         g_strdup_printf (_ ("required by the firmware for %s"), names->str),
         g_strdup (_ ("use other devices, or firmware that does not require them; the kernel does not assign a device "
                      "with a region of type 'direct'")));
  else if (n_known > 0)
    pass (readiness, _ ("none"));
  else
    not_known (readiness, _ ("make sure that the host has devices behind an SMMU, with IOMMU groups"));
}

static void
check_pages (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  gboolean is_known = host->has_pages;
  g_autoptr (GString) pools = g_string_new (NULL);

  for (guint i = 0; i < host->pages->len; i++) {
    const VsmmuHostPages *pool = &g_array_index (host->pages, VsmmuHostPages, i);

    is_known = is_known && pool->total >= 0;
    if (pool->total <= 0)
      continue;
    g_string_append (pools, pools->len > 0 ? ", " : "");
    g_string_append_printf (pools, _ ("%u of %u KiB"), (guint) pool->total, (guint) pool->size);
  }
  if (pools->len > 0)
    pass (readiness, pools->str);
  else if (!is_known)
    not_known (readiness, _ ("collect the facts on the host, with /sys/kernel/mm/hugepages readable"));
  else if (vsmmu_host_has_cmdqv (host))
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("none reserved")),
         g_strdup (_ ("reserve huge pages; without them, the command queue of cmdqv has one small page")));
  else
    pass (readiness, _ ("none reserved; not needed without cmdqv"));
}

/* What libvirt does not open itself, QEMU must be allowed to open. */
static void
check_confinement (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  g_autofree char *denied = vsmmu_host_describe_denied (host);
  VsmmuTarget target;

  vsmmu_host_get_target (host, &target);
  if (vsmmu_target_has (&target, VSMMU_FEATURE_IOMMUFD))
    pass (readiness, _ ("libvirt opens the devices for QEMU"));
  else if (denied != NULL)
    set (readiness, vsmmu_target_lacks (&target, VSMMU_FEATURE_IOMMUFD) ? VSMMU_READINESS_FAIL : VSMMU_READINESS_WARN,
         g_strdup_printf (_ ("AppArmor denies QEMU %s"), denied),
         g_strdup_printf (
             _ ("allow it in /etc/apparmor.d/abstractions/libvirt-qemu.d, see PERMISSIONS in virt-vsmmu(1), "
                "or use libvirt %s or newer, which opens the devices itself"),
             vsmmu_feature_since (VSMMU_FEATURE_IOMMUFD)));
  else if (vsmmu_fact_is_true (host->selinux))
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("SELinux is enforcing")),
         g_strdup_printf (
             _ ("if QEMU cannot open /dev/iommu or a VFIO device, see 'ausearch -m avc -ts recent'; libvirt "
                "%s or newer opens the devices itself"),
             vsmmu_feature_since (VSMMU_FEATURE_IOMMUFD)));
  else if (vsmmu_fact_is_false (host->apparmor) && vsmmu_fact_is_false (host->selinux))
    pass (readiness, _ ("none"));
  else if (vsmmu_fact_is_true (host->apparmor_iommu) && vsmmu_fact_is_true (host->apparmor_vfio))
    pass (readiness, _ ("AppArmor allows QEMU to open the devices"));
  else
    not_known (readiness, _ ("make sure that AppArmor or SELinux allows QEMU to open /dev/iommu and "
                             "/dev/vfio/devices/*; see PERMISSIONS in virt-vsmmu(1)"));
}

static void
check_libvirt (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  const char *since = vsmmu_feature_since (VSMMU_FEATURE_ACCEL);
  g_autofree char *version = vsmmu_target_libvirt_to_string (&host->tools);
  VsmmuTarget target;

  vsmmu_host_get_target (host, &target);
  if (host->tools.libvirt == 0)
    set (readiness, VSMMU_READINESS_WARN, g_strdup (_ ("unknown")),
         g_strdup_printf (_ ("make sure that the libvirt daemon is running, and is version %s or newer"), since));
  else if (vsmmu_target_lacks (&target, VSMMU_FEATURE_ACCEL))
    set (readiness, VSMMU_READINESS_WARN, g_strdup (version),
         g_strdup_printf (_ ("use libvirt %s or newer; this version silently drops accel='on'"), since));
  else
    pass (readiness, version);
}

static void
check_qemu (const VsmmuHost *host, VsmmuReadiness *readiness)
{
  const char *since = vsmmu_feature_since (VSMMU_FEATURE_QEMU_AUTO);
  g_autofree char *version = vsmmu_target_qemu_to_string (&host->tools);

  if (!vsmmu_fact_is_known (host->qemu_accel))
    set (readiness, VSMMU_READINESS_WARN, host->tools.qemu != 0 ? g_strdup (version) : g_strdup (_ ("unknown")),
         g_strdup_printf (_ ("make sure that qemu-system-aarch64 is installed, and is version %s or newer"), since));
  else if (!vsmmu_fact_is_true (host->qemu_accel))
    set (readiness, VSMMU_READINESS_FAIL, g_strdup_printf (_ ("%s does not support an accelerated SMMUv3"), version),
         g_strdup_printf (_ ("use QEMU %s or newer"), since));
  else if (!vsmmu_fact_is_true (host->qemu_auto))
    set (readiness, VSMMU_READINESS_WARN, g_strdup_printf (_ ("%s cannot take options from the host"), version),
         g_strdup_printf (_ ("set ats, ril, ssidsize and oas in the domain, or use QEMU %s or newer"), since));
  else
    pass (readiness, version);
}

static const struct {
  const char *title;
  void (*check) (const VsmmuHost *host, VsmmuReadiness *readiness);
  gboolean is_final; /* when it fails, nothing else helps and nothing more is said */
} checks[] = {
  { N_ ("arm64 machine"), check_architecture, TRUE },
  { N_ ("SMMUv3 in use"), check_smmus, TRUE },
  { N_ ("host kernel"), check_kernel },
  { N_ ("nested translation"), check_nesting },
  { N_ ("coherent guest memory"), check_coherence },
  { N_ ("compatible with QEMU's SMMUv3"), check_compatible },
  { N_ ("/dev/kvm"), check_kvm },
  { N_ ("/dev/iommu"), check_iommufd },
  { N_ ("iommufd support for SMMUv3 in the kernel"), check_smmu_iommufd },
  { N_ ("VFIO character devices"), check_cdev },
  { N_ ("MSI window"), check_window },
  { N_ ("one-to-one mappings"), check_direct },
  { N_ ("IOMMU groups"), check_groups },
  { N_ ("huge pages"), check_pages },
  { N_ ("QEMU"), check_qemu },
  { N_ ("libvirt"), check_libvirt },
  { N_ ("confinement of QEMU"), check_confinement },
};

GPtrArray *
vsmmu_host_check_readiness (const VsmmuHost *host)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_readiness_free);

  for (guint i = 0; i < G_N_ELEMENTS (checks); i++) {
    VsmmuReadiness *readiness = g_new0 (VsmmuReadiness, 1);

    readiness->title = _ (checks[i].title);
    checks[i].check (host, readiness);
    g_ptr_array_add (all, readiness);
    if (checks[i].is_final && readiness->result == VSMMU_READINESS_FAIL)
      break;
  }
  return all;
}
