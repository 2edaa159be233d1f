/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/pattern.h"

/* VsmmuGrammar: a RELAX NG schema as patterns. Immutable. */
typedef struct _VsmmuGrammar VsmmuGrammar;

/*
 * vsmmu_grammar_new:
 * @path: a RELAX NG schema in XML syntax
 * @include: (nullable): a file to read where @path itself includes one, whatever
 *   the name written there
 * @error: %VSMMU_ERROR_READ
 *
 * Reads @path and what it includes. Only local files are read.
 */
VsmmuGrammar *vsmmu_grammar_new (const char *path, const char *include, GError **error);

void vsmmu_grammar_free (VsmmuGrammar *grammar);

/* What a document has to match. */
const VsmmuPattern *vsmmu_grammar_get_start (const VsmmuGrammar *grammar);

/* A pool for derivatives of the patterns of @grammar, which must outlive it. */
VsmmuPatternPool *vsmmu_grammar_new_pool (const VsmmuGrammar *grammar);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGrammar, vsmmu_grammar_free)
