/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/monitor.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

/* What QEMU writes when it gives KVM the address of an MSI: kvm_arch_fixup_msi_route() in target/arm/kvm.c. */
#define ROUTE_TRACE "kvm_arm_fixup_msi_route"

/* (transfer full): a command of QMP; takes over @arguments */
static char *
write_command (const char *name, JsonObject *arguments)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *command = json_object_new ();

  json_object_set_string_member (command, "execute", name);
  json_object_set_object_member (command, "arguments", arguments);
  json_node_take_object (node, command);
  return json_to_string (node, FALSE);
}

/* (transfer full) (nullable): what a command returned */
static JsonNode *
read_answer (const char *answer)
{
  g_autoptr (JsonNode) node = json_from_string (answer, NULL);
  JsonNode *value = NULL;

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    value = json_object_get_member (json_node_get_object (node), "return");
  return value != NULL ? json_node_copy (value) : NULL;
}

gboolean
vsmmu_monitor_get_msi_gpa (VsmmuConnectionDomain *domain, const char *id, guint64 *gpa, GError **error)
{
  JsonObject *arguments = json_object_new ();
  g_autofree char *path = g_strdup_printf ("/machine/peripheral/%s", id);
  g_autofree char *command = NULL;
  g_autofree char *answer = NULL;
  g_autoptr (JsonNode) value = NULL;

  json_object_set_string_member (arguments, "path", path);
  json_object_set_string_member (arguments, "property", "msi-gpa");
  command = write_command ("qom-get", arguments);
  answer = vsmmu_connection_domain_monitor (domain, command, error);
  if (answer == NULL)
    return FALSE;
  value = read_answer (answer);
  if (value == NULL || json_node_get_value_type (value) != G_TYPE_INT64) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot get the doorbell of '%s' from QEMU: %s"), id,
                 answer);
    return FALSE;
  }
  *gpa = (guint64) json_node_get_int (value);
  return TRUE;
}

/* Whether QEMU has the trace, and it is switched off. */
static gboolean
is_trace_off (VsmmuConnectionDomain *domain)
{
  JsonObject *arguments = json_object_new ();
  g_autofree char *command = NULL;
  g_autofree char *answer = NULL;
  g_autoptr (JsonNode) value = NULL;
  JsonNode *trace;

  json_object_set_string_member (arguments, "name", ROUTE_TRACE);
  command = write_command ("trace-event-get-state", arguments);
  answer = vsmmu_connection_domain_monitor (domain, command, NULL);
  value = answer != NULL ? read_answer (answer) : NULL;
  if (value == NULL || !JSON_NODE_HOLDS_ARRAY (value) || json_array_get_length (json_node_get_array (value)) != 1)
    return FALSE;
  trace = json_array_get_element (json_node_get_array (value), 0);
  return JSON_NODE_HOLDS_OBJECT (trace) &&
         g_strcmp0 (json_object_get_string_member_with_default (json_node_get_object (trace), "state", ""),
                    "disabled") == 0;
}

/* Whether QEMU has done it. */
static gboolean
switch_trace (VsmmuConnectionDomain *domain, gboolean is_on)
{
  JsonObject *arguments = json_object_new ();
  g_autofree char *command = NULL;
  g_autofree char *answer = NULL;
  g_autoptr (JsonNode) value = NULL;

  json_object_set_string_member (arguments, "name", ROUTE_TRACE);
  json_object_set_boolean_member (arguments, "enable", is_on);
  command = write_command ("trace-event-set-state", arguments);
  answer = vsmmu_connection_domain_monitor (domain, command, NULL);
  value = answer != NULL ? read_answer (answer) : NULL;
  return value != NULL;
}

gboolean
vsmmu_monitor_start_trace (VsmmuConnectionDomain *domain)
{
  return is_trace_off (domain) && switch_trace (domain, TRUE);
}

void
vsmmu_monitor_stop_trace (VsmmuConnectionDomain *domain)
{
  switch_trace (domain, FALSE);
}
