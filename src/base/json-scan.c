/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json-scan.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define DEPTH_MAX 16
#define VALUES_MAX 2000000

typedef struct {
  const char *name;
  guint line;
  guint depth;
  gsize n_values;
  gsize n_members;
} Scan;

static gboolean
refuse (const Scan *scan, const char *message, GError **error)
{
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS, "%s:%u: %s", scan->name, scan->line, message);
  return FALSE;
}

/* The last byte of the string that starts at @p, or %NULL when it does not end. */
static const char *
skip_string (Scan *scan, const char *p, const char *end)
{
  for (p++; p < end && *p != '"'; p++) {
    if (*p == '\n')
      scan->line++;
    if (*p == '\\')
      p++;
  }
  return p < end ? p : NULL;
}

static gboolean
scan_byte (Scan *scan, char c, GError **error)
{
  /* Letters are those of true, false, null and of exponents. */
  static const char allowed[] = " \t\r{}[]:,+-.0123456789eEtrufalsn";

  if (c == '\n')
    scan->line++;
  else if (c == '\0' || strchr (allowed, c) == NULL)
    return refuse (scan, _ ("not valid JSON: a character that is allowed only in strings"), error);
  scan->n_members += c == ':';
  scan->n_values += c == ',' || c == '{' || c == '[';
  if (c == '{' || c == '[')
    scan->depth++;
  else if ((c == '}' || c == ']') && scan->depth > 0)
    scan->depth--;
  if (scan->depth > DEPTH_MAX)
    return refuse (scan, _ ("nested too deeply for host facts"), error);
  if (scan->n_values > VALUES_MAX)
    return refuse (scan, _ ("too many values for host facts"), error);
  return TRUE;
}

gboolean
vsmmu_json_scan (const char *data, gsize length, const char *name, gsize *n_members, GError **error)
{
  Scan scan = { .name = name, .line = 1 };
  const char *end = data + length;

  for (const char *p = data; p < end; p++) {
    if (*p == '"') {
      const char *last = skip_string (&scan, p, end);

      if (last == NULL)
        return refuse (&scan, _ ("not valid JSON: a string is not terminated"), error);
      p = last;
    } else if (!scan_byte (&scan, *p, error)) {
      return FALSE;
    }
  }
  *n_members = scan.n_members;
  return TRUE;
}
