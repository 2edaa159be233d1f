/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapt/passthrough-index.h"

#include "xml/xml.h"

static void
override_free (gpointer data)
{
  VsmmuOverride *override = data;

  g_array_unref (override->properties);
  g_free (override);
}

static void
overrides_free (gpointer data)
{
  VsmmuDeviceOverrides *overrides = data;

  g_ptr_array_unref (overrides->list);
  g_hash_table_unref (overrides->last);
  g_free (overrides);
}

static gboolean
is_word_character (char c)
{
  return g_ascii_isalnum (c) || strchr ("_.-", c) != NULL;
}

static void
count_words (GHashTable *words, const char *text)
{
  while (text != NULL && *text != '\0') {
    const char *end = text;
    char *word;

    while (*end != '\0' && is_word_character (*end))
      end++;
    if (end > text) {
      word = g_strndup (text, end - text);
      g_hash_table_insert (words, word, GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (words, word)) + 1));
    }
    text = *end != '\0' ? end + 1 : end;
  }
}

static VsmmuOverride *
begin_override (VsmmuPassthroughIndex *passthroughs, const VsmmuPassthrough *first)
{
  VsmmuDeviceOverrides *same = g_hash_table_lookup (passthroughs->by_alias, first->alias);
  VsmmuOverride *override = g_new0 (VsmmuOverride, 1);

  override->node = first->node->parent->parent;
  override->alias = first->alias;
  override->properties = g_array_new (FALSE, FALSE, sizeof (VsmmuProperty));
  g_ptr_array_add (passthroughs->overrides, override);
  if (same == NULL) {
    same = g_new0 (VsmmuDeviceOverrides, 1);
    same->list = g_ptr_array_new ();
    same->last = g_hash_table_new (g_str_hash, g_str_equal);
    g_hash_table_insert (passthroughs->by_alias, (gpointer) first->alias, same);
  }
  g_ptr_array_add (same->list, override);
  return override;
}

static void
find_last (const VsmmuPassthroughIndex *passthroughs)
{
  for (guint i = 0; i < passthroughs->overrides->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (passthroughs->overrides, i);
    const VsmmuDeviceOverrides *same = g_hash_table_lookup (passthroughs->by_alias, override->alias);

    for (guint p = 0; p < override->properties->len; p++) {
      VsmmuProperty *property = &g_array_index (override->properties, VsmmuProperty, p);

      g_hash_table_insert (same->last, (gpointer) property->from->property, property);
    }
  }
}

static void
add_overrides (VsmmuPassthroughIndex *passthroughs)
{
  VsmmuOverride *override = NULL;

  for (guint i = 0; i < passthroughs->domain->overrides->len; i++) {
    const VsmmuPassthrough *from = &g_array_index (passthroughs->domain->overrides, VsmmuPassthrough, i);
    const VsmmuProperty property = { .from = from, .type = vsmmu_xml_attribute (from->node, "type") };

    if (override == NULL || override->node != from->node->parent->parent)
      override = begin_override (passthroughs, from);
    g_array_append_val (override->properties, property);
    count_words (passthroughs->words, from->value);
  }
  find_last (passthroughs);
}

static void
add_options (VsmmuPassthroughIndex *passthroughs)
{
  const GArray *arguments = passthroughs->domain->arguments;
  g_autoptr (GPtrArray) options = vsmmu_arguments_parse (arguments);

  for (guint i = 0; i < arguments->len; i++)
    count_words (passthroughs->words, g_array_index (arguments, VsmmuPassthrough, i).value);
  while (options->len > 0 && ((VsmmuOption *) g_ptr_array_index (options, options->len - 1))->is_guess)
    g_ptr_array_set_size (options, (int) options->len - 1);
  passthroughs->options = g_steal_pointer (&options);
}

void
vsmmu_passthrough_index_init (VsmmuPassthroughIndex *passthroughs, const VsmmuDomain *domain)
{
  passthroughs->domain = domain;
  passthroughs->overrides = g_ptr_array_new_with_free_func (override_free);
  passthroughs->by_alias = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, overrides_free);
  passthroughs->words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  add_overrides (passthroughs);
  add_options (passthroughs);
}

void
vsmmu_passthrough_index_clear (VsmmuPassthroughIndex *passthroughs)
{
  g_clear_pointer (&passthroughs->by_alias, g_hash_table_unref);
  g_clear_pointer (&passthroughs->overrides, g_ptr_array_unref);
  g_clear_pointer (&passthroughs->options, g_ptr_array_unref);
  g_clear_pointer (&passthroughs->words, g_hash_table_unref);
}

const VsmmuDeviceOverrides *
vsmmu_passthrough_index_find (const VsmmuPassthroughIndex *passthroughs, const char *id)
{
  return id != NULL ? g_hash_table_lookup (passthroughs->by_alias, id) : NULL;
}

VsmmuProperty *
vsmmu_passthrough_index_property (const VsmmuPassthroughIndex *passthroughs, const char *id, const char *name)
{
  const VsmmuDeviceOverrides *overrides = vsmmu_passthrough_index_find (passthroughs, id);

  return overrides != NULL ? g_hash_table_lookup (overrides->last, name) : NULL;
}

VsmmuProperty *
vsmmu_passthrough_index_take (const VsmmuPassthroughIndex *passthroughs, const char *id, const char *name)
{
  const VsmmuDeviceOverrides *overrides = vsmmu_passthrough_index_find (passthroughs, id);

  for (guint i = 0; overrides != NULL && i < overrides->list->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (overrides->list, i);

    for (guint p = 0; p < override->properties->len; p++) {
      VsmmuProperty *property = &g_array_index (override->properties, VsmmuProperty, p);

      property->is_taken = property->is_taken || strcmp (property->from->property, name) == 0;
    }
  }
  return vsmmu_passthrough_index_property (passthroughs, id, name);
}

guint
vsmmu_passthrough_index_count (const VsmmuPassthroughIndex *passthroughs, const char *word)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (passthroughs->words, word));
}

gboolean
vsmmu_override_is_taken (const VsmmuOverride *override)
{
  gulong count = 0;

  for (guint i = 0; i < override->properties->len; i++)
    if (!g_array_index (override->properties, VsmmuProperty, i).is_taken)
      return FALSE;
  for (const xmlNode *node = vsmmu_xml_element (override->node->children); node != NULL;
       node = vsmmu_xml_element (node->next))
    count += xmlChildElementCount ((xmlNode *) node);
  return count == override->properties->len;
}

static void
remove_node (const xmlNode *node, VsmmuEdit *edit, GHashTable *removed)
{
  vsmmu_edit_remove (edit, node);
  g_hash_table_add (removed, (gpointer) node);
}

void
vsmmu_passthrough_index_remove_taken (const VsmmuPassthroughIndex *passthroughs, VsmmuEdit *edit, GHashTable *removed)
{
  for (guint i = 0; i < passthroughs->overrides->len; i++) {
    const VsmmuOverride *override = g_ptr_array_index (passthroughs->overrides, i);

    if (vsmmu_override_is_taken (override)) {
      remove_node (override->node, edit, removed);
      continue;
    }
    for (guint p = 0; p < override->properties->len; p++) {
      const VsmmuProperty *property = &g_array_index (override->properties, VsmmuProperty, p);

      if (property->is_taken)
        vsmmu_edit_remove (edit, property->from->node);
    }
  }
  for (guint i = 0; i < passthroughs->options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (passthroughs->options, i);

    if (option->is_taken) {
      remove_node (option->name->node, edit, removed);
      remove_node (option->value->node, edit, removed);
    }
  }
}
