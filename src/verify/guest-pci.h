/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "msi/reader.h"

/* The part of a function's configuration space that conventional PCI has, in bytes. */
#define VSMMU_CONFIG_SIZE 256

/* Entries that a table of MSI-X vectors can have (PCI Express 6.0, 7.7.2.2). */
#define VSMMU_MSIX_VECTORS_MAX 2048

/* Where the configuration space of a guest's PCI functions is. */
typedef struct {
  const VsmmuMemoryReader *reader; /* must outlive this */
  guint64 base;                    /* GPA */
  guint n_buses;
  guint64 memory_end; /* GPA: what the guest has of memory ends below */
} VsmmuEcam;

/*
 * vsmmu_ecam_find:
 * @reader: reads devices with the width that is asked for
 * @error: VSMMU_ERROR_MSI when no host bridge is where one can be; what @reader sets
 *
 * QEMU virt_set_memmap() and virt_set_high_memmap(): the ECAM is above all memory that the guest can ever have, behind
 * room for redistributors, or below 1 GiB with highmem=off. The host bridge at 00:00.0 shows which it is.
 */
gboolean vsmmu_ecam_find (VsmmuEcam *ecam, const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error);

typedef enum {
  VSMMU_INTERRUPTS_NONE, /* the function has neither MSI nor MSI-X */
  VSMMU_INTERRUPTS_MSI,
  VSMMU_INTERRUPTS_MSIX,
} VsmmuInterrupts;

/* What the configuration space of one function says. Any bytes are possible, the guest writes there. */
typedef struct {
  gboolean is_present;
  guint16 vendor;
  guint16 device;
  gboolean is_multifunction;
  gboolean is_bridge;
  guint8 secondary_bus; /* bridges; 0 for none yet */
  gboolean decodes_memory;
  guint32 bars[6];
  /* The capability that is enabled, or that could be. */
  VsmmuInterrupts interrupts;
  gboolean is_enabled;
  guint n_vectors;      /* in the table; for MSI as many as the guest enables */
  gboolean is_masked;   /* MSI-X: all of them */
  guint8 table_bar;     /* MSI-X */
  guint32 table_offset; /* MSI-X */
  guint64 address;      /* MSI, as are the next two */
  guint32 data;
  guint32 mask; /* one bit for each vector */
} VsmmuGuestFunction;

/* Takes the configuration space of a function apart. */
void vsmmu_guest_function_parse (VsmmuGuestFunction *function, const guint8 config[VSMMU_CONFIG_SIZE]);

/*
 * vsmmu_guest_function_read:
 * @bus: number of the bus
 * @devfn: slot << 3 | function
 * @error: what the reader of @ecam sets
 *
 * A function on a bus that @ecam does not reach is not present.
 */
gboolean vsmmu_guest_function_read (VsmmuGuestFunction *function, const VsmmuEcam *ecam, guint bus, guint devfn,
                                    GError **error);

/* One vector as the guest has programmed it. */
typedef struct {
  guint index;
  guint64 address;
  guint32 data;
} VsmmuGuestMsi;

/*
 * vsmmu_guest_function_read_vectors:
 * @error: VSMMU_ERROR_MSI when the table cannot be where the guest says; what the reader of @ecam sets
 *
 * Returns: (transfer full) (element-type VsmmuGuestMsi): the vectors that are enabled and not masked, or %NULL with
 *   @error set
 */
GArray *vsmmu_guest_function_read_vectors (const VsmmuGuestFunction *function, const VsmmuEcam *ecam, GError **error);
