/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/monitor.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

/* (transfer full): a command of QMP */
static char *
qom_get (const char *id, const char *property)
{
  g_autofree char *path = g_strdup_printf ("/machine/peripheral/%s", id);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *command = json_object_new ();
  JsonObject *arguments = json_object_new ();

  json_object_set_string_member (arguments, "path", path);
  json_object_set_string_member (arguments, "property", property);
  json_object_set_string_member (command, "execute", "qom-get");
  json_object_set_object_member (command, "arguments", arguments);
  json_node_take_object (node, command);
  return json_to_string (node, FALSE);
}

gboolean
vsmmu_monitor_get_msi_gpa (VsmmuConnectionDomain *domain, const char *id, guint64 *gpa, GError **error)
{
  g_autofree char *command = qom_get (id, "msi-gpa");
  g_autofree char *answer = vsmmu_connection_domain_monitor (domain, command, error);
  g_autoptr (JsonNode) node = NULL;
  JsonNode *value = NULL;

  if (answer == NULL)
    return FALSE;
  node = json_from_string (answer, NULL);
  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    value = json_object_get_member (json_node_get_object (node), "return");
  if (value == NULL || json_node_get_value_type (value) != G_TYPE_INT64) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("QEMU does not tell the doorbell of '%s': %s"), id, answer);
    return FALSE;
  }
  *gpa = (guint64) json_node_get_int (value);
  return TRUE;
}
