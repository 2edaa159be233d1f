/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "check/finding.h"
#include "check/policy.h"
#include "domain/acceleration.h"
#include "domain/hotplug.h"
#include "render/text.h"
#include "rpc/guard-definition.h"
#include "vsmmu/vsmmu.h"

/* (transfer full) (nullable): a device that was attached; it is found in the guest as a device to detach is */
static VsmmuHotplug *
read_device (const char *xml)
{
  return vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_DETACH, xml, strlen (xml), VSMMU_GUARD_DEVICE, NULL);
}

static const xmlNode *
root_of (const VsmmuHotplug *hotplug)
{
  return xmlDocGetRootElement (vsmmu_hotplug_get_document (hotplug));
}

/* Whether what should not have been attached is detached again: before the client hears of it, that is refusing it. */
static gboolean
undoes (const VsmmuGuard *guard, VsmmuPolicyMismatch action)
{
  VsmmuPolicyMode mode = vsmmu_policy_get_mode (guard->policy);

  return mode == VSMMU_POLICY_ENFORCE || (mode != VSMMU_POLICY_OFF && action == VSMMU_POLICY_MISMATCH_DETACH);
}

/* What the policy specifies for a mismatch in @guest, which may be stricter than its host. */
static VsmmuPolicyMismatch
find_action (const VsmmuGuard *guard, const VsmmuDefinition *guest)
{
  VsmmuPolicyMismatch said;
  gboolean is_said = guest != NULL && vsmmu_policy_mismatch_of (guest->domain->document, &said);
  gboolean is_overruled;

  return vsmmu_policy_choose_mismatch (guard->policy, is_said ? &said : NULL, &is_overruled);
}

/* (transfer full): errors that the rules on hosts have of @domain */
static GPtrArray *
find_host_errors (const VsmmuGuard *guard, const VsmmuDomain *domain, const VsmmuCheckOptions *options)
{
  GPtrArray *findings = vsmmu_check_domain (domain, options);

  vsmmu_policy_apply (guard->policy, findings);
  for (guint i = findings->len; i > 0; i--) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i - 1);

    if (finding->rule->group != VSMMU_RULE_GROUP_HOST || finding->severity != VSMMU_SEVERITY_ERROR)
      g_ptr_array_remove_index (findings, i - 1);
  }
  return findings;
}

/* (transfer full): errors that @guest has through @device, even without those @later; %NULL with @error set */
static GPtrArray *
find_errors_through (const VsmmuGuard *guard, const VsmmuDefinition *guest, const VsmmuDevice *device, GPtrArray *later,
                     const VsmmuCheckOptions *options, GError **error)
{
  g_autoptr (VsmmuDomain) with = vsmmu_definition_leave_out (guest, later, error);
  g_autoptr (VsmmuDomain) without = NULL;
  g_autoptr (GPtrArray) known = NULL;
  GPtrArray *findings;

  if (with == NULL)
    return NULL;
  g_ptr_array_add (later, (gpointer) device->node);
  without = vsmmu_definition_leave_out (guest, later, error);
  if (without == NULL)
    return NULL;
  findings = find_host_errors (guard, with, options);
  known = find_host_errors (guard, without, options);
  vsmmu_definition_remove_known (findings, known);
  return findings;
}

/* (transfer container) (element-type xmlNode): VFIO devices that came to @guest after @device, in libvirt's order */
static GPtrArray *
find_later (const VsmmuDefinition *guest, const VsmmuDevice *device)
{
  GPtrArray *later = g_ptr_array_new ();
  gboolean is_later = FALSE;

  for (guint i = 0; i < guest->domain->hostdevs->len; i++) {
    const VsmmuDevice *other = g_ptr_array_index (guest->domain->hostdevs, i);

    if (is_later && strcmp (other->element, device->element) == 0)
      g_ptr_array_add (later, (gpointer) other->node);
    is_later = is_later || other == device;
  }
  return later;
}

/* Whether what other clients attached meanwhile lets @device stay. */
static gboolean
judge_company (const VsmmuGuard *guard, const VsmmuDefinition *guest, const VsmmuDevice *device, gboolean is_undone,
               GError **error)
{
  VsmmuTarget target;
  gboolean is_alone = guest->domain->hostdevs->len == 1;
  gboolean is_off = vsmmu_policy_get_mode (guard->policy) == VSMMU_POLICY_OFF;
  g_autoptr (VsmmuHost) host = is_alone || is_off ? NULL : guard->ops->get_host (guard->self);
  const VsmmuCheckOptions options = { .target = &target, .host = host };
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GPtrArray) later = find_later (guest, device);
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GPtrArray) own = NULL;
  g_autofree char *reason = NULL;
  g_autofree char *name = vsmmu_device_describe (device);

  if (host == NULL)
    return TRUE;
  if (!guard->ops->get_target (guard->self, &target, error) ||
      (errors = find_errors_through (guard, guest, device, none, &options, error)) == NULL ||
      (own = find_errors_through (guard, guest, device, later, &options, error)) == NULL)
    return FALSE;
  if (errors->len == 0)
    return TRUE;
  reason = vsmmu_render_refusal (own->len > 0 ? own : errors);
  /* The first device stays. */
  if (own->len == 0 || !is_undone) {
    vsmmu_guard_log (guard, _ ("%s was attached while another client was attaching devices: %s"), name, reason);
    return TRUE;
  }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("another client attached devices at the same time: %s"),
               reason);
  return FALSE;
}

/* (transfer full) (nullable): the guest that runs, with the device that was attached behind an accelerated vSMMU; %NULL
 * without @error: nowhere */
static VsmmuDefinition *
find_guest (const VsmmuGuard *guard, const guint8 *uuid, const VsmmuHotplug *hotplug, const VsmmuDevice **device,
            GError **error)
{
  g_autoptr (GPtrArray) definitions = vsmmu_definitions_find (guard, uuid, VIR_DOMAIN_DEVICE_MODIFY_LIVE, NULL, error);
  VsmmuDefinition *guest = definitions != NULL && definitions->len > 0 ? g_ptr_array_index (definitions, 0) : NULL;
  g_autoptr (VsmmuDomain) plugged = NULL;
  const VsmmuDevice *vsmmu;

  if (guest == NULL || !guest->domain->is_running)
    return NULL;
  plugged = vsmmu_hotplug_apply (hotplug, guest->domain);
  *device = plugged->plug->target;
  vsmmu = *device != NULL ? vsmmu_domain_vsmmu_of (guest->domain, *device) : NULL;
  if (vsmmu == NULL || !vsmmu_iommu_is_accelerated (vsmmu))
    return NULL;
  return g_ptr_array_steal_index (definitions, 0);
}

gboolean
vsmmu_guard_judge_attached (VsmmuGuard *guard, const guint8 *uuid, const char *xml, char **alias, GError **error)
{
  g_autoptr (VsmmuHotplug) hotplug = read_device (xml);
  g_autoptr (VsmmuDefinition) guest = NULL;
  g_autoptr (GError) problem = NULL;
  const VsmmuDevice *device = NULL;
  VsmmuPolicyMismatch action;
  gboolean is_undone;

  *alias = NULL;
  if (hotplug == NULL || !vsmmu_hotplug_is_vfio (root_of (hotplug)))
    return TRUE;
  guest = find_guest (guard, uuid, hotplug, &device, &problem);
  action = find_action (guard, guest);
  is_undone = undoes (guard, action);
  if (guest != NULL && judge_company (guard, guest, device, is_undone, &problem) &&
      vsmmu_policy_get_wait (guard->policy) > 0 && device->hostdev.is_pci && action != VSMMU_POLICY_MISMATCH_IGNORE)
    *alias = g_strdup (device->id);
  if (problem == NULL || vsmmu_policy_get_mode (guard->policy) == VSMMU_POLICY_OFF)
    return TRUE;
  if (is_undone) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  vsmmu_guard_log (guard, _ ("cannot check the attached device: %s"), problem->message);
  return TRUE;
}

char *
vsmmu_guard_write_undo (const char *xml)
{
  g_autoptr (VsmmuHotplug) hotplug = read_device (xml);
  const xmlNode *device = hotplug != NULL ? root_of (hotplug) : NULL;
  const xmlNode *source = device != NULL ? vsmmu_xml_child (device, "source") : NULL;
  gboolean is_mdev = device != NULL && g_strcmp0 (vsmmu_xml_attribute (device, "type"), "mdev") == 0;
  g_autofree char *element = source != NULL ? vsmmu_definition_write_element (source) : NULL;

  return g_strdup_printf ("<hostdev mode='subsystem' type='%s'>%s</hostdev>", is_mdev ? "mdev' model='vfio-pci" : "pci",
                          element != NULL ? element : "");
}

gboolean
vsmmu_guard_judge_answer (VsmmuGuard *guard, const char *device, const VsmmuAnswer *answer, GError **error)
{
  gboolean is_detached = answer->state == VSMMU_ANSWER_GONE ||
                         (answer->state == VSMMU_ANSWER_MISMATCH && answer->action == VSMMU_POLICY_MISMATCH_DETACH);
  g_autofree char *reason = answer->findings != NULL ? vsmmu_render_refusal (answer->findings) : NULL;

  if (answer->state == VSMMU_ANSWER_UNKNOWN)
    vsmmu_guard_log (
        guard, _ ("%s was attached; it is not known yet whether its interrupts arrive, use 'virt-vsmmu verify' later"),
        device);
  if (answer->state == VSMMU_ANSWER_MISMATCH && !is_detached)
    vsmmu_guard_log (guard, _ ("interrupts of %s do not arrive: %s"), device, reason);
  if (is_detached)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 answer->state == VSMMU_ANSWER_GONE ? _ ("the device was attached as %s and detached again: %s")
                                                    : _ ("the device was attached as %s and is being detached: %s"),
                 device, reason);
  return !is_detached;
}
