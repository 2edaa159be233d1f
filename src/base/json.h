/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* (transfer full): @object (transfer full) as indented JSON that ends in a newline */
char *vsmmu_json_to_string (JsonObject *object);

/* The same on one line. */
char *vsmmu_json_to_line (JsonObject *object);

/* (transfer full): @array (transfer full) as indented JSON that ends in a newline */
char *vsmmu_json_array_to_string (JsonArray *array);

/* Sets a string that may not be UTF-8, such as the name of a file; @value is (nullable). */
void vsmmu_json_set_string (JsonObject *object, const char *name, const char *value);

/* Sets an address as a string, 0x and at least eight digits. */
void vsmmu_json_set_address (JsonObject *object, const char *name, guint64 address);
