/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "base/version.h"
#include "host/host-fields.h"

static JsonNode *
text_node (const char *text)
{
  g_autofree char *valid = NULL;

  if (text == NULL)
    return json_node_new (JSON_NODE_NULL);
  valid = g_utf8_make_valid (text, -1);
  return json_node_init_string (json_node_alloc (), valid);
}

static JsonNode *
hex_node (guint64 value, int digits)
{
  char text[32];

  g_snprintf (text, sizeof (text), "0x%0*" G_GINT64_MODIFIER "x", digits, value);
  return json_node_init_string (json_node_alloc (), text);
}

static JsonNode *
value_node (VsmmuFieldKind kind, gint64 value)
{
  switch (kind) {
  case VSMMU_FIELD_FACT_FLAG:
    return json_node_init_boolean (json_node_alloc (), value != 0);
  case VSMMU_FIELD_FACT_HEX32:
    return hex_node ((guint64) value, 8);
  case VSMMU_FIELD_FACT_YMN:
    return json_node_init_string (json_node_alloc (), vsmmu_field_ymn[CLAMP (value, 0, 2)]);
  default:
    return json_node_init_int (json_node_alloc (), value);
  }
}

static JsonNode *
fact_node (VsmmuFieldKind kind, VsmmuFact fact)
{
  JsonObject *object;
  JsonNode *node;

  if (!vsmmu_fact_is_known (fact))
    return json_node_new (JSON_NODE_NULL);
  object = json_object_new ();
  json_object_set_member (object, "value", value_node (kind, fact.value));
  json_object_set_string_member (object, "source", vsmmu_fact_source_to_string (fact.source));
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return node;
}

static JsonNode *
field_node (const VsmmuField *field, const char *at)
{
  switch (field->kind) {
  case VSMMU_FIELD_TEXT:
    return text_node (*(char *const *) at);
  case VSMMU_FIELD_HEX16:
    return hex_node (*(const guint16 *) at, 4);
  case VSMMU_FIELD_HEX24:
    return hex_node (*(const guint32 *) at, 6);
  case VSMMU_FIELD_HEX64:
    return hex_node (*(const guint64 *) at, 0);
  case VSMMU_FIELD_NUMBER:
    return json_node_init_int (json_node_alloc (), (gint64) * (const guint64 *) at);
  case VSMMU_FIELD_COUNT:
    return *(const gint64 *) at < 0 ? json_node_init_null (json_node_alloc ())
                                    : json_node_init_int (json_node_alloc (), *(const gint64 *) at);
  case VSMMU_FIELD_BOOLEAN:
    return json_node_init_boolean (json_node_alloc (), *(const gboolean *) at);
  default:
    return fact_node (field->kind, *(const VsmmuFact *) at);
  }
}

/* Sets the members of @object that @fields describe, null for the others, to be replaced in the same place. */
static JsonObject *
write_fields (const VsmmuField *fields, gconstpointer structure)
{
  JsonObject *object = json_object_new ();

  for (const VsmmuField *field = fields; field->name != NULL; field++) {
    if (field->kind == VSMMU_FIELD_OTHER)
      json_object_set_null_member (object, field->name);
    else
      json_object_set_member (object, field->name, field_node (field, (const char *) structure + field->offset));
  }
  return object;
}

static void
set_version (JsonObject *object, const char *name, guint version, const char *text)
{
  if (version != 0)
    json_object_set_string_member (object, name, text);
}

static JsonObject *
write_tools (const VsmmuHost *host)
{
  JsonObject *object = write_fields (vsmmu_host_tool_fields, host);
  g_autofree char *libvirt = vsmmu_target_libvirt_to_string (&host->tools);
  g_autofree char *qemu = vsmmu_target_qemu_to_string (&host->tools);

  set_version (object, "libvirt", host->tools.libvirt, libvirt);
  set_version (object, "qemu", host->tools.qemu, qemu);
  return object;
}

static JsonArray *
write_pages (const VsmmuHost *host)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < host->pages->len; i++)
    json_array_add_object_element (
        array, write_fields (vsmmu_host_pages_fields, &g_array_index (host->pages, VsmmuHostPages, i)));
  return array;
}

static JsonObject *
write_smmu (gconstpointer data)
{
  JsonObject *object = write_fields (vsmmu_host_smmu_fields, data);

  json_object_set_object_member (object, "registers", write_fields (vsmmu_host_register_fields, data));
  json_object_set_object_member (object, "capabilities", write_fields (vsmmu_host_capability_fields, data));
  return object;
}

static JsonObject *
write_region (gconstpointer data)
{
  return write_fields (vsmmu_host_region_fields, data);
}

static JsonObject *
write_unread (gconstpointer data)
{
  return write_fields (vsmmu_host_unread_fields, data);
}

static JsonArray *
write_all (const GPtrArray *things, JsonObject *(*write) (gconstpointer))
{
  JsonArray *array = json_array_sized_new (things->len);

  for (guint i = 0; i < things->len; i++)
    json_array_add_object_element (array, write (g_ptr_array_index (things, i)));
  return array;
}

static JsonObject *
write_group (gconstpointer data)
{
  const VsmmuHostGroup *group = data;
  JsonObject *object = write_fields (vsmmu_host_group_fields, group);

  json_object_set_int_member (object, "number", group->number);
  if (group->has_regions)
    json_object_set_array_member (object, "regions", write_all (group->regions, write_region));
  return object;
}

static JsonArray *
write_bars (const VsmmuHostDevice *device)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < VSMMU_HOST_BARS_MAX; i++) {
    JsonObject *object;

    if (device->bars[i].size == 0)
      continue;
    object = write_fields (vsmmu_host_bar_fields, &device->bars[i]);
    json_object_set_int_member (object, "index", i);
    json_array_add_object_element (array, object);
  }
  return array;
}

static JsonObject *
write_device (gconstpointer data)
{
  const VsmmuHostDevice *device = data;
  JsonObject *object = write_fields (vsmmu_host_device_fields, device);

  if (device->smmu != NULL)
    json_object_set_string_member (object, "smmu", device->smmu->name);
  if (device->group != NULL)
    json_object_set_int_member (object, "group", device->group->number);
  if (device->parent != NULL)
    json_object_set_string_member (object, "parent", device->parent->name);
  if (device->physical_function != NULL)
    json_object_set_string_member (object, "physical_function", device->physical_function->name);
  json_object_set_array_member (object, "bars", write_bars (device));
  return object;
}

char *
vsmmu_host_to_json (const VsmmuHost *host)
{
  JsonObject *object = write_fields (vsmmu_host_fields, host);
  JsonObject *kernel = write_fields (vsmmu_host_kernel_fields, host);

  json_object_set_object_member (kernel, "options", write_fields (vsmmu_host_option_fields, host));
  json_object_set_int_member (object, "version", VSMMU_HOST_FORMAT_VERSION);
  json_object_set_object_member (object, "kernel", kernel);
  json_object_set_object_member (object, "nodes", write_fields (vsmmu_host_node_fields, host));
  json_object_set_object_member (object, "confinement", write_fields (vsmmu_host_confinement_fields, host));
  json_object_set_object_member (object, "tools", write_tools (host));
  if (host->has_pages)
    json_object_set_array_member (object, "hugepages", write_pages (host));
  if (host->has_smmus)
    json_object_set_array_member (object, "smmus", write_all (host->smmus, write_smmu));
  json_object_set_array_member (object, "groups", write_all (host->groups, write_group));
  if (host->has_devices)
    json_object_set_array_member (object, "devices", write_all (host->devices, write_device));
  json_object_set_array_member (object, "unread", write_all (host->unread, write_unread));
  return vsmmu_json_to_string (object);
}
