/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "host/host.h"
#include "plan/plan.h"
#include "xml/edit.h"

/* A port for one VFIO device, there already or to be added. */
typedef struct {
  guint index; /* of its controller, so the bus of what is behind it */
  gboolean is_new;
  VsmmuPciAddress address; /* new ones: of the port itself */
} VsmmuPlanPort;

/* What goes behind one vSMMU. */
typedef struct {
  const VsmmuHostSmmu *smmu;
  const VsmmuHostDevice *owner; /* (nullable): the only device, when each has a vSMMU of its own */
  const VsmmuDevice *vsmmu;     /* (nullable): the guest has it already */
  GPtrArray *devices;           /* (element-type VsmmuHostDevice): borrowed; to be added */
  guint root;                   /* index of its root bus */
  guint slot;                   /* new ones, on pcie-root */
  guint bus_nr;                 /* new ones */
  int node;                     /* NUMA node of the guest; new ones, -1 for none */
  GArray *ports;                /* VsmmuPlanPort: for @devices in their order, then spare ones */
} VsmmuPlanGroup;

/* A VFIO device that the guest has already, but not where it can be used. */
typedef struct {
  const VsmmuHostDevice *device;
  const VsmmuDevice *hostdev; /* of the whole guest */
} VsmmuAdopted;

/*
 * VsmmuAdoption:
 *
 * The devices that a document has already and that go behind vSMMUs. The layout is made for @rest: it gives them ports
 * as it gives devices that are new, and everything else its place as if they had never been there.
 */
typedef struct {
  const VsmmuDomain *guest; /* whole */
  VsmmuDomain *rest;        /* without @devices and @replaced */
  GArray *devices;          /* VsmmuAdopted */
  GArray *stay;             /* VsmmuAdopted: behind the right vSMMU, but without iommufd or NUMA nodes */
  GPtrArray *replaced;      /* (element-type VsmmuDevice): SMMUv3s that no VFIO device can use */
} VsmmuAdoption;

/* The NUMA nodes of the guest for the memory of a device. */
typedef struct {
  const VsmmuHostDevice *device;
  const VsmmuDevice *hostdev; /* (nullable): the guest has it already */
  guint first;
  guint count;
} VsmmuPlanMemory;

/* A plan in the making. */
typedef struct {
  const VsmmuHost *host;
  const VsmmuDomain *domain;
  const VsmmuPlanOptions *options;
  const VsmmuAdoption *adoption; /* (nullable) */
  GPtrArray *groups;             /* (element-type VsmmuPlanGroup) */
  guint64 hole;     /* KiB that the 64-bit PCI hole must have, a power of two; 0 when QEMU's own is enough */
  GArray *in_place; /* VsmmuAdopted: requested, and behind the right vSMMU */
  GArray *memories; /* VsmmuPlanMemory: to be added */
  guint n_cells;    /* NUMA nodes of the guest with those to be added */
  GPtrArray *notes; /* (element-type utf8) */
} VsmmuLayout;

void vsmmu_layout_init (VsmmuLayout *layout, const VsmmuHost *host, const VsmmuDomain *domain,
                        const VsmmuPlanOptions *options);
void vsmmu_layout_clear (VsmmuLayout *layout);

/* Adds a translated sentence to the notes. */
void vsmmu_layout_note (VsmmuLayout *layout, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Sets @error to %VSMMU_ERROR_UNSUPPORTED with a translated sentence; returns FALSE. */
gboolean vsmmu_layout_refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Whether the guest needs anything that it does not have. */
gboolean vsmmu_layout_adds_something (const VsmmuLayout *layout);

/* Whether the host can give @device to a guest behind an accelerated SMMUv3: devices.c */
gboolean vsmmu_layout_is_usable (const VsmmuHostDevice *device, GError **error);

/*
 * vsmmu_layout_choose_devices:
 * @names: %NULL-terminated
 *
 * Makes a group for each SMMU that @names and the devices to adopt are behind, or for each of them: devices.c
 */
gboolean vsmmu_layout_choose_devices (VsmmuLayout *layout, const char *const *names, GError **error);

/* (transfer none): the function of the host called @name, with or without its PCI domain: devices.c */
const VsmmuHostDevice *vsmmu_layout_find_device (const VsmmuHost *host, const char *name, GError **error);

/* Whether @device is one to adopt, so that its element is in the document. */
gboolean vsmmu_layout_adopts (const VsmmuLayout *layout, const VsmmuHostDevice *device);

/* Gives root buses, ports and bus numbers to the groups: buses.c */
gboolean vsmmu_layout_place (VsmmuLayout *layout, GError **error);

/* Sizes the 64-bit PCI hole, and finds the NUMA nodes: memory.c */
gboolean vsmmu_layout_size_hole (VsmmuLayout *layout, GError **error);
void vsmmu_layout_find_nodes (VsmmuLayout *layout);

/* The NUMA node of the host that @device, which is behind an SMMU, is on, or -1: memory.c */
gint64 vsmmu_layout_host_node (const VsmmuHostDevice *device);

/* The NUMA node of the guest whose memory is on @node of the host, or likely to be, or -1: memory.c */
int vsmmu_layout_guest_node (const VsmmuLayout *layout, gint64 node);

/* Finds numbers for the NUMA nodes that the memory of devices needs: cells.c */
gboolean vsmmu_layout_find_cells (VsmmuLayout *layout, GError **error);

/* Whether the guest has no NUMA nodes, and gets them for the memory of a device */
gboolean vsmmu_layout_adds_first_cell (const VsmmuLayout *layout);

/* (transfer none) (nullable): those of @device, if it is to have new ones */
const VsmmuPlanMemory *vsmmu_layout_memory_of (const VsmmuLayout *layout, const VsmmuHostDevice *device);

/*
 * Adds these NUMA nodes to <numa>, the distances to them to those of the document, and their numbers to devices that
 * the guest has already: cells.c
 */
void vsmmu_layout_write_cells (VsmmuLayout *layout, VsmmuEdit *edit);

/* Adds @lines, each with a newline at its end, indented by one level */
void vsmmu_layout_indent (GString *text, const char *lines);

/* (transfer full): @lines in an element, indented by one level */
char *vsmmu_layout_wrap (const char *element, const char *lines);

/* (transfer full): the elements that the groups add to <devices>: write.c */
char *vsmmu_layout_write (const VsmmuLayout *layout);

/* (transfer full): <address type='pci'> of a guest */
char *vsmmu_layout_write_address (const VsmmuPciAddress *address);

/*
 * vsmmu_plan_template:
 * @devices: %NULL-terminated: names of those that the guest will have
 * @error: %VSMMU_ERROR_UNSUPPORTED
 *
 * Returns: (transfer full): a guest without VFIO devices, on the NUMA nodes of @devices: template.c
 */
char *vsmmu_plan_template (const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options,
                           GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuLayout, vsmmu_layout_clear)
