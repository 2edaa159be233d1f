/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * (transfer full): what a domain means, in sorted lines: its devices with their places and options, whether VFIO uses
 * iommufd for them, and what is passed to QEMU. Two documents that mean the same are described alike, however they are
 * written.
 */
char *describe_model (const VsmmuDomain *domain);
