/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "check/policy.h"
#include "model/edit.h"
#include "model/hotplug.h"
#include "rpc/guard-internal.h"
#include "vsmmu/lower.h"
#include "vsmmu/vsmmu.h"

/* A domain that a device is to come to, change in, or leave. */
typedef struct {
  char *xml; /* as the user would write it */
  gsize length;
  VsmmuDomain *domain;
  VsmmuTarget target;
} Subject;

static void
subject_clear (Subject *subject)
{
  g_free (subject->xml);
  vsmmu_domain_free (subject->domain);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Subject, subject_clear)

/* %FALSE without @error: a domain we have nothing to do with, or one that libvirt has something to say about. */
static gboolean
find_subject (const VsmmuGuard *guard, const guint8 *uuid, guint flags, Subject *subject, GError **error)
{
  gboolean is_inactive =
      (flags & (VIR_DOMAIN_DEVICE_MODIFY_LIVE | VIR_DOMAIN_DEVICE_MODIFY_CONFIG)) == VIR_DOMAIN_DEVICE_MODIFY_CONFIG;
  g_autofree char *xml = guard->ops->get_domain_xml (guard->self, uuid, is_inactive, error);
  g_autoptr (GError) problem = NULL;

  if (xml == NULL || strstr (xml, VSMMU_GUARD_WORD) == NULL)
    return FALSE;
  subject->xml = vsmmu_guard_lift_document (xml, &subject->length, &problem);
  if (subject->xml != NULL)
    subject->domain = vsmmu_domain_new_from_data (subject->xml, subject->length, VSMMU_GUARD_DOMAIN, &problem);
  if (subject->domain == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("the XML of the domain cannot be read: %s"),
                 problem->message);
    return FALSE;
  }
  return vsmmu_domain_is_accelerated (subject->domain) && guard->ops->get_target (guard->self, &subject->target, error);
}

/* The accelerated vSMMU over bus @index, or %NULL. */
static const VsmmuDevice *
accelerated_over (const VsmmuDomain *domain, guint index)
{
  const VsmmuDevice *vsmmu =
      index < domain->n_buses && domain->buses[index].root >= 0 ? domain->buses[domain->buses[index].root].vsmmu : NULL;

  return vsmmu != NULL && vsmmu_iommu_is_accelerated (vsmmu) ? vsmmu : NULL;
}

static gboolean
needs_iommufd (const VsmmuGuard *guard, const VsmmuDomain *domain, const VsmmuDevice *device, guint bus)
{
  return vsmmu_device_is_hostdev (device) && device->hostdev.is_pci && device->hostdev.iommufd == VSMMU_SWITCH_ABSENT &&
         !vsmmu_domain_uses_iommufd (domain, device) && accelerated_over (domain, bus) != NULL &&
         vsmmu_policy_get_iommufd (guard->policy) == VSMMU_POLICY_IOMMUFD_ADD;
}

static void say_done (const VsmmuGuard *guard, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Nothing is changed without a word. */
static void
say_done (const VsmmuGuard *guard, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  guard->ops->say (guard->self, text);
}

static void
add_iommufd (const VsmmuGuard *guard, VsmmuEdit *edit, const VsmmuDevice *device)
{
  const xmlNode *driver = vsmmu_xml_child (device->node, "driver");
  g_autofree char *name = vsmmu_device_describe (device);

  if (driver != NULL)
    vsmmu_edit_add_attribute (edit, driver, "iommufd", "yes");
  else
    vsmmu_edit_append (edit, device->node, "<driver iommufd='yes'/>\n");
  say_done (guard, _ ("%s comes behind an accelerated SMMUv3, and gets the iommufd='yes' that it needs there"), name);
}

static void
add_address (const VsmmuGuard *guard, VsmmuEdit *edit, const VsmmuDevice *device, guint bus)
{
  const xmlNode *given = vsmmu_xml_child (device->node, "address"); /* without a place */
  g_autofree char *address =
      g_strdup_printf ("<address type='pci' domain='0x0000' bus='0x%02x' slot='0x00' function='0x0'/>", bus);
  g_autofree char *line = g_strconcat (address, "\n", NULL);
  g_autofree char *name = vsmmu_device_describe (device);

  if (given != NULL)
    vsmmu_edit_restore (edit, given, address);
  else
    vsmmu_edit_append (edit, device->node, line);
  say_done (guard, _ ("%s has no address, and gets a port that suits it: %02x:00.0"), name, bus);
}

/*
 * (transfer full): @xml with the address and the iommufd that the device needs and its user left out; %NULL with @error
 * set when it cannot be read
 */
static char *
complete (const VsmmuGuard *guard, const Subject *subject, const VsmmuHost *host, const char *xml,
          const VsmmuHotplug *hotplug, VsmmuHotplugPlace *place, GError **error)
{
  g_autoptr (VsmmuDomain) changed = vsmmu_hotplug_apply (hotplug, subject->domain);
  const VsmmuDevice *device = changed->plug->device;
  g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (xml, strlen (xml), device->node->doc, VSMMU_GUARD_DEVICE, error);
  guint bus = device->address.bus;
  gsize length;

  if (edit == NULL)
    return NULL;
  *place = vsmmu_hotplug_choose_bus (hotplug, subject->domain, host, &bus);
  if (*place == VSMMU_PLACE_CHOSEN)
    add_address (guard, edit, device, bus);
  if (needs_iommufd (guard, changed, device, bus))
    add_iommufd (guard, edit, device);
  return vsmmu_edit_finish (edit, &length);
}

/* (transfer full) (nullable): @xml for the libvirt of @subject; %NULL without @error: as it was @given */
static char *
lower (const VsmmuGuard *guard, const Subject *subject, const char *xml, const char *given, GError **error)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) problem = NULL;
  gsize length;
  g_autofree char *lowered =
      vsmmu_lower_device (xml, strlen (xml), VSMMU_GUARD_DEVICE, &subject->target, notes, &length, &problem);

  vsmmu_guard_say_notes (guard, notes);
  if (lowered == NULL)
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, problem->message);
  return lowered != NULL && strcmp (lowered, given) != 0 ? g_steal_pointer (&lowered) : NULL;
}

/* Whether the definition of @subject with @xml in it may pass. */
static gboolean
check_definition (const VsmmuGuard *guard, const Subject *subject, const char *xml, GError **error)
{
  g_autoptr (VsmmuEdit) edit =
      vsmmu_edit_new (subject->xml, subject->length, subject->domain->document, VSMMU_GUARD_DOMAIN, error);
  const xmlNode *devices = vsmmu_xml_child (xmlDocGetRootElement (subject->domain->document), "devices");
  g_autofree char *line = g_strconcat (xml, "\n", NULL);
  g_autofree char *text = NULL;
  g_autoptr (VsmmuDomain) domain = NULL;
  const VsmmuCheckOptions options = { .target = &subject->target };
  gsize length;

  if (edit == NULL)
    return FALSE;
  vsmmu_edit_append (edit, devices, line);
  text = vsmmu_edit_finish (edit, &length);
  domain = vsmmu_domain_new_from_data (text, length, VSMMU_GUARD_DOMAIN, error);
  return domain != NULL && vsmmu_guard_judge (guard, vsmmu_check_domain (domain, &options), error);
}

/* (transfer full): what there is to say of @hotplug; of the rest of the guest was said when it was defined and started
 */
static GPtrArray *
look_at (const Subject *subject, const VsmmuHost *host, const VsmmuHotplug *hotplug)
{
  const VsmmuCheckOptions options = { .target = &subject->target, .host = host, .hotplug = hotplug };
  GPtrArray *findings = vsmmu_check_domain (subject->domain, &options);

  for (guint i = findings->len; i > 0; i--) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i - 1);

    if (finding->rule->group != VSMMU_RULE_GROUP_HOTPLUG && strcmp (finding->file, VSMMU_GUARD_DEVICE) != 0)
      g_ptr_array_remove_index (findings, i - 1);
  }
  return findings;
}

/* Where no vSMMU fits, the user did not ask to have none. */
static void
insist_on_vsmmu (GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++) {
    VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (strcmp (finding->rule->id, "hotplug-outside-vsmmu") == 0)
      finding->severity = VSMMU_SEVERITY_ERROR;
  }
}

/* Whether @xml may come to the guest of @subject, which runs. */
static gboolean
check_plug (const VsmmuGuard *guard, const Subject *subject, const VsmmuHost *host, const char *xml,
            VsmmuHotplugPlace place, GError **error)
{
  g_autoptr (VsmmuHotplug) hotplug =
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, xml, strlen (xml), VSMMU_GUARD_DEVICE, error);
  GPtrArray *findings;

  if (hotplug == NULL)
    return FALSE;
  findings = look_at (subject, host, hotplug);
  if (place == VSMMU_PLACE_NONE)
    insist_on_vsmmu (findings);
  return vsmmu_guard_judge (guard, findings, error);
}

char *
vsmmu_guard_attach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (VsmmuHotplug) hotplug =
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, xml, strlen (xml), VSMMU_GUARD_DEVICE, &problem);
  g_auto (Subject) subject = { 0 };
  VsmmuHotplugPlace place;
  g_autoptr (VsmmuHost) host = NULL;
  g_autofree char *completed = NULL;

  if (hotplug == NULL) {
    vsmmu_guard_may_pass_unread (xml, problem, error);
    return NULL;
  }
  if (!find_subject (guard, uuid, flags, &subject, error))
    return NULL;
  host = guard->ops->get_host (guard->self);
  completed = complete (guard, &subject, host, xml, hotplug, &place, error);
  if (completed == NULL || (subject.domain->is_running ? !check_plug (guard, &subject, host, completed, place, error)
                                                       : !check_definition (guard, &subject, completed, error)))
    return NULL;
  return lower (guard, &subject, completed, xml, error);
}

/* (nullable): the device of @domain that is @wanted of the host */
static const VsmmuDevice *
find_by_host (const VsmmuDomain *domain, const VsmmuDevice *wanted)
{
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->hostdevs, i);

    if (device->hostdev.is_pci && memcmp (&device->hostdev.host, &wanted->hostdev.host, sizeof (VsmmuPciAddress)) == 0)
      return device;
  }
  return NULL;
}

/* Nobody waits for a verdict that changes nothing. */
static gboolean
is_to_be_waited_for (const VsmmuGuard *guard, const VsmmuDomain *domain)
{
  VsmmuPolicyMismatch said;
  gboolean is_said = vsmmu_policy_mismatch_of (domain->document, &said);
  gboolean is_overruled;

  return vsmmu_policy_choose_mismatch (guard->policy, is_said ? &said : NULL, &is_overruled) !=
         VSMMU_POLICY_MISMATCH_IGNORE;
}

char *
vsmmu_guard_find_attached (VsmmuGuard *guard, const guint8 *uuid, const char *xml)
{
  g_autoptr (VsmmuHotplug) hotplug =
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_ATTACH, xml, strlen (xml), VSMMU_GUARD_DEVICE, NULL);
  g_auto (Subject) subject = { 0 };
  g_autoptr (VsmmuDomain) changed = NULL;
  const VsmmuDevice *device;

  if (hotplug == NULL || vsmmu_policy_get_wait (guard->policy) == 0 ||
      !vsmmu_hotplug_is_vfio (xmlDocGetRootElement (vsmmu_hotplug_get_document (hotplug))) ||
      !find_subject (guard, uuid, VIR_DOMAIN_DEVICE_MODIFY_LIVE, &subject, NULL) || !subject.domain->is_running ||
      !is_to_be_waited_for (guard, subject.domain))
    return NULL;
  changed = vsmmu_hotplug_apply (hotplug, subject.domain);
  if (!vsmmu_device_is_hostdev (changed->plug->device) || !changed->plug->device->hostdev.is_pci)
    return NULL;
  device = find_by_host (subject.domain, changed->plug->device);
  return device != NULL && accelerated_over (subject.domain, device->address.bus) != NULL ? g_strdup (device->id)
                                                                                          : NULL;
}

gboolean
vsmmu_guard_judge_answer (VsmmuGuard *guard, const char *device, const VsmmuAnswer *answer, GError **error)
{
  gboolean is_detached = answer->state == VSMMU_ANSWER_GONE ||
                         (answer->state == VSMMU_ANSWER_MISMATCH && answer->action == VSMMU_POLICY_MISMATCH_DETACH);
  g_autofree char *reason = answer->findings != NULL ? vsmmu_render_refusal (answer->findings) : NULL;

  if (answer->state == VSMMU_ANSWER_UNKNOWN)
    say_done (guard,
              _ ("%s is attached; it is not known yet whether its interrupts arrive: ask 'virt-vsmmu verify' later"),
              device);
  if (answer->state == VSMMU_ANSWER_MISMATCH && !is_detached)
    say_done (guard, _ ("interrupts of %s do not arrive: %s"), device, reason);
  if (is_detached)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 answer->state == VSMMU_ANSWER_GONE ? _ ("the device was attached as %s, and detached again: %s")
                                                    : _ ("the device was attached as %s, and is being detached: %s"),
                 device, reason);
  return !is_detached;
}

char *
vsmmu_guard_detach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_autoptr (VsmmuHotplug) hotplug =
      vsmmu_hotplug_new_from_data (VSMMU_HOTPLUG_DETACH, xml, strlen (xml), VSMMU_GUARD_DEVICE, NULL);
  g_auto (Subject) subject = { 0 };

  if (hotplug == NULL || !find_subject (guard, uuid, flags, &subject, error))
    return NULL;
  if (subject.domain->is_running)
    vsmmu_guard_mention (guard, look_at (&subject, NULL, hotplug));
  return lower (guard, &subject, xml, xml, error);
}

char *
vsmmu_guard_update (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_auto (Subject) subject = { 0 };

  return find_subject (guard, uuid, flags, &subject, error) ? lower (guard, &subject, xml, xml, error) : NULL;
}
