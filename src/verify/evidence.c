/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/evidence.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "check/finding.h"
#include "domain/acceleration.h"
#include "domain/virt-machine.h"
#include "host/host.h"
#include "msi/machine.h"

/* One device being looked at. */
typedef struct {
  const VsmmuVerifySubject *subject;
  const VsmmuDevice *known;     /* as the domain's XML has it */
  const VsmmuGuestDevice *seen; /* in the guest */
  const VsmmuDevice *vsmmu;     /* the vSMMU of its root bus, or %NULL */
  const VsmmuHostDevice *host;  /* of the host, or %NULL */
  VsmmuVerifiedDevice *device;
} Case;

static gboolean is_needed (const char *check);

static void
add_evidence (const Case *c, const char *check, VsmmuOutcome outcome, char *text)
{
  VsmmuEvidence *evidence = g_new (VsmmuEvidence, 1);

  *evidence = (VsmmuEvidence){ check, outcome, is_needed (check), text };
  g_ptr_array_add (c->device->evidence, evidence);
}

/* Adds a finding about the device, and evidence with the same words. */
static void
add_mismatch (const Case *c, const char *check, const char *rule, char *message, const char *hint)
{
  add_evidence (c, check, VSMMU_OUTCOME_MISMATCH, g_strdup (message));
  g_ptr_array_add (c->device->findings,
                   vsmmu_finding_new (vsmmu_rules_find (rule), VSMMU_SEVERITY_ERROR, c->subject->domain->file,
                                      c->known->line, vsmmu_device_path (c->known, ""), message, g_strdup (hint)));
}

static VsmmuFinding *
copy_finding (const VsmmuFinding *finding)
{
  return vsmmu_finding_new (finding->rule, finding->severity, finding->file, finding->line, g_strdup (finding->element),
                            g_strdup (finding->message), g_strdup (finding->hint));
}

/* Takes over those of @findings that are about @about and of one of @rules; %NULL for any. Says how many. */
static guint
add_findings (const Case *c, const char *check, const GPtrArray *findings, const VsmmuDevice *about,
              const char *const *rules)
{
  g_autofree char *path = vsmmu_device_path (about, "");
  guint count = 0;

  for (guint i = 0; findings != NULL && i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (strcmp (finding->element, path) != 0 || (rules != NULL && !g_strv_contains (rules, finding->rule->id)))
      continue;
    add_evidence (c, check, VSMMU_OUTCOME_MISMATCH, g_strdup (finding->message));
    g_ptr_array_add (c->device->findings, copy_finding (finding));
    count++;
  }
  return count;
}

/* Whether the guest has the device where the XML says, and it is that one. */
static void
check_place (const Case *c)
{
  const VsmmuHostDevice *host = c->host;

  if (c->seen->state == VSMMU_VECTORS_ABSENT)
    add_evidence (c, "place", VSMMU_OUTCOME_UNKNOWN_YET, g_strdup (c->seen->reason));
  else if (host != NULL && c->seen->vendor != 0 && (host->vendor != c->seen->vendor || host->device != c->seen->device))
    add_mismatch (c, "place", "msi-device-on-other-bus",
                  g_strdup_printf (_ ("the device at %s in the guest is %04x:%04x, but %s on the host is %04x:%04x"),
                                   c->device->address, c->seen->vendor, c->seen->device, host->name, host->vendor,
                                   host->device),
                  _ ("detach the device and attach it again, or restart the guest"));
  else if (c->vsmmu == NULL)
    add_evidence (
        c, "place", VSMMU_OUTCOME_VERIFIED,
        g_strdup_printf (_ ("the device is at %s in the guest, without a vSMMU of its own"), c->device->address));
  else
    add_evidence (c, "place", VSMMU_OUTCOME_VERIFIED,
                  g_strdup_printf (_ ("the device is at %s in the guest, behind '%s' as in the XML"),
                                   c->device->address, c->device->vsmmu));
}

/* The other VFIO devices behind the same vSMMU: how many there are, and whether they are a problem. */
typedef struct {
  guint count;
  gboolean is_any_unknown;  /* the host's SMMU of one is not known */
  gboolean is_any_mismatch; /* one is of another SMMU of the host */
} Siblings;

static Siblings
look_at_siblings (const Case *c)
{
  static const char *const rules[] = { "host-smmu-mismatch", NULL };
  const VsmmuVerifySubject *subject = c->subject;
  Siblings siblings = { 0 };

  for (guint i = 0; i < subject->domain->hostdevs->len; i++) {
    const VsmmuDevice *other = g_ptr_array_index (subject->domain->hostdevs, i);
    const VsmmuHostDevice *device;
    g_autofree char *path = vsmmu_device_path (other, "");

    if (other == c->known || vsmmu_domain_vsmmu_of (subject->domain, other) != c->vsmmu)
      continue;
    device = subject->host != NULL && other->hostdev.is_pci ? vsmmu_host_device_at (subject->host, &other->hostdev.host)
                                                            : NULL;
    siblings.count++;
    siblings.is_any_unknown |= device == NULL || device->smmu == NULL;
    for (guint f = 0; subject->host_findings != NULL && f < subject->host_findings->len; f++) {
      const VsmmuFinding *finding = g_ptr_array_index (subject->host_findings, f);

      siblings.is_any_mismatch |= g_strv_contains (rules, finding->rule->id) && strcmp (finding->element, path) == 0;
    }
  }
  return siblings;
}

/* Behind one vSMMU are devices of several SMMUs, and this one belongs there. */
static void
check_bad_company (const Case *c)
{
  const VsmmuQemuLog *log = c->subject->is_log_of_guest ? NULL : c->subject->log;

  if (log == NULL || log->since_start.is_partial)
    add_evidence (
        c, "smmu", VSMMU_OUTCOME_UNKNOWN_YET,
        g_strdup (_ ("a device of another physical SMMU is behind the same vSMMU; without the QEMU log it is not "
                     "known whether it was present when the guest started, and stopped the vSMMU")));
  else if (log->since_start.n_lines[VSMMU_QEMU_LINE_UNATTACHED] > 0)
    add_mismatch (
        c, "smmu", "host-smmu-mismatch",
        g_strdup (_ ("a device of another physical SMMU was behind the same vSMMU when the guest was started or "
                     "reset; this stops the command queue of the vSMMU")),
        _ ("shut down the guest, move that device behind a vSMMU of its own, and start the guest again"));
  else
    add_evidence (
        c, "smmu", VSMMU_OUTCOME_VERIFIED,
        g_strdup_printf (
            _ ("the device is behind %s, which the vSMMU uses; a device that was attached later has another physical SMMU"),
            c->host->smmu->name));
}

/* Whether its SMMU of the host is that of the vSMMU. */
static void
check_smmu (const Case *c)
{
  static const char *const rules[] = { "host-smmu-mismatch", "host-device-missing", "host-device-without-smmu",
                                       "host-group-shared", NULL };
  Siblings siblings;

  if (vsmmu_domain_first_reach (c->subject->domain) != NULL) {
    add_evidence (c, "smmu", VSMMU_OUTCOME_UNKNOWN_YET,
                  g_strdup (_ ("QEMU arguments, overrides or capabilities affect an SMMUv3 or a VFIO device and "
                               "cannot be checked; 'virt-vsmmu check' lists them")));
    return;
  }
  if (!c->device->is_accelerated || add_findings (c, "smmu", c->subject->host_findings, c->known, rules) > 0)
    return;
  siblings = look_at_siblings (c);
  if (siblings.is_any_mismatch && c->host != NULL)
    check_bad_company (c);
  else if (siblings.count == 0)
    add_evidence (c, "smmu", VSMMU_OUTCOME_VERIFIED,
                  c->host != NULL && c->host->smmu != NULL
                      ? g_strdup_printf (_ ("the device is behind %s, and is the only one behind '%s'"),
                                         c->host->smmu->name, c->device->vsmmu)
                      : g_strdup_printf (_ ("the device is the only one behind '%s'"), c->device->vsmmu));
  else if (c->host == NULL || c->host->smmu == NULL || siblings.is_any_unknown)
    add_evidence (
        c, "smmu", VSMMU_OUTCOME_UNKNOWN_YET,
        g_strdup_printf (_ ("the physical SMMUs of the devices behind '%s' are not known here"), c->device->vsmmu));
  else
    add_evidence (c, "smmu", VSMMU_OUTCOME_VERIFIED,
                  g_strdup_printf (_ ("the device is behind %s, like the other devices behind '%s'"),
                                   c->host->smmu->name, c->device->vsmmu));
}

/* Whether the kernel of the host has the window for MSIs where QEMU tells the guest. */
static void
check_window (const Case *c)
{
  static const char *const rules[] = { "host-msi-window", NULL };
  g_autofree char *window = vsmmu_virt_window_to_string (VSMMU_VIRT_MSI_WINDOW_START, VSMMU_VIRT_MSI_WINDOW_END);

  if (!c->device->is_accelerated || add_findings (c, "window", c->subject->host_findings, c->known, rules) > 0)
    return;
  if (c->host != NULL && c->host->group != NULL && c->host->group->has_regions)
    add_evidence (c, "window", VSMMU_OUTCOME_VERIFIED,
                  g_strdup_printf (_ ("the MSI window of the host kernel is %s, as reported to the guest"), window));
  else
    add_evidence (c, "window", VSMMU_OUTCOME_UNKNOWN_YET,
                  g_strdup (_ ("the MSI window of the host kernel is not known here")));
}

/* How many vSMMUs QEMU was asked about. */
static guint
count_asked (const VsmmuGuest *guest)
{
  guint count = 0;

  for (guint i = 0; i < guest->smmus->len; i++) {
    const VsmmuGuestSmmu *smmu = g_ptr_array_index (guest->smmus, i);

    count += smmu->is_accelerated && smmu->has_msi_gpa;
  }
  return count;
}

/* Whether there is a doorbell, and QEMU has the same one for all accelerated vSMMUs. */
static void
check_doorbell (const Case *c)
{
  const VsmmuMsiMachine *machine = &c->subject->guest->machine;
  guint n_asked = count_asked (c->subject->guest);
  guint n_bad = 0;

  if (machine->controller == VSMMU_MSI_CONTROLLER_UNKNOWN) {
    add_evidence (c, "doorbell", VSMMU_OUTCOME_UNKNOWN_YET,
                  g_strdup (_ ("the MSI controller of the guest depends on the host and is not known")));
    return;
  }
  if (machine->doorbell == 0) {
    add_mismatch (c, "doorbell", "msi-doorbell-zero",
                  g_strdup (_ ("the machine has no MSI controller and thus no doorbell")),
                  _ ("set <gic version='3'/>, and remove its=off and msi=off, so that the machine has an MSI "
                     "controller"));
    return;
  }
  /* One KVM serves them all: a vSMMU with another doorbell means that QEMU and this program disagree. */
  for (guint i = 0; c->device->is_accelerated && i < c->subject->domain->iommus->len; i++)
    n_bad += add_findings (c, "doorbell", c->subject->guest->findings,
                           g_ptr_array_index (c->subject->domain->iommus, i), NULL);
  if (n_bad == 0)
    add_evidence (c, "doorbell", VSMMU_OUTCOME_VERIFIED,
                  g_strdup_printf (n_asked > 0 && c->device->is_accelerated
                                       ? /* Translators: 0x08090040 and ITS or GICv2m */
                                       _ ("the doorbell is 0x%08" PRIx64
                                          " in the machine's %s, and QEMU uses it for every accelerated vSMMU")
                                       : _ ("the doorbell is 0x%08" PRIx64 " in the machine's %s"),
                                   machine->doorbell, vsmmu_msi_controller_get_name (machine->controller)));
}

/* (transfer full): how many vectors use the doorbell */
static char *
describe_vectors (const VsmmuGuestDevice *seen)
{
  g_autofree char *kind = g_ascii_strup (seen->interrupts, -1);

  /* Translators: 2 of 65 MSI-X vectors */
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u of %u %s vectors is enabled and uses the doorbell",
                                       "%u of %u %s vectors are enabled and use the doorbell", seen->vectors->len),
                          seen->vectors->len, seen->n_vectors, kind);
}

/* Whether the guest has vectors enabled, and where they lead. */
static void
check_vectors (const Case *c)
{
  const VsmmuGuestDevice *seen = c->seen;

  if (seen->state == VSMMU_VECTORS_ABSENT ||
      add_findings (c, "vectors", c->subject->guest->findings, c->known, NULL) > 0)
    return;
  if (seen->state != VSMMU_VECTORS_VERIFIED)
    add_evidence (c, "vectors", VSMMU_OUTCOME_UNKNOWN_YET, g_strdup (seen->reason));
  else
    add_evidence (c, "vectors", VSMMU_OUTCOME_VERIFIED, describe_vectors (seen));
}

/* (nullable): what QEMU said since the device came, or where that is not known, since the guest's start */
static const VsmmuQemuWords *
find_words (const Case *c)
{
  const VsmmuQemuLog *log = c->subject->log;

  if (log == NULL || c->subject->is_log_of_guest)
    return NULL;
  return log->has_recent ? &log->since_attach : &log->since_start;
}

/* With the trace kvm_arm_fixup_msi_route: what KVM was given. */
static void
check_route (const Case *c)
{
  const VsmmuQemuWords *words = find_words (c);
  guint64 doorbell = c->subject->guest->machine.doorbell;

  if (words == NULL || words->is_partial || words->n_routes == 0 || !c->device->is_accelerated || doorbell == 0)
    return;
  if (words->routes_and == doorbell && words->routes_or == doorbell)
    add_evidence (c, "route", VSMMU_OUTCOME_VERIFIED,
                  g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "QEMU passed 0x%08" PRIx64 " to KVM %u time",
                                                "QEMU passed 0x%08" PRIx64 " to KVM %u times", words->n_routes),
                                   doorbell, words->n_routes));
  else
    add_mismatch (
        c, "route", "msi-doorbell-mismatch",
        g_strdup_printf (_ ("QEMU passed addresses other than the doorbell 0x%08" PRIx64 " to KVM"), doorbell),
        _ ("report this as a bug of virt-vsmmu or QEMU, with the output of --format json"));
}

/* Evidence that decides nothing, and why. */
static void
add_silence (const Case *c, gboolean is_decisive, char *text)
{
  VsmmuEvidence *evidence;

  add_evidence (c, "log", VSMMU_OUTCOME_UNKNOWN_YET, text);
  evidence = g_ptr_array_index (c->device->evidence, c->device->evidence->len - 1);
  evidence->is_needed = is_decisive;
}

/* (transfer full): what QEMU wrote, and what it is known to mean */
static char *
explain_line (const VsmmuQemuWords *words)
{
  if (words->text == NULL)
    return g_strdup (words->line);
  /* Translators: a line of QEMU's log, and what it means */
  return g_strdup_printf (_ ("%s (%s)"), words->line, _ (words->text->meaning));
}

/* (transfer full): the same with what to do about it, for evidence, which has no hint */
static char *
explain_line_and_cure (const VsmmuQemuWords *words)
{
  if (words->text == NULL)
    return g_strdup (words->line);
  /* Translators: a line of QEMU's log, what it means, and what to do */
  return g_strdup_printf (_ ("%s (%s; %s)"), words->line, _ (words->text->meaning), _ (words->text->hint));
}

/* Whether an error can be of this device: not when a device that does not belong there explains all there are. */
static gboolean
may_be_ours (const Case *c, const VsmmuQemuWords *words)
{
  return words->n_lines[VSMMU_QEMU_LINE_ERROR] > 0 || !look_at_siblings (c).is_any_mismatch;
}

/* Handles a log without an error that could be about the device. */
static void
check_quiet_log (const Case *c, const VsmmuQemuWords *words)
{
  const VsmmuQemuLog *log = c->subject->log;
  g_autofree char *before = explain_line_and_cure (&log->since_start);
  g_autofree char *line = explain_line_and_cure (words);

  if (words->is_partial)
    add_silence (c, FALSE,
                 g_strdup (log->has_recent ? _ ("the QEMU log no longer contains the time when the device was "
                                                "attached")
                                           : _ ("the QEMU log no longer contains the start of the guest")));
  else if (log->since_start.worst >= VSMMU_QEMU_LINE_ERROR)
    add_silence (c, FALSE,
                 g_strdup_printf (_ ("the QEMU log has an error about this or another device from before the device "
                                     "was found: %s"),
                                  before));
  else if (words->worst == VSMMU_QEMU_LINE_WARNING)
    add_silence (c, FALSE,
                 g_strdup_printf (_ ("warning in the QEMU log about this device or something else: %s"), line));
  else
    add_evidence (c, "log", VSMMU_OUTCOME_VERIFIED,
                  g_strdup (log->has_recent ? _ ("no related errors in the QEMU log since the device was attached")
                                            : _ ("no related errors in the QEMU log since the guest started")));
}

/* Reports that QEMU could not set up translation for the device. Such a line is always in the table. */
static void
report_refusal (const Case *c, const VsmmuQemuWords *words)
{
  g_autofree char *line = explain_line (words);

  add_mismatch (c, "log", "vsmmu-attach-failed",
                g_strdup_printf (_ ("error in the QEMU log since the device was attached: %s"), line),
                _ (words->text->hint));
}

/* Reports an error that may be about another device. */
static void
report_error (const Case *c, const VsmmuQemuWords *words)
{
  g_autofree char *line = explain_line_and_cure (words);

  add_silence (c, may_be_ours (c, words),
               g_strdup_printf (_ ("error in the QEMU log about this or another device: %s"), line));
}

/* Whether QEMU complained. The guest's start counts for the only device, else what was said since this one came. */
static void
check_log (const Case *c)
{
  const VsmmuQemuLog *log = c->subject->log;
  const VsmmuQemuWords *words = find_words (c);

  if (!c->device->is_accelerated)
    return;
  if (log == NULL)
    add_silence (c, FALSE, g_strdup (_ ("the QEMU log cannot be read here")));
  else if (words == NULL)
    add_silence (c, FALSE, g_strdup (_ ("the guest can write to the QEMU log itself, so the log is not evidence")));
  else if (words->worst < VSMMU_QEMU_LINE_ERROR)
    check_quiet_log (c, words);
  else if (log->has_recent && !words->is_partial && words->worst > VSMMU_QEMU_LINE_ERROR &&
           !look_at_siblings (c).is_any_mismatch)
    report_refusal (c, words);
  else
    report_error (c, words);
}

static const struct {
  const char *name;
  gboolean is_needed; /* for the outcome “verified” */
  void (*look) (const Case *c);
} checks[] = {
  { "place", TRUE, check_place },       { "smmu", TRUE, check_smmu }, { "window", FALSE, check_window },
  { "doorbell", TRUE, check_doorbell }, { "log", FALSE, check_log },  { "vectors", TRUE, check_vectors },
  { "route", FALSE, check_route },
};

static gboolean
is_needed (const char *check)
{
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    if (strcmp (checks[i].name, check) == 0)
      return checks[i].is_needed;
  return FALSE;
}

/* The outcome, with the first evidence that has it as the reason; of a device that is right the last, the vectors. */
static void
conclude (VsmmuVerifiedDevice *device)
{
  const char *reason = "";

  for (guint i = 0; i < device->evidence->len; i++) {
    const VsmmuEvidence *evidence = g_ptr_array_index (device->evidence, i);
    gboolean counts = evidence->outcome == VSMMU_OUTCOME_MISMATCH || evidence->is_needed;

    if (counts && (evidence->outcome > device->outcome ||
                   (evidence->outcome == device->outcome && device->outcome == VSMMU_OUTCOME_VERIFIED)))
      reason = evidence->text;
    if (counts)
      device->outcome = MAX (device->outcome, evidence->outcome);
  }
  device->reason = g_strdup (reason);
}

static void
evidence_free (gpointer data)
{
  g_free (((VsmmuEvidence *) data)->text);
  g_free (data);
}

void
vsmmu_verified_device_free (VsmmuVerifiedDevice *device)
{
  if (device == NULL)
    return;
  g_free (device->alias);
  g_free (device->name);
  g_free (device->address);
  g_free (device->vsmmu);
  g_free (device->host);
  g_free (device->smmu);
  g_free (device->reason);
  g_ptr_array_unref (device->evidence);
  g_ptr_array_unref (device->findings);
  g_free (device);
}

void
vsmmu_verification_free (VsmmuVerification *verification)
{
  if (verification == NULL)
    return;
  g_free (verification->domain);
  g_free (verification->uuid);
  g_ptr_array_unref (verification->devices);
  g_free (verification);
}

static VsmmuVerifiedDevice *
device_new (const Case *c)
{
  VsmmuVerifiedDevice *device = g_new0 (VsmmuVerifiedDevice, 1);

  *device = (VsmmuVerifiedDevice){
    .alias = g_strdup (c->seen->alias),
    .name = g_strdup (c->seen->name),
    .address = vsmmu_guest_device_get_address (c->seen),
    .vsmmu = g_strdup (c->seen->vsmmu),
    .is_accelerated = c->vsmmu != NULL && vsmmu_iommu_is_accelerated (c->vsmmu),
    .host = g_strdup (c->seen->host),
    .smmu = g_strdup (c->host != NULL && c->host->smmu != NULL ? c->host->smmu->name : NULL),
    .doorbell = c->subject->guest->machine.doorbell,
    .evidence = g_ptr_array_new_with_free_func (evidence_free),
    .findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref),
  };
  return device;
}

static const VsmmuDevice *
find_known (const VsmmuDomain *domain, const char *alias)
{
  for (guint i = 0; alias != NULL && i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (g_strcmp0 (device->alias, alias) == 0)
      return device;
  }
  return NULL;
}

static VsmmuVerifiedDevice *
judge_device (const VsmmuVerifySubject *subject, const VsmmuDevice *known, const VsmmuGuestDevice *seen)
{
  Case c = {
    .subject = subject, .known = known, .seen = seen, .vsmmu = vsmmu_domain_vsmmu_of (subject->domain, known)
  };

  if (subject->host != NULL && vsmmu_device_is_hostdev (known) && known->hostdev.is_pci)
    c.host = vsmmu_host_device_at (subject->host, &known->hostdev.host);
  c.device = device_new (&c);
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    checks[i].look (&c);
  conclude (c.device);
  return c.device;
}

VsmmuVerification *
vsmmu_verify_judge (const VsmmuVerifySubject *subject)
{
  VsmmuVerification *verification = g_new0 (VsmmuVerification, 1);

  *verification = (VsmmuVerification){
    .domain = g_strdup (subject->guest->name),
    .devices = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_verified_device_free),
    .n_peeks = subject->guest->n_peeks,
    .n_bytes = subject->guest->n_bytes,
  };
  for (guint i = 0; i < subject->guest->devices->len; i++) {
    const VsmmuGuestDevice *seen = g_ptr_array_index (subject->guest->devices, i);
    const VsmmuDevice *known = find_known (subject->domain, seen->alias);

    if (known != NULL)
      g_ptr_array_add (verification->devices, judge_device (subject, known, seen));
  }
  return verification;
}
