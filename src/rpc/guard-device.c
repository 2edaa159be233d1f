/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "adapt/lower.h"
#include "check/finding.h"
#include "check/policy.h"
#include "check/port.h"
#include "domain/acceleration.h"
#include "domain/hotplug.h"
#include "rpc/guard-definition.h"
#include "vsmmu/vsmmu.h"
#include "xml/edit.h"

/* Of so many devices a call may mean any; with more it has to say which. */
#define CANDIDATES_MAX 16

/* A call about one device of a domain. */
typedef struct {
  const VsmmuGuard *guard;
  VsmmuChange change;
  xmlDocPtr document;    /* the device as libvirt gets it; %NULL when only its alias is given, as is the next */
  VsmmuHotplug *hotplug; /* as its user would write it */
  const char *alias;
  VsmmuTarget target;      /* once it is asked for */
  VsmmuHotplugPlace place; /* in the guest as it runs */
} Call;

static void
call_clear (Call *call)
{
  xmlFreeDoc (call->document);
  vsmmu_hotplug_free (call->hotplug);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, message);
  return FALSE;
}

/* libvirt may read differently what we cannot read, so it is not passed on. */
static gboolean
read_document (Call *call, const char *xml, GError **error)
{
  g_autoptr (GError) problem = NULL;
  guint line;

  g_clear_pointer (&call->document, xmlFreeDoc);
  call->document = vsmmu_xml_parse (xml, strlen (xml), VSMMU_GUARD_DEVICE, &line, &problem);
  return call->document != NULL || refuse (error, problem->message);
}

static gboolean
read_device (Call *call, const char *xml, GError **error)
{
  g_autoptr (GError) problem = NULL;
  VsmmuHotplugAction action = call->change == VSMMU_CHANGE_DETACH ? VSMMU_HOTPLUG_DETACH : VSMMU_HOTPLUG_ATTACH;

  g_clear_pointer (&call->hotplug, vsmmu_hotplug_free);
  if (!read_document (call, xml, error))
    return FALSE;
  call->hotplug = vsmmu_hotplug_new_from_data (action, xml, strlen (xml), VSMMU_GUARD_DEVICE, &problem);
  return call->hotplug != NULL || g_error_matches (problem, VSMMU_ERROR, VSMMU_ERROR_NOT_DEVICE) ||
         refuse (error, problem->message);
}

static const xmlNode *
device_of (const Call *call)
{
  return call->document != NULL ? xmlDocGetRootElement (call->document) : NULL;
}

static gboolean
needs_iommufd (const VsmmuGuard *guard, const VsmmuDomain *domain, const VsmmuDevice *device, guint bus)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_over (domain, bus);

  return vsmmu_device_is_hostdev (device) && device->hostdev.is_pci && device->hostdev.iommufd == VSMMU_SWITCH_ABSENT &&
         !vsmmu_domain_uses_iommufd (domain, device) && vsmmu != NULL && vsmmu_iommu_is_accelerated (vsmmu) &&
         vsmmu_policy_get_iommufd (guard->policy) == VSMMU_POLICY_IOMMUFD_ADD;
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
  vsmmu_guard_log (guard, _ ("iommufd='yes' was set on %s, which will be behind an accelerated SMMUv3"), name);
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
  vsmmu_guard_log (guard, _ ("the address of %s was set to a suitable port: %02x:00.0"), name, bus);
}

/*
 * (transfer full): @xml with the address and the iommufd that the device needs in @definition and its user left out;
 * %NULL with @error set when it cannot be read
 */
static char *
complete (Call *call, const VsmmuDefinition *definition, const VsmmuHost *host, const char *xml, GError **error)
{
  g_autoptr (VsmmuDomain) changed = vsmmu_hotplug_apply (call->hotplug, definition->domain);
  const VsmmuDevice *device = changed->plug->device;
  g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (xml, strlen (xml), device->node->doc, VSMMU_GUARD_DEVICE, error);
  guint bus = device->address.bus;
  VsmmuHotplugPlace place;
  gsize length;

  if (edit == NULL)
    return NULL;
  place = vsmmu_hotplug_choose_bus (call->hotplug, definition->domain, host, &bus);
  if (definition->domain->is_running)
    call->place = place;
  if (place == VSMMU_PLACE_CHOSEN)
    add_address (call->guard, edit, device, bus);
  if (needs_iommufd (call->guard, changed, device, bus))
    add_iommufd (call->guard, edit, device);
  return vsmmu_edit_finish (edit, &length);
}

/* (transfer full): @xml for the libvirt of @call, or %NULL with @error set */
static char *
lower (const Call *call, const char *xml, GError **error)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) problem = NULL;
  gsize length;
  char *lowered = vsmmu_lower_device (xml, strlen (xml), VSMMU_GUARD_DEVICE, &call->target, notes, &length, &problem);

  vsmmu_guard_log_notes (call->guard, notes);
  if (lowered == NULL)
    refuse (error, problem->message);
  return lowered;
}

/* A guest that runs had at its start what it needs for that. */
static void
remove_what_is_for_start (GPtrArray *findings)
{
  static const char *const rules[] = { "vsmmu-empty", "cmdqv-vsmmu-empty", NULL };

  vsmmu_findings_remove (findings, rules);
}

/* When no vSMMU fits, the user did not ask for a place without one. */
static void
insist_on_vsmmu (GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++) {
    VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (strcmp (finding->rule->id, "hotplug-outside-vsmmu") == 0)
      finding->severity = VSMMU_SEVERITY_ERROR;
  }
}

/* (transfer full): the findings about plugging or unplugging, without those about the guest before */
static GPtrArray *
look_at_plug (const Call *call, const VsmmuDefinition *definition, const VsmmuHost *host)
{
  const VsmmuCheckOptions before = { .target = &call->target, .host = host };
  const VsmmuCheckOptions after = { .target = &call->target, .host = host, .hotplug = call->hotplug };
  g_autoptr (GPtrArray) known = vsmmu_check_domain (definition->domain, &before);
  GPtrArray *findings = vsmmu_check_domain (definition->domain, &after);

  vsmmu_definition_remove_known (findings, known);
  if (call->place == VSMMU_PLACE_NONE)
    insist_on_vsmmu (findings);
  return findings;
}

/* (transfer full): the findings about @result, without those about @definition */
static GPtrArray *
look_at_result (const Call *call, const VsmmuDefinition *definition, const VsmmuDomain *result)
{
  const VsmmuCheckOptions options = { .target = &call->target };
  g_autoptr (GPtrArray) known = vsmmu_check_domain (definition->domain, &options);
  GPtrArray *findings = vsmmu_check_domain (result, &options);

  vsmmu_definition_remove_known (findings, known);
  if (definition->domain->is_running)
    remove_what_is_for_start (findings);
  return findings;
}

static gboolean
concerns (const VsmmuDefinition *definition, const VsmmuDomain *result)
{
  return vsmmu_domain_is_accelerated (definition->domain) || vsmmu_domain_is_accelerated (result);
}

/* Whether @definition may become what @call makes of it when @target (nullable) is the device that is meant. */
static gboolean
judge_result (Call *call, const VsmmuDefinition *definition, const xmlNode *target, GError **error)
{
  const xmlNode *device = call->change == VSMMU_CHANGE_DETACH ? NULL : device_of (call);
  g_autoptr (VsmmuDomain) result =
      vsmmu_definition_change (definition, target, device, definition->domain->is_running, error);

  if (result == NULL)
    return FALSE;
  return !concerns (definition, result) ||
         (call->guard->ops->get_target (call->guard->self, &call->target, error) &&
          vsmmu_guard_judge (call->guard, look_at_result (call, definition, result), error));
}

/* Whether the guest may be plugged the device; where libvirt puts it is not for the definition to say. */
static gboolean
judge_plug (Call *call, const VsmmuDefinition *definition, const VsmmuHost *host, GError **error)
{
  return call->guard->ops->get_target (call->guard->self, &call->target, error) &&
         vsmmu_guard_judge (call->guard, look_at_plug (call, definition, host), error);
}

static gboolean
is_accelerated_guest (const VsmmuDefinition *definition)
{
  return definition->domain->is_running && vsmmu_domain_is_accelerated (definition->domain);
}

/* Whether @target may be unplugged from the guest, if @definition is the running one. */
static gboolean
judge_unplug (const Call *call, const VsmmuDefinition *definition, const xmlNode *target, GError **error)
{
  g_auto (Call) unplug = { .guard = call->guard, .change = VSMMU_CHANGE_DETACH };
  g_autofree char *device = vsmmu_definition_write_element (target);

  if (call->change != VSMMU_CHANGE_DETACH || !is_accelerated_guest (definition))
    return TRUE;
  return read_device (&unplug, device, error) &&
         (unplug.hotplug == NULL || judge_plug (&unplug, definition, NULL, error));
}

/* Whether @definition may become what @call makes of it, whichever device is meant. */
static gboolean
judge_candidates (Call *call, const VsmmuDefinition *definition, GError **error)
{
  g_autoptr (GPtrArray) meant = vsmmu_definition_find (definition, device_of (call), call->alias);

  if (meant->len > CANDIDATES_MAX) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED,
                 _ ("cannot determine which of %u devices is meant; specify the device with its <address> and <alias> "
                    "as in 'virsh dumpxml'"),
                 meant->len);
    return FALSE;
  }
  if (meant->len == 0 && call->change == VSMMU_CHANGE_UPDATE)
    return judge_result (call, definition, NULL, error);
  for (guint i = 0; i < meant->len; i++)
    if (!judge_unplug (call, definition, g_ptr_array_index (meant, i), error) ||
        !judge_result (call, definition, g_ptr_array_index (meant, i), error))
      return FALSE;
  return TRUE;
}

/* What has no address gets one from libvirt in a running guest, and not the one it would get at a start. */
static gboolean
judge_attach (Call *call, const VsmmuDefinition *definition, const VsmmuHost *host, GError **error)
{
  if (is_accelerated_guest (definition) && !judge_plug (call, definition, host, error))
    return FALSE;
  return (is_accelerated_guest (definition) && vsmmu_xml_child (device_of (call), "address") == NULL) ||
         judge_result (call, definition, NULL, error);
}

static gboolean
judge (Call *call, const GPtrArray *definitions, const VsmmuHost *host, GError **error)
{
  for (guint i = 0; i < definitions->len; i++)
    if (call->change == VSMMU_CHANGE_ATTACH ? !judge_attach (call, g_ptr_array_index (definitions, i), host, error)
                                            : !judge_candidates (call, g_ptr_array_index (definitions, i), error))
      return FALSE;
  return TRUE;
}

/* Whether libvirt needs other XML for @definition than a client writes; -1 with @error set. */
static int
needs_lowering (const Call *call, const VsmmuDefinition *definition, GError **error)
{
  g_autoptr (VsmmuDomain) result = NULL;

  if (vsmmu_domain_is_accelerated (definition->domain))
    return TRUE;
  if (call->change == VSMMU_CHANGE_DETACH)
    return FALSE;
  result = vsmmu_definition_change (definition, NULL, device_of (call), FALSE, error);
  return result != NULL ? vsmmu_domain_is_accelerated (result) : -1;
}

/*
 * (transfer full): @completed for libvirt, which gives the same XML to all definitions. @given goes to a definition
 * that is not accelerated, and needs no change.
 */
static char *
lower_for_all (Call *call, gboolean is_for_all, const char *given, const char *completed, GError **error)
{
  g_autofree char *lowered = NULL;

  if (!call->guard->ops->get_target (call->guard->self, &call->target, error))
    return NULL;
  lowered = lower (call, completed, error);
  if (lowered == NULL || !read_document (call, lowered, error))
    return NULL;
  if (is_for_all || strcmp (lowered, given) == 0)
    return g_steal_pointer (&lowered);
  refuse (error, _ ("the running guest and its definition need different XML for this device, because only one of "
                    "them has an accelerated SMMUv3; use a separate call with --live and with --config"));
  return NULL;
}

static gboolean
is_any_accelerated (const GPtrArray *definitions)
{
  for (guint i = 0; i < definitions->len; i++)
    if (vsmmu_domain_is_accelerated (((const VsmmuDefinition *) g_ptr_array_index (definitions, i))->domain))
      return TRUE;
  return FALSE;
}

/*
 * (transfer full): @xml as libvirt is to get it for all of @definitions, which @call then has too; %NULL with @error
 * set
 */
static char *
convert (Call *call, const GPtrArray *definitions, const VsmmuHost *host, const char *xml, GError **error)
{
  g_autofree char *converted = g_strdup (xml);
  guint n_concerned = 0;

  for (guint i = 0; i < definitions->len; i++) {
    const VsmmuDefinition *definition = g_ptr_array_index (definitions, i);
    g_autofree char *given = NULL;
    int is_concerned = needs_lowering (call, definition, error);

    if (is_concerned < 0)
      return NULL;
    n_concerned += (guint) is_concerned;
    if (!is_concerned || call->change != VSMMU_CHANGE_ATTACH || call->hotplug == NULL)
      continue;
    given = g_steal_pointer (&converted);
    converted = complete (call, definition, host, given, error);
    if (converted == NULL || !read_device (call, converted, error))
      return NULL;
  }
  if (n_concerned > 0 && call->hotplug == NULL) {
    refuse (error, _ ("cannot check a device of an unknown kind for a domain with an accelerated SMMUv3; define the "
                      "whole domain with the device instead"));
    return NULL;
  }
  return n_concerned > 0 ? lower_for_all (call, n_concerned == definitions->len, xml, converted, error)
                         : g_steal_pointer (&converted);
}

/* (transfer full) (nullable): @xml as libvirt is to get it; %NULL without @error: just that */
static char *
change_device (Call *call, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_autoptr (GPtrArray) definitions = NULL;
  g_autoptr (VsmmuHost) host = NULL;
  g_autofree char *converted = NULL;

  if (xml != NULL && !read_device (call, xml, error))
    return NULL;
  definitions = vsmmu_definitions_find (call->guard, uuid, flags, xml, error);
  if (definitions == NULL || definitions->len == 0)
    return NULL;
  if (call->change == VSMMU_CHANGE_ATTACH && is_any_accelerated (definitions))
    host = call->guard->ops->get_host (call->guard->self);
  if (xml != NULL && (converted = convert (call, definitions, host, xml, error)) == NULL)
    return NULL;
  return judge (call, definitions, host, error) && xml != NULL && strcmp (converted, xml) != 0
             ? g_steal_pointer (&converted)
             : NULL;
}

char *
vsmmu_guard_attach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_auto (Call) call = { .guard = guard, .change = VSMMU_CHANGE_ATTACH };

  return change_device (&call, uuid, flags, xml, error);
}

char *
vsmmu_guard_detach (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_auto (Call) call = { .guard = guard, .change = VSMMU_CHANGE_DETACH };

  return change_device (&call, uuid, flags, xml, error);
}

void
vsmmu_guard_detach_alias (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *alias, GError **error)
{
  g_auto (Call) call = { .guard = guard, .change = VSMMU_CHANGE_DETACH, .alias = alias };

  change_device (&call, uuid, flags, NULL, error);
}

char *
vsmmu_guard_update (VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *xml, GError **error)
{
  g_auto (Call) call = { .guard = guard, .change = VSMMU_CHANGE_UPDATE };

  return change_device (&call, uuid, flags, xml, error);
}
