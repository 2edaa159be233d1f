/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-judge.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "check/finding.h"
#include "msi/machine.h"

void
vsmmu_guest_device_judge (VsmmuGuestDevice *device, VsmmuVectorState state, char *reason)
{
  device->state = state;
  g_free (device->reason);
  device->reason = reason;
}

/* What to do about the rules that a vector can break. */
static const struct {
  const char *rule;
  const char *hint;
} hints[] = {
  { "msi-doorbell-zero", N_ ("set <gic version='3'/>, and remove its=off and msi=off, so that the machine has an MSI "
                             "controller") },
  { "msi-doorbell-mismatch", N_ ("report this as a bug of virt-vsmmu or QEMU, with the output of --format json") },
  { "msi-doorbell-not-controller",
    N_ ("report this as a bug of virt-vsmmu or QEMU, with the output of --format json") },
  { "msi-window-mismatch", N_ ("report this as a bug of virt-vsmmu or QEMU, with the output of --format json") },
  { "msi-address-unmapped",
    N_ ("unbind the driver in the guest and bind it again; the guest kernel has not mapped the doorbell for this "
        "device, and interrupts are lost") },
  { "msi-address-wrong-target",
    N_ ("unbind the driver in the guest and bind it again; the guest kernel uses an address that is not the doorbell") },
};

static void
report (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *device, const char *id, char *message)
{
  const char *hint = "";

  for (guint i = 0; i < G_N_ELEMENTS (hints); i++)
    if (strcmp (hints[i].rule, id) == 0)
      hint = _ (hints[i].hint);
  g_ptr_array_add (guest->findings,
                   vsmmu_finding_new (vsmmu_rules_find (id), VSMMU_SEVERITY_ERROR, domain->file, device->line,
                                      vsmmu_device_path (device, ""), message, g_strdup (hint)));
}

const char *
vsmmu_guest_find_rule (const VsmmuGuest *guest, const VsmmuGuestDevice *device, const VsmmuGuestVector *vector)
{
  if (vector->fault == NULL)
    return vsmmu_msi_route_find_fault (&guest->machine, &vector->route);
  if (device->path == VSMMU_MSI_PATH_TRANSLATED)
    return "msi-address-unmapped";
  return guest->machine.controller == VSMMU_MSI_CONTROLLER_UNKNOWN ? NULL : "msi-doorbell-zero";
}

/* (transfer full): what is wrong with @vector, and how many others have it too */
static char *
describe_fault (const VsmmuGuest *guest, const VsmmuGuestDevice *device, const VsmmuGuestVector *vector, guint n_others)
{
  g_autofree char *fault = g_strdup (vector->fault);

  if (fault == NULL)
    fault = g_strdup_printf (_ ("the MSI address 0x%" PRIx64 " is translated to 0x%" PRIx64 ", but the doorbell is "
                                "0x%" PRIx64),
                             vector->address, (guint64) vector->route.address_hi << 32 | vector->route.address_lo,
                             guest->machine.doorbell);
  if (n_others == 0)
    return g_strdup_printf (_ ("%s, vector %u: %s"), device->name, vector->index, fault);
  return g_strdup_printf (
      g_dngettext (GETTEXT_PACKAGE, "%s, vector %u and %u more: %s", "%s, vector %u and %u more: %s", n_others),
      device->name, vector->index, n_others, fault);
}

/* Looks for vectors that break @id from the first that does, and reports them as one. */
static void
report_vectors (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *known, const VsmmuGuestDevice *device,
                guint first, const char *id)
{
  guint n_others = 0;

  for (guint i = 0; i < device->vectors->len; i++) {
    const char *rule = vsmmu_guest_find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, i));

    if (g_strcmp0 (rule, id) != 0)
      continue;
    if (i < first)
      return;
    n_others += i > first;
  }
  report (guest, domain, known, id,
          describe_fault (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, first), n_others));
}

void
vsmmu_guest_judge_device (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *known,
                          VsmmuGuestDevice *device)
{
  if (device->reason != NULL)
    return;
  if (guest->machine.controller == VSMMU_MSI_CONTROLLER_UNKNOWN) {
    vsmmu_guest_device_judge (device, VSMMU_VECTORS_UNKNOWN,
                              g_strdup (_ ("the MSI controller of the guest depends on the host and is not known")));
    return;
  }
  for (guint i = 0; i < device->vectors->len; i++) {
    const char *id = vsmmu_guest_find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, i));

    if (id == NULL)
      continue;
    device->state = VSMMU_VECTORS_WRONG;
    report_vectors (guest, domain, known, device, i, id);
  }
}

void
vsmmu_guest_judge_smmu (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *iommu,
                        const VsmmuGuestSmmu *smmu)
{
  VsmmuMsiRoute route = { (guint32) smmu->msi_gpa, (guint32) (smmu->msi_gpa >> 32), .path = VSMMU_MSI_PATH_DIRECT };
  const char *id = vsmmu_msi_route_find_fault (&guest->machine, &route);

  if (id != NULL)
    report (guest, domain, iommu, id,
            g_strdup_printf (
                _ ("QEMU uses the doorbell 0x%" PRIx64 " for vSMMU '%s', but that of the machine is 0x%" PRIx64),
                smmu->msi_gpa, smmu->alias, guest->machine.doorbell));
}
