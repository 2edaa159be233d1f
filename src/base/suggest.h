/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_suggest:
 * @word: what somebody wrote
 * @candidates: NULL-terminated
 *
 * Returns: (nullable): the candidate that was probably meant: the same letters
 *   in another case or with other separators, or a few edits away
 */
const char *vsmmu_suggest (const char *word, const char *const *candidates);
