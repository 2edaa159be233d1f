/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_options_describe_error:
 * @entries: the known options
 * @argv: (array zero-terminated=1): the command line, as it was before it was parsed
 * @error: what g_option_context_parse() says
 * @program: whose --help is named
 *
 * Returns: (transfer full): what is wrong, and which option may be meant; translated
 */
char *vsmmu_options_describe_error (const GOptionEntry *entries, char **argv, const GError *error, const char *program);
