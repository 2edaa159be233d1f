/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <libxml/xmlerror.h>

#include "vsmmu/domain.h"
#include "xml/metadata.h"

/* What libxml2 gives its error handlers. */
#if LIBXML_VERSION >= 21200
typedef const xmlError *VsmmuXmlError;
#else
typedef xmlErrorPtr VsmmuXmlError;
#endif

/* A structured error handler that keeps quiet. */
void vsmmu_xml_ignore_error (void *data, VsmmuXmlError error);

/*
 * vsmmu_xml_parse:
 * @line: (out): the line that @error is about
 *
 * Parses @data into a document under the limits that vsmmu_domain_new_from_data()
 * promises.
 *
 * Returns: (transfer full): a document that has a root element, or %NULL with @error set
 */
xmlDocPtr vsmmu_xml_parse (const char *data, gsize length, const char *name, guint *line, GError **error);

/*
 * vsmmu_xml_is_malformed:
 *
 * Returns: whether no parser reads @data, so that libvirt is certain to refuse it; %FALSE when only we do not
 */
gboolean vsmmu_xml_is_malformed (const char *data, gsize length);

/* How much of <metadata> is in @document, which vsmmu_xml_parse() made. */
VsmmuMetadata vsmmu_xml_get_metadata (const xmlDoc *document);

/*
 * vsmmu_xml_attribute:
 *
 * Returns: (nullable): the value of the first attribute called @name in any namespace, as libvirt takes it
 *   (xmlGetProp()); owned by the document
 */
const char *vsmmu_xml_attribute (const xmlNode *node, const char *name);

/*
 * vsmmu_xml_text:
 *
 * Returns: (nullable): the text directly inside @node when it has no other
 *   content; owned by the document
 */
const char *vsmmu_xml_text (const xmlNode *node);

/* The first child element called @name in no namespace, or %NULL. */
xmlNode *vsmmu_xml_child (const xmlNode *node, const char *name);

/* @node itself or the first sibling after it that is an element, or %NULL. */
xmlNode *vsmmu_xml_element (xmlNode *node);

/* The element after @node in the order of start tags below @root; its contents are skipped unless @goes_in. */
const xmlNode *vsmmu_xml_next (const xmlNode *root, const xmlNode *node, gboolean goes_in);

/* Whether @node is called @name, in any namespace; this is how libvirt looks at root elements (virXMLNodeNameEqual()).
 */
gboolean vsmmu_xml_is_called (const xmlNode *node, const char *name);

/* Whether @node is called @name and is in no namespace. */
gboolean vsmmu_xml_is (const xmlNode *node, const char *name);

/* Whether @node is called @name and is in the namespace @uri. */
gboolean vsmmu_xml_is_ns (const xmlNode *node, const char *name, const char *uri);

/* The 1-based line @node starts on; in a copy of a document, which has no more, that its start tag ends on. */
guint vsmmu_xml_line (const xmlNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)
