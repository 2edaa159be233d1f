/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/datatype.h"

#include <glib/gi18n-lib.h>
#include <libxml/xmlschemastypes.h>

#define XML_SCHEMA_DATATYPES "http://www.w3.org/2001/XMLSchema-datatypes"
#define XML_SCHEMA "http://www.w3.org/2001/XMLSchema"

struct _VsmmuDatatype {
  xmlSchemaTypePtr type; /* %NULL for RELAX NG's own; owned by libxml2 */
  gboolean keeps_space;  /* RELAX NG's own: string, not token */
  gboolean is_integer;
  GPtrArray *facets; /* (element-type xmlSchemaFacet) */
  GPtrArray *texts;  /* (element-type utf8): what facets refer to */
  const char *minimum;
  const char *maximum;
  char *value;           /* of <value>, else %NULL */
  xmlSchemaValPtr typed; /* @value, for comparison */
};

static const struct {
  const char *name;
  xmlSchemaTypeType facet;
} parameters[] = {
  { "minInclusive", XML_SCHEMA_FACET_MININCLUSIVE },
  { "minExclusive", XML_SCHEMA_FACET_MINEXCLUSIVE },
  { "maxInclusive", XML_SCHEMA_FACET_MAXINCLUSIVE },
  { "maxExclusive", XML_SCHEMA_FACET_MAXEXCLUSIVE },
  { "totalDigits", XML_SCHEMA_FACET_TOTALDIGITS },
  { "fractionDigits", XML_SCHEMA_FACET_FRACTIONDIGITS },
  { "pattern", XML_SCHEMA_FACET_PATTERN },
  { "length", XML_SCHEMA_FACET_LENGTH },
  { "minLength", XML_SCHEMA_FACET_MINLENGTH },
  { "maxLength", XML_SCHEMA_FACET_MAXLENGTH },
};

static const char *const integer_types[] = { "integer",       "positiveInteger", "nonNegativeInteger", "long",
                                             "int",           "short",           "byte",               "unsignedLong",
                                             "unsignedShort", "unsignedByte",    "unsignedInt",        NULL };

static void
facet_free (gpointer data)
{
  xmlSchemaFreeFacet (data);
}

VsmmuDatatype *
vsmmu_datatype_new (const char *library, const char *type)
{
  g_autoptr (VsmmuDatatype) datatype = g_new0 (VsmmuDatatype, 1);

  datatype->facets = g_ptr_array_new_with_free_func (facet_free);
  datatype->texts = g_ptr_array_new_with_free_func (g_free);
  if (*library == '\0') {
    datatype->keeps_space = strcmp (type, "string") == 0;
    return datatype->keeps_space || strcmp (type, "token") == 0 ? g_steal_pointer (&datatype) : NULL;
  }
  if (strcmp (library, XML_SCHEMA_DATATYPES) != 0)
    return NULL;
  datatype->type = xmlSchemaGetPredefinedType ((const xmlChar *) type, (const xmlChar *) XML_SCHEMA);
  datatype->is_integer = g_strv_contains (integer_types, type);
  return datatype->type != NULL ? g_steal_pointer (&datatype) : NULL;
}

void
vsmmu_datatype_free (VsmmuDatatype *datatype)
{
  if (datatype == NULL)
    return;
  g_ptr_array_unref (datatype->facets);
  g_ptr_array_unref (datatype->texts);
  if (datatype->typed != NULL)
    xmlSchemaFreeValue (datatype->typed);
  g_free (datatype->value);
  g_free (datatype);
}

static xmlSchemaFacetPtr
facet_new (const VsmmuDatatype *datatype, const char *parameter, const char *value)
{
  xmlSchemaFacetPtr facet;

  for (guint i = 0; i < G_N_ELEMENTS (parameters); i++) {
    if (strcmp (parameters[i].name, parameter) != 0)
      continue;
    facet = xmlSchemaNewFacet ();
    if (facet == NULL)
      g_error ("out of memory");
    facet->type = parameters[i].facet;
    facet->value = (const xmlChar *) value;
    if (xmlSchemaCheckFacet (facet, datatype->type, NULL, NULL) == 0)
      return facet;
    xmlSchemaFreeFacet (facet);
    return NULL;
  }
  return NULL;
}

gboolean
vsmmu_datatype_restrict (VsmmuDatatype *datatype, const char *parameter, const char *value)
{
  char *text = g_strdup (value);
  xmlSchemaFacetPtr facet;

  g_ptr_array_add (datatype->texts, text);
  facet = datatype->type != NULL ? facet_new (datatype, parameter, text) : NULL;
  if (facet == NULL)
    return FALSE;
  g_ptr_array_add (datatype->facets, facet);
  if (facet->type == XML_SCHEMA_FACET_MININCLUSIVE)
    datatype->minimum = text;
  else if (facet->type == XML_SCHEMA_FACET_MAXINCLUSIVE)
    datatype->maximum = text;
  return TRUE;
}

/* (transfer full): without white space around it, and with one space for each run of it. */
static char *
collapse (const char *text)
{
  xmlChar *collapsed = xmlSchemaCollapseString ((const xmlChar *) text);
  char *result = g_strdup (collapsed != NULL ? (const char *) collapsed : text);

  xmlFree (collapsed);
  return result;
}

gboolean
vsmmu_datatype_set_value (VsmmuDatatype *datatype, const char *value)
{
  datatype->value = datatype->keeps_space ? g_strdup (value) : collapse (value);
  return datatype->type == NULL ||
         (xmlSchemaValPredefTypeNode (datatype->type, (const xmlChar *) value, &datatype->typed, NULL) == 0 &&
          datatype->typed != NULL);
}

static gboolean
is_value (const VsmmuDatatype *datatype, const char *text)
{
  g_autofree char *collapsed = NULL;
  xmlSchemaValPtr typed = NULL;
  gboolean same;

  if (datatype->type == NULL) {
    if (datatype->keeps_space || strcmp (text, datatype->value) == 0)
      return strcmp (text, datatype->value) == 0;
    collapsed = collapse (text);
    return strcmp (collapsed, datatype->value) == 0;
  }
  same = xmlSchemaValPredefTypeNode (datatype->type, (const xmlChar *) text, &typed, NULL) == 0 && typed != NULL &&
         xmlSchemaCompareValues (datatype->typed, typed) == 0;
  xmlSchemaFreeValue (typed);
  return same;
}

gboolean
vsmmu_datatype_accepts (const VsmmuDatatype *datatype, const char *text)
{
  xmlSchemaValPtr typed = NULL;
  gboolean accepted;

  if (datatype->value != NULL)
    return is_value (datatype, text);
  if (datatype->type == NULL)
    return TRUE;
  accepted = xmlSchemaValPredefTypeNode (datatype->type, (const xmlChar *) text,
                                         datatype->facets->len > 0 ? &typed : NULL, NULL) == 0;
  for (guint i = 0; accepted && i < datatype->facets->len; i++)
    accepted = xmlSchemaValidateFacet (datatype->type, g_ptr_array_index (datatype->facets, i), (const xmlChar *) text,
                                       typed) == 0;
  if (typed != NULL)
    xmlSchemaFreeValue (typed);
  return accepted;
}

char *
vsmmu_datatype_describe (const VsmmuDatatype *datatype)
{
  if (datatype->value != NULL)
    return g_strdup_printf ("“%s”", datatype->value);
  if (!datatype->is_integer)
    return NULL;
  if (datatype->minimum == NULL || datatype->maximum == NULL)
    return g_strdup (_ ("a whole number"));
  if (strcmp (datatype->minimum, datatype->maximum) == 0)
    return g_strdup_printf ("“%s”", datatype->minimum);
  return g_strdup_printf (_ ("a whole number from %s to %s"), datatype->minimum, datatype->maximum);
}

const char *
vsmmu_datatype_get_value (const VsmmuDatatype *datatype)
{
  return datatype->value;
}
