/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/guard-definition.h"

#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "check/finding.h"
#include "domain/concern.h"
#include "domain/domain-read.h"
#include "vsmmu/error.h"
#include "vsmmu/rule.h"
#include "xml/edit.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlBuffer, xmlBufferFree)

/* How libvirt distinguishes devices of one kind; what is not given is ignored. */
static const struct {
  const char *element;
  const char *child; /* %NULL for the device itself */
  const char *grandchild;
  const char *attribute;
} keys[] = {
  { "disk", "target", NULL, "dev" },
  { "interface", "mac", NULL, "address" },
  { "controller", NULL, NULL, "type" },
  { "controller", NULL, NULL, "index" },
  { "filesystem", "target", NULL, "dir" },
  { "hostdev", NULL, NULL, "mode" },
  { "hostdev", NULL, NULL, "type" },
  { "hostdev", "source", "address", "domain" },
  { "hostdev", "source", "address", "bus" },
  { "hostdev", "source", "address", "slot" },
  { "hostdev", "source", "address", "function" },
  { "hostdev", "source", "address", "uuid" },
  { "iommu", NULL, NULL, "model" },
  { "iommu", "driver", NULL, "pciBus" },
};

/* For these, libvirt compares only the keys. */
static const char *const known_by_key[] = { "disk", "controller", "hostdev", "filesystem", NULL };

static const char *const address_parts[] = { "domain", "bus",  "slot", "function", "controller",
                                             "target", "unit", "port", "base" };

/* @xml: lifted, so that the places of the model are those of the text */
static VsmmuDomain *
parse (const char *xml, gsize length, GError **error)
{
  g_autoptr (GError) problem = NULL;
  VsmmuDomain *domain = vsmmu_domain_new_raw (xml, length, VSMMU_GUARD_DOMAIN, &problem);

  if (domain == NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("cannot read the XML of the domain: %s"),
                 problem->message);
  return domain;
}

/* (transfer full): @raw lifted, with its @text when that is wanted; %NULL with @error set */
static VsmmuDomain *
lift (const char *raw, char **text, gsize *length, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *lifted = vsmmu_guard_lift_document (raw, length, &problem);
  g_autoptr (VsmmuDomain) domain = NULL;

  if (lifted == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("cannot read the XML of the domain: %s"),
                 problem->message);
    return NULL;
  }
  domain = parse (lifted, *length, error);
  if (domain != NULL && text != NULL)
    *text = g_steal_pointer (&lifted);
  return g_steal_pointer (&domain);
}

VsmmuDefinition *
vsmmu_definition_new (char *raw, GError **error)
{
  g_autoptr (VsmmuDefinition) definition = g_new0 (VsmmuDefinition, 1);
  g_autoptr (GError) problem = NULL;
  guint line;

  definition->raw = raw;
  definition->domain = lift (raw, &definition->lifted, &definition->lifted_length, error);
  if (definition->domain == NULL)
    return NULL;
  definition->document = vsmmu_xml_parse (raw, strlen (raw), VSMMU_GUARD_DOMAIN, &line, &problem);
  if (definition->document != NULL && vsmmu_xml_child (xmlDocGetRootElement (definition->document), "devices") != NULL)
    return g_steal_pointer (&definition);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_REFUSED, _ ("cannot read the XML of the domain: %s"),
               problem != NULL ? problem->message : _ ("it has no <devices>"));
  return NULL;
}

void
vsmmu_definition_free (VsmmuDefinition *definition)
{
  vsmmu_domain_unref (definition->domain);
  xmlFreeDoc (definition->document);
  g_free (definition->lifted);
  g_free (definition->raw);
  g_free (definition);
}

/* As numbers when they are, since 0x03 is 3; else in any case, as MAC addresses and UUIDs are. */
static gboolean
is_same_value (const char *one, const char *other)
{
  char *end_of_one;
  char *end_of_other;
  guint64 number = g_ascii_strtoull (one, &end_of_one, 0);
  guint64 other_number = g_ascii_strtoull (other, &end_of_other, 0);

  return *end_of_one == '\0' && *end_of_other == '\0' ? number == other_number : g_ascii_strcasecmp (one, other) == 0;
}

static const xmlNode *
child_of (const xmlNode *node, const char *name)
{
  return node != NULL && name != NULL ? vsmmu_xml_child (node, name) : node;
}

/* Whether an attribute is given in both, and is not the same. */
static gboolean
differs (const xmlNode *one, const xmlNode *other, const char *child, const char *grandchild, const char *attribute)
{
  const xmlNode *nodes[] = { child_of (child_of (one, child), grandchild),
                             child_of (child_of (other, child), grandchild) };
  const char *values[2] = { NULL, NULL };

  for (guint i = 0; i < G_N_ELEMENTS (nodes); i++)
    values[i] = nodes[i] != NULL ? vsmmu_xml_attribute (nodes[i], attribute) : NULL;
  return values[0] != NULL && values[1] != NULL && !is_same_value (values[0], values[1]);
}

static gboolean
may_be_meant (const xmlNode *wanted, const xmlNode *there)
{
  const char *element = (const char *) wanted->name;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].element, element) == 0 &&
        differs (wanted, there, keys[i].child, keys[i].grandchild, keys[i].attribute))
      return FALSE;
  if (g_strv_contains (known_by_key, element))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (address_parts); i++)
    if (differs (wanted, there, "address", NULL, address_parts[i]))
      return FALSE;
  return !differs (wanted, there, "alias", NULL, "name");
}

static gboolean
has_alias (const xmlNode *device, const char *alias)
{
  const xmlNode *node = vsmmu_xml_child (device, "alias");

  return node != NULL && g_strcmp0 (vsmmu_xml_attribute (node, "name"), alias) == 0;
}

GPtrArray *
vsmmu_definition_find (const VsmmuDefinition *definition, const xmlNode *device, const char *alias)
{
  const xmlNode *devices = vsmmu_xml_child (xmlDocGetRootElement (definition->document), "devices");
  g_autoptr (GPtrArray) meant = g_ptr_array_new ();
  g_autoptr (GPtrArray) of_kind = g_ptr_array_new ();

  for (xmlNode *node = vsmmu_xml_element (devices->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    if (alias != NULL ? !has_alias (node, alias) : !vsmmu_xml_is (node, (const char *) device->name))
      continue;
    g_ptr_array_add (of_kind, node);
    if (alias != NULL || may_be_meant (device, node))
      g_ptr_array_add (meant, node);
  }
  return meant->len > 0 ? g_steal_pointer (&meant) : g_steal_pointer (&of_kind);
}

char *
vsmmu_definition_write_element (const xmlNode *node)
{
  g_autoptr (xmlBuffer) buffer = xmlBufferCreate ();

  xmlNodeDump (buffer, node->doc, (xmlNode *) node, 0, 0);
  return g_strdelimit (g_strdup ((const char *) xmlBufferContent (buffer)), "\r\n", ' ');
}

/* (transfer full): @text and as many ends of lines as the element had that it replaces */
static char *
keep_lines (const char *text, const char *replaced)
{
  GString *kept = g_string_new (text);

  for (const char *at = strchr (replaced, '\n'); at != NULL; at = strchr (at + 1, '\n'))
    g_string_append_c (kept, '\n');
  return g_string_free (kept, FALSE);
}

/* (transfer full): @device, with the address of @target when it has none itself and @keeps_address */
static char *
write_device (const xmlNode *target, const xmlNode *device, gboolean keeps_address)
{
  const xmlNode *address = target != NULL && keeps_address ? vsmmu_xml_child (target, "address") : NULL;
  g_autoptr (xmlDoc) copy = NULL;

  if (device == NULL)
    return g_strdup ("");
  if (address == NULL || vsmmu_xml_child (device, "address") != NULL)
    return vsmmu_definition_write_element (device);
  copy = xmlCopyDoc (device->doc, 1);
  xmlAddChild (xmlDocGetRootElement (copy), xmlDocCopyNode ((xmlNode *) address, copy, 1));
  return vsmmu_definition_write_element (xmlDocGetRootElement (copy));
}

static const xmlNode *
last_child (const xmlNode *parent)
{
  const xmlNode *last = NULL;

  for (xmlNode *node = vsmmu_xml_element (parent->children); node != NULL; node = vsmmu_xml_element (node->next))
    last = node;
  return last;
}

VsmmuDomain *
vsmmu_definition_change (const VsmmuDefinition *definition, const xmlNode *target, const xmlNode *device,
                         gboolean keeps_address, GError **error)
{
  g_autoptr (VsmmuEdit) edit =
      vsmmu_edit_new (definition->raw, strlen (definition->raw), definition->document, VSMMU_GUARD_DOMAIN, error);
  const xmlNode *devices = vsmmu_xml_child (xmlDocGetRootElement (definition->document), "devices");
  const xmlNode *place = target != NULL ? target : last_child (devices);
  g_autofree char *element = write_device (target, device, keeps_address);
  g_autofree char *there = edit != NULL && place != NULL ? vsmmu_edit_text (edit, place) : NULL;
  g_autofree char *text = NULL;
  g_autofree char *changed = NULL;
  gsize length;

  if (edit == NULL)
    return NULL;
  if (place == NULL) {
    vsmmu_edit_append (edit, devices, element);
  } else {
    text = target != NULL ? keep_lines (element, there) : g_strconcat (there, element, NULL);
    vsmmu_edit_restore (edit, place, text);
  }
  changed = vsmmu_edit_finish (edit, &length);
  return lift (changed, NULL, &length, error);
}

VsmmuDomain *
vsmmu_definition_leave_out (const VsmmuDefinition *definition, const GPtrArray *nodes, GError **error)
{
  g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (definition->lifted, definition->lifted_length,
                                               definition->domain->document, VSMMU_GUARD_DOMAIN, error);
  g_autofree char *changed = NULL;
  gsize length;

  if (edit == NULL)
    return NULL;
  for (guint i = 0; i < nodes->len; i++) {
    g_autofree char *there = vsmmu_edit_text (edit, g_ptr_array_index (nodes, i));
    g_autofree char *lines = keep_lines ("", there);

    vsmmu_edit_restore (edit, g_ptr_array_index (nodes, i), lines);
  }
  changed = vsmmu_edit_finish (edit, &length);
  return parse (changed, length, error);
}

/* What changes a definition leaves all else on its line (keep_lines()); the indexes in an XPath are others then. */
static gboolean
is_same_finding (gconstpointer a, gconstpointer b)
{
  const VsmmuFinding *one = a;
  const VsmmuFinding *other = b;

  return one->rule == other->rule && one->line == other->line && strcmp (one->message, other->message) == 0;
}

void
vsmmu_definition_remove_known (GPtrArray *findings, const GPtrArray *known)
{
  for (guint i = 0; i < known->len; i++) {
    guint index;

    if (g_ptr_array_find_with_equal_func (findings, g_ptr_array_index (known, i), is_same_finding, &index))
      g_ptr_array_remove_index (findings, index);
  }
}

/* Whether the domain, or what @device makes of it, may concern us; both may be %NULL. */
static gboolean
may_concern (const char *xml, const char *device)
{
  return xml != NULL && (vsmmu_document_may_concern (xml, strlen (xml)) ||
                         (device != NULL && vsmmu_document_may_concern (device, strlen (device))));
}

/* @xml: (out) (transfer full): what libvirt has of the domain; %NULL when there is none, for libvirt to say so */
static gboolean
ask (const VsmmuGuard *guard, const guint8 *uuid, gboolean is_inactive, char **xml, GError **error)
{
  g_autoptr (GError) problem = NULL;

  *xml = guard->ops->get_domain_xml (guard->self, uuid, is_inactive, &problem);
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return *error == NULL;
}

/* @xml: (transfer full) (nullable) */
static gboolean
add_definition (GPtrArray *definitions, char *xml, GError **error)
{
  VsmmuDefinition *definition = xml != NULL ? vsmmu_definition_new (xml, error) : NULL;

  if (definition != NULL)
    g_ptr_array_add (definitions, definition);
  return definition != NULL || xml == NULL;
}

GPtrArray *
vsmmu_definitions_find (const VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *device, GError **error)
{
  g_autoptr (GPtrArray) definitions = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_definition_free);
  g_autoptr (GError) problem = NULL;
  gboolean names_config = (flags & VIR_DOMAIN_DEVICE_MODIFY_CONFIG) != 0;
  gboolean names_live = (flags & VIR_DOMAIN_DEVICE_MODIFY_LIVE) != 0 || !names_config;
  g_autofree char *live = NULL;
  g_autofree char *config = NULL;
  gboolean is_good = (!names_live || ask (guard, uuid, FALSE, &live, &problem)) &&
                     (!names_config || (live != NULL && !vsmmu_document_is_running (live)) ||
                      ask (guard, uuid, TRUE, &config, &problem));

  /* The definition that cannot concern us may still need a different change than the other. */
  if (is_good && (may_concern (live, device) || may_concern (config, device)))
    is_good = add_definition (definitions, g_steal_pointer (&live), &problem) &&
              add_definition (definitions, g_steal_pointer (&config), &problem);
  if (is_good)
    return g_steal_pointer (&definitions);
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}
