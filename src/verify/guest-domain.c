/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-domain.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "check/policy.h"
#include "domain/acceleration.h"
#include "domain/concern.h"
#include "verify/guest-output.h"

/* What libxml2 keeps of a document. */
static gsize
measure (const xmlNode *root)
{
  gsize size = 0;

  for (const xmlNode *node = root; node != NULL; node = vsmmu_xml_next (root, node, TRUE)) {
    size += sizeof (*node);
    for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
      size += sizeof (xmlAttr) + sizeof (xmlNode);
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
      size += child->type != XML_ELEMENT_NODE && child->content != NULL
                  ? sizeof (xmlNode) + strlen ((const char *) child->content)
                  : 0;
  }
  return size;
}

static gboolean
read_terms (const char *xml, const char *name, const char *log, VsmmuGuestTerms *terms, GError **error)
{
  guint line;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), name, &line, error);

  if (document == NULL)
    return FALSE;
  *terms = (VsmmuGuestTerms){ .may_write_log = vsmmu_guest_may_write_log (document, log) };
  terms->has_action = vsmmu_policy_mismatch_of (document, &terms->action);
  return TRUE;
}

/* The name libvirt answers to; it lives as long as the document. */
static void
take_name (VsmmuDomain *domain, VsmmuConnectionDomain *running)
{
  g_autofree char *name = vsmmu_connection_domain_get_name (running);

  if (domain->document->dict == NULL)
    domain->document->dict = xmlDictCreate ();
  domain->name = (const char *) xmlDictLookup (domain->document->dict, (const xmlChar *) name, -1);
}

VsmmuDomain *
vsmmu_guest_read_domain (VsmmuConnectionDomain *running, const char *name, const char *log, VsmmuGuestTerms *terms,
                         gboolean *may_concern, GError **error)
{
  g_autofree char *xml = vsmmu_connection_domain_get_xml (running, VSMMU_DOMAIN_XML_LIVE, error);
  g_autoptr (VsmmuDomain) domain = NULL;

  if (may_concern != NULL)
    *may_concern = xml == NULL || vsmmu_document_may_concern (xml, strlen (xml)) || !vsmmu_document_is_running (xml);
  if (xml == NULL || (may_concern != NULL && !*may_concern))
    return NULL;
  vsmmu_connection_domain_take_budget (running, strlen (xml));
  if (terms == NULL || read_terms (xml, name, log, terms, error))
    domain = vsmmu_domain_new_from_data (xml, strlen (xml), name, error);
  vsmmu_connection_domain_give_budget (running, domain != NULL ? measure (xmlDocGetRootElement (domain->document)) : 0);
  g_clear_pointer (&xml, g_free);
  if (domain == NULL)
    return NULL;
  take_name (domain, running);
  if (domain->is_running)
    return g_steal_pointer (&domain);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN, _ ("the domain '%s' is not running; start it first"), name);
  return NULL;
}
