/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/json.h"
#include "check/finding.h"
#include "vsmmu/render.h"

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static JsonObject *
text_object (const char *text)
{
  JsonObject *object = json_object_new ();

  vsmmu_json_set_string (object, "text", text);
  return object;
}

static JsonObject *
rule_to_sarif (const VsmmuRule *rule)
{
  g_autofree char *uri = g_str_has_suffix (RULES_URI, "#") ? g_strconcat (RULES_URI, rule->id, NULL) : NULL;
  JsonObject *object = json_object_new ();
  JsonObject *configuration = json_object_new ();
  JsonObject *properties = json_object_new ();

  json_object_set_string_member (object, "id", rule->id);
  json_object_set_object_member (object, "shortDescription", text_object (_ (rule->title)));
  json_object_set_object_member (object, "fullDescription", text_object (_ (rule->explanation)));
  json_object_set_string_member (object, "helpUri", uri != NULL ? uri : RULES_URI);
  json_object_set_object_member (object, "help", text_object (_ (rule->explanation)));
  json_object_set_string_member (configuration, "level", vsmmu_severity_to_string (rule->severity));
  json_object_set_object_member (object, "defaultConfiguration", configuration);
  json_object_set_string_member (properties, "group", vsmmu_rule_group_to_string (rule->group));
  json_object_set_string_member (properties, "source", rule->source);
  json_object_set_object_member (object, "properties", properties);
  return object;
}

/* A URI reference: a relative one must not look as if it had a scheme. */
static char *
file_to_uri (const char *file)
{
  g_autofree char *escaped = g_uri_escape_string (file, G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
  gsize first = strcspn (escaped, "/");

  if (g_path_is_absolute (file))
    return g_strconcat ("file://", escaped, NULL);
  return memchr (escaped, ':', first) != NULL ? g_strconcat ("./", escaped, NULL) : g_steal_pointer (&escaped);
}

static JsonObject *
location_to_sarif (const VsmmuFinding *finding)
{
  JsonObject *location = json_object_new ();
  JsonObject *physical = json_object_new ();
  JsonObject *artifact = json_object_new ();
  JsonObject *region = json_object_new ();
  JsonObject *logical = json_object_new ();
  JsonArray *logicals = json_array_new ();
  g_autofree char *uri = file_to_uri (finding->file);

  json_object_set_string_member (artifact, "uri", uri);
  json_object_set_object_member (physical, "artifactLocation", artifact);
  json_object_set_int_member (region, "startLine", MAX (finding->line, 1));
  json_object_set_object_member (physical, "region", region);
  json_object_set_object_member (location, "physicalLocation", physical);
  vsmmu_json_set_string (logical, "fullyQualifiedName", finding->element);
  json_array_add_object_element (logicals, logical);
  json_object_set_array_member (location, "logicalLocations", logicals);
  return location;
}

static guint
rule_index (const VsmmuRule *rule)
{
  guint index = 0;

  while (vsmmu_rules_get (index) != rule)
    index++;
  return index;
}

static JsonObject *
result_to_sarif (const VsmmuFinding *finding)
{
  JsonObject *result = json_object_new ();
  JsonArray *locations = json_array_new ();
  g_autofree char *message = g_strdup_printf ("%s\n%s: %s", finding->message, _ ("hint"), finding->hint);

  json_object_set_string_member (result, "ruleId", finding->rule->id);
  json_object_set_int_member (result, "ruleIndex", rule_index (finding->rule));
  json_object_set_string_member (result, "level", vsmmu_severity_to_string (finding->severity));
  json_object_set_object_member (result, "message", text_object (message));
  json_array_add_object_element (locations, location_to_sarif (finding));
  json_object_set_array_member (result, "locations", locations);
  return result;
}

static JsonObject *
driver_to_sarif (void)
{
  JsonObject *driver = json_object_new ();
  JsonArray *rules = json_array_new ();
  const VsmmuRule *rule;

  json_object_set_string_member (driver, "name", "virt-vsmmu");
  json_object_set_string_member (driver, "version", PACKAGE_VERSION);
  json_object_set_string_member (driver, "semanticVersion", PACKAGE_VERSION);
  json_object_set_string_member (driver, "informationUri", PROGRAM_URI);
  for (guint i = 0; (rule = vsmmu_rules_get (i)) != NULL; i++)
    json_array_add_object_element (rules, rule_to_sarif (rule));
  json_object_set_array_member (driver, "rules", rules);
  return driver;
}

char *
vsmmu_render_sarif (const GPtrArray *findings)
{
  JsonObject *log = json_object_new ();
  JsonObject *run = json_object_new ();
  JsonObject *tool = json_object_new ();
  JsonArray *runs = json_array_new ();
  JsonArray *results = json_array_new ();

  for (guint i = 0; i < findings->len; i++)
    json_array_add_object_element (results, result_to_sarif (g_ptr_array_index (findings, i)));
  json_object_set_object_member (tool, "driver", driver_to_sarif ());
  json_object_set_object_member (run, "tool", tool);
  json_object_set_string_member (run, "columnKind", "unicodeCodePoints");
  json_object_set_array_member (run, "results", results);
  json_array_add_object_element (runs, run);
  json_object_set_string_member (log, "$schema", SARIF_SCHEMA);
  json_object_set_string_member (log, "version", "2.1.0");
  json_object_set_array_member (log, "runs", runs);
  return vsmmu_json_to_string (log);
}
