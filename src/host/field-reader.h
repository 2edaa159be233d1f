/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "host/host-fields.h"

/* The position in a document, so that errors can be reported with it. */
typedef struct {
  VsmmuHost *host;
  const char *name;  /* of the document */
  const char *array; /* (nullable): the array that is being read */
  guint index;       /* in it */
  gsize n_members;   /* of all objects that were read */
  GError *error;     /* the first one */
} VsmmuFieldReader;

/* Sets the error of @reader, unless it has one; @member: (nullable). Returns %FALSE. */
gboolean vsmmu_field_refuse (VsmmuFieldReader *reader, const char *member, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* The same for @member, which has to be there and is not. */
gboolean vsmmu_field_refuse_missing (VsmmuFieldReader *reader, const char *member);

gboolean vsmmu_field_is_absent (JsonNode *node);

/* The string in @node, or %NULL after an error. */
const char *vsmmu_field_get_text (VsmmuFieldReader *reader, JsonNode *node, const char *member);

/* %FALSE after an error */
gboolean vsmmu_field_get_number (VsmmuFieldReader *reader, JsonNode *node, const char *member, gint64 min, gint64 max,
                                 gint64 *value);

/* The object that is the member @name; %NULL when absent or after an error. */
JsonObject *vsmmu_field_get_object (VsmmuFieldReader *reader, JsonObject *object, const char *name);

/* The array that is the member @name; %NULL when absent or after an error. */
JsonArray *vsmmu_field_get_array (VsmmuFieldReader *reader, JsonObject *object, const char *name, guint max);

/* Reads the members of @object into @structure; %FALSE after an error. */
gboolean vsmmu_fields_read (VsmmuFieldReader *reader, JsonObject *object, const VsmmuField *fields, gpointer structure);

/* The same for the object that is the member @name, if there is one. */
gboolean vsmmu_fields_read_object (VsmmuFieldReader *reader, JsonObject *object, const char *name,
                                   const VsmmuField *fields, gpointer structure);

/* Calls @read for every object of the array that is the member @name, if there is one. */
gboolean vsmmu_fields_read_array (VsmmuFieldReader *reader, JsonObject *object, const char *name, guint max,
                                  gboolean (*read) (VsmmuFieldReader *reader, JsonObject *element));
