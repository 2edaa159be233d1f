/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schema/violation.h"

#include <glib/gi18n-lib.h>
#include <libxml/parser.h>

#include "base/text.h"
#include "domain/domain.h"
#include "domain/options.h"

/* Beyond these a document is too broken for a list to be of use. */
#define VIOLATIONS_MAX 20

/*
 * libxml2 tries the orders of optional attributes, at a cost that grows fourfold
 * with each: 14 on one element take it half a second, 16 take 15 seconds. This
 * is the cost of 15.
 */
#define COST_MAX (G_GUINT64_CONSTANT (1) << 30)

/* It also looks at a device the longer, the more there are; among more than these no single one is searched for. */
#define SEARCHED_MAX 10000

/* Elements with more parts are reported as a whole, and pairs of parts are not tried past fewer. */
#define PARTS_MAX 63
#define PAIRS_MAX 16

/* A domain that every libvirt's schema takes, to try the parts of another one in. */
#define SKELETON "<domain type='kvm'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices/></domain>"

/* The search for what does not fit in one document. */
typedef struct {
  const VsmmuSchema *schema;
  VsmmuSchemaFunc report;
  gpointer data;
  guint n_violations;
  xmlDocPtr trial; /* the skeleton, with parts of the document put in */
} Search;

static gboolean
fits (const Search *search)
{
  return vsmmu_schema_is_valid (search->schema, search->trial);
}

static void
report_as (Search *search, VsmmuSeverity severity, const xmlNode *node, char *message, char *hint)
{
  xmlChar *path = xmlGetNodePath (node);

  search->n_violations++;
  search->report (severity, vsmmu_xml_line (node), g_strdup ((const char *) path), message, hint, search->data);
  xmlFree (path);
}

static void
report_error (Search *search, const xmlNode *node, char *message, char *hint)
{
  report_as (search, VSMMU_SEVERITY_ERROR, node, message, hint);
}

static gboolean
is_smmuv3_driver (const xmlNode *node)
{
  return vsmmu_xml_is (node, "driver") && vsmmu_xml_is (node->parent, "iommu") &&
         g_strcmp0 (vsmmu_xml_attribute (node->parent, "model"), "smmuv3") == 0;
}

/* (transfer full): what to do about @name on @driver, that of an SMMUv3 */
static char *
hint_for_option (const xmlNode *driver, const char *name)
{
  g_autofree char *expected = vsmmu_options_describe_values (name);

  if (!vsmmu_options_accepts (name, vsmmu_xml_attribute (driver, name)))
    return g_strdup_printf (_ ("set %s to %s"), name, expected);
  if (vsmmu_xml_attribute (driver, "pciBus") == NULL)
    return g_strdup_printf (_ ("remove %s, or set accel='on' and pciBus"), name);
  return g_strdup_printf (_ ("set accel='on', or remove %s"), name);
}

static void
report_attribute (Search *search, const xmlNode *original, const xmlAttr *attribute)
{
  g_autofree char *name = vsmmu_text_shorten ((const char *) attribute->name);
  g_autofree char *value = vsmmu_text_shorten (vsmmu_xml_attribute (original, (const char *) attribute->name));
  const char *meant = NULL;

  if (is_smmuv3_driver (original) && !vsmmu_options_is_attribute (name)) {
    meant = vsmmu_options_suggest (name);
    report_error (search, original, g_strdup_printf (_ ("attribute '%s' is not allowed in <%s>"), name, original->name),
                  meant != NULL ? g_strdup_printf (_ ("did you mean '%s'?"), meant) : g_strdup (_ ("remove it")));
    return;
  }
  report_error (
      search, original,
      g_strdup_printf (_ ("attribute '%s' with the value '%s' is not valid in <%s>"), name, value, original->name),
      is_smmuv3_driver (original) ? hint_for_option (original, name)
                                  : g_strdup (_ ("correct the name or the value, or remove the attribute")));
}

static void
report_element (Search *search, const xmlNode *original)
{
  const char *text = vsmmu_xml_text (original);
  g_autofree char *value = vsmmu_text_shorten (text);
  const char *parent = original->parent->type == XML_ELEMENT_NODE ? (const char *) original->parent->name : "";

  if (text != NULL && original->properties == NULL)
    report_error (search, original, g_strdup_printf (_ ("invalid value '%s' in <%s>"), value, original->name),
                  g_strdup (_ ("correct the value")));
  else
    report_error (search, original, g_strdup_printf (_ ("<%s> is not valid in <%s>"), original->name, parent),
                  g_strdup (_ ("correct the name, remove the element, or add what is missing in it")));
}

/* The n-th attribute or child element of @node, attributes first; %NULL after the last. */
static xmlNode *
part_at (xmlNode *node, guint n)
{
  for (xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    if (n-- == 0)
      return (xmlNode *) attribute;
  for (xmlNode *child = vsmmu_xml_element (node->children); child != NULL; child = vsmmu_xml_element (child->next))
    if (n-- == 0)
      return child;
  return NULL;
}

static guint
count_parts (xmlNode *node)
{
  guint n = 0;

  while (n <= PARTS_MAX && part_at (node, n) != NULL)
    n++;
  return n;
}

/* Replaces @trial with a copy of @original, without the parts whose bits are set; returns the copy. */
static xmlNode *
replace_without (xmlNode *trial, const xmlNode *original, guint64 without)
{
  xmlNode *copy = xmlDocCopyNode ((xmlNode *) original, trial->doc, 1);

  for (guint i = PARTS_MAX + 1; i-- > 0;) {
    xmlNode *part = without >> i & 1 ? part_at (copy, i) : NULL;

    if (part != NULL && part->type == XML_ATTRIBUTE_NODE) {
      xmlRemoveProp ((xmlAttr *) part);
    } else if (part != NULL) {
      xmlUnlinkNode (part);
      xmlFreeNode (part);
    }
  }
  xmlReplaceNode (trial, copy);
  xmlFreeNode (trial);
  return copy;
}

/* One or two parts without which @original fits, as bits; 0 when there are none. */
static guint64
find_culprits (const Search *search, xmlNode **trial, const xmlNode *original, guint n_parts)
{
  for (guint i = 0; i < n_parts; i++) {
    guint64 without = G_GUINT64_CONSTANT (1) << i;

    *trial = replace_without (*trial, original, without);
    if (fits (search))
      return without;
  }
  for (guint i = 0; i < n_parts && n_parts <= PAIRS_MAX; i++) {
    for (guint j = i + 1; j < n_parts; j++) {
      guint64 without = G_GUINT64_CONSTANT (1) << i | G_GUINT64_CONSTANT (1) << j;

      *trial = replace_without (*trial, original, without);
      if (fits (search))
        return without;
    }
  }
  return 0;
}

static guint
count_bits (guint64 bits)
{
  guint n = 0;

  for (; bits != 0; bits &= bits - 1)
    n++;
  return n;
}

/*
 * Goes down from @original, which does not fit where @trial is, to the
 * smallest parts that do not fit.
 */
static void
narrow_down (Search *search, xmlNode *trial, const xmlNode *original)
{
  guint n_parts;
  guint64 culprits;

  for (;;) {
    const xmlNode *next = NULL;
    guint next_at = 0;

    n_parts = count_parts ((xmlNode *) original);
    culprits = n_parts <= PARTS_MAX ? find_culprits (search, &trial, original, n_parts) : 0;
    if (culprits == 0) {
      report_element (search, original);
      return;
    }
    for (guint i = 0; i < n_parts; i++) {
      const xmlNode *part = culprits >> i & 1 ? part_at ((xmlNode *) original, i) : NULL;

      if (part == NULL)
        continue;
      if (part->type == XML_ATTRIBUTE_NODE)
        report_attribute (search, original, (const xmlAttr *) part);
      else if (next == NULL)
        next = part_at ((xmlNode *) original, next_at = i);
      else
        report_element (search, part);
    }
    if (next == NULL)
      return;
    /* All but @next are right now; put it back where it was, to look inside. */
    culprits &= ~(G_GUINT64_CONSTANT (1) << next_at);
    trial = replace_without (trial, original, culprits);
    trial = part_at (trial, next_at - count_bits (culprits & ((G_GUINT64_CONSTANT (1) << next_at) - 1)));
    original = next;
  }
}

static xmlNode *
trial_child (const Search *search, const char *name)
{
  return vsmmu_xml_child (xmlDocGetRootElement (search->trial), name);
}

/* Tries one device alone, in the skeleton's <devices>. */
static void
try_device (Search *search, const xmlNode *original)
{
  xmlNode *devices = trial_child (search, "devices");
  xmlNode *trial = xmlAddChild (devices, xmlDocCopyNode ((xmlNode *) original, search->trial, 1));

  if (!fits (search))
    narrow_down (search, trial, original);
  while (devices->children != NULL) {
    xmlNode *child = devices->children;

    xmlUnlinkNode (child);
    xmlFreeNode (child);
  }
}

/* Tries one child of <domain>, replacing the skeleton's own if that has one. */
static void
try_child (Search *search, const xmlNode *original)
{
  xmlNode *root = xmlDocGetRootElement (search->trial);
  xmlNode *own = original->ns == NULL ? trial_child (search, (const char *) original->name) : NULL;
  xmlNode *trial;

  if (own != NULL) {
    trial = xmlDocCopyNode ((xmlNode *) original, search->trial, 1);
    xmlReplaceNode (own, trial);
  } else {
    trial = xmlAddChild (root, xmlDocCopyNode ((xmlNode *) original, search->trial, 1));
  }
  if (!fits (search))
    narrow_down (search, trial, original);
  xmlFreeNode (own);
  xmlFreeDoc (search->trial);
  search->trial = xmlReadMemory (SKELETON, (int) strlen (SKELETON), NULL, NULL, 0);
}

static void
try_root_attributes (Search *search, const xmlNode *root)
{
  xmlNode *trial = xmlDocGetRootElement (search->trial);

  for (const xmlAttr *attribute = root->properties; attribute != NULL; attribute = attribute->next) {
    const char *value = vsmmu_xml_attribute (root, (const char *) attribute->name);
    g_autofree char *usual = g_strdup (vsmmu_xml_attribute (trial, (const char *) attribute->name));

    xmlSetProp (trial, attribute->name, (const xmlChar *) value);
    if (fits (search))
      continue;
    report_attribute (search, root, attribute);
    if (usual != NULL)
      xmlSetProp (trial, attribute->name, (const xmlChar *) usual);
    else
      xmlUnsetProp (trial, attribute->name);
  }
}

static void
try_devices (Search *search, const xmlNode *devices)
{
  for (xmlNode *device = vsmmu_xml_element (devices->children); device != NULL && search->n_violations < VIOLATIONS_MAX;
       device = vsmmu_xml_element (device->next))
    try_device (search, device);
}

/* (transfer full): @document without the child number @n of its root element */
static xmlDocPtr
copy_without_child (const xmlDoc *document, guint n)
{
  xmlDocPtr copy = xmlCopyDoc ((xmlDocPtr) document, 1);
  xmlNode *child = vsmmu_xml_element (xmlDocGetRootElement (copy)->children);

  while (n-- > 0)
    child = vsmmu_xml_element (child->next);
  xmlUnlinkNode (child);
  xmlFreeNode (child);
  return copy;
}

/* (transfer full): @document with only the first @n devices */
static xmlDocPtr
copy_with_devices (const xmlDoc *document, guint n)
{
  xmlDocPtr copy = xmlCopyDoc ((xmlDocPtr) document, 1);
  xmlNode *device = vsmmu_xml_element (vsmmu_xml_child (xmlDocGetRootElement (copy), "devices")->children);

  while (device != NULL) {
    xmlNode *next = vsmmu_xml_element (device->next);

    if (n > 0) {
      n--;
    } else {
      xmlUnlinkNode (device);
      xmlFreeNode (device);
    }
    device = next;
  }
  return copy;
}

/* The child of <domain> without which the document is valid, or %NULL. */
static const xmlNode *
find_misfit (const VsmmuSchema *schema, const xmlDoc *document)
{
  const xmlNode *root = xmlDocGetRootElement ((xmlDocPtr) document);
  guint n = 0;

  for (const xmlNode *child = vsmmu_xml_element (root->children); child != NULL && n < PARTS_MAX;
       child = vsmmu_xml_element (child->next)) {
    g_autoptr (xmlDoc) copy = copy_without_child (document, n++);

    if (!vsmmu_xml_is (child, "devices") && vsmmu_schema_is_valid (schema, copy))
      return child;
  }
  return NULL;
}

/* The first device that does not fit beside those before it, found by halving; or %NULL. */
static const xmlNode *
find_device_misfit (const VsmmuSchema *schema, const xmlDoc *document)
{
  const xmlNode *devices = vsmmu_xml_child (xmlDocGetRootElement ((xmlDocPtr) document), "devices");
  const xmlNode *device;
  guint low = 0;
  guint high = 0;

  if (devices == NULL)
    return NULL;
  for (device = vsmmu_xml_element (devices->children); device != NULL; device = vsmmu_xml_element (device->next))
    high++;
  while (low + 1 < high) {
    guint middle = (low + high) / 2;
    g_autoptr (xmlDoc) copy = copy_with_devices (document, middle);

    if (vsmmu_schema_is_valid (schema, copy))
      low = middle;
    else
      high = middle;
  }
  for (device = vsmmu_xml_element (devices->children); device != NULL && high > 1;
       device = vsmmu_xml_element (device->next))
    high--;
  return device;
}

/* Each part fits by itself: one is missing, or there too often. */
static void
report_combination (Search *search, const xmlDoc *document)
{
  const xmlNode *root = xmlDocGetRootElement ((xmlDocPtr) document);
  const xmlNode *required = vsmmu_xml_element (xmlDocGetRootElement (search->trial)->children);
  const xmlNode *misfit;
  const xmlNode *devices;
  gboolean is_searched;

  for (; required != NULL; required = vsmmu_xml_element (required->next)) {
    if (vsmmu_xml_child (root, (const char *) required->name) != NULL || vsmmu_xml_is (required, "devices"))
      continue;
    report_error (search, root, g_strdup_printf (_ ("<%s> is missing in <domain>"), required->name),
                  g_strdup_printf (_ ("add <%s>"), required->name));
    return;
  }
  devices = vsmmu_xml_child (root, "devices");
  is_searched = devices == NULL || xmlChildElementCount ((xmlNode *) devices) <= SEARCHED_MAX;
  misfit = is_searched ? find_misfit (search->schema, document) : NULL;
  if (misfit == NULL && is_searched)
    misfit = find_device_misfit (search->schema, document);
  if (misfit == NULL)
    misfit = root;
  report_error (search, misfit,
                g_strdup_printf (_ ("<%s> is valid by itself, but conflicts with other elements"), misfit->name),
                g_strdup (_ ("remove a second element of the same kind where only one is allowed")));
}

/* (transfer full): @document with nothing in <metadata>, where all is allowed and much would take long */
static xmlDocPtr
copy_without_metadata (const xmlDoc *document)
{
  xmlDocPtr copy = xmlCopyDoc ((xmlDocPtr) document, 1);
  xmlNode *metadata = vsmmu_xml_child (xmlDocGetRootElement (copy), "metadata");

  while (metadata != NULL && metadata->children != NULL) {
    xmlNode *child = metadata->children;

    xmlUnlinkNode (child);
    xmlFreeNode (child);
  }
  return copy;
}

/* What libxml2 needs for the attributes of @node, see COST_MAX. */
static guint64
attribute_cost (const xmlNode *node)
{
  guint64 cost = 1;

  for (const xmlAttr *attribute = node->properties; attribute != NULL && cost <= COST_MAX; attribute = attribute->next)
    cost *= 4;
  return cost;
}

/* Reports a document that would keep libxml2 busy for long. */
static gboolean
can_be_validated (Search *search, const xmlNode *root)
{
  const xmlNode *worst = root;
  guint64 cost = 0;

  for (const xmlNode *node = root; node != NULL && cost <= COST_MAX; node = vsmmu_xml_next (root, node, TRUE)) {
    cost += attribute_cost (node);
    if (attribute_cost (node) > attribute_cost (worst))
      worst = node;
  }
  if (cost <= COST_MAX)
    return TRUE;
  report_as (search, VSMMU_SEVERITY_WARNING, worst,
             g_strdup_printf (_ ("the document was not validated because the attributes of <%s> would take libxml2 "
                                 "too long"),
                              worst->name),
             g_strdup (_ ("remove attributes that have their default value")));
  return FALSE;
}

void
vsmmu_schema_check (const VsmmuSchema *schema, const xmlDoc *document, VsmmuSchemaFunc report, gpointer data)
{
  Search search = { .schema = schema, .report = report, .data = data };
  xmlNode *root = xmlDocGetRootElement ((xmlDocPtr) document);
  g_autoptr (xmlDoc) copy = NULL;

  if (!can_be_validated (&search, root))
    return;
  copy = copy_without_metadata (document);
  if (vsmmu_schema_is_valid (schema, copy))
    return;
  search.trial = xmlReadMemory (SKELETON, (int) strlen (SKELETON), NULL, NULL, 0);
  try_root_attributes (&search, root);
  for (xmlNode *child = vsmmu_xml_element (root->children); child != NULL && search.n_violations < VIOLATIONS_MAX;
       child = vsmmu_xml_element (child->next)) {
    if (vsmmu_xml_is (child, "devices"))
      try_devices (&search, child);
    else if (!vsmmu_xml_is (child, "metadata"))
      try_child (&search, child);
  }
  if (search.n_violations == 0)
    report_combination (&search, copy);
  if (search.n_violations >= VIOLATIONS_MAX)
    report_error (&search, root, g_strdup_printf (_ ("there may be more findings than these %d"), VIOLATIONS_MAX),
                  g_strdup (_ ("fix them, and check again")));
  xmlFreeDoc (search.trial);
}
