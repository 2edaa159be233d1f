/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <string.h>

#include "domain/domain-read.h"
#include "plan/plan.h"
#include "rpc/guard-internal.h"

/* Whether @xml is a domain of the machine that has SMMUv3s, with PCI devices of the host. */
static gboolean
has_devices (const char *xml)
{
  gsize length;
  g_autofree char *lifted = vsmmu_guard_lift_document (xml, &length, NULL);
  g_autoptr (VsmmuDomain) domain =
      lifted != NULL ? vsmmu_domain_new_raw (lifted, length, VSMMU_GUARD_DOMAIN, NULL) : NULL;

  if (domain == NULL || !vsmmu_domain_is_virt (domain))
    return FALSE;
  for (guint i = 0; i < domain->hostdevs->len; i++)
    if (vsmmu_domain_hostdev_at (domain, i)->hostdev.is_pci)
      return TRUE;
  return FALSE;
}

static VsmmuPlan *
plan (const VsmmuGuard *guard, const char *xml, GError **error)
{
  static const char *const no_more_devices[] = { NULL };
  g_autoptr (VsmmuHost) host = guard->ops->get_host (guard->self);
  const VsmmuPlanOptions options = {
    .guest = xml, .guest_length = strlen (xml), .guest_name = VSMMU_GUARD_DOMAIN, .adopts = TRUE
  };

  if (host != NULL)
    return vsmmu_plan_new (host, no_more_devices, &options, error);
  g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("nothing is known of the devices of this host"));
  return NULL;
}

/* Whether the policy refuses a domain because its devices cannot be behind vSMMUs. */
static gboolean
refuses (const VsmmuGuard *guard, const GError *problem, GError **error)
{
  g_autofree char *text =
      g_strdup_printf (_ ("the devices of the domain cannot be put behind vSMMUs: %s"), problem->message);

  if (vsmmu_policy_get_mode (guard->policy) == VSMMU_POLICY_ENFORCE) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, text);
    return TRUE;
  }
  vsmmu_guard_log (guard, "%s", text);
  return FALSE;
}

/* (transfer full) (nullable): @xml with its devices behind vSMMUs; %NULL without @error: as it is */
static char *
adopt (const VsmmuGuard *guard, const char *xml, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (VsmmuPlan) adopted = NULL;

  if (!vsmmu_policy_adopts (guard->policy) || !has_devices (xml))
    return NULL;
  adopted = plan (guard, xml, &problem);
  if (adopted == NULL) {
    refuses (guard, problem, error);
    return NULL;
  }
  if (adopted->is_unchanged)
    return NULL;
  vsmmu_guard_log_notes (guard, adopted->notes);
  return g_strndup (adopted->xml, adopted->length);
}

char *
vsmmu_guard_new_domain (VsmmuGuard *guard, const char *xml, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *adopted = adopt (guard, xml, &problem);
  char *converted =
      problem == NULL ? vsmmu_guard_domain (guard, adopted != NULL ? adopted : xml, TRUE, &problem) : NULL;

  if (problem != NULL) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return NULL;
  }
  return converted != NULL ? converted : g_steal_pointer (&adopted);
}
