/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>

#include "check/json.h"
#include "vsmmu/render.h"

/* JSON may write any character as its number, so nothing in it has to drive a terminal. */
static void
append_escaped (GString *json, gunichar c)
{
  if (c < 0x10000)
    g_string_append_printf (json, "\\u%04x", c);
  else
    g_string_append_printf (json, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

char *
vsmmu_json_to_string (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;
  GString *json;

  json_node_take_object (node, object);
  text = json_to_string (node, TRUE);
  json = g_string_sized_new (strlen (text) + 2);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c == '\n' || (g_unichar_isprint (c) && c != 0x2028 && c != 0x2029))
      g_string_append_unichar (json, c);
    else
      append_escaped (json, c);
  }
  g_string_append_c (json, '\n');
  return g_string_free (json, FALSE);
}

void
vsmmu_json_set_string (JsonObject *object, const char *name, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);

  json_object_set_string_member (object, name, valid);
}

static JsonObject *
finding_to_json (const VsmmuFinding *finding)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "rule", finding->rule->id);
  json_object_set_string_member (object, "severity", vsmmu_severity_to_string (finding->severity));
  vsmmu_json_set_string (object, "file", finding->file);
  json_object_set_int_member (object, "line", finding->line);
  vsmmu_json_set_string (object, "element", finding->element);
  vsmmu_json_set_string (object, "message", finding->message);
  vsmmu_json_set_string (object, "hint", finding->hint);
  return object;
}

static JsonObject *
summary_to_json (const GPtrArray *findings, guint files)
{
  JsonObject *summary = json_object_new ();

  json_object_set_int_member (summary, "files", files);
  json_object_set_int_member (summary, "errors", vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR));
  json_object_set_int_member (summary, "warnings", vsmmu_findings_count (findings, VSMMU_SEVERITY_WARNING));
  json_object_set_int_member (summary, "notes", vsmmu_findings_count (findings, VSMMU_SEVERITY_NOTE));
  return summary;
}

char *
vsmmu_render_json (const GPtrArray *findings, guint files)
{
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_sized_new (findings->len);

  for (guint i = 0; i < findings->len; i++)
    json_array_add_object_element (array, finding_to_json (g_ptr_array_index (findings, i)));
  json_object_set_array_member (object, "findings", array);
  json_object_set_object_member (object, "summary", summary_to_json (findings, files));
  return vsmmu_json_to_string (object);
}
