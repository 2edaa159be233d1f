/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Far more than any element of domain XML has. */
#define VSMMU_ATTRIBUTES_MAX 256

/*
 * vsmmu_limits_check:
 * @data: a document in an encoding that writes markup as ASCII does
 * @line: (out): where the limit is broken
 *
 * libxml2 compares each attribute of an element with all before it, so an element
 * with very many of them would keep it busy for hours: 80,000 take 8 seconds
 * with 2.9.14.
 *
 * Returns: %FALSE when an element has more than %VSMMU_ATTRIBUTES_MAX attributes
 */
gboolean vsmmu_limits_check (const char *data, gsize length, guint *line);
