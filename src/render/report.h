/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Findings (element-type VsmmuFinding) of all documents in the formats that other programs' reports have. */

/* (transfer full): as Checkstyle's XML, which most systems for continuous integration read; ends in a newline */
char *vsmmu_render_checkstyle (const GPtrArray *findings);

/* (transfer full): as GitLab's Code Quality reads it, a list in the form of Code Climate's; ends in a newline */
char *vsmmu_render_gitlab (const GPtrArray *findings);
