/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command.h"

/* The file that has the options of a folder and of what is below it, so that not everyone has to give them. */
#define VSMMU_DEFAULTS_FILE ".vsmmu"

/*
 * vsmmu_defaults_read:
 * @error: when the file cannot be read, or says what it may not
 *
 * Looks for the file in the working directory and above it, up to the root of a git repository. A line is OPTION=VALUE,
 * with the options of @command that are for files; empty lines and lines that begin with '#' are comments. The names of
 * files are taken from where the file is.
 *
 * Returns: (transfer full) (array zero-terminated=1): arguments as on a command line, none without such a file;
 *   %NULL with @error set
 */
GStrv vsmmu_defaults_read (const VsmmuCommand *command, GError **error);
