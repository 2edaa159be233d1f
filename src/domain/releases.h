/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/target.h"

/* The first releases of libvirt that know what: */
#define VSMMU_LIBVIRT_OVERRIDE VSMMU_VERSION_ENCODE (8, 2, 0)        /* <qemu:override> */
#define VSMMU_LIBVIRT_PCI_BUS VSMMU_VERSION_ENCODE (11, 10, 0)       /* pciBus of an SMMUv3 */
#define VSMMU_LIBVIRT_IOMMUFD VSMMU_VERSION_ENCODE (12, 1, 0)        /* iommufd of a hostdev */
#define VSMMU_LIBVIRT_DOMAIN_IOMMUFD VSMMU_VERSION_ENCODE (12, 2, 0) /* <iommufd> of a domain */
#define VSMMU_LIBVIRT_ACCEL VSMMU_VERSION_ENCODE (12, 7, 0)          /* accel and the options that need it */

/* And of QEMU: */
#define VSMMU_QEMU_ACCEL VSMMU_VERSION_ENCODE (11, 0, 0) /* accelerated arm-smmuv3 */
#define VSMMU_QEMU_AUTO VSMMU_VERSION_ENCODE (11, 1, 0)  /* options from the host, cmdqv */
