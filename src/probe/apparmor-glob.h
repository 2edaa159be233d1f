/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_apparmor_glob_matches:
 * @glob: a path as AppArmor has it: `*` stands for anything but slashes, `**` for anything, `?` for one character, and
 *   there are `[classes]` and `{alternatives,…}`; one with a variable, `@{NAME}`, matches nothing
 * @path: at most 63 bytes
 *
 * The time is linear in the length of @glob, for each of at most 64 combinations of its alternatives.
 */
gboolean vsmmu_apparmor_glob_matches (const char *glob, const char *path);
