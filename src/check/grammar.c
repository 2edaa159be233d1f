/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/grammar.h"

#include <glib/gi18n-lib.h>
#include <libxml/uri.h>

#include "model/read.h"
#include "model/xml.h"

#define RELAX_NG "http://relaxng.org/ns/structure/1.0"

/* libvirt's schema is four files deep. */
#define INCLUDE_DEPTH_MAX 16

/* How deep definitions may refer to each other without an element between them. */
#define REFERENCE_DEPTH_MAX 256

/* The name under which <start> is kept: no definition can have it. */
#define START ""

struct _VsmmuGrammar {
  VsmmuPatternPool *pool;
  const VsmmuPattern *start;
  GPtrArray *elements;     /* (element-type VsmmuElementPattern) */
  GPtrArray *name_classes; /* (element-type VsmmuNameClass) */
  GPtrArray *datatypes;    /* (element-type VsmmuDatatype) */
};

/* A <define> or <start>, which several nodes may make up. */
typedef struct {
  GPtrArray *nodes;
  const VsmmuPattern *pattern; /* %NULL until it is built */
} Definition;

typedef struct {
  VsmmuGrammar *grammar;
  const char *include;     /* (nullable) */
  GPtrArray *documents;    /* (element-type xmlDoc) */
  GHashTable *definitions; /* name → Definition */
  GQueue pending;          /* of PendingElement */
  guint depth;
  GError **error;
} Loader;

/* An element whose content is not built yet. */
typedef struct {
  VsmmuElementPattern *element;
  const xmlNode *node;
} PendingElement;

static void
name_class_free (gpointer data)
{
  VsmmuNameClass *class = data;

  g_free (class->uri);
  g_free (class->name);
  g_free (class);
}

static void
definition_free (gpointer data)
{
  Definition *definition = data;

  g_ptr_array_unref (definition->nodes);
  g_free (definition);
}

void
vsmmu_grammar_free (VsmmuGrammar *grammar)
{
  if (grammar == NULL)
    return;
  vsmmu_pattern_pool_free (grammar->pool);
  g_ptr_array_unref (grammar->elements);
  g_ptr_array_unref (grammar->name_classes);
  g_ptr_array_unref (grammar->datatypes);
  g_free (grammar);
}

const VsmmuPattern *
vsmmu_grammar_get_start (const VsmmuGrammar *grammar)
{
  return grammar->start;
}

VsmmuPatternPool *
vsmmu_grammar_new_pool (const VsmmuGrammar *grammar)
{
  return vsmmu_pattern_pool_new (grammar->pool);
}

/* Sets the error of @loader, unless one is set already. */
static void G_GNUC_PRINTF (3, 4)
refuse (Loader *loader, const xmlNode *node, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  if (*loader->error != NULL)
    return;
  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (loader->error, VSMMU_ERROR, VSMMU_ERROR_READ, "%s:%u: %s", (const char *) node->doc->URL,
               vsmmu_xml_line (node), message);
}

static gboolean
is_rng (const xmlNode *node, const char *name)
{
  return vsmmu_xml_is_ns (node, name, RELAX_NG);
}

/* @node itself or the first sibling after it that is RELAX NG; the rest is annotation. */
static const xmlNode *
rng_element (const xmlNode *node)
{
  while (node != NULL && (node->type != XML_ELEMENT_NODE || node->ns == NULL ||
                          strcmp ((const char *) node->ns->href, RELAX_NG) != 0))
    node = node->next;
  return node;
}

/* (transfer full): the attribute @name without the white space around it, or %NULL. */
static char *
stripped_attribute (const xmlNode *node, const char *name)
{
  return g_strstrip (g_strdup (vsmmu_xml_attribute (node, name)));
}

/* @name of @node or of the nearest ancestor that has it; empty when none has. */
static const char *
inherited_attribute (const xmlNode *node, const char *name)
{
  for (; node != NULL && node->type == XML_ELEMENT_NODE; node = node->parent) {
    const char *value = vsmmu_xml_attribute (node, name);

    if (value != NULL)
      return value;
  }
  return "";
}

static const xmlNode *
load (Loader *loader, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) document = NULL;
  g_autofree char *shown = g_filename_display_name (path);
  g_autofree char *data = NULL;
  gsize length;
  guint line;
  const xmlNode *root;

  if (vsmmu_read_document (path, &data, &length, &error))
    document = vsmmu_xml_parse (data, length, shown, &line, &error);
  if (document == NULL) {
    g_set_error_literal (loader->error, VSMMU_ERROR, VSMMU_ERROR_READ, error->message);
    return NULL;
  }
  root = xmlDocGetRootElement (document);
  xmlFree ((xmlChar *) document->URL);
  document->URL = xmlStrdup ((const xmlChar *) path);
  g_ptr_array_add (loader->documents, g_steal_pointer (&document));
  if (is_rng (root, "grammar"))
    return root;
  refuse (loader, root, _ ("the root element is <%s>, not the <grammar> of a RELAX NG schema"),
          (const char *) root->name);
  return NULL;
}

/* (transfer full): the file that @include names. */
static char *
included_path (Loader *loader, const xmlNode *include)
{
  g_autofree char *href = stripped_attribute (include, "href");
  g_autofree char *scheme = href != NULL ? g_uri_parse_scheme (href) : NULL;
  g_autofree char *directory = g_path_get_dirname ((const char *) include->doc->URL);
  char *path = NULL;

  if (loader->documents->len == 1 && loader->include != NULL)
    return g_strdup (loader->include);
  if (href != NULL && scheme == NULL)
    return g_path_is_absolute (href) ? g_steal_pointer (&href) : g_build_filename (directory, href, NULL);
  if (href != NULL)
    path = g_filename_from_uri (href, NULL, NULL);
  if (path == NULL)
    refuse (loader, include, _ ("“%s” is no local file; schemas are not fetched from elsewhere"),
            href != NULL ? href : "");
  return path;
}

static void
add_definition (Loader *loader, const char *name, const xmlNode *node)
{
  Definition *definition = g_hash_table_lookup (loader->definitions, name);

  if (definition == NULL) {
    definition = g_new0 (Definition, 1);
    definition->nodes = g_ptr_array_new ();
    g_hash_table_insert (loader->definitions, g_strdup (name), definition);
  }
  g_ptr_array_add (definition->nodes, (gpointer) node);
}

/* (transfer full): the name of a <define>, or that of <start>; %NULL for other nodes. */
static char *
defined_name (const xmlNode *node)
{
  if (is_rng (node, "start"))
    return g_strdup (START);
  return is_rng (node, "define") ? stripped_attribute (node, "name") : NULL;
}

/* Puts the names that @container defines into @names. */
static void
collect_defined_names (const xmlNode *container, GHashTable *names)
{
  for (const xmlNode *node = rng_element (container->children); node != NULL; node = rng_element (node->next)) {
    char *name = defined_name (node);

    if (name != NULL)
      g_hash_table_add (names, name);
    else if (is_rng (node, "div"))
      collect_defined_names (node, names);
  }
}

static void collect_include (Loader *loader, const xmlNode *include, GHashTable *replaced);

/*
 * Collects the definitions in @container, a <grammar>, <div> or <include>, but
 * for those in @replaced.
 */
static void
collect_definitions (Loader *loader, const xmlNode *container, GHashTable *replaced)
{
  for (const xmlNode *node = rng_element (container->children); node != NULL; node = rng_element (node->next)) {
    g_autofree char *name = defined_name (node);

    if (name != NULL && !g_hash_table_contains (replaced, name))
      add_definition (loader, name, node);
    else if (is_rng (node, "div"))
      collect_definitions (loader, node, replaced);
    else if (is_rng (node, "include"))
      collect_include (loader, node, replaced);
  }
}

static void
collect_include (Loader *loader, const xmlNode *include, GHashTable *replaced)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *path = NULL;
  const xmlNode *grammar;
  GHashTableIter iter;
  gpointer name;

  if (*loader->error != NULL)
    return;
  if (loader->depth == INCLUDE_DEPTH_MAX) {
    refuse (loader, include, _ ("files include each other more than %d deep"), INCLUDE_DEPTH_MAX);
    return;
  }
  path = included_path (loader, include);
  grammar = path != NULL ? load (loader, path) : NULL;
  if (grammar == NULL)
    return;

  collect_defined_names (include, names);
  g_hash_table_iter_init (&iter, replaced);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_hash_table_add (names, g_strdup (name));
  loader->depth++;
  collect_definitions (loader, grammar, names);
  loader->depth--;
  collect_definitions (loader, include, replaced);
}

static const VsmmuNameClass *
name_class_new (Loader *loader, VsmmuNameClassType type, const char *uri, const char *name,
                const VsmmuNameClass *first, const VsmmuNameClass *second)
{
  VsmmuNameClass *class = g_new0 (VsmmuNameClass, 1);

  class->type = type;
  class->uri = g_strdup (uri);
  class->name = g_strdup (name);
  class->first = first;
  class->second = second;
  g_ptr_array_add (loader->grammar->name_classes, class);
  return class;
}

/* @name as <name> and the name attribute have it, with a prefix or in the namespace @uri. */
static const VsmmuNameClass *
name_class_from_name (Loader *loader, const xmlNode *node, const char *name, const char *uri)
{
  const char *colon = strchr (name, ':');
  g_autofree char *prefix = colon != NULL ? g_strndup (name, (gsize) (colon - name)) : NULL;
  xmlNsPtr namespace = NULL;

  if (prefix == NULL)
    return name_class_new (loader, VSMMU_NAME_CLASS_NAME, uri, name, NULL, NULL);
  namespace = xmlSearchNs (node->doc, (xmlNodePtr) node, (const xmlChar *) prefix);
  if (namespace == NULL)
    refuse (loader, node, _ ("the namespace prefix “%s” is not declared"), prefix);
  return name_class_new (loader, VSMMU_NAME_CLASS_NAME, namespace != NULL ? (const char *) namespace->href : "",
                         colon + 1, NULL, NULL);
}

static const VsmmuNameClass *build_name_class (Loader *loader, const xmlNode *node);

/* The choice of the name classes from @node on; %NULL for none. */
static const VsmmuNameClass *
build_name_choice (Loader *loader, const xmlNode *node)
{
  const VsmmuNameClass *choice = NULL;

  for (node = rng_element (node); node != NULL; node = rng_element (node->next)) {
    const VsmmuNameClass *class = build_name_class (loader, node);

    choice = choice == NULL ? class : name_class_new (loader, VSMMU_NAME_CLASS_CHOICE, "", NULL, choice, class);
  }
  return choice;
}

static const VsmmuNameClass *
build_name_class (Loader *loader, const xmlNode *node)
{
  const xmlNode *except = rng_element (node->children);
  const VsmmuNameClass *class = NULL;

  if (is_rng (node, "name")) {
    xmlChar *content = xmlNodeGetContent (node);
    g_autofree char *name = g_strstrip (g_strdup ((const char *) content));

    xmlFree (content);
    return name_class_from_name (loader, node, name, inherited_attribute (node, "ns"));
  }
  if (is_rng (node, "choice"))
    class = build_name_choice (loader, node->children);
  else if (is_rng (node, "anyName") || is_rng (node, "nsName"))
    class = name_class_new (loader, is_rng (node, "anyName") ? VSMMU_NAME_CLASS_ANY : VSMMU_NAME_CLASS_NAMESPACE,
                            inherited_attribute (node, "ns"), NULL,
                            except != NULL ? build_name_choice (loader, except->children) : NULL, NULL);
  if (class != NULL)
    return class;
  refuse (loader, node, _ ("<%s> is no name class"), (const char *) node->name);
  return name_class_new (loader, VSMMU_NAME_CLASS_NAME, "", "", NULL, NULL);
}

/*
 * The name class of an <element> or <attribute>. *@content is set to the first
 * node after it.
 */
static const VsmmuNameClass *
build_names (Loader *loader, const xmlNode *node, const xmlNode **content)
{
  g_autofree char *name = stripped_attribute (node, "name");
  const char *own_uri = vsmmu_xml_attribute (node, "ns");
  const xmlNode *first = rng_element (node->children);

  *content = first;
  if (name != NULL && is_rng (node, "attribute"))
    return name_class_from_name (loader, node, name, own_uri != NULL ? own_uri : "");
  if (name != NULL)
    return name_class_from_name (loader, node, name, inherited_attribute (node, "ns"));
  if (first == NULL) {
    refuse (loader, node, _ ("<%s> has no name"), (const char *) node->name);
    return name_class_new (loader, VSMMU_NAME_CLASS_NAME, "", "", NULL, NULL);
  }
  *content = rng_element (first->next);
  return build_name_class (loader, first);
}

typedef const VsmmuPattern *(*Combine) (VsmmuPatternPool *pool, const VsmmuPattern *first,
                                        const VsmmuPattern *second);

static const VsmmuPattern *build (Loader *loader, const xmlNode *node);

/* All patterns from @node on, combined; EMPTY for none. */
static const VsmmuPattern *
build_all (Loader *loader, const xmlNode *node, Combine combine)
{
  VsmmuPatternPool *pool = loader->grammar->pool;
  const VsmmuPattern *first;

  node = rng_element (node);
  if (node == NULL)
    return vsmmu_pattern_empty (pool);
  first = build (loader, node);
  return rng_element (node->next) != NULL ? combine (pool, first, build_all (loader, node->next, combine)) : first;
}

static const VsmmuPattern *
build_group (Loader *loader, const xmlNode *node)
{
  return build_all (loader, node->children, vsmmu_pattern_group);
}

static const VsmmuPattern *
build_choice (Loader *loader, const xmlNode *node)
{
  return build_all (loader, node->children, vsmmu_pattern_choice);
}

static const VsmmuPattern *
build_interleave (Loader *loader, const xmlNode *node)
{
  return build_all (loader, node->children, vsmmu_pattern_interleave);
}

static const VsmmuPattern *
build_one_or_more (Loader *loader, const xmlNode *node)
{
  return vsmmu_pattern_one_or_more (loader->grammar->pool, build_group (loader, node));
}

static const VsmmuPattern *
build_optional (Loader *loader, const xmlNode *node)
{
  VsmmuPatternPool *pool = loader->grammar->pool;

  return vsmmu_pattern_choice (pool, build_group (loader, node), vsmmu_pattern_empty (pool));
}

static const VsmmuPattern *
build_zero_or_more (Loader *loader, const xmlNode *node)
{
  VsmmuPatternPool *pool = loader->grammar->pool;

  return vsmmu_pattern_choice (pool, build_one_or_more (loader, node), vsmmu_pattern_empty (pool));
}

static const VsmmuPattern *
build_mixed (Loader *loader, const xmlNode *node)
{
  VsmmuPatternPool *pool = loader->grammar->pool;

  return vsmmu_pattern_interleave (pool, build_group (loader, node), vsmmu_pattern_text (pool));
}

static const VsmmuPattern *
build_list (Loader *loader, const xmlNode *node)
{
  return vsmmu_pattern_list (loader->grammar->pool, build_group (loader, node));
}

static const VsmmuPattern *
build_empty (Loader *loader, const xmlNode *node G_GNUC_UNUSED)
{
  return vsmmu_pattern_empty (loader->grammar->pool);
}

static const VsmmuPattern *
build_not_allowed (Loader *loader, const xmlNode *node G_GNUC_UNUSED)
{
  return vsmmu_pattern_not_allowed (loader->grammar->pool);
}

static const VsmmuPattern *
build_text (Loader *loader, const xmlNode *node G_GNUC_UNUSED)
{
  return vsmmu_pattern_text (loader->grammar->pool);
}

static const VsmmuPattern *
build_element (Loader *loader, const xmlNode *node)
{
  VsmmuElementPattern *element = g_new0 (VsmmuElementPattern, 1);
  PendingElement *pending = g_new0 (PendingElement, 1);

  g_ptr_array_add (loader->grammar->elements, element);
  element->names = build_names (loader, node, &pending->node);
  pending->element = element;
  g_queue_push_tail (&loader->pending, pending);
  return vsmmu_pattern_element (loader->grammar->pool, element);
}

static const VsmmuPattern *
build_attribute (Loader *loader, const xmlNode *node)
{
  VsmmuPatternPool *pool = loader->grammar->pool;
  const xmlNode *content;
  const VsmmuNameClass *names = build_names (loader, node, &content);

  return vsmmu_pattern_attribute (pool, names,
                                  content != NULL ? build_all (loader, content, vsmmu_pattern_group)
                                                  : vsmmu_pattern_text (pool));
}

/* The datatype of a <data> or <value>; an error and token when it is not known. */
static VsmmuDatatype *
build_datatype (Loader *loader, const xmlNode *node)
{
  g_autofree char *type = stripped_attribute (node, "type");
  const char *library = type != NULL ? inherited_attribute (node, "datatypeLibrary") : "";
  VsmmuDatatype *datatype = vsmmu_datatype_new (library, type != NULL ? type : "token");

  if (datatype == NULL) {
    refuse (loader, node, _ ("there is no datatype “%s” in library “%s”"), type, library);
    datatype = vsmmu_datatype_new ("", "token");
  }
  g_ptr_array_add (loader->grammar->datatypes, datatype);
  return datatype;
}

static const VsmmuPattern *
build_value (Loader *loader, const xmlNode *node)
{
  VsmmuDatatype *datatype = build_datatype (loader, node);
  xmlChar *value = xmlNodeGetContent (node);

  if (!vsmmu_datatype_set_value (datatype, (const char *) value))
    refuse (loader, node, _ ("“%s” is no value of its datatype"), (const char *) value);
  xmlFree (value);
  return vsmmu_pattern_data (loader->grammar->pool, datatype, NULL);
}

static const VsmmuPattern *
build_data (Loader *loader, const xmlNode *node)
{
  VsmmuDatatype *datatype = build_datatype (loader, node);
  const VsmmuPattern *except = NULL;

  for (const xmlNode *child = rng_element (node->children); child != NULL; child = rng_element (child->next)) {
    if (is_rng (child, "except")) {
      except = build_choice (loader, child);
    } else {
      g_autofree char *name = stripped_attribute (child, "name");
      xmlChar *value = xmlNodeGetContent (child);

      if (name == NULL || !vsmmu_datatype_restrict (datatype, name, (const char *) value))
        refuse (loader, child, _ ("parameter “%s” with value “%s” is not known"), name != NULL ? name : "",
                (const char *) value);
      xmlFree (value);
    }
  }
  return vsmmu_pattern_data (loader->grammar->pool, datatype, except);
}

static const VsmmuPattern *
build_definition (Loader *loader, const Definition *definition)
{
  Combine combine = vsmmu_pattern_choice;
  const VsmmuPattern *pattern = NULL;

  for (guint i = 0; i < definition->nodes->len; i++)
    if (g_strcmp0 (vsmmu_xml_attribute (g_ptr_array_index (definition->nodes, i), "combine"), "interleave") == 0)
      combine = vsmmu_pattern_interleave;
  for (guint i = 0; i < definition->nodes->len; i++) {
    const VsmmuPattern *part = build_group (loader, g_ptr_array_index (definition->nodes, i));

    pattern = pattern == NULL ? part : combine (loader->grammar->pool, pattern, part);
  }
  return pattern;
}

static const VsmmuPattern *
build_ref (Loader *loader, const xmlNode *node)
{
  g_autofree char *name = stripped_attribute (node, "name");
  Definition *definition = name != NULL ? g_hash_table_lookup (loader->definitions, name) : NULL;

  if (definition == NULL)
    refuse (loader, node, _ ("“%s” is not defined"), name != NULL ? name : "");
  else if (loader->depth == REFERENCE_DEPTH_MAX)
    refuse (loader, node, _ ("“%s” is defined in terms of itself"), name);
  if (*loader->error != NULL)
    return vsmmu_pattern_not_allowed (loader->grammar->pool);
  if (definition->pattern == NULL) {
    loader->depth++;
    definition->pattern = build_definition (loader, definition);
    loader->depth--;
  }
  return definition->pattern;
}

/* <externalRef>, <parentRef> and nested <grammar> are missing: libvirt's schema has never had them. */
static const struct {
  const char *name;
  const VsmmuPattern *(*build) (Loader *loader, const xmlNode *node);
} builders[] = {
  { "ref", build_ref },
  { "optional", build_optional },
  { "attribute", build_attribute },
  { "value", build_value },
  { "element", build_element },
  { "choice", build_choice },
  { "data", build_data },
  { "group", build_group },
  { "interleave", build_interleave },
  { "empty", build_empty },
  { "zeroOrMore", build_zero_or_more },
  { "text", build_text },
  { "oneOrMore", build_one_or_more },
  { "notAllowed", build_not_allowed },
  { "mixed", build_mixed },
  { "list", build_list },
};

static const VsmmuPattern *
build (Loader *loader, const xmlNode *node)
{
  for (guint i = 0; i < G_N_ELEMENTS (builders); i++)
    if (strcmp (builders[i].name, (const char *) node->name) == 0)
      return builders[i].build (loader, node);
  refuse (loader, node, _ ("<%s> in a RELAX NG schema is not supported"), (const char *) node->name);
  return vsmmu_pattern_not_allowed (loader->grammar->pool);
}

static void
build_grammar (Loader *loader, const xmlNode *root)
{
  const Definition *start = g_hash_table_lookup (loader->definitions, START);
  PendingElement *pending;

  if (start == NULL) {
    refuse (loader, root, _ ("the RELAX NG schema has no <start>"));
    return;
  }
  loader->grammar->start = build_definition (loader, start);
  while ((pending = g_queue_pop_head (&loader->pending)) != NULL) {
    pending->element->content = build_all (loader, pending->node, vsmmu_pattern_group);
    g_free (pending);
  }
}

VsmmuGrammar *
vsmmu_grammar_new (const char *path, const char *include, GError **error)
{
  g_autoptr (VsmmuGrammar) grammar = g_new0 (VsmmuGrammar, 1);
  g_autoptr (GPtrArray) documents = g_ptr_array_new_with_free_func ((GDestroyNotify) xmlFreeDoc);
  g_autoptr (GHashTable) definitions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, definition_free);
  g_autoptr (GHashTable) nothing = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) local_error = NULL;
  Loader loader = { .grammar = grammar,
                    .include = include,
                    .documents = documents,
                    .definitions = definitions,
                    .pending = G_QUEUE_INIT,
                    .error = &local_error };
  const xmlNode *root;

  grammar->pool = vsmmu_pattern_pool_new (NULL);
  grammar->elements = g_ptr_array_new_with_free_func (g_free);
  grammar->name_classes = g_ptr_array_new_with_free_func (name_class_free);
  grammar->datatypes = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_datatype_free);

  root = load (&loader, path);
  if (root != NULL)
    collect_definitions (&loader, root, nothing);
  if (local_error == NULL)
    build_grammar (&loader, root);
  if (local_error == NULL)
    return g_steal_pointer (&grammar);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}
