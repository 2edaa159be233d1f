/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/device.h"
#include "domain/numa.h"
#include "vsmmu/domain.h"
#include "xml/xml.h"

typedef enum {
  VSMMU_GIC_ABSENT, /* libvirt picks one */
  VSMMU_GIC_HOST,
  VSMMU_GIC_2,
  VSMMU_GIC_3,
} VsmmuGic;

/* A value in the document that libvirt rejects or silently ignores. */
typedef struct {
  guint line;
  const char *attribute; /* of @element, or the element itself when %NULL */
  const char *value;     /* %NULL for an attribute that is missing */
  char *element;
  char *expected; /* translated: "a whole number from 0 to 20" */
  char *unclear;  /* (nullable): translated; it is not the value that is wrong: programs may read the XML differently */
} VsmmuValueProblem;

/* One <qemu:arg>, one <qemu:property> of an override, or one <qemu:add> or <qemu:del> of <qemu:capabilities>. */
typedef struct {
  guint line;
  const xmlNode *node;
  const char *value;    /* of capabilities, the name of one */
  const char *alias;    /* overrides only */
  const char *property; /* overrides only */
  char *element;
} VsmmuPassthrough;

/* One PCI bus of the guest: the bus behind the controller with that index. */
typedef struct {
  const VsmmuDevice *controller; /* %NULL for no such controller */
  const VsmmuPciModel *model;
  int root;                 /* index of the root bus it is below, -1 when there is none */
  const VsmmuDevice *vsmmu; /* root buses: the first vSMMU that names it */
} VsmmuBus;

/* How libvirt finds an address for a device in a running guest. */
typedef enum {
  VSMMU_PLUG_PLACED,      /* or it needs none */
  VSMMU_PLUG_UNSUPPORTED, /* libvirt attaches no such device to a running guest */
  VSMMU_PLUG_UNKNOWN,     /* the guest's own devices have none */
  VSMMU_PLUG_NO_BUS,      /* the bus it names is not there */
  VSMMU_PLUG_NO_HOTPLUG,  /* the bus it names does not accept hotplugged devices */
  VSMMU_PLUG_TAKEN,       /* the address it names is in use, or without one no slot is free */
  VSMMU_PLUG_REFUSED,     /* libvirt refuses the address it names for another reason */
} VsmmuPlugOutcome;

/* The change to a running guest; see vsmmu_hotplug_apply(). */
typedef struct {
  VsmmuHotplugAction action;
  const char *file;
  VsmmuDevice *device;       /* as its document has it */
  const VsmmuDevice *target; /* to be detached: the device of the guest that is meant, or %NULL */
  VsmmuPlugOutcome outcome;  /* to be attached */
  char *reason;              /* (nullable): translated; for VSMMU_PLUG_REFUSED */
} VsmmuPlug;

struct _VsmmuDomain {
  char *file;
  xmlDocPtr document;
  gboolean borrows_document;
  guint line; /* of <domain> */
  const char *name;
  const char *type;
  gboolean is_running; /* it has an id, so its aliases are in use */
  guint memory_backing_line;
  guint vcpus; /* the largest number the guest can have */
  const char *arch;
  const char *machine;
  guint machine_line; /* of <os><type> */
  gboolean has_uefi;
  guint os_line;
  gboolean has_acpi;
  guint features_line;
  VsmmuGic gic;
  guint gic_line;
  gboolean has_hugepages;
  guint hugepages_line;
  guint64 huge_page;    /* KiB; 0 when not given, or not for the whole guest */
  guint64 memory;       /* KiB; 0 when not given; with that of memory devices */
  guint64 memory_max;   /* KiB; 0 when no memory can be plugged: <maxMemory> */
  guint memory_slots;   /* for memory devices, in <maxMemory> */
  guint n_cells;        /* guest NUMA nodes in the document: <cpu><numa><cell> */
  GArray *cells;        /* VsmmuCell: by their numbers, %VSMMU_NODES_MAX of them at most */
  GArray *memory_nodes; /* VsmmuMemoryNodes */
  VsmmuSwitch iommufd;  /* <iommufd enabled=…> */
  guint iommufd_line;
  gboolean has_two_iommufd;
  GPtrArray *devices;     /* (element-type VsmmuDevice): document order, then libvirt's own */
  GPtrArray *iommus;      /* borrowed from devices, as are the next two */
  GPtrArray *hostdevs;    /* PCI and mediated ones */
  GPtrArray *controllers; /* PCI ones */
  GArray *problems;       /* VsmmuValueProblem */
  gboolean hides_vsmmu;   /* what is unclear may be an accelerated vSMMU to libvirt */
  GArray *arguments;      /* VsmmuPassthrough: <qemu:commandline> */
  GArray *overrides;      /* VsmmuPassthrough: <qemu:override> */
  GArray *capabilities;   /* VsmmuPassthrough: <qemu:capabilities> */
  GArray *reaches;        /* VsmmuReach: what of these three reaches an SMMUv3 or a VFIO device */
  guint n_buses;
  VsmmuBus buses[VSMMU_PCI_BUSES_MAX];
  /* Why libvirt would refuse the PCI addresses, and for which device. */
  char *address_error;
  const VsmmuDevice *address_error_device;
  gboolean is_controller_error; /* its index or model is wrong, not its address */
  gboolean is_copy;
  VsmmuPlug *plug; /* (nullable) */
};

/* (transfer full): a domain of @document, which it takes, with nothing in it yet */
VsmmuDomain *vsmmu_domain_new_empty (xmlDocPtr document, const char *file);

/*
 * vsmmu_domain_copy:
 *
 * Returns: (transfer full): a domain that may be given further devices, hostdevs and problems; all
 *   else is that of @domain, which must outlive it
 */
VsmmuDomain *vsmmu_domain_copy (const VsmmuDomain *domain);

/* Whether machine and architecture are those of an arm64 virt guest. */
gboolean vsmmu_domain_is_virt (const VsmmuDomain *domain);

/* The vSMMU of the root bus that @bus is below, or %NULL. */
const VsmmuDevice *vsmmu_domain_vsmmu_over (const VsmmuDomain *domain, guint bus);

/* The vSMMU that @device is behind, accelerated or not, or %NULL. */
const VsmmuDevice *vsmmu_domain_vsmmu_of (const VsmmuDomain *domain, const VsmmuDevice *device);

static inline const VsmmuDevice *
vsmmu_domain_iommu_at (const VsmmuDomain *domain, guint i)
{
  return g_ptr_array_index (domain->iommus, i);
}

static inline const VsmmuDevice *
vsmmu_domain_hostdev_at (const VsmmuDomain *domain, guint i)
{
  return g_ptr_array_index (domain->hostdevs, i);
}

/* Whether VFIO uses iommufd for @hostdev, by its own <driver> or the domain's <iommufd>. */
gboolean vsmmu_domain_uses_iommufd (const VsmmuDomain *domain, const VsmmuDevice *hostdev);

/* The namespace of what libvirt passes to QEMU as it is. */
#define VSMMU_QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"
