/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * VsmmuEdit: additions to a document that leave every other byte of it alone.
 * libxml2 writes a tree with quotes, empty elements and white space of its own,
 * so the additions go into the text, at the places of the tree's elements.
 */
typedef struct _VsmmuEdit VsmmuEdit;

/*
 * vsmmu_edit_new:
 * @data: the text of @domain; must outlive the result, as must @domain
 * @error: %VSMMU_ERROR_XML when the text is in UTF-16
 *
 * Returns: (transfer full): no edits yet, or %NULL with @error set
 */
VsmmuEdit *vsmmu_edit_new (const char *data, gsize length, const VsmmuDomain *domain, GError **error);

void vsmmu_edit_free (VsmmuEdit *edit);

/*
 * vsmmu_edit_append:
 * @parent: an element of the document
 * @xml: lines that each end in a newline, indented by two spaces for each level
 *
 * Adds @xml after what is in @parent, indented as the document is.
 */
void vsmmu_edit_append (VsmmuEdit *edit, const xmlNode *parent, const char *xml);

/* Adds an attribute that @node does not have yet. */
void vsmmu_edit_add_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name, const char *value);

/* Puts @xml, without a newline, in the place of @node. */
void vsmmu_edit_replace (VsmmuEdit *edit, const xmlNode *node, const char *xml);

/* (transfer full): the document with all edits */
char *vsmmu_edit_finish (VsmmuEdit *edit, gsize *length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuEdit, vsmmu_edit_free)
