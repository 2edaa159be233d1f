/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

/* JSON can escape any character, so no control characters need to reach a terminal. */
static void
append_escaped (GString *json, gunichar c)
{
  if (c < 0x10000)
    g_string_append_printf (json, "\\u%04x", c);
  else
    g_string_append_printf (json, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

/* Bytes from @text on that are plain ASCII or line feeds, which nearly all of JSON is. */
static gsize
plain_length (const char *text)
{
  const char *p = text;

  while (*p == '\n' || (*p >= ' ' && *p < 0x7f))
    p++;
  return (gsize) (p - text);
}

static char *
node_to_string (JsonNode *node, gboolean is_pretty)
{
  g_autofree char *text = json_to_string (node, is_pretty);
  GString *json = g_string_sized_new (strlen (text) + 2);

  for (const char *p = text; *p != '\0';) {
    gsize plain = plain_length (p);
    gunichar c = g_utf8_get_char (p + plain);

    g_string_append_len (json, p, (gssize) plain);
    p += plain;
    if (c == 0)
      break;
    if (g_unichar_isprint (c) && c != 0x2028 && c != 0x2029)
      g_string_append_unichar (json, c);
    else
      append_escaped (json, c);
    p = g_utf8_next_char (p);
  }
  g_string_append_c (json, '\n');
  return g_string_free (json, FALSE);
}

static char *
object_to_string (JsonObject *object, gboolean is_pretty)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return node_to_string (node, is_pretty);
}

char *
vsmmu_json_to_string (JsonObject *object)
{
  return object_to_string (object, TRUE);
}

char *
vsmmu_json_to_line (JsonObject *object)
{
  return object_to_string (object, FALSE);
}

char *
vsmmu_json_array_to_string (JsonArray *array)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);

  json_node_take_array (node, array);
  return node_to_string (node, TRUE);
}

void
vsmmu_json_set_string (JsonObject *object, const char *name, const char *value)
{
  g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

  if (valid != NULL)
    json_object_set_string_member (object, name, valid);
  else
    json_object_set_null_member (object, name);
}

void
vsmmu_json_set_address (JsonObject *object, const char *name, guint64 address)
{
  char text[32];

  g_snprintf (text, sizeof (text), "0x%08" G_GINT64_MODIFIER "x", address);
  json_object_set_string_member (object, name, text);
}
