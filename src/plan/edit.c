/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/edit.h"

#include <glib/gi18n-lib.h>

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
  char *replacement;
} Element;

struct _VsmmuEdit {
  const char *data;
  gsize length;
  GArray *elements;     /* Element, in the order of their start tags */
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
  g_free (element->replacement);
}

void
vsmmu_edit_free (VsmmuEdit *edit)
{
  if (edit == NULL)
    return;
  g_array_unref (edit->elements);
  g_hash_table_unref (edit->indexes);
  g_free (edit);
}

static Element *
element_at (const VsmmuEdit *edit, gsize index)
{
  return &g_array_index (edit->elements, Element, index);
}

/* After the first @text from @at on; the document is well-formed, so there is one. */
static gsize
skip_past (const VsmmuEdit *edit, gsize at, const char *text)
{
  const char *found = memmem (edit->data + at, edit->length - at, text, strlen (text));

  return found != NULL ? (gsize) (found - edit->data) + strlen (text) : edit->length;
}

/* After the '>' of the tag at @at; values in quotes may have one too. */
static gsize
skip_tag (const VsmmuEdit *edit, gsize at)
{
  char quote = '\0';

  for (; at < edit->length; at++) {
    char c = edit->data[at];

    if (quote != '\0')
      quote = c == quote ? '\0' : quote;
    else if (c == '"' || c == '\'')
      quote = c;
    else if (c == '>')
      return at + 1;
  }
  return at;
}

/* Of what is no element: comments, character data, instructions; @at itself for an element. */
static gsize
skip_other (const VsmmuEdit *edit, gsize at)
{
  static const struct {
    const char *start;
    const char *end;
  } kinds[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    gsize start_length = strlen (kinds[i].start);

    if (edit->length - at >= start_length && memcmp (edit->data + at, kinds[i].start, start_length) == 0)
      return skip_past (edit, at + start_length, kinds[i].end);
  }
  return at;
}

/* Returns the index of the element that is open after @element, which is now closed. */
static gsize
close_element (Element *element, gsize close, gsize end)
{
  element->close = close;
  element->end = end;
  return element->parent;
}

/* Without a document type there are no entities, so tags are all there is to find. */
static void
find_elements (VsmmuEdit *edit)
{
  gsize open = 0;
  gsize at = 0;

  while (at < edit->length) {
    const char *next = memchr (edit->data + at, '<', edit->length - at);
    gsize start = next != NULL ? (gsize) (next - edit->data) : edit->length;
    Element element = { .start = start, .parent = open };

    if (next == NULL)
      return;
    at = skip_other (edit, start);
    if (at != start)
      continue;
    at = element.tag_end = skip_tag (edit, start);
    if (edit->data[start + 1] == '/') {
      if (open < edit->elements->len)
        open = close_element (element_at (edit, open), start, at);
      continue;
    }
    element.is_empty = edit->data[at - 2] == '/';
    if (element.is_empty)
      element.close = element.end = at;
    g_array_append_val (edit->elements, element);
    if (!element.is_empty)
      open = edit->elements->len - 1;
  }
}

/* The element after @node in the order of start tags, or %NULL. */
static const xmlNode *
next_element (const xmlNode *node)
{
  const xmlNode *next = vsmmu_xml_element (node->children);

  while (next == NULL && node != NULL && node->type == XML_ELEMENT_NODE) {
    next = vsmmu_xml_element (node->next);
    node = node->parent;
  }
  return next;
}

VsmmuEdit *
vsmmu_edit_new (const char *data, gsize length, const VsmmuDomain *domain, GError **error)
{
  g_autoptr (VsmmuEdit) edit = g_new0 (VsmmuEdit, 1);
  gsize index = 0;

  edit->data = data;
  edit->length = length;
  edit->elements = g_array_new (FALSE, TRUE, sizeof (Element));
  g_array_set_clear_func (edit->elements, element_clear);
  edit->indexes = g_hash_table_new (NULL, NULL);
  edit->new_line = memmem (data, length, "\r\n", 2) != NULL ? "\r\n" : "\n";
  if (memchr (data, '\0', length) != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML,
                 _ ("%s: a document in UTF-16 cannot be edited; convert it to "
                    "UTF-8"),
                 domain->file);
    return NULL;
  }
  find_elements (edit);
  for (const xmlNode *node = xmlDocGetRootElement (domain->document); node != NULL; node = next_element (node))
    g_hash_table_insert (edit->indexes, (gpointer) node, GSIZE_TO_POINTER (++index));
  if (index != edit->elements->len) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML,
                 _ ("%s: a document in this encoding cannot be edited; convert it "
                    "to UTF-8"),
                 domain->file);
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
  g_autofree char *attribute = g_markup_printf_escaped (" %s='%s'", name, value);

  if (element->attributes == NULL)
    element->attributes = g_string_new (NULL);
  g_string_append (element->attributes, attribute);
}

void
vsmmu_edit_replace (VsmmuEdit *edit, const xmlNode *node, const char *xml)
{
  Element *element = find_element (edit, node);

  g_free (element->replacement);
  element->replacement = g_strdup (xml);
}

/* (transfer full) (nullable): the white space before @element, when nothing else is before it on its line */
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

/* The lines of @children, each on a line of its own after what is there. */
static void
write_children (const VsmmuEdit *edit, const Indentation *indentation, const char *children, GString *text)
{
  g_auto (GStrv) lines = g_strsplit (children, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++) {
    gsize depth = strspn (lines[i], " ");

    if (lines[i][depth] == '\0')
      continue;
    g_string_append_printf (text, "%s%s", edit->new_line, indentation->inner);
    for (gsize level = 0; level < depth / 2; level++)
      g_string_append (text, indentation->unit);
    g_string_append (text, lines[i] + depth);
  }
}

/* Text up to @to goes to the result as it is. */
static void
copy_to (const VsmmuEdit *edit, gsize *at, gsize to, GString *text)
{
  if (to <= *at)
    return;
  g_string_append_len (text, edit->data + *at, (gssize) (to - *at));
  *at = to;
}

/* Before the white space that ends at @end, but not before @start. */
static gsize
before_white_space (const VsmmuEdit *edit, gsize start, gsize end)
{
  while (end > start && g_ascii_isspace (edit->data[end - 1]))
    end--;
  return end;
}

static void
write_tag (const VsmmuEdit *edit, const Element *element, gsize *at, GString *text)
{
  gsize last = element->tag_end - (element->is_empty ? 2 : 1);

  if (element->attributes != NULL) {
    copy_to (edit, at, before_white_space (edit, element->start, last), text);
    g_string_append (text, element->attributes->str);
  }
  if (element->children != NULL && element->is_empty) {
    copy_to (edit, at, before_white_space (edit, element->start, last), text);
    g_string_append_c (text, '>');
    *at = element->tag_end;
  }
}

static void
write_content (const VsmmuEdit *edit, gsize index, gsize *at, GString *text)
{
  const Element *element = element_at (edit, index);
  gsize last = before_white_space (edit, element->tag_end, element->close);
  g_auto (Indentation) indentation = { NULL };

  find_indentation (edit, index, &indentation);
  copy_to (edit, at, last, text);
  write_children (edit, &indentation, element->children->str, text);
  if (element->is_empty || memchr (edit->data + last, '\n', element->close - last) == NULL) {
    g_string_append_printf (text, "%s%s", edit->new_line, indentation.outer);
    *at = element->close;
  }
  if (element->is_empty) {
    const char *name = edit->data + element->start + 1;

    g_string_append_printf (text, "</%.*s>", (int) strcspn (name, " \t\r\n/>"), name);
  }
}

/* One thing to do at one place; what comes first in the text is done first. */
typedef struct {
  gsize place;
  gsize index;
  gboolean is_content;
} Step;

static int
compare_steps (gconstpointer a, gconstpointer b)
{
  const Step *first = a;
  const Step *second = b;

  if (first->place != second->place)
    return first->place < second->place ? -1 : 1;
  return first->is_content - second->is_content;
}

/* (transfer full): by the place in the text */
static GArray *
list_steps (const VsmmuEdit *edit)
{
  GArray *steps = g_array_new (FALSE, FALSE, sizeof (Step));

  for (gsize i = 0; i < edit->elements->len; i++) {
    const Element *element = element_at (edit, i);
    const Step tag = { element->start, i, FALSE };
    const Step content = { element->close, i, TRUE };

    if (element->replacement != NULL || element->attributes != NULL || element->children != NULL)
      g_array_append_val (steps, tag);
    if (element->replacement == NULL && element->children != NULL)
      g_array_append_val (steps, content);
  }
  g_array_sort (steps, compare_steps);
  return steps;
}

char *
vsmmu_edit_finish (VsmmuEdit *edit, gsize *length)
{
  g_autoptr (GArray) steps = list_steps (edit);
  GString *text = g_string_sized_new (edit->length + 4096);
  gsize at = 0;

  for (guint i = 0; i < steps->len; i++) {
    const Step *step = &g_array_index (steps, Step, i);
    const Element *element = element_at (edit, step->index);

    if (step->is_content)
      write_content (edit, step->index, &at, text);
    else if (element->replacement == NULL)
      write_tag (edit, element, &at, text);
    else {
      copy_to (edit, &at, element->start, text);
      g_string_append (text, element->replacement);
      at = element->end;
    }
  }
  copy_to (edit, &at, edit->length, text);
  *length = text->len;
  return g_string_free (text, FALSE);
}
