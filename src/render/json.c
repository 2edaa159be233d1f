/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/json.h"

#include "base/json.h"
#include "check/finding.h"
#include "vsmmu/render.h"

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

JsonArray *
vsmmu_findings_to_json (const GPtrArray *findings)
{
  JsonArray *array = json_array_sized_new (findings->len);

  for (guint i = 0; i < findings->len; i++)
    json_array_add_object_element (array, finding_to_json (g_ptr_array_index (findings, i)));
  return array;
}

char *
vsmmu_render_json (const GPtrArray *findings, guint files)
{
  JsonObject *object = json_object_new ();

  json_object_set_array_member (object, "findings", vsmmu_findings_to_json (findings));
  json_object_set_object_member (object, "summary", summary_to_json (findings, files));
  return vsmmu_json_to_string (object);
}
