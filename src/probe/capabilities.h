/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/*
 * vsmmu_capabilities_read:
 * @xml: what libvirt reports for arm64 guests, as `virsh domcapabilities --arch aarch64 --machine virt` prints it
 * @host: gets the emulator, and whether libvirt has iommufd in the <driver> of a <hostdev>
 *
 * Nothing is known of iommufd when libvirt does not list it: the first releases that have it do not, and later ones do
 * not when QEMU or the kernel has none. Nothing is read of what is malformed.
 */
void vsmmu_capabilities_read (const char *xml, VsmmuHost *host);
