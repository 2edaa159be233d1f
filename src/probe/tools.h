/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/* Asks the libvirt daemon and the QEMU program for their versions and what they can do. */
void vsmmu_tools_probe (VsmmuHost *host);

/* Asks the libvirt daemon at @uri only, also which emulator it starts. */
gboolean vsmmu_tools_ask_libvirt (const char *uri, VsmmuHost *host, GError **error);

/*
 * vsmmu_tools_find_qemu:
 * @host: with the emulator that libvirt or a domain names, or none
 *
 * Leaves the emulator that is named when it may be run: by root only if nobody else can have put it there. In place of
 * another, and of none, comes the installed emulator.
 */
void vsmmu_tools_find_qemu (VsmmuHost *host);

/* Whether the emulator that @host names may be run. */
gboolean vsmmu_tools_may_run_qemu (const VsmmuHost *host);

/* Asks the emulator, if there is one, for its version; %FALSE when it does not say. */
gboolean vsmmu_tools_ask_qemu_version (VsmmuHost *host);

/* Asks the emulator, whose version is known, for the properties of its devices. */
void vsmmu_tools_ask_qemu_properties (VsmmuHost *host);

/*
 * vsmmu_tools_read_properties:
 * @smmu: (nullable): what `qemu-system-aarch64 -M none -device arm-smmuv3,help` prints, %NULL for no such device
 * @vfio: (nullable): the same for vfio-pci
 */
void vsmmu_tools_read_properties (VsmmuHost *host, const char *smmu, const char *vfio);

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
