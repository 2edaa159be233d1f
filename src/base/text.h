/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* (transfer full): @value cut to what fits in a message. */
char *vsmmu_text_shorten (const char *value);

/* (transfer full): @value, which is UTF-8, as an attribute value or text of XML in any encoding that writes ASCII */
char *vsmmu_text_escape (const char *value);
