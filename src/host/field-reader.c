/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/field-reader.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "base/suggest.h"
#include "base/text.h"

/* /sys has no longer names than this. */
#define TEXT_MAX 4096

/* (transfer full): where @member is, or what is being read when it is %NULL */
static char *
place_of (const VsmmuFieldReader *reader, const char *member)
{
  if (reader->array != NULL)
    return g_strdup_printf ("%s[%u]%s%s", reader->array, reader->index, member != NULL ? "." : "",
                            member != NULL ? member : "");
  return g_strdup (member != NULL ? member : _ ("the document"));
}

gboolean
vsmmu_field_refuse_missing (VsmmuFieldReader *reader, const char *member)
{
  g_autofree char *place = place_of (reader, member);

  if (reader->error == NULL)
    g_set_error (&reader->error, VSMMU_ERROR, VSMMU_ERROR_FACTS, _ ("%s: '%s' is missing"), reader->name, place);
  return FALSE;
}

gboolean
vsmmu_field_refuse (VsmmuFieldReader *reader, const char *member, const char *format, ...)
{
  g_autofree char *place = place_of (reader, member);
  g_autofree char *message = NULL;
  va_list arguments;

  if (reader->error != NULL)
    return FALSE;
  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (&reader->error, VSMMU_ERROR, VSMMU_ERROR_FACTS, "%s: %s: %s", reader->name, place, message);
  return FALSE;
}

gboolean
vsmmu_field_is_absent (JsonNode *node)
{
  return node == NULL || JSON_NODE_HOLDS_NULL (node);
}

const char *
vsmmu_field_get_text (VsmmuFieldReader *reader, JsonNode *node, const char *member)
{
  const char *text = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;

  if (text == NULL || strlen (text) > TEXT_MAX) {
    vsmmu_field_refuse (reader, member, text == NULL ? _ ("expected a string") : _ ("the string is too long"));
    return NULL;
  }
  return text;
}

gboolean
vsmmu_field_get_number (VsmmuFieldReader *reader, JsonNode *node, const char *member, gint64 min, gint64 max,
                        gint64 *value)
{
  if (json_node_get_value_type (node) != G_TYPE_INT64)
    return vsmmu_field_refuse (reader, member, _ ("expected a whole number"));
  *value = json_node_get_int (node);
  if (*value < min || *value > max)
    return vsmmu_field_refuse (reader, member, _ ("%" PRId64 " is not in the range from %" PRId64 " to %" PRId64),
                               *value, min, max);
  return TRUE;
}

static gboolean
get_flag (VsmmuFieldReader *reader, JsonNode *node, const char *member, gboolean *value)
{
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return vsmmu_field_refuse (reader, member, _ ("expected true or false"));
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* A string of 0x and hexadecimal digits, of @bits bits at most. */
static gboolean
get_hex (VsmmuFieldReader *reader, JsonNode *node, const char *member, guint bits, guint64 *value)
{
  const char *text = vsmmu_field_get_text (reader, node, member);
  g_autofree char *shown = vsmmu_text_shorten (text);
  char *end = NULL;

  if (text == NULL)
    return FALSE;
  if (g_str_has_prefix (text, "0x") && g_ascii_isxdigit (text[2]) && strlen (text) <= 18) {
    *value = g_ascii_strtoull (text + 2, &end, 16);
    if (*end == '\0' && (bits == 64 || *value >> bits == 0))
      return TRUE;
  }
  return vsmmu_field_refuse (reader, member,
                             _ ("'%s' is not a number of up to %u bits, written as 0x and hexadecimal "
                                "digits"),
                             shown, bits);
}

static gboolean
get_ymn (VsmmuFieldReader *reader, JsonNode *node, const char *member, gint64 *value)
{
  const char *text = vsmmu_field_get_text (reader, node, member);

  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (vsmmu_field_ymn); i++) {
    if (strcmp (vsmmu_field_ymn[i], text) == 0) {
      *value = i;
      return TRUE;
    }
  }
  return vsmmu_field_refuse (reader, member, _ ("expected 'y', 'm' or 'n'"));
}

/* Refuses members that @fields do not have; a misspelt one would otherwise be ignored silently. */
static gboolean
check_members (VsmmuFieldReader *reader, JsonObject *object, const VsmmuField *fields)
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

      return meant != NULL
                 ? vsmmu_field_refuse (reader, NULL, _ ("unknown member '%s'; did you mean '%s'?"), shown, meant)
                 : vsmmu_field_refuse (reader, NULL, _ ("unknown member '%s'"), shown);
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
get_fact_value (VsmmuFieldReader *reader, JsonNode *node, const VsmmuField *field, gint64 *value)
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
    return vsmmu_field_get_number (reader, node, field->name, field->min, field->max, value);
  }
}

static gboolean
read_fact (VsmmuFieldReader *reader, JsonNode *node, const VsmmuField *field, VsmmuFact *fact)
{
  JsonObject *object;
  JsonNode *value;
  JsonNode *source;
  const char *name;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return vsmmu_field_refuse (reader, field->name, _ ("expected an object with 'value' and 'source', or null"));
  object = json_node_get_object (node);
  value = json_object_get_member (object, "value");
  source = json_object_get_member (object, "source");
  if (!check_members (reader, object, fact_fields))
    return FALSE;
  if (vsmmu_field_is_absent (value) || vsmmu_field_is_absent (source))
    return vsmmu_field_refuse (reader, field->name, _ ("a fact requires 'value' and 'source'"));
  name = vsmmu_field_get_text (reader, source, field->name);
  if (name == NULL || !get_fact_value (reader, value, field, &fact->value))
    return FALSE;
  if (!vsmmu_fact_source_from_string (name, &fact->source)) {
    g_autofree char *shown = vsmmu_text_shorten (name);

    return vsmmu_field_refuse (reader, field->name, _ ("unknown source '%s'; use 'given' for a fact written by hand"),
                               shown);
  }
  return TRUE;
}

static gboolean
read_field (VsmmuFieldReader *reader, JsonNode *node, const VsmmuField *field, char *at)
{
  guint64 hex = 0;
  gint64 number;
  const char *text;

  switch (field->kind) {
  case VSMMU_FIELD_OTHER:
    return TRUE;
  case VSMMU_FIELD_TEXT:
    text = vsmmu_field_get_text (reader, node, field->name);
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
    if (!vsmmu_field_get_number (reader, node, field->name, field->min, field->max, &number))
      return FALSE;
    *(guint64 *) at = (guint64) number;
    return TRUE;
  case VSMMU_FIELD_COUNT:
    number = -1;
    if (!vsmmu_field_is_absent (node) &&
        !vsmmu_field_get_number (reader, node, field->name, field->min, field->max, &number))
      return FALSE;
    *(gint64 *) at = number;
    return TRUE;
  case VSMMU_FIELD_BOOLEAN:
    return get_flag (reader, node, field->name, (gboolean *) at);
  default:
    return read_fact (reader, node, field, (VsmmuFact *) at);
  }
}

gboolean
vsmmu_fields_read (VsmmuFieldReader *reader, JsonObject *object, const VsmmuField *fields, gpointer structure)
{
  if (!check_members (reader, object, fields))
    return FALSE;
  for (const VsmmuField *field = fields; field->name != NULL; field++) {
    JsonNode *node = json_object_get_member (object, field->name);

    if (!vsmmu_field_is_absent (node) && !read_field (reader, node, field, (char *) structure + field->offset))
      return FALSE;
  }
  return TRUE;
}

JsonObject *
vsmmu_field_get_object (VsmmuFieldReader *reader, JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (vsmmu_field_is_absent (node))
    return NULL;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  vsmmu_field_refuse (reader, name, _ ("expected an object"));
  return NULL;
}

gboolean
vsmmu_fields_read_object (VsmmuFieldReader *reader, JsonObject *object, const char *name, const VsmmuField *fields,
                          gpointer structure)
{
  JsonObject *inner = vsmmu_field_get_object (reader, object, name);

  return inner != NULL ? vsmmu_fields_read (reader, inner, fields, structure) : reader->error == NULL;
}

JsonArray *
vsmmu_field_get_array (VsmmuFieldReader *reader, JsonObject *object, const char *name, guint max)
{
  JsonNode *node = json_object_get_member (object, name);

  if (vsmmu_field_is_absent (node))
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    vsmmu_field_refuse (reader, name, _ ("expected an array"));
    return NULL;
  }
  if (json_array_get_length (json_node_get_array (node)) > max) {
    vsmmu_field_refuse (reader, name, _ ("more than %u elements"), max);
    return NULL;
  }
  return json_node_get_array (node);
}

gboolean
vsmmu_fields_read_array (VsmmuFieldReader *reader, JsonObject *object, const char *name, guint max,
                         gboolean (*read) (VsmmuFieldReader *reader, JsonObject *element))
{
  JsonArray *array = vsmmu_field_get_array (reader, object, name, max);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);

    reader->array = name;
    reader->index = i;
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return vsmmu_field_refuse (reader, NULL, _ ("expected an object"));
    if (!read (reader, json_node_get_object (node)))
      return FALSE;
  }
  reader->array = NULL;
  return reader->error == NULL;
}
