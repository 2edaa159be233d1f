/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/tree.h"

/*
 * vsmmu_apparmor_probe:
 *
 * Whether AppArmor confines the guests that libvirt starts, and whether its profile for them lets QEMU open the files
 * of iommufd, as far as the files in /etc/apparmor.d say; and whether SELinux is enforcing. Needs the devices of the
 * host.
 */
void vsmmu_apparmor_probe (const VsmmuTree *tree);

/* Whether @line of a profile has a part in that. */
gboolean vsmmu_apparmor_line_matters (const char *line);

/* Whether @text of a profile, in the profile itself, allows reading and writing @path; for tests. */
gboolean vsmmu_apparmor_text_allows (const char *text, const char *path);
