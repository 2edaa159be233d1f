/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/input.h"
#include "base/json-scan.h"
#include "base/text.h"
#include "base/version.h"
#include "host/field-reader.h"

static gboolean
read_version (VsmmuFieldReader *reader, JsonObject *tools, const char *name, guint *version, char *build)
{
  JsonNode *node = json_object_get_member (tools, name);
  g_autofree char *shown = NULL;
  const char *text;

  if (vsmmu_field_is_absent (node))
    return TRUE;
  text = vsmmu_field_get_text (reader, node, name);
  if (text == NULL)
    return FALSE;
  shown = vsmmu_text_shorten (text);
  return vsmmu_version_parse_package (text, version, build) ||
         vsmmu_field_refuse (reader, name, _ ("'%s' is not a version such as 12.8.0"), shown);
}

static gboolean
read_tools (VsmmuFieldReader *reader, JsonObject *root)
{
  JsonObject *tools = vsmmu_field_get_object (reader, root, "tools");
  VsmmuTarget *known = &reader->host->tools;

  return vsmmu_fields_read_object (reader, root, "tools", vsmmu_host_tool_fields, reader->host) &&
         (tools == NULL || (read_version (reader, tools, "libvirt", &known->libvirt, known->libvirt_build) &&
                            read_version (reader, tools, "qemu", &known->qemu, known->qemu_build)));
}

static gboolean
read_kernel (VsmmuFieldReader *reader, JsonObject *root)
{
  JsonObject *kernel = vsmmu_field_get_object (reader, root, "kernel");

  return vsmmu_fields_read_object (reader, root, "kernel", vsmmu_host_kernel_fields, reader->host) &&
         (kernel == NULL ||
          vsmmu_fields_read_object (reader, kernel, "options", vsmmu_host_option_fields, reader->host));
}

static gboolean
read_pages (VsmmuFieldReader *reader, JsonObject *element)
{
  VsmmuHostPages pages = { .total = -1, .free = -1 };

  if (!vsmmu_fields_read (reader, element, vsmmu_host_pages_fields, &pages))
    return FALSE;
  if (pages.size == 0)
    return vsmmu_field_refuse_missing (reader, "size_kib");
  g_array_append_val (reader->host->pages, pages);
  return TRUE;
}

static gboolean
read_smmu (VsmmuFieldReader *reader, JsonObject *element)
{
  VsmmuHostSmmu *smmu = vsmmu_host_smmu_new (NULL);

  g_ptr_array_add (reader->host->smmus, smmu);
  if (!vsmmu_fields_read (reader, element, vsmmu_host_smmu_fields, smmu) ||
      !vsmmu_fields_read_object (reader, element, "registers", vsmmu_host_register_fields, smmu) ||
      !vsmmu_fields_read_object (reader, element, "capabilities", vsmmu_host_capability_fields, smmu))
    return FALSE;
  if (smmu->name == NULL || !vsmmu_host_parse_smmu (smmu->name, &smmu->base))
    return vsmmu_field_refuse (reader, "name",
                               _ ("expected 'smmu3.0x' and 16 lower-case hexadecimal digits, as in /sys/class/iommu"));
  return TRUE;
}

static gboolean
read_regions (VsmmuFieldReader *reader, JsonObject *element, VsmmuHostGroup *group)
{
  JsonArray *array = vsmmu_field_get_array (reader, element, "regions", VSMMU_HOST_REGIONS_MAX);

  group->has_regions = array != NULL;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    VsmmuHostRegion *region = vsmmu_host_region_new (0, 0, NULL);

    g_ptr_array_add (group->regions, region);
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return vsmmu_field_refuse (reader, "regions", _ ("expected an object"));
    if (!vsmmu_fields_read (reader, json_node_get_object (node), vsmmu_host_region_fields, region))
      return FALSE;
    if (region->type == NULL || region->end < region->start)
      return vsmmu_field_refuse (reader, "regions",
                                 _ ("a region requires a 'type' and an 'end' that is not before its 'start'"));
  }
  return reader->error == NULL;
}

static gboolean
read_group (VsmmuFieldReader *reader, JsonObject *element)
{
  JsonNode *number = json_object_get_member (element, "number");
  VsmmuHostGroup *group;
  gint64 value;

  if (vsmmu_field_is_absent (number))
    return vsmmu_field_refuse_missing (reader, "number");
  if (!vsmmu_field_get_number (reader, number, "number", 0, G_MAXINT32, &value))
    return FALSE;
  group = vsmmu_host_group_new ((guint) value);
  g_ptr_array_add (reader->host->groups, group);
  return vsmmu_fields_read (reader, element, vsmmu_host_group_fields, group) && read_regions (reader, element, group);
}

static gboolean
read_bars (VsmmuFieldReader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonArray *array = vsmmu_field_get_array (reader, element, "bars", VSMMU_HOST_BARS_MAX);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    JsonNode *number;
    gint64 index;

    if (!JSON_NODE_HOLDS_OBJECT (node))
      return vsmmu_field_refuse (reader, "bars", _ ("expected an object"));
    number = json_object_get_member (json_node_get_object (node), "index");
    if (vsmmu_field_is_absent (number))
      return vsmmu_field_refuse (reader, "bars", _ ("a base address register requires an 'index'"));
    if (!vsmmu_field_get_number (reader, number, "bars", 0, VSMMU_HOST_BARS_MAX - 1, &index))
      return FALSE;
    if (device->bars[index].size != 0)
      return vsmmu_field_refuse (reader, "bars", _ ("register %d is specified twice"), (int) index);
    if (!vsmmu_fields_read (reader, json_node_get_object (node), vsmmu_host_bar_fields, &device->bars[index]))
      return FALSE;
    if (device->bars[index].size == 0)
      return vsmmu_field_refuse (reader, "bars", _ ("a base address register requires a 'size'"));
  }
  return reader->error == NULL;
}

static gboolean
read_device (VsmmuFieldReader *reader, JsonObject *element)
{
  VsmmuHostDevice *device = vsmmu_host_device_new (NULL);
  VsmmuPciAddress address;

  g_ptr_array_add (reader->host->devices, device);
  if (!vsmmu_fields_read (reader, element, vsmmu_host_device_fields, device) || !read_bars (reader, element, device))
    return FALSE;
  if (device->name == NULL || !vsmmu_host_parse_address (device->name, &address))
    return vsmmu_field_refuse (reader, "address",
                               _ ("expected an address such as '0009:01:00.0', with lower-case digits"));
  device->domain = address.domain;
  device->bus = address.bus;
  device->slot = address.slot;
  device->function = address.function;
  return TRUE;
}

static gboolean
read_unread (VsmmuFieldReader *reader, JsonObject *element)
{
  VsmmuHostUnread *unread;

  vsmmu_host_add_unread (reader->host, NULL, NULL);
  unread = g_ptr_array_index (reader->host->unread, reader->host->unread->len - 1);
  if (!vsmmu_fields_read (reader, element, vsmmu_host_unread_fields, unread))
    return FALSE;
  return (unread->path != NULL && unread->reason != NULL) ||
         vsmmu_field_refuse (reader, NULL, _ ("a file that could not be read requires a 'path' and a 'reason'"));
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
check_unique (VsmmuFieldReader *reader)
{
  const VsmmuHost *host = reader->host;
  const char *smmu = find_twice (host->smmus, smmu_name);

  if (smmu != NULL)
    return vsmmu_field_refuse (reader, "smmus", _ ("'%s' is specified twice"), smmu);
  for (guint i = 1; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    const VsmmuPciAddress address = {
      .domain = device->domain, .bus = device->bus, .slot = device->slot, .function = device->function
    };
    const VsmmuHostDevice *before = g_ptr_array_index (host->devices, i - 1);

    /* 0000:… and 00000000:… are the same address. */
    if (before->domain == address.domain && before->bus == address.bus && before->slot == address.slot &&
        before->function == address.function)
      return vsmmu_field_refuse (reader, "devices", _ ("'%s' is specified twice"), device->name);
  }
  for (guint i = 1; i < host->groups->len; i++) {
    guint number = ((const VsmmuHostGroup *) g_ptr_array_index (host->groups, i))->number;

    if (number == ((const VsmmuHostGroup *) g_ptr_array_index (host->groups, i - 1))->number)
      return vsmmu_field_refuse (reader, "groups", _ ("group %u is specified twice"), number);
  }
  return TRUE;
}

/* The device that the member @name of @element refers to; %NULL when absent or after an error. */
static VsmmuHostDevice *
get_reference (VsmmuFieldReader *reader, JsonObject *element, const char *name)
{
  JsonNode *node = json_object_get_member (element, name);
  g_autofree char *shown = NULL;
  VsmmuHostDevice *device;
  const char *text;

  if (vsmmu_field_is_absent (node) || (text = vsmmu_field_get_text (reader, node, name)) == NULL)
    return NULL;
  device = vsmmu_host_device_named (reader->host, text);
  shown = vsmmu_text_shorten (text);
  if (device == NULL)
    vsmmu_field_refuse (reader, name, _ ("unknown device '%s'"), shown);
  return device;
}

static gboolean
connect_smmu (VsmmuFieldReader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonNode *node = json_object_get_member (element, "smmu");
  g_autofree char *shown = NULL;
  const char *text;

  if (vsmmu_field_is_absent (node))
    return TRUE;
  text = vsmmu_field_get_text (reader, node, "smmu");
  if (text == NULL)
    return FALSE;
  shown = vsmmu_text_shorten (text);
  device->smmu = vsmmu_host_smmu_named (reader->host, text);
  return device->smmu != NULL || vsmmu_field_refuse (reader, "smmu", _ ("unknown SMMU '%s'"), shown);
}

static gboolean
connect_group (VsmmuFieldReader *reader, JsonObject *element, VsmmuHostDevice *device)
{
  JsonNode *node = json_object_get_member (element, "group");
  gint64 number;

  if (vsmmu_field_is_absent (node))
    return TRUE;
  if (!vsmmu_field_get_number (reader, node, "group", 0, G_MAXINT32, &number))
    return FALSE;
  device->group = vsmmu_host_group_numbered (reader->host, (guint) number);
  return device->group != NULL || vsmmu_field_refuse (reader, "group", _ ("unknown group %d"), (int) number);
}

/* Second pass over the devices, now that everything that they refer to can be found. */
static gboolean
connect_device (VsmmuFieldReader *reader, JsonObject *element)
{
  VsmmuHostDevice *device = get_reference (reader, element, "address");

  if (device == NULL || !connect_smmu (reader, element, device) || !connect_group (reader, element, device))
    return FALSE;
  device->parent = get_reference (reader, element, "parent");
  device->physical_function = get_reference (reader, element, "physical_function");
  if (device->parent == device || device->physical_function == device)
    return vsmmu_field_refuse (reader, NULL, _ ("'%s' refers to itself"), device->name);
  return reader->error == NULL;
}

static gboolean
check_parents (VsmmuFieldReader *reader)
{
  const VsmmuHostDevice *device = vsmmu_host_cut_circles (reader->host);

  return device == NULL || vsmmu_field_refuse (reader, "devices", _ ("the parents of '%s' form a loop"), device->name);
}

static gboolean
read_version_number (VsmmuFieldReader *reader, JsonObject *root)
{
  JsonNode *node = json_object_get_member (root, "version");
  gint64 version;

  if (vsmmu_field_is_absent (node))
    return vsmmu_field_refuse (reader, NULL,
                               _ ("'version' is missing; host facts must be as 'virt-vsmmu host --json' prints them"));
  if (!vsmmu_field_get_number (reader, node, "version", 1, G_MAXINT64, &version))
    return FALSE;
  return version <= VSMMU_HOST_FORMAT_VERSION ||
         vsmmu_field_refuse (reader, "version",
                             _ ("this format is newer than version %d, the newest that is "
                                "supported"),
                             VSMMU_HOST_FORMAT_VERSION);
}

static gboolean
read_host (VsmmuFieldReader *reader, JsonObject *root)
{
  VsmmuHost *host = reader->host;

  if (!read_version_number (reader, root) || !vsmmu_fields_read (reader, root, vsmmu_host_fields, host) ||
      !read_kernel (reader, root) || !vsmmu_fields_read_object (reader, root, "nodes", vsmmu_host_node_fields, host) ||
      !vsmmu_fields_read_object (reader, root, "confinement", vsmmu_host_confinement_fields, host) ||
      !read_tools (reader, root) ||
      !vsmmu_fields_read_array (reader, root, "hugepages", VSMMU_HOST_PAGES_MAX, read_pages) ||
      !vsmmu_fields_read_array (reader, root, "smmus", VSMMU_HOST_SMMUS_MAX, read_smmu) ||
      !vsmmu_fields_read_array (reader, root, "groups", VSMMU_HOST_GROUPS_MAX, read_group) ||
      !vsmmu_fields_read_array (reader, root, "devices", VSMMU_HOST_DEVICES_MAX, read_device) ||
      !vsmmu_fields_read_array (reader, root, "unread", VSMMU_HOST_UNREAD_MAX, read_unread))
    return FALSE;
  host->has_pages = !vsmmu_field_is_absent (json_object_get_member (root, "hugepages"));
  host->has_smmus = !vsmmu_field_is_absent (json_object_get_member (root, "smmus"));
  host->has_devices = !vsmmu_field_is_absent (json_object_get_member (root, "devices"));
  vsmmu_host_sort (host);
  return check_unique (reader) &&
         vsmmu_fields_read_array (reader, root, "devices", VSMMU_HOST_DEVICES_MAX, connect_device) &&
         check_parents (reader);
}

/* Facts that were read from registers must not contradict the registers. */
static gboolean
check_registers (VsmmuFieldReader *reader)
{
  for (guint i = 0; i < reader->host->smmus->len; i++) {
    const VsmmuHostSmmu *smmu = g_ptr_array_index (reader->host->smmus, i);
    VsmmuFact decoded[VSMMU_SMMU_CAPABILITIES];

    vsmmu_smmu_decode (smmu->registers, reader->host->kernel, decoded);
    for (guint c = 0; c < VSMMU_SMMU_CAPABILITIES; c++) {
      VsmmuFact given = smmu->capabilities[c];

      if (vsmmu_fact_is_known (decoded[c]) && given.source == decoded[c].source && given.value != decoded[c].value)
        return vsmmu_field_refuse (reader, "smmus", _ ("'%s' of %s is %d, but %d according to its registers"),
                                   vsmmu_host_capability_fields[c].name, smmu->name, (int) given.value,
                                   (int) decoded[c].value);
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
  VsmmuFieldReader reader = { .host = host, .name = name };
  gsize n_members = 0;
  JsonNode *root;

  if (length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("'%s' is larger than %u MiB and was not read"), name,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return NULL;
  }
  if (!vsmmu_json_scan (data, length, name, &n_members, error))
    return NULL;
  if (!json_parser_load_from_data (parser, data, (gssize) length, &parse_error)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS, _ ("'%s' is not valid JSON: %s"), name, parse_error->message);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    vsmmu_field_refuse (&reader, NULL, _ ("expected an object"));
  else if (read_host (&reader, json_node_get_object (root)) && reader.n_members != n_members)
    vsmmu_field_refuse (&reader, NULL, _ ("a member occurs twice in one object"));
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
