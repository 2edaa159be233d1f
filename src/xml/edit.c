/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/edit.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "xml/tags.h"

/* Where an element is in the text, in bytes from its start. */
typedef struct {
  gsize start;   /* of the start tag */
  gsize tag_end; /* after the start tag */
  gsize close;   /* of the end tag; tag_end when there is none */
  gsize end;     /* after the element */
  gboolean is_empty;
  gsize parent; /* index of the element it is in */
  GString *children;
  GString *attributes;
} Element;

/* New text that replaces what is from @from to before @to; both are bytes from the start. */
typedef struct {
  gsize from;
  gsize to;
  char *text;
} Splice;

struct _VsmmuEdit {
  const char *data;
  gsize length;
  GArray *elements;     /* Element, in the order of their start tags */
  GArray *splices;      /* Splice */
  GHashTable *indexes;  /* xmlNode → its index + 1 in @elements */
  const char *new_line; /* as the document has it */
};

static void
element_clear (gpointer data)
{
  Element *element = data;

  if (element->children != NULL)
    g_string_free (element->children, TRUE);
  if (element->attributes != NULL)
    g_string_free (element->attributes, TRUE);
}

static void
splice_clear (gpointer data)
{
  Splice *splice = data;

  g_free (splice->text);
}

void
vsmmu_edit_free (VsmmuEdit *edit)
{
  if (edit == NULL)
    return;
  g_array_unref (edit->elements);
  g_array_unref (edit->splices);
  g_hash_table_unref (edit->indexes);
  g_free (edit);
}

static Element *
element_at (const VsmmuEdit *edit, gsize index)
{
  return &g_array_index (edit->elements, Element, index);
}

/* Returns the index of the element that is open after @element, which is now closed. */
static gsize
close_element (Element *element, gsize close, gsize end)
{
  element->close = close;
  element->end = end;
  return element->parent;
}

/* Without a document type there are no entities, so it is enough to find tags; what is @unread counts as one element.
 */
static void
find_elements (VsmmuEdit *edit, const GArray *unread)
{
  VsmmuTag tag = { .end = 0 };
  guint next_unread = 0;
  gsize open = 0;

  while (vsmmu_tag_next (edit->data, edit->length, tag.end, &tag)) {
    Element element = { .start = tag.start, .parent = open };

    if (tag.kind == VSMMU_TAG_END) {
      if (open < edit->elements->len)
        open = close_element (element_at (edit, open), tag.start, tag.end);
      continue;
    }
    if (next_unread < unread->len && g_array_index (unread, VsmmuRange, next_unread).from == tag.start) {
      tag.kind = VSMMU_TAG_EMPTY;
      tag.end = g_array_index (unread, VsmmuRange, next_unread++).to;
    }
    element.tag_end = tag.end;
    element.is_empty = tag.kind == VSMMU_TAG_EMPTY;
    if (element.is_empty)
      element.close = element.end = tag.end;
    g_array_append_val (edit->elements, element);
    if (!element.is_empty)
      open = edit->elements->len - 1;
  }
}

VsmmuEdit *
vsmmu_edit_new (const char *data, gsize length, xmlDocPtr document, const char *file, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (document);
  g_autoptr (GArray) unread = vsmmu_metadata_find (data, length, vsmmu_xml_get_metadata (document));
  g_autoptr (VsmmuEdit) edit = g_new0 (VsmmuEdit, 1);
  gsize index = 0;

  edit->data = data;
  edit->length = length;
  edit->elements = g_array_new (FALSE, TRUE, sizeof (Element));
  g_array_set_clear_func (edit->elements, element_clear);
  edit->splices = g_array_new (FALSE, FALSE, sizeof (Splice));
  g_array_set_clear_func (edit->splices, splice_clear);
  edit->indexes = g_hash_table_new (NULL, NULL);
  edit->new_line = memmem (data, length, "\r\n", 2) != NULL ? "\r\n" : "\n";
  if (memchr (data, '\0', length) != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML,
                 _ ("%s: a document in UTF-16 cannot be edited; convert it to "
                    "UTF-8"),
                 file);
    return NULL;
  }
  find_elements (edit, unread);
  for (const xmlNode *node = root; node != NULL; node = vsmmu_xml_next (root, node, TRUE))
    g_hash_table_insert (edit->indexes, (gpointer) node, GSIZE_TO_POINTER (++index));
  if (index != edit->elements->len) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML,
                 _ ("%s: a document in this encoding cannot be edited; convert it "
                    "to UTF-8"),
                 file);
    return NULL;
  }
  return g_steal_pointer (&edit);
}

static Element *
find_element (const VsmmuEdit *edit, const xmlNode *node)
{
  return element_at (edit, GPOINTER_TO_SIZE (g_hash_table_lookup (edit->indexes, node)) - 1);
}

void
vsmmu_edit_append (VsmmuEdit *edit, const xmlNode *parent, const char *xml)
{
  Element *element = find_element (edit, parent);

  if (element->children == NULL)
    element->children = g_string_new (NULL);
  g_string_append (element->children, xml);
}

void
vsmmu_edit_add_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name, const char *value)
{
  Element *element = find_element (edit, node);
  g_autofree char *escaped = vsmmu_text_escape (value);

  if (element->attributes == NULL)
    element->attributes = g_string_new (NULL);
  g_string_append_printf (element->attributes, " %s='%s'", name, escaped);
}

/* (transfer full) (nullable): the white space before @element, when it is the first on its line */
static char *
indentation_of (const VsmmuEdit *edit, const Element *element)
{
  gsize at = element->start;

  while (at > 0 && (edit->data[at - 1] == ' ' || edit->data[at - 1] == '\t'))
    at--;
  if (at > 0 && edit->data[at - 1] != '\n')
    return NULL;
  return g_strndup (edit->data + at, element->start - at);
}

/* How the document is indented where children go. */
typedef struct {
  char *outer; /* before the end tag */
  char *inner; /* before a child */
  char *unit;  /* for one level more */
} Indentation;

static void
indentation_clear (Indentation *indentation)
{
  g_free (indentation->outer);
  g_free (indentation->inner);
  g_free (indentation->unit);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Indentation, indentation_clear)

static void
find_indentation (const VsmmuEdit *edit, gsize index, Indentation *indentation)
{
  const Element *element = element_at (edit, index);
  gboolean has_child = index + 1 < edit->elements->len && element_at (edit, index + 1)->parent == index &&
                       element_at (edit, index + 1)->start < element->close;

  indentation->outer = indentation_of (edit, element);
  indentation->inner = has_child ? indentation_of (edit, element_at (edit, index + 1)) : NULL;
  if (indentation->outer == NULL)
    indentation->outer = g_strdup ("");
  if (indentation->inner != NULL && g_str_has_prefix (indentation->inner, indentation->outer) &&
      strlen (indentation->inner) > strlen (indentation->outer))
    indentation->unit = g_strdup (indentation->inner + strlen (indentation->outer));
  else
    indentation->unit = g_strdup ("  ");
  if (indentation->inner == NULL)
    indentation->inner = g_strconcat (indentation->outer, indentation->unit, NULL);
}

/* The lines of @xml, each on a line of its own. */
static void
write_lines (const VsmmuEdit *edit, const char *indentation, const char *unit, const char *xml, GString *text)
{
  g_auto (GStrv) lines = g_strsplit (xml, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++) {
    gsize depth = strspn (lines[i], " ");

    if (lines[i][depth] == '\0')
      continue;
    if (indentation != NULL) {
      g_string_append_printf (text, "%s%s", edit->new_line, indentation);
      for (gsize level = 0; level < depth / 2; level++)
        g_string_append (text, unit);
    }
    g_string_append (text, lines[i] + depth);
  }
}

/* The start of the white space that ends at @end, but not before @start. */
static gsize
before_white_space (const VsmmuEdit *edit, gsize start, gsize end)
{
  while (end > start && g_ascii_isspace (edit->data[end - 1]))
    end--;
  return end;
}

/* @text: (transfer full) */
static void
splice (VsmmuEdit *edit, gsize from, gsize to, char *text)
{
  const Splice new_splice = { from, to, text };

  g_array_append_val (edit->splices, new_splice);
}

/* The indentation of @element and its siblings. */
static char *
unit_around (const VsmmuEdit *edit, const Element *element)
{
  g_auto (Indentation) indentation = { NULL };

  find_indentation (edit, element->parent, &indentation);
  return g_steal_pointer (&indentation.unit);
}

/* Lines @at a place in the document, indented as @sibling is. */
static void
insert_lines (VsmmuEdit *edit, const Element *sibling, gsize at, const char *xml)
{
  g_autofree char *indentation = indentation_of (edit, sibling);
  g_autofree char *unit = unit_around (edit, sibling);
  GString *text = g_string_new (NULL);

  write_lines (edit, indentation, unit, xml, text);
  splice (edit, at, at, g_string_free (text, FALSE));
}

void
vsmmu_edit_insert_after (VsmmuEdit *edit, const xmlNode *node, const char *xml)
{
  const Element *element = find_element (edit, node);

  insert_lines (edit, element, element->end, xml);
}

void
vsmmu_edit_insert_first (VsmmuEdit *edit, const xmlNode *parent, const char *xml)
{
  const Element *first = find_element (edit, vsmmu_xml_element (parent->children));

  insert_lines (edit, first, find_element (edit, parent)->tag_end, xml);
}

void
vsmmu_edit_replace (VsmmuEdit *edit, const xmlNode *node, const char *xml)
{
  const Element *element = find_element (edit, node);
  g_autofree char *indentation = indentation_of (edit, element);
  g_autofree char *unit = unit_around (edit, element);
  const char *rest = strchr (xml, '\n');
  GString *text = g_string_new_len (xml, rest != NULL ? rest - xml : (gssize) strlen (xml));

  if (rest != NULL)
    write_lines (edit, indentation, unit, rest, text);
  splice (edit, element->start, element->end, g_string_free (text, FALSE));
}

void
vsmmu_edit_restore (VsmmuEdit *edit, const xmlNode *node, const char *text)
{
  const Element *element = find_element (edit, node);

  splice (edit, element->start, element->end, g_strdup (text));
}

void
vsmmu_edit_remove (VsmmuEdit *edit, const xmlNode *node)
{
  const Element *element = find_element (edit, node);
  gsize from = element->start;

  while (from > 0 && (edit->data[from - 1] == ' ' || edit->data[from - 1] == '\t'))
    from--;
  if (from == 0 || edit->data[from - 1] != '\n')
    from = element->start;
  else if (from > 1 && edit->data[from - 2] == '\r')
    from -= 2;
  else
    from--;
  splice (edit, from, element->end, g_strdup (""));
}

char *
vsmmu_edit_text (const VsmmuEdit *edit, const xmlNode *node)
{
  const Element *element = find_element (edit, node);

  return g_strndup (edit->data + element->start, element->end - element->start);
}

/* Where an attribute is in the text. */
typedef struct {
  gsize start; /* of its name */
  gsize name_end;
  gsize value; /* after the quote */
  gsize end;   /* after the quote behind the value */
} Attribute;

/* The first attribute from @at on, which is after the name of the tag or after another attribute. */
static gboolean
next_attribute (const VsmmuEdit *edit, const Element *element, gsize at, Attribute *attribute)
{
  const char *quote;

  while (at < element->tag_end && g_ascii_isspace (edit->data[at]))
    at++;
  if (at >= element->tag_end || strchr ("/>", edit->data[at]) != NULL)
    return FALSE;
  attribute->start = at;
  while (at < element->tag_end && edit->data[at] != '=' && !g_ascii_isspace (edit->data[at]))
    at++;
  attribute->name_end = at;
  while (at < element->tag_end && edit->data[at] != '"' && edit->data[at] != '\'')
    at++;
  quote = at + 1 < element->tag_end ? memchr (edit->data + at + 1, edit->data[at], element->tag_end - at - 1) : NULL;
  if (quote == NULL)
    return FALSE;
  attribute->value = at + 1;
  attribute->end = (gsize) (quote - edit->data) + 1;
  return TRUE;
}

static gsize
end_of_name (const VsmmuEdit *edit, const Element *element)
{
  gsize at = element->start;

  while (at < element->tag_end && strchr (" \t\r\n/>", edit->data[at]) == NULL)
    at++;
  return at;
}

/* @before: (out): the end of what is before the attribute */
static gboolean
find_attribute (const VsmmuEdit *edit, const Element *element, const char *name, Attribute *attribute, gsize *before)
{
  *before = end_of_name (edit, element);
  while (next_attribute (edit, element, *before, attribute)) {
    gsize length = attribute->name_end - attribute->start;

    if (length == strlen (name) && memcmp (edit->data + attribute->start, name, length) == 0)
      return TRUE;
    *before = attribute->end;
  }
  return FALSE;
}

void
vsmmu_edit_remove_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name)
{
  Attribute attribute;
  gsize before;

  if (find_attribute (edit, find_element (edit, node), name, &attribute, &before))
    splice (edit, before, attribute.end, g_strdup (""));
}

void
vsmmu_edit_set_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name, const char *value)
{
  Attribute attribute;
  gsize before;

  if (find_attribute (edit, find_element (edit, node), name, &attribute, &before))
    splice (edit, attribute.value, attribute.end - 1, vsmmu_text_escape (value));
  else
    vsmmu_edit_add_attribute (edit, node, name, value);
}

static void
splice_attributes (VsmmuEdit *edit, const Element *element)
{
  gsize last = before_white_space (edit, element->start, element->tag_end - (element->is_empty ? 2 : 1));

  splice (edit, last, last, g_strdup (element->attributes->str));
}

static void
splice_children (VsmmuEdit *edit, gsize index)
{
  const Element *element = element_at (edit, index);
  const char *name = edit->data + element->start + 1;
  gsize last = element->is_empty ? before_white_space (edit, element->start, element->tag_end - 2)
                                 : before_white_space (edit, element->tag_end, element->close);
  gboolean closes_line = element->is_empty || memchr (edit->data + last, '\n', element->close - last) == NULL;
  g_auto (Indentation) indentation = { NULL };
  GString *text = g_string_new (element->is_empty ? ">" : "");

  find_indentation (edit, index, &indentation);
  write_lines (edit, indentation.inner, indentation.unit, element->children->str, text);
  if (closes_line)
    g_string_append_printf (text, "%s%s", edit->new_line, indentation.outer);
  if (element->is_empty)
    g_string_append_printf (text, "</%.*s>", (int) strcspn (name, " \t\r\n/>"), name);
  splice (edit, last, closes_line ? element->close : last, g_string_free (text, FALSE));
}

/* Insertions come before replacements. */
static int
compare_splices (gconstpointer a, gconstpointer b)
{
  const Splice *first = a;
  const Splice *second = b;

  if (first->from != second->from)
    return first->from < second->from ? -1 : 1;
  return (first->to > first->from) - (second->to > second->from);
}

char *
vsmmu_edit_finish (VsmmuEdit *edit, gsize *length)
{
  GString *text = g_string_sized_new (edit->length + 4096);
  gsize at = 0;

  for (gsize i = 0; i < edit->elements->len; i++) {
    if (element_at (edit, i)->attributes != NULL)
      splice_attributes (edit, element_at (edit, i));
    if (element_at (edit, i)->children != NULL)
      splice_children (edit, i);
  }
  g_array_sort (edit->splices, compare_splices);
  for (guint i = 0; i < edit->splices->len; i++) {
    const Splice *next = &g_array_index (edit->splices, Splice, i);

    /* Edits inside replaced text are dropped. */
    if (next->from < at)
      continue;
    g_string_append_len (text, edit->data + at, (gssize) (next->from - at));
    g_string_append (text, next->text);
    at = next->to;
  }
  g_string_append_len (text, edit->data + at, (gssize) (edit->length - at));
  *length = text->len;
  return g_string_free (text, FALSE);
}

/* Adds an entry for each line that begins in @text, and advances *@line when that is text of the document. */
static void
map_text (GArray *lines, const char *text, gsize length, guint *line, gboolean is_kept)
{
  const char *end = text + length;

  while ((text = memchr (text, '\n', (gsize) (end - text))) != NULL) {
    text++;
    *line += is_kept;
    g_array_append_val (lines, *line);
  }
}

GArray *
vsmmu_edit_map_lines (const VsmmuEdit *edit)
{
  GArray *lines = g_array_new (FALSE, FALSE, sizeof (guint));
  guint line = 1;
  gsize at = 0;

  g_array_append_val (lines, line);
  for (guint i = 0; i <= edit->splices->len; i++) {
    const Splice *next = i < edit->splices->len ? &g_array_index (edit->splices, Splice, i) : NULL;
    gsize from = next != NULL ? next->from : edit->length;

    if (from < at)
      continue;
    map_text (lines, edit->data + at, from - at, &line, TRUE);
    at = from;
    if (next == NULL)
      break;
    map_text (lines, next->text, strlen (next->text), &line, FALSE);
    for (; at < next->to; at++)
      line += edit->data[at] == '\n';
  }
  return lines;
}
