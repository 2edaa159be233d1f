/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/xml.h"

#include <glib/gi18n-lib.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>

#include "base/number.h"
#include "base/text.h"
#include "xml/limits.h"

/*
 * Limits far beyond any real domain, which keep the cost of a hostile document down:
 * libxml2 looks through all namespaces in scope for each prefixed name.
 */
#define ELEMENT_DEPTH_MAX 128
#define ELEMENTS_MAX 200000
#define NAMESPACES_MAX 64

/* In <metadata>; beyond it, only our own elements are read, and not even these when there are too many. */
#define METADATA_MAX_BYTES (256 * 1024)

/* Why a document is not read. */
typedef enum {
  FAULT_NONE,
  FAULT_MALFORMED,  /* no parser reads it */
  FAULT_LIMIT,      /* libvirt may read it; without what is in <metadata> we may, too */
  FAULT_UNREADABLE, /* libvirt may read it, but we do not */
} Fault;

typedef struct {
  startElementNsSAX2Func start_element;
  endElementNsSAX2Func end_element;
  guint depth;
  guint n_elements;
  guint n_namespaces;
  gboolean is_parsed; /* the error was not found in the bytes */
  Fault fault;
  guint line;
  char *message;
} ParseState;

static void
stop_parser (xmlParserCtxtPtr context, Fault fault, const char *message)
{
  ParseState *state = context->_private;

  if (state->message == NULL) {
    state->fault = fault;
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
  stop_parser (data, FAULT_UNREADABLE, _ ("a document type declaration is not allowed in domain XML"));
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
    message = g_strdup_printf (_ ("elements are nested more than %d levels deep"), ELEMENT_DEPTH_MAX);
  else if (state->n_elements > ELEMENTS_MAX)
    message = g_strdup_printf (_ ("the document has more than %d elements"), ELEMENTS_MAX);
  else if (state->n_namespaces > NAMESPACES_MAX)
    message = g_strdup_printf (_ ("the document declares more than %d namespaces"), NAMESPACES_MAX);
  if (message != NULL) {
    stop_parser (context, FAULT_LIMIT, message);
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

/*
 * Whether every release of libxml2 rejects a document with @error, whatever its options: releases differ about
 * encodings, versions of XML and their own limits.
 */
static gboolean
is_final (VsmmuXmlError error)
{
  static const int judged_otherwise[] = { XML_ERR_INTERNAL_ERROR,
                                          XML_ERR_NO_MEMORY,
                                          XML_ERR_UNKNOWN_ENCODING,
                                          XML_ERR_UNSUPPORTED_ENCODING,
                                          XML_ERR_INVALID_ENCODING,
                                          XML_ERR_INVALID_CHAR,
                                          XML_ERR_UNKNOWN_VERSION,
                                          XML_ERR_NAME_TOO_LONG,
                                          117 /* XML_ERR_RESOURCE_LIMIT, since 2.11 */ };

  for (guint i = 0; i < G_N_ELEMENTS (judged_otherwise); i++)
    if (error->code == judged_otherwise[i])
      return FALSE;
  return error->domain == XML_FROM_PARSER;
}

/* Parsing stops at the first error: others result from it, and after it the limits no longer see what libxml2 sees. */
static void
record_error (void *data, VsmmuXmlError error)
{
  xmlParserCtxtPtr context = data;
  ParseState *state = context->_private;

  if (state->message != NULL || error->level < XML_ERR_FATAL)
    return;
  state->fault = is_final (error) ? FAULT_MALFORMED : FAULT_UNREADABLE;
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

/*
 * The limits are checked on the bytes, so the encoding has to write markup as ASCII does. Only names that all
 * releases of libxml2 interpret in the same way: some treat others as UTF-8, and ask iconv about what follows the
 * name.
 */
static gboolean
is_known_encoding (const char *encoding)
{
  static const char *const names[] = { "UTF-8", "UTF8", "US-ASCII", "ASCII" };
  static const struct {
    const char *prefix;
    guint first;
    guint last;
  } families[] = { { "ISO-8859-", 1, 16 }, { "WINDOWS-", 1250, 1258 } };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (encoding, names[i]) == 0)
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (families); i++) {
    gsize length = strlen (families[i].prefix);
    guint64 number;

    if (g_ascii_strncasecmp (encoding, families[i].prefix, length) == 0 && encoding[length] != '0' &&
        vsmmu_number_parse (encoding + length, 10, &number))
      return number >= families[i].first && number <= families[i].last;
  }
  return FALSE;
}

/* Whether the mark or the declaration counts depends on the release of libxml2. */
static gboolean
contradicts_mark (const char *data, gsize length, const char *encoding)
{
  return length >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0 && g_ascii_strncasecmp (encoding, "UTF", 3) != 0;
}

/* (nullable): the first byte that is not white space, after the mark of UTF-8 */
static const char *
first_byte (const char *data, gsize length)
{
  gsize at = length >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

  while (at < length && g_ascii_isspace (data[at]))
    at++;
  return at < length ? data + at : NULL;
}

/* libxml2 also detects encodings whose first byte is not '<': EBCDIC has an 'L' there. */
static Fault
fault_of_start (const char *data, gsize length)
{
  const char *first = first_byte (data, length);

  if (first == NULL || *first == '<')
    return FAULT_NONE;
  return (guchar) *first < 0x80 && *first != 'L' && *first != '\0' ? FAULT_MALFORMED : FAULT_UNREADABLE;
}

/* What is wrong with the bytes before they are parsed. */
static Fault
find_fault (const char *data, gsize length, gboolean is_converted, guint *line, char **message)
{
  g_autofree char *encoding = is_converted ? NULL : declared_encoding (data, length);
  g_autofree char *shown = vsmmu_text_shorten (encoding);
  Fault fault = fault_of_start (data, length);

  *line = 1;
  if (memchr (data, '\0', length) != NULL) {
    *message = g_strdup (_ ("the document has a NUL byte"));
    return FAULT_UNREADABLE;
  }
  if (fault != FAULT_NONE) {
    *message = g_strdup (_ ("not XML: the document does not start with '<'"));
    return fault;
  }
  if (encoding != NULL && (!is_known_encoding (encoding) || contradicts_mark (data, length, encoding))) {
    *message = g_strdup_printf (_ ("the encoding '%s' is not supported; use UTF-8"), shown);
    return FAULT_UNREADABLE;
  }
  if (!vsmmu_limits_check (data, length, line)) {
    *message = g_strdup_printf (_ ("an element has more than %d attributes"), VSMMU_ATTRIBUTES_MAX);
    return FAULT_LIMIT;
  }
  return FAULT_NONE;
}

static xmlDocPtr
parse_bytes (const char *data, gsize length, gboolean is_converted, ParseState *state)
{
  const int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_HUGE;
  xmlParserCtxtPtr context = xmlNewParserCtxt ();
  xmlStructuredErrorFunc old_handler;
  void *old_context;
  g_autoptr (xmlDoc) document = NULL;
  gboolean is_well_formed;

  if (context == NULL)
    g_error ("out of memory");
  state->start_element = context->sax->startElementNs;
  context->_private = state;
  state->is_parsed = TRUE;
  context->sax->startElementNs = start_element;
  state->end_element = context->sax->endElementNs;
  context->sax->endElementNs = end_element;
  context->sax->internalSubset = refuse_doctype;
  context->sax->serror = record_error;
  /* For libvirt, text with a comment in it is one text. */
  context->sax->comment = NULL;
  context->sax->processingInstruction = NULL;

  /* Invalid bytes in a declared encoding are reported without a parser context, and would go to stderr. */
  old_context = xmlStructuredErrorContext;
  old_handler = xmlStructuredError;
  xmlSetStructuredErrorFunc (NULL, vsmmu_xml_ignore_error);
  document = xmlCtxtReadMemory (context, data, (int) length, NULL, is_converted ? "UTF-8" : NULL, options);
  xmlSetStructuredErrorFunc (old_context, old_handler);
  is_well_formed = context->wellFormed && state->message == NULL;
  xmlFreeParserCtxt (context);
  if (is_well_formed && document != NULL && xmlDocGetRootElement (document) != NULL)
    return g_steal_pointer (&document);
  if (state->message == NULL) {
    state->message = g_strdup (_ ("the document is empty"));
    state->fault = FAULT_UNREADABLE;
  }
  return NULL;
}

/* Parses a document, or the rest of it when not all of its <metadata> is @read. */
static xmlDocPtr
parse (const char *data, gsize length, gboolean is_converted, VsmmuMetadata read, ParseState *state)
{
  g_autoptr (GArray) unread = vsmmu_metadata_find (data, length, read);
  g_autofree char *rest = NULL;
  xmlDocPtr document;

  if (unread->len > 0)
    data = rest = vsmmu_metadata_remove (data, length, unread, &length);
  state->fault = find_fault (data, length, is_converted, &state->line, &state->message);
  if (state->fault != FAULT_NONE)
    return NULL;
  document = parse_bytes (data, length, is_converted, state);
  if (document != NULL)
    document->_private = GINT_TO_POINTER (read);
  return document;
}

static gsize
count_bytes (const char *data, gsize length, VsmmuMetadata read)
{
  g_autoptr (GArray) unread = vsmmu_metadata_find (data, length, read);
  gsize n_bytes = 0;

  for (guint i = 0; i < unread->len; i++)
    n_bytes += g_array_index (unread, VsmmuRange, i).to - g_array_index (unread, VsmmuRange, i).from;
  return n_bytes;
}

/* How much of <metadata> is worth its memory. */
static VsmmuMetadata
choose_metadata (const char *data, gsize length, gsize n_bytes)
{
  if (n_bytes <= METADATA_MAX_BYTES)
    return VSMMU_METADATA_WHOLE;
  return n_bytes - count_bytes (data, length, VSMMU_METADATA_OURS) <= METADATA_MAX_BYTES ? VSMMU_METADATA_OURS
                                                                                         : VSMMU_METADATA_NONE;
}

/* (transfer full) (nullable): @state says why it is %NULL */
static xmlDocPtr
read_document (const char *data, gsize length, ParseState *state)
{
  const char *utf16 = find_utf16 (data, length);
  g_autofree char *utf8 = utf16 != NULL ? g_convert (data, (gssize) length, "UTF-8", utf16, NULL, &length, NULL) : NULL;
  gsize n_bytes;
  xmlDocPtr document;

  if (utf16 != NULL && utf8 == NULL) {
    state->fault = FAULT_UNREADABLE;
    state->message = g_strdup (_ ("not valid UTF-16"));
    return NULL;
  }
  if (utf8 != NULL)
    data = utf8;
  n_bytes = count_bytes (data, length, VSMMU_METADATA_NONE);
  for (VsmmuMetadata read = choose_metadata (data, length, n_bytes);; read++) {
    document = parse (data, length, utf8 != NULL, read, state);
    if (document != NULL || state->fault != FAULT_LIMIT || n_bytes == 0 || read == VSMMU_METADATA_NONE)
      return document;
    g_free (state->message);
    *state = (ParseState){ 0 };
  }
}

xmlDocPtr
vsmmu_xml_parse (const char *data, gsize length, const char *name, guint *line, GError **error)
{
  ParseState state = { 0 };
  g_autofree char *message = NULL;
  xmlDocPtr document;

  if (length > VSMMU_DOCUMENT_MAX_BYTES) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("'%s' is larger than %u MiB and was not read"), name,
                 VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024));
    return NULL;
  }
  /* An empty document may be NULL, which the functions on bytes do not accept. */
  document = read_document (length > 0 ? data : "", length, &state);
  message = state.message;
  if (document != NULL)
    return document;
  *line = MAX (state.line, 1);
  if (state.fault == FAULT_MALFORMED && state.is_parsed)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML, _ ("%s:%u: not well-formed XML: %s"), name, *line, message);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_XML, "%s:%u: %s", name, *line, message);
  return NULL;
}

gboolean
vsmmu_xml_is_malformed (const char *data, gsize length)
{
  ParseState state = { 0 };

  if (length <= VSMMU_DOCUMENT_MAX_BYTES)
    xmlFreeDoc (read_document (data, length, &state));
  g_free (state.message);
  return state.fault == FAULT_MALFORMED;
}

VsmmuMetadata
vsmmu_xml_get_metadata (const xmlDoc *document)
{
  return (VsmmuMetadata) GPOINTER_TO_INT (document->_private);
}

const char *
vsmmu_xml_attribute (const xmlNode *node, const char *name)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next) {
    if (!xmlStrEqual (attribute->name, (const xmlChar *) name))
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
vsmmu_xml_is_called (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0;
}

const xmlNode *
vsmmu_xml_next (const xmlNode *root, const xmlNode *node, gboolean goes_in)
{
  const xmlNode *next = goes_in ? vsmmu_xml_element (node->children) : NULL;

  while (next == NULL && node != root) {
    next = vsmmu_xml_element (node->next);
    node = node->parent;
  }
  return next;
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
