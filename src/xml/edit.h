/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/xml.h"

/*
 * VsmmuEdit: changes to a document that leave every other byte of it alone.
 * libxml2 writes a tree with quotes, empty elements and white space of its own,
 * so the changes go into the text, at the places of the tree's elements.
 *
 * Where a function takes lines of XML, they are indented by two spaces for each level,
 * and come into the document indented as it is. An element that is changed may not also be replaced.
 */
typedef struct _VsmmuEdit VsmmuEdit;

/*
 * vsmmu_edit_new:
 * @data: the text of @document; must outlive the result, as must @document
 * @file: the name that messages use for it
 * @error: %VSMMU_ERROR_XML when the text is in UTF-16
 *
 * Returns: (transfer full): no edits yet, or %NULL with @error set
 */
VsmmuEdit *vsmmu_edit_new (const char *data, gsize length, xmlDocPtr document, const char *file, GError **error);

void vsmmu_edit_free (VsmmuEdit *edit);

/* Adds lines, each with a newline at its end, after what is in @parent. */
void vsmmu_edit_append (VsmmuEdit *edit, const xmlNode *parent, const char *xml);

/*
 * Adds lines after @node, which is not the root. vsmmu_edit_remove() of what was added gives the same bytes again:
 * they are on lines of their own only where @node begins a line.
 */
void vsmmu_edit_insert_after (VsmmuEdit *edit, const xmlNode *node, const char *xml);

/* The same before all that is in @parent, which has a child element. */
void vsmmu_edit_insert_first (VsmmuEdit *edit, const xmlNode *parent, const char *xml);

/* Removes @node, with the line when it begins one. */
void vsmmu_edit_remove (VsmmuEdit *edit, const xmlNode *node);

/* Replaces @node with lines; vsmmu_edit_restore() puts text there as it is. */
void vsmmu_edit_replace (VsmmuEdit *edit, const xmlNode *node, const char *xml);
void vsmmu_edit_restore (VsmmuEdit *edit, const xmlNode *node, const char *text);

/* (transfer full): the bytes of @node */
char *vsmmu_edit_text (const VsmmuEdit *edit, const xmlNode *node);

/* Adds an attribute that @node does not have yet. */
void vsmmu_edit_add_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name, const char *value);

/* Changes the value of an attribute, or adds it; @name has the prefix that the document has. */
void vsmmu_edit_set_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name, const char *value);

/* Removes an attribute if @node has it; @name has the prefix that the document has. */
void vsmmu_edit_remove_attribute (VsmmuEdit *edit, const xmlNode *node, const char *name);

/* (transfer full): the document with all edits, and a NUL after it */
char *vsmmu_edit_finish (VsmmuEdit *edit, gsize *length);

/*
 * (transfer full) (element-type guint): after vsmmu_edit_finish(), for each line of the document with all edits the
 * line of the document before; what is new has the line where it was put
 */
GArray *vsmmu_edit_map_lines (const VsmmuEdit *edit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuEdit, vsmmu_edit_free)
