/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_version_parse:
 * @text: one to three numbers of up to three digits with points between them: "12.8", "11.1.3"
 * @version: (out): in VSMMU_VERSION_ENCODE() form
 *
 * Returns: %FALSE for anything else, and for 0
 */
gboolean vsmmu_version_parse (const char *text, guint *version);

/* With the zero at its end. */
#define VSMMU_BUILD_SIZE 64

/*
 * vsmmu_version_parse_package:
 * @text: as for vsmmu_version_parse(), or as packagers write it: with an epoch before it and a build behind it,
 *   "1:11.1.3+dfsg-1~bpo13+1", "11.9.0+nvidia4", "9.1.0-15.el9_6.2"
 * @version: (out): in VSMMU_VERSION_ENCODE() form, without the build
 * @build: (out): what is behind the numbers, from '+', '-' or '~' on; "" for none
 *
 * Returns: %FALSE for anything else, and for 0
 */
gboolean vsmmu_version_parse_package (const char *text, guint *version, char build[VSMMU_BUILD_SIZE]);

/* (transfer full): @version in VSMMU_VERSION_ENCODE() form as "12.8.0" */
char *vsmmu_version_to_string (guint version);
