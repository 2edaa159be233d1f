/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * VsmmuDatatype: what a RELAX NG <data> or <value> says of a text: a datatype of
 * XML Schema or RELAX NG's own string and token, with parameters, or one word.
 */
typedef struct _VsmmuDatatype VsmmuDatatype;

/*
 * vsmmu_datatype_new:
 * @library: URI of the datatype library; empty for RELAX NG's own
 *
 * Returns: (transfer full) (nullable): %NULL when there is no such datatype
 */
VsmmuDatatype *vsmmu_datatype_new (const char *library, const char *type);

void vsmmu_datatype_free (VsmmuDatatype *datatype);

/* Adds a <param>; %FALSE when the datatype has no such parameter or cannot have that value. */
gboolean vsmmu_datatype_restrict (VsmmuDatatype *datatype, const char *parameter, const char *value);

/* Makes it a <value>: only @value, compared as the datatype compares, is left. %FALSE as above. */
gboolean vsmmu_datatype_set_value (VsmmuDatatype *datatype, const char *value);

gboolean vsmmu_datatype_accepts (const VsmmuDatatype *datatype, const char *text);

/*
 * vsmmu_datatype_describe:
 *
 * Returns: (transfer full) (nullable): what it accepts, translated, as in “give
 *   %s”; %NULL when there are no simple words for it
 */
char *vsmmu_datatype_describe (const VsmmuDatatype *datatype);

/* The word of a <value>, or %NULL. */
const char *vsmmu_datatype_get_value (const VsmmuDatatype *datatype);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDatatype, vsmmu_datatype_free)
