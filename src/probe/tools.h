/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/* Asks the libvirt daemon for versions, and the QEMU program for its version and the properties of arm-smmuv3. */
void vsmmu_tools_probe (VsmmuHost *host);

/* Reads what `qemu-system-aarch64 -device arm-smmuv3,help` prints; @help is %NULL when it has no such device. */
void vsmmu_tools_read_properties (VsmmuHost *host, const char *help);

/* The version that `qemu-system-aarch64 --version` prints, in VSMMU_VERSION_ENCODE() form; 0 for none. */
guint vsmmu_tools_read_version (const char *text);
