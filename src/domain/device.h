/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "domain/numa.h"
#include "domain/pci.h"

/*
 * VsmmuDeviceClass: the order in which libvirt gives PCI addresses to devices
 * that have none, qemuDomainAssignDevicePCISlots(); seen on 12.8.
 */
typedef enum {
  VSMMU_DEVICE_CLASS_PCI_CONTROLLER,
  VSMMU_DEVICE_CLASS_FILESYSTEM,
  VSMMU_DEVICE_CLASS_INTERFACE,
  VSMMU_DEVICE_CLASS_SOUND,
  VSMMU_DEVICE_CLASS_CONTROLLER,
  VSMMU_DEVICE_CLASS_DISK,
  VSMMU_DEVICE_CLASS_HOSTDEV,
  VSMMU_DEVICE_CLASS_MEMBALLOON,
  VSMMU_DEVICE_CLASS_RNG,
  VSMMU_DEVICE_CLASS_WATCHDOG,
  VSMMU_DEVICE_CLASS_VIDEO,
  VSMMU_DEVICE_CLASS_SHMEM,
  VSMMU_DEVICE_CLASS_INPUT,
  VSMMU_DEVICE_CLASS_SERIAL,
  VSMMU_DEVICE_CLASS_IOMMU,
  VSMMU_DEVICE_CLASS_VSOCK,
  VSMMU_DEVICE_CLASS_MEMORY,
  VSMMU_DEVICE_CLASS_CRYPTO,
  VSMMU_DEVICE_CLASS_PANIC,
  VSMMU_DEVICE_CLASS_PSTORE,
  VSMMU_DEVICE_CLASS_OTHER, /* never on PCI */
} VsmmuDeviceClass;

/* An on/off or yes/no attribute. */
typedef enum {
  VSMMU_SWITCH_ABSENT,
  VSMMU_SWITCH_OFF,
  VSMMU_SWITCH_ON,
  VSMMU_SWITCH_INVALID,
} VsmmuSwitch;

typedef enum {
  VSMMU_ADDRESS_NONE,
  VSMMU_ADDRESS_PCI,
  VSMMU_ADDRESS_OTHER, /* drive, usb, virtio-mmio, … */
} VsmmuAddressKind;

typedef struct {
  const char *type;  /* pci, usb, scsi, … */
  const char *model; /* %NULL when not given */
  int index;
  gboolean has_index;       /* in the document */
  gboolean is_late;         /* added by libvirt after it numbered those without an index */
  const VsmmuPciModel *pci; /* for type='pci' with a model that is known */
  const char *driver;       /* (nullable): <model name=…> */
  int chassis;              /* -1 when not given, as are the next five */
  int port;
  int chassis_nr;
  int bus_nr;
  gboolean has_bad_bus_nr;
  int numa_node;
  gint64 mem_reserve; /* KiB */
  VsmmuSwitch hotplug;
  gboolean has_pcihole64;
  guint64 pcihole64; /* KiB */
  guint pcihole64_line;
} VsmmuController;

typedef struct {
  gboolean is_pci;  /* a host PCI function given to the guest */
  gboolean is_mdev; /* a mediated device on PCI */
  VsmmuPciAddress host;
  gboolean is_managed; /* libvirt unbinds it from its driver on the host */
  VsmmuSwitch iommufd; /* <driver iommufd=…> */
  guint driver_line;
  VsmmuSwitch rom_bar;
  const char *rom_file;
  int boot_order;                           /* 0 when not given */
  gint64 acpi_index;                        /* 0 when not given */
  guint acpi_line;                          /* of <acpi> with a nodeset; 0 without */
  gboolean has_acpi_nodes;                  /* and there is at least one node in it */
  guint64 acpi_nodes[VSMMU_NODES_MAX / 64]; /* <acpi nodeset=…>: one bit for each NUMA node */
} VsmmuHostdev;

/* The options of <iommu model='smmuv3'><driver …/>. */
typedef struct {
  const char *model;
  const xmlNode *driver; /* (nullable) */
  guint driver_line;
  gboolean is_smmuv3;
  gboolean has_address;
  gboolean names_pci_bus; /* rightly or wrongly */
  gboolean has_pci_bus;
  guint pci_bus;
  VsmmuSwitch accel;
  VsmmuSwitch ats;
  VsmmuSwitch ril;
  VsmmuSwitch cmdqv;
  int ssidsize; /* -1 when not given or not usable, as is oas */
  int oas;
} VsmmuIommu;

/* A memory device. */
typedef struct {
  guint64 size;           /* KiB */
  const char *pci_device; /* (nullable): alias of the GPU whose extended memory (EGM) it is */
} VsmmuMemoryDevice;

/*
 * VsmmuDevice: one child of <devices>, or a device that libvirt adds by itself
 * (ordinal 0, line 0).
 */
typedef struct {
  VsmmuDeviceClass device_class;
  const char *element;
  guint ordinal; /* 1-based, among the elements of that name */
  guint line;
  gboolean is_plug;    /* the root of a document of its own, to be attached or detached */
  const xmlNode *node; /* (nullable) */
  const char *alias;   /* (nullable): in the document */
  char *id;            /* (nullable): in QEMU, for controllers, IOMMUs and hostdevs */
  guint connect;       /* VsmmuConnect; VSMMU_CONNECT_NONE when not on PCI */
  gboolean is_virtio;  /* may be on virtio-mmio instead */
  VsmmuAddressKind address_kind;
  gboolean address_given; /* in the document, so not libvirt's choice */
  gboolean multifunction_given;
  gboolean is_pci_given; /* <address type='pci'/>, whether or not it says where */
  VsmmuPciAddress address;
  guint address_line;
  guint64 sort_key; /* among devices of one class: disks go by target name */
  union {
    VsmmuController controller;
    VsmmuHostdev hostdev;
    VsmmuIommu iommu;
    VsmmuMemoryDevice memory;
  };
} VsmmuDevice;

static inline gboolean
vsmmu_device_is_pci_controller (const VsmmuDevice *device)
{
  return device->device_class == VSMMU_DEVICE_CLASS_PCI_CONTROLLER;
}

static inline gboolean
vsmmu_device_is_hostdev (const VsmmuDevice *device)
{
  return device->device_class == VSMMU_DEVICE_CLASS_HOSTDEV && (device->hostdev.is_pci || device->hostdev.is_mdev);
}

/* Whether it is extended GPU memory: <memory model='egm'> of NVIDIA's libvirt. */
static inline gboolean
vsmmu_device_is_egm (const VsmmuDevice *device)
{
  return device->device_class == VSMMU_DEVICE_CLASS_MEMORY && device->memory.pci_device != NULL;
}

static inline gboolean
vsmmu_device_is_iommu (const VsmmuDevice *device)
{
  return g_strcmp0 (device->element, "iommu") == 0;
}

/* Whether libvirt has devices of that element; it ignores other elements in <devices>. */
gboolean vsmmu_device_is_known (const char *element);

/* Whether libvirt attaches @device to a running guest. */
gboolean vsmmu_device_is_pluggable (const VsmmuDevice *device);

/* (transfer full): XPath of @device, or of what @suffix names below it ("/driver"). */
char *vsmmu_device_path (const VsmmuDevice *device, const char *suffix);

/* (transfer full): how messages call @device: "disk 'vda'", "hostdev 0000:01:00.0". */
char *vsmmu_device_describe (const VsmmuDevice *device);
