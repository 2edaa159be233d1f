/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <json-glib/json-glib.h>

#include "base/input.h"
#include "base/json-scan.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/version.h"
#include "host/host-fields.h"

/* Longer names than this have no place in /sys. */
#define TEXT_MAX 4096

/* Where in a document something is read, so that what is wrong can be told with its place. */
typedef struct {
  VsmmuHost *host;
  const char *name;  /* of the document */
  const char *array; /* (nullable): the array that is being read */
  guint index;       /* in it */
  gsize n_members;   /* of all objects that were read */
  GError *error;     /* the first one */
} Reader;

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (Reader *reader, const char *member, const char *format, ...)
{
  g_autofree char *place = NULL;
  g_autofree char *message = NULL;
  va_list arguments;

  if (reader->error != NULL)
    return FALSE;
  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (reader->array != NULL)
    place = g_strdup_printf ("%s[%u]%s%s", reader->array, reader->index, member != NULL ? "." : "",
                             member != NULL ? member : "");
  else
    place = g_strdup (member != NULL ? member : _ ("the document"));
  g_set_error (&reader->error, VSMMU_ERROR, VSMMU_ERROR_FACTS, "%s: %s: %s", reader->name, place, message);
  return FALSE;
}

static gboolean
is_absent (JsonNode *node)
{
  return node == NULL || JSON_NODE_HOLDS_NULL (node);
}

/* The string in @node, or %NULL after an error. */
static const char *
get_text (Reader *reader, JsonNode *node, const char *member)
{
  const char *text = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;

  if (text == NULL || strlen (text) > TEXT_MAX) {
    refuse (reader, member, text == NULL ? _ ("expected a string") : _ ("the string is too long"));
    return NULL;
  }
  return text;
}

static gboolean
get_number (Reader *reader, JsonNode *node, const char *member, gint64 min, gint64 max, gint64 *value)
{
  if (json_node_get_value_type (node) != G_TYPE_INT64)
    return refuse (reader, member, _ ("expected a whole number"));
  *value = json_node_get_int (node);
  if (*value < min || *value > max)
    return refuse (reader, member, _ ("%" PRId64 " is not from %" PRId64 " to %" PRId64), *value, min, max);
  return TRUE;
}

static gboolean
get_flag (Reader *reader, JsonNode *node, const char *member, gboolean *value)
{
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return refuse (reader, member, _ ("expected true or false"));
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* A string of 0x and hexadecimal digits, of @bits bits at most. */
static gboolean
get_hex (Reader *reader, JsonNode *node, const char *member, guint bits, guint64 *value)
{
  const char *text = get_text (reader, node, member);
  g_autofree char *shown = vsmmu_text_shorten (text);
  char *end = NULL;

  if (text == NULL)
    return FALSE;
  if (g_str_has_prefix (text, "0x") && g_ascii_isxdigit (text[2]) && strlen (text) <= 18) {
    *value = g_ascii_strtoull (text + 2, &end, 16);
    if (*end == '\0' && (bits == 64 || *value >> bits == 0))
      return TRUE;
  }
  return refuse (reader, member, _ ("'%s' is no number of %u bits as 0x and hexadecimal digits"), shown, bits);
}

static gboolean
get_ymn (Reader *reader, JsonNode *node, const char *member, gint64 *value)
{
  const char *text = get_text (reader, node, member);

  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (vsmmu_field_ymn); i++) {
    if (strcmp (vsmmu_field_ymn[i], text) == 0) {
      *value = i;
      return TRUE;
    }
  }
  return refuse (reader, member, _ ("expected 'y', 'm' or 'n'"));
}

/* Refuses members that @fields do not have; a misspelt one would otherwise be unknown without a word. */
static gboolean
check_members (Reader *reader, JsonObject *object, const VsmmuField *fields)
{
  g_autoptr (GList) members = NULL;
  const char *names[32] = { NULL };
  guint n_names = 0;
  guint n_known = 0;

  for (const VsmmuField *field = fields; field->name != NULL; field++) {
    names[n_names++] = field->name;
    n_known += json_object_has_member (object, field->name);
  }
  reader->n_members += json_object_get_size (object);
  if (n_known == json_object_get_size (object))
    return TRUE;
  members = json_object_get_members (object);
  for (const GList *member = members; member != NULL; member = member->next) {
    if (!g_strv_contains (names, member->data)) {
      g_autofree char *shown = vsmmu_text_shorten (member->data);
      const char *meant = vsmmu_suggest (member->data, names);

      return meant != NULL ? refuse (reader, NULL, _ ("there is no member '%s'; did you mean '%s'?"), shown, meant)
                           : refuse (reader, NULL, _ ("there is no member '%s'"), shown);
    }
  }
  return FALSE;
}

static const VsmmuField fact_fields[] = {
  { "value", VSMMU_FIELD_OTHER },
  { "source", VSMMU_FIELD_OTHER },
  { NULL },
};

static gboolean
get_fact_value (Reader *reader, JsonNode *node, const VsmmuField *field, gint64 *value)
{
  gboolean flag = FALSE;
  guint64 hex = 0;

  switch (field->kind) {
  case VSMMU_FIELD_FACT_FLAG:
    if (!get_flag (reader, node, field->name, &flag))
      return FALSE;
    *value = flag;
    return TRUE;
  case VSMMU_FIELD_FACT_HEX32:
    if (!get_hex (reader, node, field->name, 32, &hex))
      return FALSE;
    *value = (gint64) hex;
    return TRUE;
  case VSMMU_FIELD_FACT_YMN:
    return get_ymn (reader, node, field->name, value);
  default:
    return get_number (reader, node, field->name, field->min, field->max, value);
  }
}

static gboolean
read_fact (Reader *reader, JsonNode *node, const VsmmuField *field, VsmmuFact *fact)
{
  JsonObject *object;
  JsonNode *value;
  JsonNode *source;
  const char *name;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (reader, field->name, _ ("expected an object with 'value' and 'source', or null"));
  object = json_node_get_object (node);
  value = json_object_get_member (object, "value");
  source = json_object_get_member (object, "source");
  if (!check_members (reader, object, fact_fields))
    return FALSE;
  if (is_absent (value) || is_absent (source))
    return refuse (reader, field->name, _ ("a fact needs 'value' and 'source'"));
  name = get_text (reader, source, field->name);
  if (name == NULL || !get_fact_value (reader, value, field, &fact->value))
    return FALSE;
  if (!vsmmu_fact_source_from_string (name, &fact->source)) {
    g_autofree char *shown = vsmmu_text_shorten (name);

    return refuse (reader, field->name, _ ("there is no source '%s'; write 'given' for a fact written by hand"), shown);
  }
  return TRUE;
}

static gboolean
read_field (Reader *reader, JsonNode *node, const VsmmuField *field, char *at)
{
  guint64 hex = 0;
  gint64 number;
  const char *text;

  switch (field->kind) {
  case VSMMU_FIELD_OTHER:
    return TRUE;
  case VSMMU_FIELD_TEXT:
    text = get_text (reader, node, field->name);
    g_free (*(char **) at);
    *(char **) at = g_strdup (text);
    return text != NULL;
  case VSMMU_FIELD_HEX16:
    if (!get_hex (reader, node, field->name, 16, &hex))
      return FALSE;
    *(guint16 *) at = (guint16) hex;
    return TRUE;
  case VSMMU_FIELD_HEX24:
    if (!get_hex (reader, node, field->name, 24, &hex))
      return FALSE;
    *(guint32 *) at = (guint32) hex;
    return TRUE;
  case VSMMU_FIELD_HEX64:
    return get_hex (reader, node, field->name, 64, (guint64 *) at);
  case VSMMU_FIELD_NUMBER:
    if (!get_number (reader, node, field->name, field->min, field->max, &number))
      return FALSE;
    *(guint64 *) at = (guint64) number;
    return TRUE;
  case VSMMU_FIELD_COUNT:
    number = -1;
    if (!is_absent (node) && !get_number (reader, node, field->name, field->min, field->max, &number))
      return FALSE;
    *(gint64 *) at = number;
    return TRUE;
  case VSMMU_FIELD_BOOLEAN:
    return get_flag (reader, node, field->name, (gboolean *) at);
  default:
    return read_fact (reader, node, field, (VsmmuFact *) at);
  }
}

static gboolean
read_fields (Reader *reader, JsonObject *object, const VsmmuField *fields, gpointer structure)
{
  if (!check_members (reader, object, fields))
    return FALSE;
  for (const VsmmuField *field = fields; field->name != NULL; field++) {
    JsonNode *node = json_object_get_member (object, field->name);

    if (!is_absent (node) && !read_field (reader, node, field, (char *) structure + field->offset))
      return FALSE;
  }
  return TRUE;
}

/* The object that is the member @name, @object's own when it has none of its own; %NULL when absent or after an error
 */
static JsonObject *
get_object (Reader *reader, JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (is_absent (node))
    return NULL;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  refuse (reader, name, _ ("expected an object"));
  return NULL;
}

static gboolean
read_object (Reader *reader, JsonObject *object, const char *name, const VsmmuField *fields, gpointer structure)
{
  JsonObject *inner = get_object (reader, object, name);

  return inner != NULL ? read_fields (reader, inner, fields, structure) : reader->error == NULL;
}

/* The array that is the member @name; %NULL when absent or after an error. */
static JsonArray *
get_array (Reader *reader, JsonObject *object, const char *name, guint max)
{
  JsonNode *node = json_object_get_member (object, name);

  if (is_absent (node))
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    refuse (reader, name, _ ("expected an array"));
    return NULL;
  }
  if (json_array_get_length (json_node_get_array (node)) > max) {
    refuse (reader, name, _ ("more than %u elements"), max);
    return NULL;
  }
  return json_node_get_array (node);
}

/* Calls @read for every object of the array @name. */
static gboolean
read_array (Reader *reader, JsonObject *object, const char *name, guint max,
            gboolean (*read) (Reader *reader, JsonObject *element))
{
  JsonArray *array = get_array (reader, object, name, max);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);

    reader->array = name;
    reader->index = i;
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return refuse (reader, NULL, _ ("expected an object"));
    if (!read (reader, json_node_get_object (node)))
      return FALSE;
  }
  reader->array = NULL;
  return reader->error == NULL;
}

static gboolean
read_version (Reader *reader, JsonObject *tools, const char *name, guint *version)
{
  JsonNode *node = json_object_get_member (tools, name);
  g_autofree char *shown = NULL;
  const char *text;

  if (is_absent (node))
    return TRUE;
  text = get_text (reader, node, name);
  if (text == NULL)
    return FALSE;
  shown = vsmmu_text_shorten (text);
  return vsmmu_version_parse (text, version) || refuse (reader, name, _ ("'%s' is no version like 12.8.0"), shown);
}

static gboolean
read_tools (Reader *reader, JsonObject *root)
{
  JsonObject *tools = get_object (reader, root, "tools");

  return read_object (reader, root, "tools", vsmmu_host_tool_fields, reader->host) &&
         (tools == NULL || (read_version (reader, tools, "libvirt", &reader->host->tools.libvirt) &&
                            read_version (reader, tools, "qemu", &reader->host->tools.qemu)));
}

static gboolean
read_kernel (Reader *reader, JsonObject *root)
{
  JsonObject *kernel = get_object (reader, root, "kernel");

  return read_object (reader, root, "kernel", vsmmu_host_kernel_fields, reader->host) &&
         (kernel == NULL || read_object (reader, kernel, "options", vsmmu_host_option_fields, reader->host));
}

static gboolean
read_pages (Reader *reader, JsonObject *element)
{
  VsmmuHostPages pages = { .total = -1, .free = -1 };

  if (!read_fields (reader, element, vsmmu_host_pages_fields, &pages))
    return FALSE;
  if (pages.size == 0)
    return refuse (reader, "size_kib", _ ("is missing"));
  g_array_append_val (reader->host->pages, pages);
  return TRUE;
}

static gboolean
read_smmu (Reader *reader, JsonObject *element)
{
  VsmmuHostSmmu *smmu = vsmmu_host_smmu_new (NULL);

  g_ptr_array_add (reader->host->smmus, smmu);
  if (!read_fields (reader, element, vsmmu_host_smmu_fields, smmu) ||
      !read_object (reader, element, "registers", vsmmu_host_register_fields, smmu) ||
      !read_object (reader, element, "capabilities", vsmmu_host_capability_fields, smmu))
    return FALSE;
  if (smmu->name == NULL || !vsmmu_host_parse_smmu (smmu->name, &smmu->base))
    return refuse (reader, "name", _ ("expected 'smmu3.0x' and 16 lower-case digits, as in /sys/class/iommu"));
  return TRUE;
}

static gboolean
read_regions (Reader *reader, JsonObject *element, VsmmuHostGroup *group)
{
  JsonArray *array = get_array (reader, element, "regions", VSMMU_HOST_REGIONS_MAX);

  group->has_regions = array != NULL;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    VsmmuHostRegion *region = vsmmu_host_region_new (0, 0, NULL);

    g_ptr_array_add (group->regions, region);
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return refuse (reader, "regions", _ ("expected an object"));
    if (!read_fields (reader, json_node_get_object (node), vsmmu_host_region_fields, region))
      return FALSE;
    if (region->type == NULL || region->end < region->start)
      return refuse (reader, "regions", _ ("a region needs a 'type', and an 'end' that is not before its 'start'"));
  }
  return reader->error == NULL;
}

static gboolean
read_group (Reader *reader, JsonObject *element)
{
  JsonNode *number = json_object_get_member (element, "number");
  VsmmuHostGroup *group;
  gint64 value;

  if (is_absent (number))
    return refuse (reader, "number", _ ("is missing"));
  if (!get_number (reader, number, "number", 0, G_MAXINT32, &value))
    return FALSE;
  group = vsmmu_host_group_new ((guint) value);
  g_ptr_array_add (reader->host->groups, group);
  return read_fields (reader, element, vsmmu_host_group_fields, group) && read_regions (reader, element, group);
}

static gboolean
read_bars (Reader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonArray *array = get_array (reader, element, "bars", VSMMU_HOST_BARS_MAX);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    JsonNode *number;
    gint64 index;

    if (!JSON_NODE_HOLDS_OBJECT (node))
      return refuse (reader, "bars", _ ("expected an object"));
    number = json_object_get_member (json_node_get_object (node), "index");
    if (is_absent (number))
      return refuse (reader, "bars", _ ("a base address register needs an 'index'"));
    if (!get_number (reader, number, "bars", 0, VSMMU_HOST_BARS_MAX - 1, &index))
      return FALSE;
    if (device->bars[index].size != 0)
      return refuse (reader, "bars", _ ("register %d is given twice"), (int) index);
    if (!read_fields (reader, json_node_get_object (node), vsmmu_host_bar_fields, &device->bars[index]))
      return FALSE;
    if (device->bars[index].size == 0)
      return refuse (reader, "bars", _ ("a base address register needs a 'size'"));
  }
  return reader->error == NULL;
}

static gboolean
read_device (Reader *reader, JsonObject *element)
{
  VsmmuHostDevice *device = vsmmu_host_device_new (NULL);
  VsmmuPciAddress address;

  g_ptr_array_add (reader->host->devices, device);
  if (!read_fields (reader, element, vsmmu_host_device_fields, device) || !read_bars (reader, element, device))
    return FALSE;
  if (device->name == NULL || !vsmmu_host_parse_address (device->name, &address))
    return refuse (reader, "address", _ ("expected an address like '0009:01:00.0', with lower-case digits"));
  device->domain = address.domain;
  device->bus = address.bus;
  device->slot = address.slot;
  device->function = address.function;
  return TRUE;
}

static gboolean
read_unread (Reader *reader, JsonObject *element)
{
  VsmmuHostUnread *unread;

  vsmmu_host_add_unread (reader->host, NULL, NULL);
  unread = g_ptr_array_index (reader->host->unread, reader->host->unread->len - 1);
  if (!read_fields (reader, element, vsmmu_host_unread_fields, unread))
    return FALSE;
  return (unread->path != NULL && unread->reason != NULL) || refuse (reader, NULL, _ ("needs a 'path' and a 'reason'"));
}

/* What has the same name as its neighbour; %NULL when all names are different. */
static const char *
find_twice (const GPtrArray *sorted, const char *(*name_of) (gconstpointer thing))
{
  for (guint i = 1; i < sorted->len; i++)
    if (strcmp (name_of (g_ptr_array_index (sorted, i - 1)), name_of (g_ptr_array_index (sorted, i))) == 0)
      return name_of (g_ptr_array_index (sorted, i));
  return NULL;
}

static const char *
smmu_name (gconstpointer smmu)
{
  return ((const VsmmuHostSmmu *) smmu)->name;
}

static gboolean
check_unique (Reader *reader)
{
  const VsmmuHost *host = reader->host;
  const char *smmu = find_twice (host->smmus, smmu_name);

  if (smmu != NULL)
    return refuse (reader, "smmus", _ ("'%s' is given twice"), smmu);
  for (guint i = 1; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    const VsmmuPciAddress address = {
      .domain = device->domain, .bus = device->bus, .slot = device->slot, .function = device->function
    };
    const VsmmuHostDevice *before = g_ptr_array_index (host->devices, i - 1);

    /* 0000:… and 00000000:… are the same address. */
    if (before->domain == address.domain && before->bus == address.bus && before->slot == address.slot &&
        before->function == address.function)
      return refuse (reader, "devices", _ ("'%s' is given twice"), device->name);
  }
  for (guint i = 1; i < host->groups->len; i++) {
    guint number = ((const VsmmuHostGroup *) g_ptr_array_index (host->groups, i))->number;

    if (number == ((const VsmmuHostGroup *) g_ptr_array_index (host->groups, i - 1))->number)
      return refuse (reader, "groups", _ ("group %u is given twice"), number);
  }
  return TRUE;
}

/* The device that the member @name of @element refers to; %NULL when absent or after an error. */
static VsmmuHostDevice *
get_reference (Reader *reader, JsonObject *element, const char *name)
{
  JsonNode *node = json_object_get_member (element, name);
  g_autofree char *shown = NULL;
  VsmmuHostDevice *device;
  const char *text;

  if (is_absent (node) || (text = get_text (reader, node, name)) == NULL)
    return NULL;
  device = vsmmu_host_device_named (reader->host, text);
  shown = vsmmu_text_shorten (text);
  if (device == NULL)
    refuse (reader, name, _ ("there is no device '%s'"), shown);
  return device;
}

static gboolean
connect_smmu (Reader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonNode *node = json_object_get_member (element, "smmu");
  g_autofree char *shown = NULL;
  const char *text;

  if (is_absent (node))
    return TRUE;
  text = get_text (reader, node, "smmu");
  if (text == NULL)
    return FALSE;
  shown = vsmmu_text_shorten (text);
  device->smmu = vsmmu_host_smmu_named (reader->host, text);
  return device->smmu != NULL || refuse (reader, "smmu", _ ("there is no SMMU '%s'"), shown);
}

static gboolean
connect_group (Reader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonNode *node = json_object_get_member (element, "group");
  gint64 number;

  if (is_absent (node))
    return TRUE;
  if (!get_number (reader, node, "group", 0, G_MAXINT32, &number))
    return FALSE;
  device->group = vsmmu_host_group_numbered (reader->host, (guint) number);
  return device->group != NULL || refuse (reader, "group", _ ("there is no group %d"), (int) number);
}

/* Second pass over the devices, now that everything that they refer to can be found. */
static gboolean
connect_device (Reader *reader, JsonObject *element)
{
  VsmmuHostDevice *device = get_reference (reader, element, "address");

  if (device == NULL || !connect_smmu (reader, element, device) || !connect_group (reader, element, device))
    return FALSE;
  device->parent = get_reference (reader, element, "parent");
  device->physical_function = get_reference (reader, element, "physical_function");
  if (device->parent == device || device->physical_function == device)
    return refuse (reader, NULL, _ ("'%s' refers to itself"), device->name);
  return reader->error == NULL;
}

static gboolean
check_parents (Reader *reader)
{
  const VsmmuHostDevice *device = vsmmu_host_cut_circles (reader->host);

  return device == NULL || refuse (reader, "devices", _ ("the parents of '%s' make a circle"), device->name);
}

static gboolean
read_version_number (Reader *reader, JsonObject *root)
{
  JsonNode *node = json_object_get_member (root, "version");
  gint64 version;

  if (is_absent (node))
    return refuse (reader, "version",
                   _ ("is missing; these are no host facts as 'virt-vsmmu host --json' prints them"));
  if (!get_number (reader, node, "version", 1, G_MAXINT64, &version))
    return FALSE;
  return version <= VSMMU_HOST_FORMAT_VERSION ||
         refuse (reader, "version", _ ("this format is newer than version %d, which is read here"),
                 VSMMU_HOST_FORMAT_VERSION);
}

static gboolean
read_host (Reader *reader, JsonObject *root)
{
  VsmmuHost *host = reader->host;

  if (!read_version_number (reader, root) || !read_fields (reader, root, vsmmu_host_fields, host) ||
      !read_kernel (reader, root) || !read_object (reader, root, "nodes", vsmmu_host_node_fields, host) ||
      !read_tools (reader, root) || !read_array (reader, root, "hugepages", VSMMU_HOST_PAGES_MAX, read_pages) ||
      !read_array (reader, root, "smmus", VSMMU_HOST_SMMUS_MAX, read_smmu) ||
      !read_array (reader, root, "groups", VSMMU_HOST_GROUPS_MAX, read_group) ||
      !read_array (reader, root, "devices", VSMMU_HOST_DEVICES_MAX, read_device) ||
      !read_array (reader, root, "unread", VSMMU_HOST_UNREAD_MAX, read_unread))
    return FALSE;
  host->has_pages = !is_absent (json_object_get_member (root, "hugepages"));
  host->has_smmus = !is_absent (json_object_get_member (root, "smmus"));
  host->has_devices = !is_absent (json_object_get_member (root, "devices"));
  vsmmu_host_sort (host);
  return check_unique (reader) && read_array (reader, root, "devices", VSMMU_HOST_DEVICES_MAX, connect_device) &&
         check_parents (reader);
}

/* What registers say is not contradicted by what is said to be read from them. */
static gboolean
check_registers (Reader *reader)
{
  for (guint i = 0; i < reader->host->smmus->len; i++) {
    const VsmmuHostSmmu *smmu = g_ptr_array_index (reader->host->smmus, i);
    VsmmuFact decoded[VSMMU_SMMU_CAPABILITIES];

    vsmmu_smmu_decode (smmu->registers, decoded);
    for (guint c = 0; c < VSMMU_SMMU_CAPABILITIES; c++) {
      VsmmuFact given = smmu->capabilities[c];

      if (vsmmu_fact_is_known (decoded[c]) && given.source == decoded[c].source && given.value != decoded[c].value)
        return refuse (reader, "smmus", _ ("'%s' of %s is %d, and by its registers %d"), vsmmu_smmu_capability_names[c],
                       smmu->name, (int) given.value, (int) decoded[c].value);
    }
  }
  return TRUE;
}

VsmmuHost *
vsmmu_host_new_from_data (const char *data, gsize length, const char *name, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();
  g_autoptr (GError) parse_error = NULL;
  Reader reader = { .host = host, .name = name };
  gsize n_members = 0;
  JsonNode *root;

  if (length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s: larger than %u MiB, not read"), name,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return NULL;
  }
  if (!vsmmu_json_scan (data, length, name, &n_members, error))
    return NULL;
  if (!json_parser_load_from_data (parser, data, (gssize) length, &parse_error)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS, _ ("%s: this is no JSON: %s"), name, parse_error->message);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    refuse (&reader, NULL, _ ("expected an object"));
  else if (read_host (&reader, json_node_get_object (root)) && reader.n_members != n_members)
    refuse (&reader, NULL, _ ("a member is given twice in one object"));
  else if (reader.error == NULL)
    check_registers (&reader);
  if (reader.error != NULL) {
    g_propagate_error (error, reader.error);
    return NULL;
  }
  vsmmu_host_connect (host);
  vsmmu_host_finish (host);
  return g_steal_pointer (&host);
}

VsmmuHost *
vsmmu_host_new_from_file (const char *path, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autofree char *data = NULL;
  gsize length = 0;

  if (!vsmmu_read_document (path, &data, &length, error))
    return NULL;
  return vsmmu_host_new_from_data (data, length, name, error);
}
