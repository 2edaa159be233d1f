/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* The tables, and where the schema has the objects that they are of. */
static const struct {
  const char *path;
  const VsmmuField *fields;
} tables[] = {
  { "", vsmmu_host_fields },
  { "properties/kernel", vsmmu_host_kernel_fields },
  { "properties/kernel/properties/options", vsmmu_host_option_fields },
  { "properties/nodes", vsmmu_host_node_fields },
  { "properties/confinement", vsmmu_host_confinement_fields },
  { "properties/tools", vsmmu_host_tool_fields },
  { "properties/hugepages/items", vsmmu_host_pages_fields },
  { "properties/unread/items", vsmmu_host_unread_fields },
  { "$defs/smmu", vsmmu_host_smmu_fields },
  { "$defs/smmu/properties/registers", vsmmu_host_register_fields },
  { "$defs/smmu/properties/capabilities", vsmmu_host_capability_fields },
  { "$defs/group", vsmmu_host_group_fields },
  { "$defs/group/properties/regions/items", vsmmu_host_region_fields },
  { "$defs/device", vsmmu_host_device_fields },
  { "$defs/device/properties/bars/items", vsmmu_host_bar_fields },
};

static JsonParser *
read_schema (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "schemas", "host-facts.schema.json", NULL);
  JsonParser *parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return parser;
}

/* The object at @path, member names with slashes between them. */
static JsonObject *
at (JsonObject *object, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, "/", -1);

  for (guint i = 0; names[i] != NULL; i++) {
    g_assert_true (json_object_has_member (object, names[i]));
    object = json_object_get_object_member (object, names[i]);
  }
  return object;
}

/* What $ref refers to, of the same document; %NULL without. */
static JsonObject *
follow (JsonObject *root, JsonObject *object)
{
  const char *reference = json_object_get_string_member_with_default (object, "$ref", NULL);

  g_assert_true (reference == NULL || g_str_has_prefix (reference, "#/"));
  return reference != NULL ? at (root, reference + 2) : NULL;
}

/* What the schema says of the value of a fact, or of one that is none. */
static JsonObject *
find_value (JsonObject *root, JsonObject *property)
{
  JsonObject *referred = follow (root, property);

  if (json_object_has_member (property, "properties"))
    return at (property, "properties/value");
  if (referred != NULL && json_object_has_member (referred, "properties"))
    return at (referred, "properties/value");
  return referred != NULL ? referred : property;
}

static gboolean
is_fact (JsonObject *root, JsonObject *property)
{
  JsonObject *fact = at (root, "$defs/fact");

  while (property != NULL && property != fact)
    property = follow (root, property);
  return property == fact;
}

static void
check_field (JsonObject *root, JsonObject *property, const VsmmuField *field)
{
  JsonObject *value = field->kind != VSMMU_FIELD_OTHER ? find_value (root, property) : NULL;

  g_assert_true (is_fact (root, property) == (field->kind >= VSMMU_FIELD_FACT && field->kind <= VSMMU_FIELD_FACT_YMN));
  switch (field->kind) {
  case VSMMU_FIELD_NUMBER:
  case VSMMU_FIELD_COUNT:
  case VSMMU_FIELD_FACT:
    g_assert_cmpint (json_object_get_int_member (value, "minimum"), ==, field->min);
    g_assert_cmpint (json_object_get_int_member_with_default (value, "maximum", G_MAXINT64), ==, field->max);
    break;
  case VSMMU_FIELD_FACT_FLAG:
    g_assert_cmpstr (json_object_get_string_member (value, "type"), ==, "boolean");
    break;
  case VSMMU_FIELD_FACT_YMN:
    g_assert_cmpuint (json_array_get_length (json_object_get_array_member (value, "enum")), ==, 3);
    break;
  case VSMMU_FIELD_HEX16:
  case VSMMU_FIELD_HEX24:
  case VSMMU_FIELD_HEX64:
  case VSMMU_FIELD_FACT_HEX32:
    g_assert_true (g_str_has_prefix (json_object_get_string_member (value, "pattern"), "^0x"));
    break;
  default:
    break;
  }
}

static void
test_each_table_is_that_of_the_schema (void)
{
  g_autoptr (JsonParser) schema = read_schema ();
  JsonObject *root = json_node_get_object (json_parser_get_root (schema));

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
    JsonObject *object = *tables[i].path != '\0' ? at (root, tables[i].path) : root;
    JsonObject *properties = json_object_get_object_member (object, "properties");
    guint n_fields = 0;

    for (const VsmmuField *field = tables[i].fields; field->name != NULL; field++) {
      g_test_message ("%s/%s", tables[i].path, field->name);
      g_assert_true (json_object_has_member (properties, field->name));
      check_field (root, json_object_get_object_member (properties, field->name), field);
      n_fields++;
    }
    g_test_message ("%s", tables[i].path);
    g_assert_cmpuint (json_object_get_size (properties), ==, n_fields);
  }
}

static void
test_sources_of_facts_are_those_of_the_schema (void)
{
  g_autoptr (JsonParser) schema = read_schema ();
  JsonObject *root = json_node_get_object (json_parser_get_root (schema));
  JsonArray *names = json_object_get_array_member (at (root, "$defs/source"), "enum");

  for (guint i = 0; i < json_array_get_length (names); i++) {
    VsmmuFactSource source = VSMMU_FACT_SOURCE_NONE;

    g_test_message ("%s", json_array_get_string_element (names, i));
    g_assert_true (vsmmu_fact_source_from_string (json_array_get_string_element (names, i), &source));
    g_assert_cmpuint (source, ==, i + 1);
  }
  g_assert_cmpuint (json_array_get_length (names), ==, VSMMU_FACT_SOURCE_GIVEN);
}

static void
fill_field (const VsmmuField *field, gpointer at_field)
{
  switch (field->kind) {
  case VSMMU_FIELD_TEXT:
    if (*(char **) at_field == NULL)
      *(char **) at_field = g_strdup (field->name);
    break;
  case VSMMU_FIELD_HEX16:
    *(guint16 *) at_field = 0x1234;
    break;
  case VSMMU_FIELD_HEX24:
    *(guint32 *) at_field = 0x123456;
    break;
  case VSMMU_FIELD_HEX64:
    *(guint64 *) at_field = 0x123456789;
    break;
  case VSMMU_FIELD_NUMBER:
    *(guint64 *) at_field = (guint64) field->max;
    break;
  case VSMMU_FIELD_COUNT:
    *(gint64 *) at_field = field->max;
    break;
  case VSMMU_FIELD_BOOLEAN:
    *(gboolean *) at_field = TRUE;
    break;
  case VSMMU_FIELD_OTHER:
    break;
  default:
    *(VsmmuFact *) at_field = VSMMU_FACT (VSMMU_FACT_SOURCE_GIVEN, field->kind == VSMMU_FIELD_FACT ? field->max : 1);
  }
}

static void
fill (const VsmmuField *fields, gpointer structure)
{
  for (const VsmmuField *field = fields; field->name != NULL; field++)
    fill_field (field, (char *) structure + field->offset);
}

static void
fill_smmu (VsmmuHost *host)
{
  VsmmuHostSmmu *smmu = vsmmu_host_smmu_new ("smmu3.0x0000000011000000");

  fill (vsmmu_host_smmu_fields, smmu);
  fill (vsmmu_host_capability_fields, smmu);
  g_ptr_array_add (host->smmus, smmu);
  /* What registers say is not to be contradicted. */
  smmu = vsmmu_host_smmu_new ("smmu3.0x0000000012000000");
  fill (vsmmu_host_register_fields, smmu);
  g_ptr_array_add (host->smmus, smmu);
}

static void
fill_device (VsmmuHost *host, const char *name)
{
  VsmmuHostDevice *device = vsmmu_host_device_new (name);

  fill (vsmmu_host_device_fields, device);
  device->smmu = g_ptr_array_index (host->smmus, 0);
  device->group = g_ptr_array_index (host->groups, 0);
  for (guint i = 0; i < VSMMU_HOST_BARS_MAX; i++)
    fill (vsmmu_host_bar_fields, &device->bars[i]);
  if (host->devices->len > 0)
    device->parent = device->physical_function = g_ptr_array_index (host->devices, 0);
  g_ptr_array_add (host->devices, device);
}

/* A host of which everything is known that a table has. */
static VsmmuHost *
host_filled (void)
{
  VsmmuHost *host = vsmmu_host_new ();
  VsmmuHostGroup *group = vsmmu_host_group_new (7);
  VsmmuHostRegion *region = vsmmu_host_region_new (0, 0, "msi");
  VsmmuHostPages pages;

  fill (vsmmu_host_fields, host);
  fill (vsmmu_host_kernel_fields, host);
  fill (vsmmu_host_option_fields, host);
  fill (vsmmu_host_node_fields, host);
  fill (vsmmu_host_tool_fields, host);
  host->tools = (VsmmuTarget){ VSMMU_VERSION_ENCODE (12, 8, 0), VSMMU_VERSION_ENCODE (11, 1, 3) };
  fill (vsmmu_host_pages_fields, &pages);
  g_array_append_val (host->pages, pages);
  vsmmu_host_add_unread (host, "path", "reason");
  fill (vsmmu_host_group_fields, group);
  fill (vsmmu_host_region_fields, region);
  g_ptr_array_add (group->regions, region);
  g_ptr_array_add (host->groups, group);
  group->has_regions = host->has_pages = host->has_smmus = host->has_devices = TRUE;
  fill_smmu (host);
  fill_device (host, "0000:01:00.0");
  fill_device (host, "0000:02:00.0");
  vsmmu_host_sort (host);
  vsmmu_host_connect (host);
  vsmmu_host_finish (host);
  return host;
}

static void
assert_known (JsonObject *object, const VsmmuField *fields)
{
  for (const VsmmuField *field = fields; field->name != NULL; field++) {
    g_test_message ("%s", field->name);
    g_assert_false (json_object_get_null_member (object, field->name));
  }
}

/* The last object in the array @name. */
static JsonObject *
last (JsonObject *root, const char *name)
{
  JsonArray *array = json_object_get_array_member (root, name);

  return json_array_get_object_element (array, json_array_get_length (array) - 1);
}

static void
test_each_field_is_written_and_read (void)
{
  g_autoptr (VsmmuHost) host = host_filled ();
  g_autofree char *text = vsmmu_host_to_json (host);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) again = vsmmu_host_new_from_data (text, strlen (text), "facts", &error);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text_again = NULL;
  JsonObject *root;

  g_assert_no_error (error);
  text_again = vsmmu_host_to_json (again);
  g_assert_cmpstr (text, ==, text_again);

  g_assert_true (json_parser_load_from_data (parser, text, -1, NULL));
  root = json_node_get_object (json_parser_get_root (parser));
  assert_known (root, vsmmu_host_fields);
  assert_known (json_object_get_object_member (root, "kernel"), vsmmu_host_kernel_fields);
  assert_known (at (root, "kernel/options"), vsmmu_host_option_fields);
  assert_known (json_object_get_object_member (root, "nodes"), vsmmu_host_node_fields);
  assert_known (json_object_get_object_member (root, "tools"), vsmmu_host_tool_fields);
  assert_known (last (root, "hugepages"), vsmmu_host_pages_fields);
  assert_known (last (root, "unread"), vsmmu_host_unread_fields);
  assert_known (last (root, "groups"), vsmmu_host_group_fields);
  assert_known (last (last (root, "groups"), "regions"), vsmmu_host_region_fields);
  assert_known (last (root, "devices"), vsmmu_host_device_fields);
  assert_known (last (last (root, "devices"), "bars"), vsmmu_host_bar_fields);
  assert_known (json_object_get_object_member (last (root, "smmus"), "registers"), vsmmu_host_register_fields);
  assert_known (json_object_get_object_member (
                    json_array_get_object_element (json_object_get_array_member (root, "smmus"), 0), "capabilities"),
                vsmmu_host_capability_fields);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host-fields/each-table-is-that-of-the-schema", test_each_table_is_that_of_the_schema);
  g_test_add_func ("/host-fields/sources-of-facts-are-those-of-the-schema",
                   test_sources_of_facts_are_those_of_the_schema);
  g_test_add_func ("/host-fields/each-field-is-written-and-read", test_each_field_is_written_and_read);
  return g_test_run ();
}
