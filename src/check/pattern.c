/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/pattern.h"

#include <string.h>

struct _VsmmuPatternPool {
  const VsmmuPatternPool *base;
  GHashTable *patterns;
};

static guint
pattern_hash (gconstpointer key)
{
  const VsmmuPattern *pattern = key;
  guint hash = pattern->type;

  hash = hash * 31 + g_direct_hash (pattern->first);
  hash = hash * 31 + g_direct_hash (pattern->second);
  return hash * 31 + g_direct_hash (pattern->leaf);
}

static gboolean
pattern_equal (gconstpointer a, gconstpointer b)
{
  const VsmmuPattern *left = a;
  const VsmmuPattern *right = b;

  return left->type == right->type && left->first == right->first && left->second == right->second &&
         left->leaf == right->leaf;
}

VsmmuPatternPool *
vsmmu_pattern_pool_new (const VsmmuPatternPool *base)
{
  VsmmuPatternPool *pool = g_new0 (VsmmuPatternPool, 1);

  pool->base = base;
  pool->patterns = g_hash_table_new_full (pattern_hash, pattern_equal, g_free, NULL);
  return pool;
}

void
vsmmu_pattern_pool_free (VsmmuPatternPool *pool)
{
  if (pool == NULL)
    return;
  g_hash_table_unref (pool->patterns);
  g_free (pool);
}

guint
vsmmu_pattern_pool_size (const VsmmuPatternPool *pool)
{
  return g_hash_table_size (pool->patterns);
}

static void
set_flags (VsmmuPattern *pattern)
{
  const VsmmuPattern *first = pattern->first;
  /* What follows an element is not part of it. */
  const VsmmuPattern *second = pattern->type != VSMMU_PATTERN_AFTER ? pattern->second : NULL;

  pattern->has_attributes = (first != NULL && first->has_attributes) || (second != NULL && second->has_attributes);
  pattern->has_elements = (first != NULL && first->has_elements) || (second != NULL && second->has_elements);
  pattern->has_text = (first != NULL && first->has_text) || (second != NULL && second->has_text);
  switch (pattern->type) {
  case VSMMU_PATTERN_EMPTY:
    pattern->nullable = TRUE;
    break;
  case VSMMU_PATTERN_TEXT:
    pattern->nullable = TRUE;
    pattern->has_text = TRUE;
    break;
  case VSMMU_PATTERN_DATA:
  case VSMMU_PATTERN_LIST:
    pattern->has_text = TRUE;
    break;
  case VSMMU_PATTERN_ATTRIBUTE:
    pattern->has_attributes = TRUE;
    pattern->has_text = FALSE;
    break;
  case VSMMU_PATTERN_ELEMENT:
    pattern->has_elements = TRUE;
    break;
  case VSMMU_PATTERN_CHOICE:
    pattern->nullable = first->nullable || second->nullable;
    break;
  case VSMMU_PATTERN_INTERLEAVE:
  case VSMMU_PATTERN_GROUP:
    pattern->nullable = first->nullable && second->nullable;
    break;
  case VSMMU_PATTERN_ONE_OR_MORE:
    pattern->nullable = first->nullable;
    break;
  case VSMMU_PATTERN_NOT_ALLOWED:
  case VSMMU_PATTERN_AFTER:
    break;
  }
}

static const VsmmuPattern *
intern (VsmmuPatternPool *pool, VsmmuPatternType type, const VsmmuPattern *first, const VsmmuPattern *second,
        const void *leaf)
{
  const VsmmuPattern key = { .type = type, .first = first, .second = second, .leaf = leaf };
  VsmmuPattern *pattern = NULL;

  if (pool->base != NULL)
    pattern = g_hash_table_lookup (pool->base->patterns, &key);
  if (pattern == NULL)
    pattern = g_hash_table_lookup (pool->patterns, &key);
  if (pattern != NULL)
    return pattern;

  pattern = g_new (VsmmuPattern, 1);
  *pattern = key;
  pattern->is_base = pool->base == NULL;
  set_flags (pattern);
  g_hash_table_add (pool->patterns, pattern);
  return pattern;
}

static const VsmmuPattern *
copy (VsmmuPatternPool *pool, const VsmmuPattern *pattern, GHashTable *done)
{
  const VsmmuPattern *result;

  if (pattern == NULL || pattern->is_base)
    return pattern;
  result = g_hash_table_lookup (done, pattern);
  if (result != NULL)
    return result;
  result = intern (pool, pattern->type, copy (pool, pattern->first, done), copy (pool, pattern->second, done),
                   pattern->leaf);
  g_hash_table_insert (done, (gpointer) pattern, (gpointer) result);
  return result;
}

const VsmmuPattern *
vsmmu_pattern_copy (VsmmuPatternPool *pool, const VsmmuPattern *pattern)
{
  g_autoptr (GHashTable) done = g_hash_table_new (NULL, NULL);

  return copy (pool, pattern, done);
}

const VsmmuPattern *
vsmmu_pattern_not_allowed (VsmmuPatternPool *pool)
{
  return intern (pool, VSMMU_PATTERN_NOT_ALLOWED, NULL, NULL, NULL);
}

const VsmmuPattern *
vsmmu_pattern_empty (VsmmuPatternPool *pool)
{
  return intern (pool, VSMMU_PATTERN_EMPTY, NULL, NULL, NULL);
}

const VsmmuPattern *
vsmmu_pattern_text (VsmmuPatternPool *pool)
{
  return intern (pool, VSMMU_PATTERN_TEXT, NULL, NULL, NULL);
}

const VsmmuPattern *
vsmmu_pattern_data (VsmmuPatternPool *pool, const VsmmuDatatype *datatype, const VsmmuPattern *except)
{
  return intern (pool, VSMMU_PATTERN_DATA, except, NULL, datatype);
}

const VsmmuPattern *
vsmmu_pattern_list (VsmmuPatternPool *pool, const VsmmuPattern *words)
{
  return intern (pool, VSMMU_PATTERN_LIST, words, NULL, NULL);
}

const VsmmuPattern *
vsmmu_pattern_attribute (VsmmuPatternPool *pool, const VsmmuNameClass *names, const VsmmuPattern *value)
{
  return intern (pool, VSMMU_PATTERN_ATTRIBUTE, value, NULL, names);
}

const VsmmuPattern *
vsmmu_pattern_element (VsmmuPatternPool *pool, const VsmmuElementPattern *element)
{
  return intern (pool, VSMMU_PATTERN_ELEMENT, NULL, NULL, element);
}

/* A chain of alternatives to the right, each there once. */
const VsmmuPattern *
vsmmu_pattern_choice (VsmmuPatternPool *pool, const VsmmuPattern *first, const VsmmuPattern *second)
{
  if (!vsmmu_pattern_is_allowed (second) || (second->type == VSMMU_PATTERN_EMPTY && first->nullable))
    return first;
  if (!vsmmu_pattern_is_allowed (first) || (first->type == VSMMU_PATTERN_EMPTY && second->nullable))
    return second;
  if (first->type == VSMMU_PATTERN_CHOICE)
    return vsmmu_pattern_choice (pool, first->first, vsmmu_pattern_choice (pool, first->second, second));
  for (const VsmmuPattern *rest = second; rest != NULL; rest = rest->second) {
    if (rest == first)
      return second;
    if (rest->type != VSMMU_PATTERN_CHOICE)
      break;
    if (rest->first == first)
      return second;
  }
  return intern (pool, VSMMU_PATTERN_CHOICE, first, second, NULL);
}

static const VsmmuPattern *
both (VsmmuPatternPool *pool, VsmmuPatternType type, const VsmmuPattern *first, const VsmmuPattern *second)
{
  if (!vsmmu_pattern_is_allowed (first) || !vsmmu_pattern_is_allowed (second))
    return vsmmu_pattern_not_allowed (pool);
  if (type != VSMMU_PATTERN_AFTER) {
    if (first->type == VSMMU_PATTERN_EMPTY)
      return second;
    if (second->type == VSMMU_PATTERN_EMPTY)
      return first;
  }
  return intern (pool, type, first, second, NULL);
}

const VsmmuPattern *
vsmmu_pattern_interleave (VsmmuPatternPool *pool, const VsmmuPattern *first, const VsmmuPattern *second)
{
  return both (pool, VSMMU_PATTERN_INTERLEAVE, first, second);
}

const VsmmuPattern *
vsmmu_pattern_group (VsmmuPatternPool *pool, const VsmmuPattern *first, const VsmmuPattern *second)
{
  return both (pool, VSMMU_PATTERN_GROUP, first, second);
}

const VsmmuPattern *
vsmmu_pattern_one_or_more (VsmmuPatternPool *pool, const VsmmuPattern *pattern)
{
  if (pattern->type == VSMMU_PATTERN_NOT_ALLOWED || pattern->type == VSMMU_PATTERN_EMPTY ||
      pattern->type == VSMMU_PATTERN_ONE_OR_MORE)
    return pattern;
  return intern (pool, VSMMU_PATTERN_ONE_OR_MORE, pattern, NULL, NULL);
}

/* What may follow one round of the @repeated <oneOrMore>. */
static const VsmmuPattern *
more (VsmmuPatternPool *pool, const VsmmuPattern *repeated)
{
  return vsmmu_pattern_choice (pool, repeated, vsmmu_pattern_empty (pool));
}

static gboolean
names_contain (const VsmmuNameClass *names, const char *uri, const char *name)
{
  switch (names->type) {
  case VSMMU_NAME_CLASS_NAME:
    return strcmp (names->name, name) == 0 && strcmp (names->uri, uri) == 0;
  case VSMMU_NAME_CLASS_CHOICE:
    return names_contain (names->first, uri, name) || names_contain (names->second, uri, name);
  case VSMMU_NAME_CLASS_NAMESPACE:
    if (strcmp (names->uri, uri) != 0)
      return FALSE;
    break;
  case VSMMU_NAME_CLASS_ANY:
    break;
  }
  return names->first == NULL || !names_contain (names->first, uri, name);
}

/* @pattern, a choice of AFTERs, with @other joined to what follows in each; @other_first says on which side. */
static const VsmmuPattern *
join_rest (VsmmuPatternPool *pool, const VsmmuPattern *pattern, VsmmuPatternType type, const VsmmuPattern *other,
           gboolean other_first)
{
  const VsmmuPattern *rest;

  if (pattern->type == VSMMU_PATTERN_CHOICE)
    return vsmmu_pattern_choice (pool, join_rest (pool, pattern->first, type, other, other_first),
                                 join_rest (pool, pattern->second, type, other, other_first));
  if (pattern->type != VSMMU_PATTERN_AFTER)
    return pattern;
  rest = other_first ? both (pool, type, other, pattern->second) : both (pool, type, pattern->second, other);
  return both (pool, VSMMU_PATTERN_AFTER, pattern->first, rest);
}

const VsmmuPattern *
vsmmu_pattern_open (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *uri, const char *name)
{
  const VsmmuPattern *first = pattern->first;
  const VsmmuPattern *second = pattern->second;
  const VsmmuElementPattern *element = pattern->leaf;
  const VsmmuPattern *opened;

  if (!pattern->has_elements)
    return vsmmu_pattern_not_allowed (pool);
  switch (pattern->type) {
  case VSMMU_PATTERN_ELEMENT:
    if (!names_contain (element->names, uri, name))
      return vsmmu_pattern_not_allowed (pool);
    return both (pool, VSMMU_PATTERN_AFTER, element->content, vsmmu_pattern_empty (pool));
  case VSMMU_PATTERN_CHOICE:
    return vsmmu_pattern_choice (pool, vsmmu_pattern_open (pool, first, uri, name),
                                 vsmmu_pattern_open (pool, second, uri, name));
  case VSMMU_PATTERN_INTERLEAVE:
    opened = vsmmu_pattern_open (pool, first, uri, name);
    return vsmmu_pattern_choice (pool, join_rest (pool, opened, VSMMU_PATTERN_INTERLEAVE, second, FALSE),
                                 join_rest (pool, vsmmu_pattern_open (pool, second, uri, name),
                                            VSMMU_PATTERN_INTERLEAVE, first, TRUE));
  case VSMMU_PATTERN_GROUP:
    opened = join_rest (pool, vsmmu_pattern_open (pool, first, uri, name), VSMMU_PATTERN_GROUP, second, FALSE);
    if (!first->nullable)
      return opened;
    return vsmmu_pattern_choice (pool, opened, vsmmu_pattern_open (pool, second, uri, name));
  case VSMMU_PATTERN_ONE_OR_MORE:
    opened = vsmmu_pattern_open (pool, first, uri, name);
    return join_rest (pool, opened, VSMMU_PATTERN_GROUP, more (pool, pattern), FALSE);
  case VSMMU_PATTERN_AFTER:
    return join_rest (pool, vsmmu_pattern_open (pool, first, uri, name), VSMMU_PATTERN_AFTER, second, FALSE);
  default:
    return vsmmu_pattern_not_allowed (pool);
  }
}

/* Whether @pattern, the value of an attribute or a word of a list, matches @text. */
static gboolean
matches_text (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *text)
{
  if (pattern->nullable && text[strspn (text, " \t\r\n")] == '\0')
    return TRUE;
  return vsmmu_pattern_take_text (pool, pattern, text)->nullable;
}

const VsmmuPattern *
vsmmu_pattern_take_attribute (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *uri, const char *name,
                              const char *value)
{
  const VsmmuPattern *first = pattern->first;
  const VsmmuPattern *second = pattern->second;

  if (!pattern->has_attributes)
    return vsmmu_pattern_not_allowed (pool);
  switch (pattern->type) {
  case VSMMU_PATTERN_ATTRIBUTE:
    if (names_contain (pattern->leaf, uri, name) && (value == NULL || matches_text (pool, first, value)))
      return vsmmu_pattern_empty (pool);
    return vsmmu_pattern_not_allowed (pool);
  case VSMMU_PATTERN_CHOICE:
    return vsmmu_pattern_choice (pool, vsmmu_pattern_take_attribute (pool, first, uri, name, value),
                                 vsmmu_pattern_take_attribute (pool, second, uri, name, value));
  case VSMMU_PATTERN_INTERLEAVE:
  case VSMMU_PATTERN_GROUP:
    return vsmmu_pattern_choice (
        pool, both (pool, pattern->type, vsmmu_pattern_take_attribute (pool, first, uri, name, value), second),
        both (pool, pattern->type, first, vsmmu_pattern_take_attribute (pool, second, uri, name, value)));
  case VSMMU_PATTERN_ONE_OR_MORE:
    return vsmmu_pattern_group (pool, vsmmu_pattern_take_attribute (pool, first, uri, name, value),
                                more (pool, pattern));
  case VSMMU_PATTERN_AFTER:
    return both (pool, VSMMU_PATTERN_AFTER, vsmmu_pattern_take_attribute (pool, first, uri, name, value), second);
  default:
    return vsmmu_pattern_not_allowed (pool);
  }
}

const VsmmuPattern *
vsmmu_pattern_close_tag (VsmmuPatternPool *pool, const VsmmuPattern *pattern, VsmmuPatternMode mode)
{
  const VsmmuPattern *first = pattern->first;
  const VsmmuPattern *second = pattern->second;

  if (!pattern->has_attributes)
    return pattern;
  switch (pattern->type) {
  case VSMMU_PATTERN_ATTRIBUTE:
    return mode == VSMMU_PATTERN_LENIENT ? vsmmu_pattern_empty (pool) : vsmmu_pattern_not_allowed (pool);
  case VSMMU_PATTERN_CHOICE:
    return vsmmu_pattern_choice (pool, vsmmu_pattern_close_tag (pool, first, mode),
                                 vsmmu_pattern_close_tag (pool, second, mode));
  case VSMMU_PATTERN_INTERLEAVE:
  case VSMMU_PATTERN_GROUP:
    return both (pool, pattern->type, vsmmu_pattern_close_tag (pool, first, mode),
                 vsmmu_pattern_close_tag (pool, second, mode));
  case VSMMU_PATTERN_ONE_OR_MORE:
    return vsmmu_pattern_one_or_more (pool, vsmmu_pattern_close_tag (pool, first, mode));
  case VSMMU_PATTERN_AFTER:
    return both (pool, VSMMU_PATTERN_AFTER, vsmmu_pattern_close_tag (pool, first, mode), second);
  default:
    return pattern;
  }
}

static gboolean
matches_list (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *text)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t\r\n", -1);

  for (char **word = words; *word != NULL && vsmmu_pattern_is_allowed (pattern); word++)
    if (**word != '\0')
      pattern = vsmmu_pattern_take_text (pool, pattern, *word);
  return pattern->nullable;
}

const VsmmuPattern *
vsmmu_pattern_take_text (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *text)
{
  const VsmmuPattern *first = pattern->first;
  const VsmmuPattern *second = pattern->second;
  const VsmmuPattern *taken;

  if (!pattern->has_text)
    return vsmmu_pattern_not_allowed (pool);
  switch (pattern->type) {
  case VSMMU_PATTERN_TEXT:
    return pattern;
  case VSMMU_PATTERN_DATA:
    if (vsmmu_datatype_accepts (pattern->leaf, text) && (first == NULL || !matches_text (pool, first, text)))
      return vsmmu_pattern_empty (pool);
    return vsmmu_pattern_not_allowed (pool);
  case VSMMU_PATTERN_LIST:
    return matches_list (pool, first, text) ? vsmmu_pattern_empty (pool) : vsmmu_pattern_not_allowed (pool);
  case VSMMU_PATTERN_CHOICE:
    return vsmmu_pattern_choice (pool, vsmmu_pattern_take_text (pool, first, text),
                                 vsmmu_pattern_take_text (pool, second, text));
  case VSMMU_PATTERN_INTERLEAVE:
    return vsmmu_pattern_choice (
        pool, vsmmu_pattern_interleave (pool, vsmmu_pattern_take_text (pool, first, text), second),
        vsmmu_pattern_interleave (pool, first, vsmmu_pattern_take_text (pool, second, text)));
  case VSMMU_PATTERN_GROUP:
    taken = vsmmu_pattern_group (pool, vsmmu_pattern_take_text (pool, first, text), second);
    if (!first->nullable)
      return taken;
    return vsmmu_pattern_choice (pool, taken, vsmmu_pattern_take_text (pool, second, text));
  case VSMMU_PATTERN_ONE_OR_MORE:
    return vsmmu_pattern_group (pool, vsmmu_pattern_take_text (pool, first, text), more (pool, pattern));
  case VSMMU_PATTERN_AFTER:
    return both (pool, VSMMU_PATTERN_AFTER, vsmmu_pattern_take_text (pool, first, text), second);
  default:
    return vsmmu_pattern_not_allowed (pool);
  }
}

const VsmmuPattern *
vsmmu_pattern_end (VsmmuPatternPool *pool, const VsmmuPattern *pattern, VsmmuPatternMode mode)
{
  if (pattern->type == VSMMU_PATTERN_CHOICE)
    return vsmmu_pattern_choice (pool, vsmmu_pattern_end (pool, pattern->first, mode),
                                 vsmmu_pattern_end (pool, pattern->second, mode));
  if (pattern->type == VSMMU_PATTERN_AFTER && (pattern->first->nullable || mode == VSMMU_PATTERN_LENIENT))
    return pattern->second;
  return vsmmu_pattern_not_allowed (pool);
}

static void
add_name (GPtrArray *names, const VsmmuNameClass *class)
{
  if (class->type == VSMMU_NAME_CLASS_CHOICE) {
    add_name (names, class->first);
    add_name (names, class->second);
  } else if (class->type == VSMMU_NAME_CLASS_NAME && *class->uri == '\0' &&
             !g_ptr_array_find_with_equal_func (names, class->name, g_str_equal, NULL)) {
    g_ptr_array_add (names, class->name);
  }
}

/* The names of @pattern itself when it is of @type; FALSE when it is not. */
static gboolean
add_own_names (GPtrArray *names, const VsmmuPattern *pattern, VsmmuPatternType type)
{
  if (pattern->type == VSMMU_PATTERN_ATTRIBUTE && type == VSMMU_PATTERN_ATTRIBUTE)
    add_name (names, pattern->leaf);
  else if (pattern->type == VSMMU_PATTERN_ELEMENT && type == VSMMU_PATTERN_ELEMENT)
    add_name (names, ((const VsmmuElementPattern *) pattern->leaf)->names);
  return pattern->type == type || pattern->type == VSMMU_PATTERN_ATTRIBUTE;
}

static void
collect_names (const VsmmuPattern *pattern, VsmmuPatternType type, GPtrArray *names)
{
  if (pattern == NULL || add_own_names (names, pattern, type))
    return;
  collect_names (pattern->first, type, names);
  if (pattern->type != VSMMU_PATTERN_AFTER)
    collect_names (pattern->second, type, names);
}

GPtrArray *
vsmmu_pattern_names (const VsmmuPattern *pattern, VsmmuPatternType type)
{
  GPtrArray *names = g_ptr_array_new ();

  collect_names (pattern, type, names);
  return names;
}

static void
collect_required (const VsmmuPattern *pattern, VsmmuPatternType type, GPtrArray *names)
{
  if (pattern == NULL || add_own_names (names, pattern, type))
    return;
  if (pattern->type == VSMMU_PATTERN_CHOICE) {
    g_autoptr (GPtrArray) left = vsmmu_pattern_required_names (pattern->first, type);
    g_autoptr (GPtrArray) right = vsmmu_pattern_required_names (pattern->second, type);

    for (guint i = 0; i < left->len; i++) {
      char *name = g_ptr_array_index (left, i);

      if (g_ptr_array_find_with_equal_func (right, name, g_str_equal, NULL) &&
          !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, name);
    }
    return;
  }
  collect_required (pattern->first, type, names);
  if (pattern->type != VSMMU_PATTERN_AFTER)
    collect_required (pattern->second, type, names);
}

GPtrArray *
vsmmu_pattern_required_names (const VsmmuPattern *pattern, VsmmuPatternType type)
{
  GPtrArray *names = g_ptr_array_new ();

  collect_required (pattern, type, names);
  return names;
}

/* FALSE when there are no words for a value. */
static gboolean
collect_values (const VsmmuPattern *pattern, GPtrArray *values)
{
  g_autofree char *words = NULL;

  if (pattern == NULL || pattern->type == VSMMU_PATTERN_ATTRIBUTE || pattern->type == VSMMU_PATTERN_ELEMENT)
    return TRUE;
  if (pattern->type == VSMMU_PATTERN_TEXT || pattern->type == VSMMU_PATTERN_LIST)
    return FALSE;
  if (pattern->type != VSMMU_PATTERN_DATA)
    return collect_values (pattern->first, values) &&
           (pattern->type == VSMMU_PATTERN_AFTER || collect_values (pattern->second, values));
  words = vsmmu_datatype_describe (pattern->leaf);
  if (words == NULL)
    return FALSE;
  if (!g_ptr_array_find_with_equal_func (values, words, g_str_equal, NULL))
    g_ptr_array_add (values, g_steal_pointer (&words));
  return TRUE;
}

static gboolean
collect_attribute_values (const VsmmuPattern *pattern, const char *attribute, GPtrArray *values)
{
  if (pattern == NULL || !pattern->has_attributes)
    return TRUE;
  if (pattern->type == VSMMU_PATTERN_ATTRIBUTE)
    return !names_contain (pattern->leaf, "", attribute) || collect_values (pattern->first, values);
  return collect_attribute_values (pattern->first, attribute, values) &&
         (pattern->type == VSMMU_PATTERN_AFTER || collect_attribute_values (pattern->second, attribute, values));
}

GPtrArray *
vsmmu_pattern_values (const VsmmuPattern *pattern, const char *attribute)
{
  GPtrArray *values = g_ptr_array_new_with_free_func (g_free);
  gboolean complete = attribute != NULL ? collect_attribute_values (pattern, attribute, values)
                                        : collect_values (pattern, values);

  if (!complete)
    g_ptr_array_set_size (values, 0);
  return values;
}
