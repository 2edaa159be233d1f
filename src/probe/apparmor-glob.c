/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/apparmor-glob.h"

#include <string.h>

#define ALTERNATIVES_MAX 64
#define PATH_MAX_LENGTH 63

/* The positions in a path that the glob so far may have come to, a bit for each. */
typedef guint64 Places;

static Places
step_class (Places places, const char *path, const char *class, gsize length)
{
  gboolean is_negated = length > 0 && *class == '^';
  Places next = 0;

  for (gsize i = 0; path[i] != '\0'; i++) {
    gboolean is_in = FALSE;

    if ((places >> i & 1) == 0 || path[i] == '/')
      continue;
    for (gsize k = is_negated; k < length; k++) {
      if (k + 2 < length && class[k + 1] == '-') {
        is_in |= path[i] >= class[k] && path[i] <= class[k + 2];
        k += 2;
      } else {
        is_in |= path[i] == class[k];
      }
    }
    if (is_in != is_negated)
      next |= (Places) 1 << (i + 1);
  }
  return next;
}

/* @any: or any character but a slash */
static Places
step_character (Places places, const char *path, char character, gboolean any)
{
  Places next = 0;

  for (gsize i = 0; path[i] != '\0'; i++)
    if ((places >> i & 1) != 0 && (any ? path[i] != '/' : path[i] == character))
      next |= (Places) 1 << (i + 1);
  return next;
}

static Places
step_star (Places places, const char *path, gboolean with_slashes)
{
  for (gsize i = 0; path[i] != '\0'; i++)
    if ((places >> i & 1) != 0 && (with_slashes || path[i] != '/'))
      places |= (Places) 1 << (i + 1);
  return places;
}

/* Without alternatives */
static gboolean
matches_plain (const char *glob, const char *path)
{
  Places places = 1;

  while (*glob != '\0' && places != 0) {
    const char *end = *glob == '[' ? strchr (glob, ']') : NULL;

    if (end != NULL) {
      places = step_class (places, path, glob + 1, (gsize) (end - glob - 1));
      glob = end + 1;
    } else if (*glob == '*') {
      gboolean with_slashes = glob[1] == '*';

      places = step_star (places, path, with_slashes);
      glob += with_slashes ? 2 : 1;
    } else {
      gboolean is_any = *glob == '?';

      if (*glob == '\\' && glob[1] != '\0')
        glob++;
      places = step_character (places, path, *glob, is_any);
      glob++;
    }
  }
  return (places >> strlen (path) & 1) != 0;
}

/* The brace that ends the one at @open, or %NULL. */
static const char *
find_end (const char *open)
{
  guint depth = 0;

  for (const char *c = open; *c != '\0'; c++) {
    depth += *c == '{';
    if (*c == '}' && --depth == 0)
      return c;
  }
  return NULL;
}

/* Adds to @globs what @glob is with each of the alternatives between @open and @end. */
static void
expand (GPtrArray *globs, const char *glob, const char *open, const char *end)
{
  const char *start = open + 1;
  guint depth = 0;

  for (const char *c = start; c <= end && globs->len < ALTERNATIVES_MAX; c++) {
    if (c == end || (*c == ',' && depth == 0)) {
      g_ptr_array_add (globs,
                       g_strdup_printf ("%.*s%.*s%s", (int) (open - glob), glob, (int) (c - start), start, end + 1));
      start = c + 1;
    }
    depth += *c == '{';
    depth -= *c == '}' && depth > 0;
  }
}

gboolean
vsmmu_apparmor_glob_matches (const char *glob, const char *path)
{
  g_autoptr (GPtrArray) globs = g_ptr_array_new_with_free_func (g_free);

  if (strlen (path) > PATH_MAX_LENGTH || strstr (glob, "@{") != NULL)
    return FALSE;
  g_ptr_array_add (globs, g_strdup (glob));
  for (guint i = 0; i < globs->len; i++) {
    const char *one = g_ptr_array_index (globs, i);
    const char *open = strchr (one, '{');
    const char *end = open != NULL ? find_end (open) : NULL;

    if (end != NULL)
      expand (globs, one, open, end);
    else if (matches_plain (one, path))
      return TRUE;
  }
  return FALSE;
}
