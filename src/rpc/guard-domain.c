/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "adapt/lower.h"
#include "base/text.h"
#include "domain/concern.h"
#include "domain/domain-read.h"
#include "rpc/guard-internal.h"
#include "vsmmu/vsmmu.h"
#include "xml/edit.h"
#include "xml/tags.h"

char *
vsmmu_guard_lift_document (const char *xml, gsize *length, GError **error)
{
  /* What domain XML has no words for was said when it was lowered. */
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);

  return vsmmu_lift (xml, strlen (xml), VSMMU_GUARD_DOMAIN, notes, length, error);
}

char *
vsmmu_guard_lift (VsmmuGuard *guard, const char *xml)
{
  g_autoptr (GError) error = NULL;
  gsize length;
  g_autofree char *lifted =
      vsmmu_document_may_concern (xml, strlen (xml)) ? vsmmu_guard_lift_document (xml, &length, &error) : NULL;

  if (error != NULL)
    guard->ops->log (guard->self, error->message);
  return lifted != NULL && strcmp (lifted, xml) != 0 ? g_steal_pointer (&lifted) : NULL;
}

/* (transfer full): @xml for the libvirt of @target, or %NULL with @error set */
static char *
lower (const VsmmuGuard *guard, const char *xml, gsize length, const VsmmuTarget *target, GError **error)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) problem = NULL;
  gsize lowered_length;
  char *lowered = vsmmu_lower_domain (xml, length, VSMMU_GUARD_DOMAIN, target, notes, &lowered_length, &problem);

  vsmmu_guard_log_notes (guard, notes);
  if (lowered == NULL)
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, problem->message);
  return lowered;
}

/* (transfer full) (nullable): one <domain> as libvirt is to get it; %NULL without @error: as it is */
static char *
convert_domain (const VsmmuGuard *guard, const char *xml, gboolean is_kept, GError **error)
{
  g_autoptr (GError) problem = NULL;
  gsize lifted_length = 0;
  g_autofree char *lifted = vsmmu_guard_lift_document (xml, &lifted_length, &problem);
  g_autoptr (VsmmuDomain) domain =
      lifted != NULL ? vsmmu_domain_new_from_data (xml, strlen (xml), VSMMU_GUARD_DOMAIN, &problem) : NULL;
  VsmmuTarget target;
  const VsmmuCheckOptions options = { .target = &target };
  g_autofree char *lowered = NULL;

  if (domain == NULL) {
    vsmmu_guard_judge_unread (xml, problem, error);
    return NULL;
  }
  /* An id in the document does not make libvirt keep the aliases in it. */
  vsmmu_domain_forget_run (domain);
  if (!vsmmu_domain_is_accelerated (domain) || !guard->ops->get_target (guard->self, &target, error) ||
      (is_kept && !vsmmu_guard_judge (guard, vsmmu_check_domain (domain, &options), error)))
    return NULL;
  lowered = lower (guard, lifted, lifted_length, &target, error);
  return lowered != NULL && strcmp (lowered, xml) != 0 ? g_steal_pointer (&lowered) : NULL;
}

/* (transfer full): the element that is all of @xml under another name, with @attributes more */
static char *
rename_root (const char *xml, const char *name, const char *attributes)
{
  const char *end_tag = strrchr (xml, '<');
  GString *text = g_string_new (NULL);
  VsmmuTag tag = { .end = 0 };
  gsize name_end;

  vsmmu_tag_next (xml, strlen (xml), 0, &tag);
  name_end = vsmmu_tag_name_end (&tag, xml);
  g_string_append_printf (text, "<%s%s", name, attributes);
  if (tag.kind == VSMMU_TAG_EMPTY)
    g_string_append (text, xml + name_end);
  else
    g_string_append_printf (text, "%.*s</%s>", (int) (end_tag - xml - (gssize) name_end), xml + name_end, name);
  return g_string_free (text, FALSE);
}

/* (transfer full): attributes that declare what is declared around @node only */
static char *
declarations_for (const xmlNode *node)
{
  GString *text = g_string_new (NULL);
  xmlNs **in_scope = xmlGetNsList (node->doc, node);

  for (guint i = 0; in_scope != NULL && in_scope[i] != NULL; i++) {
    g_autofree char *uri = vsmmu_text_escape ((const char *) in_scope[i]->href);
    const xmlNs *own = node->nsDef;

    while (own != NULL && own != in_scope[i])
      own = own->next;
    if (own == NULL && in_scope[i]->prefix != NULL)
      g_string_append_printf (text, " xmlns:%s='%s'", (const char *) in_scope[i]->prefix, uri);
    else if (own == NULL)
      g_string_append_printf (text, " xmlns='%s'", uri);
  }
  xmlFree (in_scope);
  return g_string_free (text, FALSE);
}

/* Puts into @edit what @node, a domain inside another document, becomes. */
static gboolean
convert_part (const VsmmuGuard *guard, const xmlNode *node, gboolean is_kept, VsmmuEdit *edit, GError **error)
{
  g_autofree char *declarations = declarations_for (node);
  g_autofree char *text = vsmmu_edit_text (edit, node);
  g_autofree char *name = g_strndup (text + 1, strcspn (text + 1, " \t\r\n/>"));
  g_autofree char *domain = rename_root (text, "domain", declarations);
  g_autoptr (GError) problem = NULL;
  g_autofree char *converted = convert_domain (guard, domain, is_kept, &problem);
  g_autofree char *replacement = NULL;

  if (problem != NULL) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  if (converted == NULL)
    return TRUE;
  replacement = rename_root (converted, name, "");
  vsmmu_edit_restore (edit, node, replacement);
  return TRUE;
}

/* (transfer full) (nullable): a snapshot or checkpoint as libvirt is to get it; %NULL without @error: as it is */
static char *
convert_parts (const VsmmuGuard *guard, const char *xml, xmlDocPtr document, gboolean is_kept, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (xml, strlen (xml), document, VSMMU_GUARD_DOMAIN, &problem);
  gsize length;
  g_autofree char *converted = NULL;

  if (edit == NULL) {
    vsmmu_guard_judge_unread (xml, problem, error);
    return NULL;
  }
  for (xmlNode *node = vsmmu_xml_element (xmlDocGetRootElement (document)->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    gboolean is_domain = vsmmu_xml_is_called (node, "domain") || vsmmu_xml_is_called (node, "inactiveDomain");

    if (is_domain && !convert_part (guard, node, is_kept, edit, error))
      return NULL;
  }
  converted = vsmmu_edit_finish (edit, &length);
  return strcmp (converted, xml) != 0 ? g_steal_pointer (&converted) : NULL;
}

char *
vsmmu_guard_domain (VsmmuGuard *guard, const char *xml, gboolean is_kept, GError **error)
{
  g_autoptr (GError) problem = NULL;
  guint line;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), VSMMU_GUARD_DOMAIN, &line, &problem);

  if (document == NULL) {
    vsmmu_guard_judge_unread (xml, problem, error);
    return NULL;
  }
  return vsmmu_xml_is_called (xmlDocGetRootElement (document), "domain")
             ? convert_domain (guard, xml, is_kept, error)
             : convert_parts (guard, xml, document, is_kept, error);
}
