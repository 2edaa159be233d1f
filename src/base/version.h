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

/* (transfer full): @version in VSMMU_VERSION_ENCODE() form as "12.8.0" */
char *vsmmu_version_to_string (guint version);
