/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The text of Graphviz. What comes from a document goes through these functions
 * only, which let nothing out of its label.
 */

/* (transfer full): an HTML-like label with nothing in it yet */
GString *vsmmu_dot_label_new (void);

/* Adds a line in bold. */
void vsmmu_dot_label_add_title (GString *label, const char *text);

/* Adds a line in small letters. */
void vsmmu_dot_label_add (GString *label, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Adds a line in small letters of @colour (`#b71c1c`), with @word in bold. */
void vsmmu_dot_label_add_mark (GString *label, const char *colour, const char *word, const char *text);

/* Adds a paragraph of @colour, to the left and broken at spaces, so that a long one does not make a picture wide. */
void vsmmu_dot_label_add_paragraph (GString *label, const char *colour, const char *text);

/* (transfer full): @label (transfer full) as the value of an attribute */
char *vsmmu_dot_label_end (GString *label);

/* Appends @text as a quoted string for a tooltip. */
void vsmmu_dot_append_tooltip (GString *dot, const char *text);
