/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/xml.h"

#include <glib/gi18n-lib.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>

#include "model/limits.h"
#include "model/text.h"

/*
 * Limits that no domain comes near, and that keep the cost of a hostile document
 * down: libxml2 looks through all namespaces in scope for each prefixed name.
 */
#define ELEMENT_DEPTH_MAX 128
#define ELEMENTS_MAX 200000
#define NAMESPACES_MAX 64

typedef struct {
  startElementNsSAX2Func start_element;
  endElementNsSAX2Func end_element;
  guint depth;
  guint n_elements;
  guint n_namespaces;
  guint line;
  char *message;
} ParseState;

static void
stop_parser (xmlParserCtxtPtr context, const char *message)
{
  ParseState *state = context->_private;

  if (state->message == NULL) {
    state->message = g_strdup (message);
    state->line = (guint) MAX (context->input != NULL ? context->input->line : 0, 0);
  }
  xmlStopParser (context);
}

/* Entities can only come from a document type declaration, so none is read at all. */
static void
refuse_doctype (void *data, const xmlChar *name G_GNUC_UNUSED, const xmlChar *external_id G_GNUC_UNUSED,
                const xmlChar *system_id G_GNUC_UNUSED)
{
  stop_parser (data, _ ("a document type declaration is not allowed in domain XML"));
}

/* libxml2 counts to the end of the tag, and in the tree no further than 65,535. */
static guint
tag_line (xmlParserInputPtr input)
{
  guint line = (guint) MAX (input->line, 1);

  for (const xmlChar *p = input->cur; p > input->base && *p != '<'; p--)
    line -= *p == '\n' && line > 1;
  return line;
}

static void
start_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
               const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes)
{
  xmlParserCtxtPtr context = data;
  ParseState *state = context->_private;
  g_autofree char *message = NULL;

  state->n_elements++;
  state->n_namespaces += (guint) n_namespaces;
  if (state->depth++ >= ELEMENT_DEPTH_MAX)
    message = g_strdup_printf (_ ("elements are nested more than %d deep"), ELEMENT_DEPTH_MAX);
  else if (state->n_elements > ELEMENTS_MAX)
    message = g_strdup_printf (_ ("there are more than %d elements"), ELEMENTS_MAX);
  else if (state->n_namespaces > NAMESPACES_MAX)
    message = g_strdup_printf (_ ("more than %d namespaces are declared"), NAMESPACES_MAX);
  if (message != NULL) {
    stop_parser (context, message);
    return;
  }
  state->start_element (data, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
  if (context->node != NULL)
    context->node->_private = GUINT_TO_POINTER (tag_line (context->input));
}

static void
end_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
  xmlParserCtxtPtr context = data;
  ParseState *state = context->_private;

  state->depth--;
  state->end_element (data, name, prefix, uri);
}

/* The first error ends it: the rest follow from it, and after it the limits no longer see what libxml2 sees. */
static void
record_error (void *data, VsmmuXmlError error)
{
  xmlParserCtxtPtr context = data;
  ParseState *state = context->_private;

  if (state->message != NULL || error->level < XML_ERR_FATAL)
    return;
  state->message = g_strdup (error->message != NULL ? error->message : _ ("syntax error"));
  g_strstrip (g_strdelimit (state->message, "\n", ' '));
  state->line = (guint) MAX (error->line, 0);
  xmlStopParser (context);
}

void
vsmmu_xml_ignore_error (void *data G_GNUC_UNUSED, VsmmuXmlError error G_GNUC_UNUSED)
{
}

/* The encoding of UTF-16 text, which starts with a byte order mark or with half of a '<'; %NULL for other text. */
static const char *
find_utf16 (const char *data, gsize length)
{
  const guchar *bytes = (const guchar *) data;

  if (length < 4)
    return NULL;
  if ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == '<' && bytes[1] == 0))
    return "UTF-16LE";
  if ((bytes[0] == 0xfe && bytes[1] == 0xff) || (bytes[0] == 0 && bytes[1] == '<'))
    return "UTF-16BE";
  return NULL;
}

/* (transfer full) (nullable): what the XML declaration says */
static char *
declared_encoding (const char *data, gsize length)
{
  const char *start = memmem (data, MIN (length, 256), "<?xml", strlen ("<?xml"));
  const char *end = start != NULL ? memmem (start, length - (gsize) (start - data), "?>", 2) : NULL;
  g_autofree char *declaration = end != NULL ? g_strndup (start, (gsize) (end - start)) : NULL;
  const char *name = declaration != NULL ? strstr (declaration, "encoding") : NULL;
  const char *quote = name != NULL ? strpbrk (name, "\"'") : NULL;
  const char *close = quote != NULL ? strchr (quote + 1, *quote) : NULL;

  return close != NULL ? g_utf8_make_valid (quote + 1, close - quote - 1) : NULL;
}

/* The limits are checked on the bytes, so the encoding has to write markup as ASCII does. */
static gboolean
is_known_encoding (const char *encoding)
{
  static const char *const prefixes[] = { "UTF-8", "UTF8", "US-ASCII", "ASCII", "ISO-8859-", "WINDOWS-125" };

  for (guint i = 0; encoding != NULL && i < G_N_ELEMENTS (prefixes); i++)
    if (g_ascii_strncasecmp (encoding, prefixes[i], strlen (prefixes[i])) == 0)
      return TRUE;
  return encoding == NULL;
}

/* libxml2 also knows encodings in which the first byte is no '<', and finds them out by itself. */
static gboolean
starts_as_xml (const char *data, gsize length)
{
  gsize at = length >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

  while (at < length && g_ascii_isspace (data[at]))
    at++;
  return at == length || data[at] == '<';
}

/* What is wrong with the bytes before they are parsed; %NULL when nothing is. */
static char *
find_fault (const char *data, gsize length, gboolean is_converted, guint *line)
{
  g_autofree char *encoding = is_converted ? NULL : declared_encoding (data, length);
  g_autofree char *shown = vsmmu_text_shorten (encoding);

  *line = 1;
  if (memchr (data, '\0', length) != NULL)
    return g_strdup (_ ("there is a NUL byte in it"));
  if (!starts_as_xml (data, length))
    return g_strdup (_ ("not XML: it does not start with '<'"));
  if (!is_known_encoding (encoding))
    return g_strdup_printf (_ ("the encoding '%s' is not supported; use UTF-8"), shown);
  if (!vsmmu_limits_check (data, length, line))
    return g_strdup_printf (_ ("an element has more than %d attributes"), VSMMU_ATTRIBUTES_MAX);
  return NULL;
}

static gboolean
check_limits (const char *data, gsize length, gboolean is_converted, const char *name, guint *line, GError **error)
{
  g_autofree char *fault = NULL;

  if (length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s: larger than %u MiB, not read"), name,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return FALSE;
  }
  fault = find_fault (data, length, is_converted, line);
  if (fault == NULL)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML, "%s:%u: %s", name, *line, fault);
  return FALSE;
}

xmlDocPtr
vsmmu_xml_parse (const char *data, gsize length, const char *name, guint *line, GError **error)
{
  const int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_HUGE;
  xmlParserCtxtPtr context;
  ParseState state = { 0 };
  g_autoptr (xmlDoc) document = NULL;
  g_autofree char *message = NULL;
  const char *utf16 = find_utf16 (data, length);
  g_autofree char *utf8 = NULL;
  gsize converted = 0;
  xmlStructuredErrorFunc old_handler;
  void *old_context;
  gboolean well_formed;

  /* Nothing may come as NULL, which the functions on bytes do not take. */
  if (length == 0)
    data = "";
  if (length <= VSMMU_DOCUMENT_MAX_BYTES && utf16 != NULL) {
    utf8 = g_convert (data, (gssize) length, "UTF-8", utf16, NULL, &converted, NULL);
    if (utf8 == NULL) {
      *line = 1;
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML, _ ("%s:%u: not valid UTF-16"), name, *line);
      return NULL;
    }
    data = utf8;
    length = converted;
  }
  if (!check_limits (data, length, utf8 != NULL, name, line, error))
    return NULL;

  context = xmlNewParserCtxt ();
  if (context == NULL)
    g_error ("out of memory");
  state.start_element = context->sax->startElementNs;
  context->_private = &state;
  context->sax->startElementNs = start_element;
  state.end_element = context->sax->endElementNs;
  context->sax->endElementNs = end_element;
  context->sax->internalSubset = refuse_doctype;
  context->sax->serror = record_error;
  /* Text with a comment in it is one text to libvirt. */
  context->sax->comment = NULL;
  context->sax->processingInstruction = NULL;

  /* Bad bytes in a declared encoding are told without a parser context, and would go to stderr. */
  old_context = xmlStructuredErrorContext;
  old_handler = xmlStructuredError;
  xmlSetStructuredErrorFunc (NULL, vsmmu_xml_ignore_error);
  document = xmlCtxtReadMemory (context, data, (int) length, NULL, utf8 != NULL ? "UTF-8" : NULL, options);
  xmlSetStructuredErrorFunc (old_context, old_handler);
  well_formed = context->wellFormed && state.message == NULL;
  xmlFreeParserCtxt (context);
  message = g_steal_pointer (&state.message);

  if (well_formed && document != NULL && xmlDocGetRootElement (document) != NULL)
    return g_steal_pointer (&document);

  *line = MAX (state.line, 1);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML, _ ("%s:%u: not well-formed XML: %s"), name, *line,
               message != NULL ? message : _ ("the document is empty"));
  return NULL;
}

const char *
vsmmu_xml_attribute (const xmlNode *node, const char *name)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next) {
    if (attribute->ns != NULL || !xmlStrEqual (attribute->name, (const xmlChar *) name))
      continue;
    if (attribute->children == NULL || attribute->children->content == NULL)
      return "";
    return (const char *) attribute->children->content;
  }
  return NULL;
}

const char *
vsmmu_xml_text (const xmlNode *node)
{
  const xmlNode *text = node->children;

  if (text == NULL || text->next != NULL || text->type != XML_TEXT_NODE)
    return NULL;
  return (const char *) text->content;
}

xmlNode *
vsmmu_xml_element (xmlNode *node)
{
  while (node != NULL && node->type != XML_ELEMENT_NODE)
    node = node->next;
  return node;
}

xmlNode *
vsmmu_xml_child (const xmlNode *node, const char *name)
{
  for (xmlNode *child = node->children; child != NULL; child = child->next)
    if (vsmmu_xml_is (child, name))
      return child;
  return NULL;
}

gboolean
vsmmu_xml_is (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && node->ns == NULL && strcmp ((const char *) node->name, name) == 0;
}

gboolean
vsmmu_xml_is_ns (const xmlNode *node, const char *name, const char *uri)
{
  return node->type == XML_ELEMENT_NODE && node->ns != NULL && strcmp ((const char *) node->ns->href, uri) == 0 &&
         strcmp ((const char *) node->name, name) == 0;
}

guint
vsmmu_xml_line (const xmlNode *node)
{
  return node->_private != NULL ? GPOINTER_TO_UINT (node->_private) : node->line;
}
