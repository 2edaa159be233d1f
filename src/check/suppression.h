/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_suppressions_apply:
 * @data: a well-formed document of @length bytes
 * @name: of the document
 * @findings: (element-type VsmmuFinding): what was found in it
 *
 * Takes from @findings those that a comment in the document silences:
 *
 *   <!-- virt-vsmmu ignore=RULE,RULE and a reason -->
 *
 * is about the element that follows it, and about all that is in that element. A rule that does not exist is a
 * finding of its own, since whoever misspells one would wait for nothing.
 */
void vsmmu_suppressions_apply (const char *data, gsize length, const char *name, GPtrArray *findings);
