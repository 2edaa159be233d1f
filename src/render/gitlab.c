/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "check/finding.h"
#include "render/report.h"

static const char *const severities[] = {
  [VSMMU_SEVERITY_NOTE] = "info",
  [VSMMU_SEVERITY_WARNING] = "minor",
  [VSMMU_SEVERITY_ERROR] = "major",
};

/* By it GitLab knows a finding again after lines were added above it; @seen counts those that are alike. */
static char *
fingerprint_new (const VsmmuFinding *finding, GHashTable *seen)
{
  g_autofree char *text =
      g_strdup_printf ("%s\n%s\n%s\n%s", finding->rule->id, finding->file, finding->element, finding->message);
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (seen, text));
  g_autofree char *numbered = g_strdup_printf ("%s\n%u", text, count);

  g_hash_table_replace (seen, g_steal_pointer (&text), GUINT_TO_POINTER (count + 1));
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, numbered, -1);
}

static JsonObject *
location_new (const VsmmuFinding *finding)
{
  JsonObject *location = json_object_new ();
  JsonObject *lines = json_object_new ();

  json_object_set_int_member (lines, "begin", MAX (finding->line, 1));
  vsmmu_json_set_string (location, "path", finding->file);
  json_object_set_object_member (location, "lines", lines);
  return location;
}

static JsonObject *
finding_to_gitlab (const VsmmuFinding *finding, GHashTable *seen)
{
  JsonObject *object = json_object_new ();
  g_autofree char *description = g_strdup_printf ("%s; %s", finding->message, finding->hint);
  g_autofree char *fingerprint = fingerprint_new (finding, seen);

  vsmmu_json_set_string (object, "description", description);
  json_object_set_string_member (object, "check_name", finding->rule->id);
  json_object_set_string_member (object, "fingerprint", fingerprint);
  json_object_set_string_member (object, "severity", severities[finding->severity]);
  json_object_set_object_member (object, "location", location_new (finding));
  return object;
}

char *
vsmmu_render_gitlab (const GPtrArray *findings)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  JsonArray *array = json_array_sized_new (findings->len);

  for (guint i = 0; i < findings->len; i++)
    json_array_add_object_element (array, finding_to_gitlab (g_ptr_array_index (findings, i), seen));
  return vsmmu_json_array_to_string (array);
}
