/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/verify.h"

#include "check/run.h"
#include "libvirt/guest-memory.h"
#include "libvirt/monitor.h"
#include "msi/reader.h"
#include "probe/host.h"
#include "verify/evidence.h"
#include "verify/guest-domain.h"
#include "verify/guest.h"

/*
 * Milliseconds. A driver comes within moments of a device, but a guest may boot for minutes, and tells nobody when it
 * has; each delay is about half of what was waited before it, so that no verdict is late by more.
 */
static const guint delays[] = { 50,   60,   80,   120,  180,   260,   400,   600,    900,
                                1300, 2000, 3000, 5000, 10000, 30000, 60000, 120000, 300000 };

guint
vsmmu_verify_delay (guint attempt)
{
  return attempt >= 1 && attempt <= G_N_ELEMENTS (delays) ? delays[attempt - 1] : 0;
}

/* What else there is to know than what the guest shows. */
typedef struct {
  VsmmuHost *host;
  GPtrArray *findings;
  char *log_path;
  VsmmuQemuLog *log;
} Surroundings;

static void
surroundings_clear (Surroundings *surroundings)
{
  g_clear_pointer (&surroundings->host, vsmmu_host_unref);
  g_clear_pointer (&surroundings->findings, g_ptr_array_unref);
  g_clear_pointer (&surroundings->log_path, g_free);
  g_clear_pointer (&surroundings->log, vsmmu_qemu_log_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Surroundings, surroundings_clear)

/* Only a vSMMU that is accelerated has to do with the host. What cannot be read is unknown, and is said so. */
static void
look_around (Surroundings *surroundings, const VsmmuDomain *domain, const char *uri, const VsmmuVerifyOptions *options)
{
  VsmmuCheckOptions check = { .host = options->host };

  if (!vsmmu_domain_is_accelerated (domain))
    return;
  if (check.host == NULL && vsmmu_uri_is_local (uri))
    check.host = surroundings->host = vsmmu_host_probe_for_domain (NULL, domain, NULL);
  if (check.host != NULL)
    surroundings->findings = vsmmu_check_domain (domain, &check);
  if (surroundings->log_path != NULL)
    surroundings->log = vsmmu_qemu_log_read (surroundings->log_path, &options->log_mark, NULL);
}

/* (transfer full) (nullable): where libvirt has the log of the domain, by the name that libvirt gives it */
static char *
find_log (VsmmuConnection *connection, VsmmuConnectionDomain *running, const VsmmuVerifyOptions *options)
{
  g_autofree char *name = vsmmu_connection_domain_get_name (running);

  if (options->log != NULL)
    return g_strdup (options->log);
  return name != NULL ? vsmmu_qemu_log_find (vsmmu_connection_get_uri (connection), name) : NULL;
}

/* Of a domain that has no vSMMU. */
static VsmmuVerification *
verify_nothing (VsmmuConnectionDomain *running)
{
  VsmmuVerification *verification = g_new0 (VsmmuVerification, 1);

  verification->domain = vsmmu_connection_domain_get_name (running);
  verification->uuid = vsmmu_connection_domain_get_uuid (running);
  verification->devices = g_ptr_array_new ();
  return verification;
}

VsmmuVerification *
vsmmu_verify_domain_traced (VsmmuConnection *connection, const char *name, const VsmmuVerifyOptions *chosen,
                            gboolean *is_traced, GError **error)
{
  gint64 times[VSMMU_VERIFY_PARTS + 1] = { g_get_monotonic_time () };
  g_autoptr (VsmmuConnectionDomain) running = vsmmu_connection_domain_new (connection, name, error);
  gboolean may_concern = TRUE;
  g_autoptr (VsmmuDomain) domain = NULL;
  g_autoptr (VsmmuMemoryReader) reader = NULL;
  g_autoptr (VsmmuGuest) guest = NULL;
  g_auto (Surroundings) surroundings = { 0 };
  const VsmmuGuestScope scope = { chosen->device, chosen->is_guarded_only };
  VsmmuVerification *verification;
  VsmmuPeekCount count = { .deadline = chosen->deadline };
  VsmmuGuestTerms terms;
  VsmmuVerifySubject subject;

  if (running == NULL)
    return NULL;
  surroundings.log_path = find_log (connection, running, chosen);
  domain = vsmmu_guest_read_domain (running, name, surroundings.log_path, &terms,
                                    chosen->is_guarded_only ? &may_concern : NULL, error);
  if (!may_concern)
    return verify_nothing (running);
  if (domain == NULL)
    return NULL;
  times[VSMMU_VERIFY_PART_GUEST] = g_get_monotonic_time ();
  /* First: reading the guest may take longer than its driver. */
  if (is_traced != NULL && !*is_traced && vsmmu_domain_is_accelerated (domain))
    *is_traced = vsmmu_monitor_start_trace (running);
  reader = vsmmu_peek_reader_new (running, &count);
  guest = vsmmu_guest_read_known (domain, &scope, reader, error);
  if (guest == NULL ||
      ((chosen->flags & VSMMU_VERIFY_MONITOR) != 0 && !vsmmu_guest_ask_monitor (guest, domain, running, error)))
    return NULL;
  guest->n_peeks = (guint) count.peeks;
  guest->n_bytes = count.bytes;
  times[VSMMU_VERIFY_PART_HOST] = g_get_monotonic_time ();
  look_around (&surroundings, domain, vsmmu_connection_get_uri (connection), chosen);
  subject = (VsmmuVerifySubject){
    .domain = domain,
    .host = chosen->host != NULL ? chosen->host : surroundings.host,
    .host_findings = surroundings.findings,
    .guest = guest,
    .log = surroundings.log,
    .is_log_of_guest = terms.may_write_log,
  };
  times[VSMMU_VERIFY_PART_JUDGE] = g_get_monotonic_time ();
  verification = vsmmu_verify_judge (&subject);
  times[VSMMU_VERIFY_PARTS] = g_get_monotonic_time ();
  for (guint i = 0; i < VSMMU_VERIFY_PARTS; i++)
    verification->parts[i] = times[i + 1] - times[i];
  verification->uuid = vsmmu_connection_domain_get_uuid (running);
  verification->has_action = terms.has_action;
  verification->action = terms.action;
  return verification;
}

VsmmuVerification *
vsmmu_verify_domain (VsmmuConnection *connection, const char *name, const VsmmuVerifyOptions *options, GError **error)
{
  VsmmuVerifyOptions chosen = { 0 };

  if (options != NULL)
    chosen = *options;
  if (chosen.deadline == 0)
    chosen.deadline = g_get_monotonic_time () + VSMMU_VERIFY_SECONDS * G_TIME_SPAN_SECOND;
  return vsmmu_verify_domain_traced (connection, name, &chosen, NULL, error);
}

VsmmuOutcome
vsmmu_verification_get_worst (const VsmmuVerification *verification)
{
  VsmmuOutcome behind = VSMMU_OUTCOME_VERIFIED;
  VsmmuOutcome all = VSMMU_OUTCOME_VERIFIED;
  gboolean is_any_behind = FALSE;

  for (guint i = 0; i < verification->devices->len; i++) {
    const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, i);

    all = MAX (all, device->outcome);
    if (device->vsmmu == NULL)
      continue;
    is_any_behind = TRUE;
    behind = MAX (behind, device->outcome);
  }
  return is_any_behind ? behind : all;
}

const char *
vsmmu_outcome_to_string (VsmmuOutcome outcome)
{
  static const char *const names[] = {
    [VSMMU_OUTCOME_VERIFIED] = "verified",
    [VSMMU_OUTCOME_UNKNOWN_YET] = "unknown-yet",
    [VSMMU_OUTCOME_MISMATCH] = "mismatch",
  };

  return names[outcome];
}
