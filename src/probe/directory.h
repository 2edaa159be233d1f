/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/source.h"

/*
 * vsmmu_directory_open:
 * @path: a directory
 * @source: (out): reads below it, until vsmmu_directory_close()
 *
 * Returns: %FALSE with errno when it cannot be entered
 */
gboolean vsmmu_directory_open (const char *path, VsmmuSource *source);

void vsmmu_directory_close (VsmmuSource *source);
