/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/edit.h"
#include "rpc/guard-internal.h"
#include "vsmmu/lower.h"
#include "vsmmu/vsmmu.h"

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
      strstr (xml, VSMMU_GUARD_WORD) != NULL ? vsmmu_guard_lift_document (xml, &length, &error) : NULL;

  if (error != NULL)
    guard->ops->say (guard->self, error->message);
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

  vsmmu_guard_say_notes (guard, notes);
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
      lifted != NULL ? vsmmu_domain_new_from_data (lifted, lifted_length, VSMMU_GUARD_DOMAIN, &problem) : NULL;
  VsmmuTarget target;
  const VsmmuCheckOptions options = { .target = &target };
  g_autofree char *lowered = NULL;

  if (domain == NULL) {
    vsmmu_guard_may_pass_unread (xml, problem, error);
    return NULL;
  }
  if (!vsmmu_domain_is_accelerated (domain) || !guard->ops->get_target (guard->self, &target, error) ||
      (is_kept && !vsmmu_guard_judge (guard, vsmmu_check_domain (domain, &options), error)))
    return NULL;
  lowered = lower (guard, lifted, lifted_length, &target, error);
  return lowered != NULL && strcmp (lowered, xml) != 0 ? g_steal_pointer (&lowered) : NULL;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlBuffer, xmlBufferFree)

/* Puts into @edit what @node, a domain inside another document, becomes. */
static gboolean
convert_part (const VsmmuGuard *guard, xmlNode *node, gboolean is_kept, VsmmuEdit *edit, GError **error)
{
  const char *element = (const char *) node->name;
  g_autofree char *end_tag = g_strdup_printf ("</%s>", element);
  g_autoptr (xmlBuffer) buffer = xmlBufferCreate ();
  g_autofree char *domain = NULL;
  g_autofree char *converted = NULL;
  g_autofree char *replacement = NULL;
  const char *text;
  gsize length;

  xmlNodeDump (buffer, node->doc, node, 0, 0);
  text = (const char *) xmlBufferContent (buffer);
  length = (gsize) xmlBufferLength (buffer);
  if (!g_str_has_suffix (text, end_tag))
    return TRUE;
  domain = g_strdup_printf ("<domain%.*s</domain>", (int) (length - 1 - strlen (element) - strlen (end_tag)),
                            text + 1 + strlen (element));
  converted = convert_domain (guard, domain, is_kept, error);
  if (converted == NULL)
    return *error == NULL;
  length = strlen (converted);
  replacement = g_strdup_printf ("<%s%.*s%s", element, (int) (length - strlen ("<domain") - strlen ("</domain>")),
                                 converted + strlen ("<domain"), end_tag);
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

  for (xmlNode *node = vsmmu_xml_element (xmlDocGetRootElement (document)->children); edit != NULL && node != NULL;
       node = vsmmu_xml_element (node->next)) {
    if (!vsmmu_xml_is (node, "domain") && !vsmmu_xml_is (node, "inactiveDomain"))
      continue;
    if (!convert_part (guard, node, is_kept, edit, &problem)) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  }
  converted = edit != NULL ? vsmmu_edit_finish (edit, &length) : NULL;
  return converted != NULL && strcmp (converted, xml) != 0 ? g_steal_pointer (&converted) : NULL;
}

char *
vsmmu_guard_domain (VsmmuGuard *guard, const char *xml, gboolean is_kept, GError **error)
{
  g_autoptr (GError) problem = NULL;
  guint line;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), VSMMU_GUARD_DOMAIN, &line, &problem);

  if (document == NULL) {
    vsmmu_guard_may_pass_unread (xml, problem, error);
    return NULL;
  }
  return vsmmu_xml_is (xmlDocGetRootElement (document), "domain")
             ? convert_domain (guard, xml, is_kept, error)
             : convert_parts (guard, xml, document, is_kept, error);
}
