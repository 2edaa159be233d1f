/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/render.h"

/*
 * vsmmu_render_refusal:
 * @findings: (element-type VsmmuFinding): findings, at least one of them an error
 *
 * What to show where there is little room, such as in an error of libvirt.
 *
 * Returns: (transfer full): the first error with its hint on a second line, and on a third the number of others and
 *   their rules; printable, without a line feed at the end
 */
char *vsmmu_render_refusal (const GPtrArray *findings);

/*
 * vsmmu_render_printable:
 * @text: text in which values from a document or file names may stand
 *
 * Returns: (transfer full): @text as UTF-8, with what is not printable, and so
 *   might drive a terminal, as \uXXXX; line feeds too
 */
char *vsmmu_render_printable (const char *text);

/*
 * vsmmu_render_line:
 *
 * Returns: (transfer full): @finding in one line, for a log:
 *   `file:line: severity: message [rule]; hint`
 */
char *vsmmu_render_line (const VsmmuFinding *finding);
