/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/number.h"
#include "vsmmu/domain.h"

/*
 * VsmmuMsiController:
 * @VSMMU_MSI_CONTROLLER_UNKNOWN: libvirt or the host decides when the guest starts
 * @VSMMU_MSI_CONTROLLER_NONE: the machine has none, so there is no doorbell
 * @VSMMU_MSI_CONTROLLER_ITS: the ITS of a GICv3; its doorbell is GITS_TRANSLATER
 * @VSMMU_MSI_CONTROLLER_GICV2M: the GICv2m frame; its doorbell is MSI_SETSPI_NS
 *
 * What takes the MSIs of a `virt` machine (QEMU: finalize_msi_controller()).
 */
typedef enum {
  VSMMU_MSI_CONTROLLER_UNKNOWN,
  VSMMU_MSI_CONTROLLER_NONE,
  VSMMU_MSI_CONTROLLER_ITS,
  VSMMU_MSI_CONTROLLER_GICV2M,
} VsmmuMsiController;

/*
 * VsmmuGuestRegion:
 * @start: GPA
 * @size: bytes, not 0
 * @name: what messages call it; static
 *
 * Something that lies in the guest's physical address space.
 */
typedef struct {
  guint64 start;
  guint64 size;
  const char *name;
} VsmmuGuestRegion;

/*
 * QEMU's machine `virt`: its memory map, in GPAs, and its limits. base_memmap[] and extended_memmap[] in
 * hw/arm/virt.c, the same for every version of the machine; `info mtree` of QEMU 11.1.3 shows them.
 */

/*
 * The window for MSIs, first and last address in GPA and IOVA alike, that QEMU reserves in the IORT of a guest with an
 * accelerated SMMUv3 (build_iort_rmr_nodes()), and that the host's kernel has too (MSI_IOVA_BASE, MSI_IOVA_LENGTH).
 */
#define VSMMU_VIRT_MSI_WINDOW_START G_GUINT64_CONSTANT (0x08000000)
#define VSMMU_VIRT_MSI_WINDOW_END G_GUINT64_CONSTANT (0x080fffff)

/* Registers of the SMMUv3 that -machine iommu=smmuv3 makes, and of the first arm-smmuv3; those of the others follow. */
#define VSMMU_VIRT_MACHINE_SMMU G_GUINT64_CONSTANT (0x09050000)
#define VSMMU_VIRT_PLATFORM_SMMU G_GUINT64_CONSTANT (0x0c000000)
#define VSMMU_VIRT_SMMU_SIZE G_GUINT64_CONSTANT (0x00020000)

/* VIRT_PCIE_MMIO, VIRT_PCIE_ECAM (with highmem-ecam=off), VIRT_MEM */
#define VSMMU_VIRT_MMIO_START G_GUINT64_CONSTANT (0x10000000)
#define VSMMU_VIRT_MMIO_END G_GUINT64_CONSTANT (0x3eff0000)
#define VSMMU_VIRT_LOW_ECAM_START G_GUINT64_CONSTANT (0x3f000000)
#define VSMMU_VIRT_LOW_ECAM_BUSES 16
#define VSMMU_VIRT_MEMORY_START VSMMU_GIB

/* Redistributors, ECAM and the 64-bit window are above this, or above the memory if that ends higher. */
#define VSMMU_VIRT_HIGH_START_MIN (256 * VSMMU_GIB)
#define VSMMU_VIRT_HIGH_END (G_GUINT64_CONSTANT (1) << 48)
#define VSMMU_VIRT_HIGH_ECAM_ALIGNMENT (256 * VSMMU_MIB)
#define VSMMU_VIRT_HIGH_ECAM_BUSES 256

/* The 64-bit window, in KiB: its default size and the smallest that is accepted (virt_set_highmem_mmio_size()), a power
 * of two. */
#define VSMMU_VIRT_HOLE_MIN (512 * VSMMU_KIB_PER_GIB)

/* KiB of the 64-bit window of @domain: by <pcihole64> of its pcie-root, or by an argument highmem-mmio-size. */
guint64 vsmmu_virt_hole_of (const VsmmuDomain *domain);

/* A GICv2's vCPUs (GIC_NCPU). */
#define VSMMU_VIRT_GICV2_VCPUS_MAX 8u

/* An MSI controller of the machine: its frame, and the register that an MSI is a write to. */
typedef struct {
  const char *name;
  guint64 start;
  guint64 size;
  guint64 doorbell;
} VsmmuVirtFrame;

/* By VsmmuMsiController; only a name where there is no controller. */
extern const VsmmuVirtFrame vsmmu_virt_frames[];

/* What lies below the memory, but for MSI controllers; ends with a region of no size. */
extern const VsmmuGuestRegion vsmmu_virt_low_regions[];

/* (transfer full): a window for MSIs as messages have it: "0x8000000-0x80fffff" */
char *vsmmu_virt_window_to_string (guint64 start, guint64 end);
