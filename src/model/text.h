/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* (transfer full): @value cut to what fits in a message. */
char *vsmmu_text_shorten (const char *value);
