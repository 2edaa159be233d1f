/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schema/schema.h"

#include <glib/gi18n-lib.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/uri.h>

#include "src/resources.h"
#include "vsmmu/error.h"
#include "xml/xml.h"

/* Where libvirt installs its schema below a data directory. */
#define LIBVIRT_SCHEMA "libvirt/schemas/domain.rng"
/* Our part of the grammar is built in. */
#define OUR_SCHEMA "/vsmmu/vsmmu-domain.rng"

struct _VsmmuSchema {
  xmlRelaxNGPtr relaxng;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)

/* (transfer full) */
static char *
find_libvirt_schema (void)
{
  for (const char *const *directory = g_get_system_data_dirs (); *directory != NULL; directory++) {
    g_autofree char *path = g_build_filename (*directory, LIBVIRT_SCHEMA, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
      return g_steal_pointer (&path);
  }
  /* XDG_DATA_DIRS need not have it. */
  return g_strdup ("/usr/share/" LIBVIRT_SCHEMA);
}

/* Makes the grammar include the schema of another libvirt than the one it names. */
static void
set_include (xmlDocPtr grammar, const char *libvirt_schema)
{
  g_autofree char *absolute = g_canonicalize_filename (libvirt_schema, NULL);
  xmlChar *uri = xmlPathToURI ((const xmlChar *) absolute);

  for (xmlNode *node = xmlDocGetRootElement (grammar)->children; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && xmlStrEqual (node->name, (const xmlChar *) "include"))
      xmlSetProp (node, (const xmlChar *) "href", uri);
  xmlFree (uri);
}

static void
keep_first_error (void *data, VsmmuXmlError error)
{
  char **message = data;

  if (*message == NULL && error->message != NULL)
    *message = g_strchomp (g_strdup (error->message));
}

/* What makes libxml2 read a file other than @href in the schema's folder; no libvirt's schema has it. */
static gboolean
is_plain (const char *path, const xmlDoc *grammar, GError **error)
{
  const xmlError *last = grammar == NULL ? xmlGetLastError () : NULL;
  g_autofree char *message = last != NULL ? g_strdup (last->message) : NULL;

  if (grammar == NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s is not a libvirt schema: %s"), path,
                 message != NULL ? g_strchomp (message) : _ ("it cannot be read"));
  else if (grammar->intSubset != NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("%s has a document type declaration, which is not supported in a schema"), path);
  else
    return TRUE;
  return FALSE;
}

/* Adds the file that an element of @path includes to @todo, if any; FALSE for a file that is not on this machine. */
static gboolean
follow_include (const char *path, const xmlNode *node, GPtrArray *todo, GError **error)
{
  const char *href = vsmmu_xml_attribute (node, "href");
  g_autofree char *directory = g_path_get_dirname (path);

  if (xmlHasNsProp ((xmlNode *) node, (const xmlChar *) "base", XML_XML_NAMESPACE) != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s sets xml:base, which is not supported in a schema"),
                 path);
    return FALSE;
  }
  if (href == NULL)
    return TRUE;
  /* libxml2 opens a%62 as ab. */
  if (strpbrk (href, ":%") != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s includes '%s', which is not a file"), path, href);
    return FALSE;
  }
  g_ptr_array_add (todo, g_canonicalize_filename (href, directory));
  return TRUE;
}

static gboolean
follow_includes (const char *path, GPtrArray *todo, GError **error)
{
  g_autoptr (xmlDoc) grammar = xmlReadFile (path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  const xmlNode *root;

  if (!is_plain (path, grammar, error))
    return FALSE;
  root = xmlDocGetRootElement (grammar);
  for (const xmlNode *node = root; node != NULL; node = vsmmu_xml_next (root, node, TRUE))
    if (!follow_include (path, node, todo, error))
      return FALSE;
  return TRUE;
}

/* libxml2 would fetch what a schema includes from the network. */
static gboolean
is_local (const char *path, GError **error)
{
  g_autoptr (GPtrArray) todo = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  g_ptr_array_add (todo, g_canonicalize_filename (path, NULL));
  for (guint i = 0; i < todo->len; i++)
    if (g_hash_table_add (seen, g_ptr_array_index (todo, i)) &&
        !follow_includes (g_ptr_array_index (todo, i), todo, error))
      return FALSE;
  return TRUE;
}

VsmmuSchema *
vsmmu_schema_new (const char *libvirt_schema, GError **error)
{
  g_autoptr (GBytes) ours =
      g_resource_lookup_data (vsmmu_get_resource (), OUR_SCHEMA, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autofree char *path = libvirt_schema != NULL ? g_strdup (libvirt_schema) : find_libvirt_schema ();
  g_autofree char *message = NULL;
  g_autoptr (xmlDoc) grammar = NULL;
  g_autoptr (xmlRelaxNGParserCtxt) context = NULL;
  xmlStructuredErrorFunc old_handler;
  void *old_context;
  xmlRelaxNGPtr relaxng;
  VsmmuSchema *schema;

  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ,
                 _ ("cannot find the libvirt schema %s; install libvirt-common (libvirt0 on Debian 12), or specify a "
                    "domain.rng with --schema-file"),
                 path);
    return NULL;
  }
  if (!is_local (path, error))
    return NULL;
  grammar = xmlReadMemory (g_bytes_get_data (ours, NULL), (int) g_bytes_get_size (ours), NULL, NULL, XML_PARSE_NONET);
  set_include (grammar, path);
  context = xmlRelaxNGNewDocParserCtxt (grammar);
  xmlRelaxNGSetParserStructuredErrors (context, keep_first_error, &message);
  /* What is wrong with the XML of an included file goes to this one instead. */
  old_context = xmlStructuredErrorContext;
  old_handler = xmlStructuredError;
  xmlSetStructuredErrorFunc (&message, keep_first_error);
  relaxng = xmlRelaxNGParse (context);
  xmlSetStructuredErrorFunc (old_context, old_handler);
  if (relaxng == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("%s is not a libvirt schema: %s"), path,
                 message != NULL ? message : _ ("it cannot be read"));
    return NULL;
  }
  schema = g_new0 (VsmmuSchema, 1);
  schema->relaxng = relaxng;
  return schema;
}

void
vsmmu_schema_free (VsmmuSchema *schema)
{
  if (schema == NULL)
    return;
  xmlRelaxNGFree (schema->relaxng);
  g_free (schema);
}

gboolean
vsmmu_schema_is_valid (const VsmmuSchema *schema, xmlDocPtr document)
{
  xmlRelaxNGValidCtxtPtr context = xmlRelaxNGNewValidCtxt (schema->relaxng);
  int result;

  xmlRelaxNGSetValidStructuredErrors (context, vsmmu_xml_ignore_error, NULL);
  result = xmlRelaxNGValidateDoc (context, document);
  xmlRelaxNGFreeValidCtxt (context);
  return result == 0;
}
