/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/* Asks the libvirt daemon for versions, and the QEMU program for its version and the properties of arm-smmuv3. */
void vsmmu_tools_probe (VsmmuHost *host);

/* Asks the QEMU program only. */
void vsmmu_tools_ask_qemu (VsmmuHost *host);

/* Reads what `qemu-system-aarch64 -device arm-smmuv3,help` prints; @help is %NULL when it has no such device. */
void vsmmu_tools_read_properties (VsmmuHost *host, const char *help);

/* The version that `qemu-system-aarch64 --version` prints, in VSMMU_VERSION_ENCODE() form; 0 for none. */
guint vsmmu_tools_read_version (const char *text);

/*
 * The build of that version, if the package's is in brackets behind it: "+ds-1" of "11.1.3 (Debian 1:11.1.3+ds-1)",
 * "-15.el9_6.2" of "9.1.0 (qemu-kvm-9.1.0-15.el9_6.2)"; "" for none.
 */
void vsmmu_tools_read_build (const char *text, char build[VSMMU_BUILD_SIZE]);

/*
 * vsmmu_tools_read_libvirt:
 * @root: of the files
 * @host: with the version of the daemon, if that is known
 *
 * Reads in libvirt's schema what its XML has; nothing is known when the installed libvirt is of another version than
 * the daemon, such as a daemon in a container, or before its restart after an upgrade.
 */
void vsmmu_tools_read_libvirt (const char *root, VsmmuHost *host);
