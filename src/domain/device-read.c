/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device-read.h"

#include <glib/gi18n-lib.h>

#include "base/number.h"
#include "domain/numa-read.h"
#include "domain/options.h"
#include "domain/read.h"

/* A conventional or Express endpoint that takes whatever slot libvirt finds. */
#define ANY_PCI (VSMMU_CONNECT_PCI | VSMMU_CONNECT_AUTOASSIGN)
#define ANY_PCIE (VSMMU_CONNECT_PCIE | VSMMU_CONNECT_AUTOASSIGN)
/* A model that libvirt would put on PCI, but has no bus for. */
#define NO_BUS VSMMU_CONNECT_AUTOASSIGN

static const char *
attribute_of_child (const xmlNode *node, const char *child_name, const char *attribute)
{
  const xmlNode *child = vsmmu_xml_child (node, child_name);

  return child != NULL ? vsmmu_xml_attribute (child, attribute) : NULL;
}

/* A virtio device; only the transitional ones still need conventional PCI. */
static void
set_virtio (VsmmuDevice *device, const char *model)
{
  device->is_virtio = TRUE;
  device->connect = g_strcmp0 (model, "virtio-transitional") == 0 ? ANY_PCI : ANY_PCIE;
}

static gboolean
is_virtio_model (const char *model)
{
  return model != NULL && (strcmp (model, "virtio") == 0 || strcmp (model, "virtio-transitional") == 0 ||
                           strcmp (model, "virtio-non-transitional") == 0);
}

/* A table of models, for the device kinds whose connection follows from one word. */
typedef struct {
  const char *model;
  guint connect;
} ModelConnect;

static void
set_by_model (VsmmuDevice *device, const char *model, const ModelConnect *table)
{
  if (is_virtio_model (model)) {
    set_virtio (device, model);
    return;
  }
  for (; model != NULL && table->model != NULL; table++)
    if (strcmp (table->model, model) == 0)
      device->connect = table->connect;
}

/* One more than libvirt's virDiskNameToIndex(): vda 1, vdz 26, vdaa 27; 0 for no name of a disk. */
static guint
disk_name_to_index (const char *name)
{
  static const char *const prefixes[] = { "fd", "hd", "vd", "sd", "xvd", "ubd" };
  guint index = 0;

  for (guint i = 0; name != NULL && i < G_N_ELEMENTS (prefixes); i++) {
    if (!g_str_has_prefix (name, prefixes[i]))
      continue;
    for (const char *p = name + strlen (prefixes[i]); g_ascii_islower (*p) && index < G_MAXUINT16; p++)
      index = index * 26 + (guint) (*p - 'a' + 1);
    break;
  }
  return index;
}

static void
read_disk (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  const char *bus = attribute_of_child (device->node, "target", "bus");
  const char *name = attribute_of_child (device->node, "target", "dev");

  device->sort_key = disk_name_to_index (name);
  if (g_strcmp0 (bus, "virtio") == 0 || (bus == NULL && name != NULL && g_str_has_prefix (name, "vd")))
    set_virtio (device, vsmmu_xml_attribute (device->node, "model"));
}

static void
read_host_address (const VsmmuReader *reader, const xmlNode *address, const char *suffix, VsmmuPciAddress *host)
{
  host->domain = (guint32) vsmmu_read_integer (reader, address, suffix, "domain", 0, 0, G_MAXUINT32, 0);
  host->bus = (guint8) vsmmu_read_integer (reader, address, suffix, "bus", 0, 0, 0xff, 0);
  host->slot = (guint8) vsmmu_read_integer (reader, address, suffix, "slot", 0, 0, 0x1f, 0);
  host->function = (guint8) vsmmu_read_integer (reader, address, suffix, "function", 0, 0, 7, 0);
}

/* What <hostdev> and <interface type='hostdev'> have in common. */
static void
read_hostdev_parts (const VsmmuReader *reader, VsmmuDevice *device)
{
  VsmmuHostdev *hostdev = &device->hostdev;
  const xmlNode *source = vsmmu_read_child (reader, device->node, "", "source");
  const xmlNode *address = source != NULL ? vsmmu_read_child (reader, source, "/source", "address") : NULL;
  const xmlNode *driver = vsmmu_xml_child (device->node, "driver");
  const xmlNode *rom = vsmmu_xml_child (device->node, "rom");
  const xmlNode *boot = vsmmu_xml_child (device->node, "boot");
  const xmlNode *acpi = vsmmu_xml_child (device->node, "acpi");

  device->device_class = VSMMU_DEVICE_CLASS_HOSTDEV;
  device->connect = ANY_PCIE;
  /* libvirt collects interfaces before it reads <hostdev>. */
  device->sort_key = strcmp (device->element, "interface") == 0 ? 0 : 1;
  if (hostdev->is_pci && address != NULL)
    read_host_address (reader, address, "/source/address", &hostdev->host);
  hostdev->is_managed = g_strcmp0 (vsmmu_xml_attribute (device->node, "managed"), "yes") == 0;
  hostdev->driver_line = driver != NULL ? vsmmu_xml_line (driver) : device->line;
  if (driver != NULL)
    hostdev->iommufd = vsmmu_read_switch (reader, driver, "/driver", "iommufd", VSMMU_READ_YES_NO);
  if (rom != NULL) {
    hostdev->rom_bar = vsmmu_read_switch (reader, rom, "/rom", "bar", VSMMU_READ_ON_OFF);
    hostdev->rom_file = vsmmu_xml_attribute (rom, "file");
    if (g_strcmp0 (vsmmu_xml_attribute (rom, "enabled"), "no") == 0)
      hostdev->rom_file = "";
  }
  if (boot != NULL)
    hostdev->boot_order = (int) vsmmu_read_integer (reader, boot, "/boot", "order", 10, 1, G_MAXINT, 0);
  if (acpi != NULL)
    hostdev->acpi_index = vsmmu_read_integer (reader, acpi, "/acpi", "index", 10, 1, G_MAXUINT32, 0);
  if (acpi != NULL && vsmmu_xml_attribute (acpi, "nodeset") != NULL) {
    hostdev->acpi_line = vsmmu_xml_line (acpi);
    hostdev->has_acpi_nodes = vsmmu_numa_read_set (reader, acpi, "/acpi", hostdev->acpi_nodes, VSMMU_NODES_MAX);
  }
}

static void
read_interface (const VsmmuReader *reader, VsmmuDevice *device)
{
  static const ModelConnect models[] = {
    { "e1000", ANY_PCI },    { "rtl8139", ANY_PCI },  { "vmxnet", ANY_PCI },  { "vmxnet2", ANY_PCI },
    { "vmxnet3", ANY_PCI },  { "netfront", ANY_PCI }, { "vlance", ANY_PCI },  { "am79c970a", ANY_PCI },
    { "am79c973", ANY_PCI }, { "82540em", ANY_PCI },  { "82545em", ANY_PCI }, { "82543gc", ANY_PCI },
    { "usb-net", 0 },        { "lan9118", 0 },        { "spapr-vlan", 0 },    { NULL, 0 },
  };
  const char *model = attribute_of_child (device->node, "model", "type");
  g_autofree char *folded = NULL;

  if (g_strcmp0 (vsmmu_xml_attribute (device->node, "type"), "hostdev") == 0) {
    const xmlNode *source = vsmmu_xml_child (device->node, "source");

    const xmlNode *address = source != NULL ? vsmmu_xml_child (source, "address") : NULL;

    device->hostdev.is_pci = address == NULL || g_strcmp0 (vsmmu_xml_attribute (address, "type"), "usb") != 0;
    if (device->hostdev.is_pci)
      read_hostdev_parts (reader, device);
    return;
  }
  if (model == NULL) {
    set_virtio (device, NULL);
    return;
  }
  /* Model names are not case-sensitive here, and an unknown one counts as Express. */
  folded = g_ascii_strdown (model, -1);
  device->connect = ANY_PCIE;
  set_by_model (device, folded, models);
}

static void
read_hostdev (const VsmmuReader *reader, VsmmuDevice *device)
{
  const char *mode = vsmmu_xml_attribute (device->node, "mode");
  const char *type = vsmmu_xml_attribute (device->node, "type");
  const char *model = vsmmu_xml_attribute (device->node, "model");

  /* libvirt assumes mode='subsystem'. */
  if (type == NULL || (mode != NULL && strcmp (mode, "subsystem") != 0))
    return;
  device->hostdev.is_pci = strcmp (type, "pci") == 0;
  device->hostdev.is_mdev = strcmp (type, "mdev") == 0 && g_strcmp0 (model, "vfio-pci") == 0;
  if (device->hostdev.is_pci || device->hostdev.is_mdev)
    read_hostdev_parts (reader, device);
  else if (strcmp (type, "scsi_host") == 0) {
    set_virtio (device, model);
    device->sort_key = 1;
  }
}

static void
read_sound (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  static const ModelConnect models[] = {
    { "es1370", ANY_PCI }, { "ac97", ANY_PCI }, { "ich6", ANY_PCI },
    { "ich9", ANY_PCI },   { "ich7", NO_BUS },  { NULL, 0 },
  };

  set_by_model (device, vsmmu_xml_attribute (device->node, "model"), models);
}

static void
read_video (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  static const ModelConnect models[] = {
    { "bochs", ANY_PCIE }, { "vga", ANY_PCI }, { "cirrus", ANY_PCI }, { "vmvga", ANY_PCI },
    { "qxl", ANY_PCI },    { "gop", NO_BUS },  { NULL, 0 },
  };
  const char *type = attribute_of_child (device->node, "model", "type");

  /* The primary one comes first. */
  device->sort_key = g_strcmp0 (attribute_of_child (device->node, "model", "primary"), "yes") == 0 ? 0 : 1;
  set_by_model (device, type != NULL && strcmp (type, "default") != 0 ? type : "virtio", models);
}

static void
read_shmem (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  device->connect = ANY_PCI;
}

static void
read_input (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  if (g_strcmp0 (vsmmu_xml_attribute (device->node, "bus"), "virtio") == 0)
    set_virtio (device, vsmmu_xml_attribute (device->node, "model"));
}

static void
read_serial (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  if (g_strcmp0 (attribute_of_child (device->node, "target", "type"), "pci-serial") == 0)
    device->connect = ANY_PCI;
}

static void
read_watchdog (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  if (g_strcmp0 (vsmmu_xml_attribute (device->node, "model"), "i6300esb") == 0)
    device->connect = ANY_PCI;
}

static void
read_virtio_only (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  static const ModelConnect models[] = { { "xen", NO_BUS }, { NULL, 0 } };

  set_by_model (device, vsmmu_xml_attribute (device->node, "model"), models);
}

/* virtio-9p, virtiofs and virtio-vsock are virtio whatever the model says. */
static void
read_virtio_always (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  set_virtio (device, vsmmu_xml_attribute (device->node, "model"));
}

static void
read_memory (const VsmmuReader *reader, VsmmuDevice *device)
{
  const char *model = vsmmu_xml_attribute (device->node, "model");
  const xmlNode *target = vsmmu_xml_child (device->node, "target");
  const xmlNode *size = target != NULL ? vsmmu_read_child (reader, target, "/target", "size") : NULL;

  if (size != NULL)
    device->memory.size =
        vsmmu_read_size (vsmmu_read_text (reader, size, "/target/size"), vsmmu_xml_attribute (size, "unit"));
  if (g_strcmp0 (model, "egm") == 0 && target != NULL && vsmmu_xml_child (target, "pciDev") != NULL)
    device->memory.pci_device = vsmmu_xml_text (vsmmu_xml_child (target, "pciDev"));
  if (g_strcmp0 (model, "virtio-mem") == 0 || g_strcmp0 (model, "virtio-pmem") == 0)
    set_virtio (device, NULL);
}

static void
read_crypto (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  /* Virtio, yet libvirt puts it on conventional PCI; seen on 12.8. */
  device->is_virtio = TRUE;
  device->connect = ANY_PCI;
}

static void
read_panic (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  const char *model = vsmmu_xml_attribute (device->node, "model");

  if (model == NULL || strcmp (model, "pvpanic") == 0)
    device->connect = ANY_PCI | VSMMU_CONNECT_INTEGRATED;
}

static void
read_pstore (const VsmmuReader *reader G_GNUC_UNUSED, VsmmuDevice *device)
{
  device->connect = ANY_PCI;
}

static void
read_iommu (const VsmmuReader *reader, VsmmuDevice *device)
{
  VsmmuIommu *iommu = &device->iommu;
  const xmlNode *driver = vsmmu_xml_child (device->node, "driver");

  vsmmu_options_init (iommu);
  iommu->model = vsmmu_xml_attribute (device->node, "model");
  iommu->is_smmuv3 = g_strcmp0 (iommu->model, "smmuv3") == 0;
  iommu->has_address = vsmmu_xml_child (device->node, "address") != NULL;
  iommu->driver_line = device->line;
  if (g_strcmp0 (iommu->model, "virtio") == 0)
    device->connect = ANY_PCIE | VSMMU_CONNECT_INTEGRATED;
  if (driver == NULL || !iommu->is_smmuv3)
    return;

  iommu->driver = driver;
  iommu->driver_line = vsmmu_xml_line (driver);
  iommu->names_pci_bus = vsmmu_xml_attribute (driver, "pciBus") != NULL;
  if (iommu->names_pci_bus) {
    gint64 bus = vsmmu_read_integer (reader, driver, "/driver", "pciBus", 10, 0, VSMMU_PCI_BUSES_MAX - 1, -1);

    iommu->has_pci_bus = bus >= 0;
    iommu->pci_bus = (guint) MAX (bus, 0);
  }
  vsmmu_options_read (reader, iommu);
}

static void
read_pcihole64 (const VsmmuReader *reader, VsmmuController *controller, const xmlNode *hole)
{
  const char *text = vsmmu_read_text (reader, hole, "/pcihole64");
  guint64 bytes = 0;

  controller->pcihole64_line = vsmmu_xml_line (hole);
  /* virParseScaledValue() rounds up to KiB. */
  if (text == NULL || !vsmmu_number_parse (text, 10, &bytes) ||
      !vsmmu_number_scale (&bytes, vsmmu_xml_attribute (hole, "unit"))) {
    vsmmu_read_problem (reader, hole, "/pcihole64", NULL, text != NULL ? text : "",
                        _ ("a whole number, with one of b, KiB, MiB, GiB, TiB, ... as unit"));
    return;
  }
  controller->has_pcihole64 = TRUE;
  controller->pcihole64 = bytes / 1024 + (bytes % 1024 != 0);
}

static void
read_pci_controller (const VsmmuReader *reader, VsmmuDevice *device)
{
  VsmmuController *controller = &device->controller;
  const xmlNode *target = vsmmu_xml_child (device->node, "target");
  const xmlNode *hole = vsmmu_xml_child (device->node, "pcihole64");
  const xmlNode *node = target != NULL ? vsmmu_read_child (reader, target, "/target", "node") : NULL;
  const char *text;
  guint64 numa_node;

  controller->pci = vsmmu_pci_model_find (controller->model);
  controller->driver = attribute_of_child (device->node, "model", "name");
  device->device_class = VSMMU_DEVICE_CLASS_PCI_CONTROLLER;
  if (controller->pci != NULL)
    device->connect = controller->pci->demands;
  if (hole != NULL)
    read_pcihole64 (reader, controller, hole);
  if (target == NULL)
    return;

  controller->chassis_nr = (int) vsmmu_read_integer (reader, target, "/target", "chassisNr", 0, 1, 255, -1);
  controller->chassis = (int) vsmmu_read_integer (reader, target, "/target", "chassis", 0, 0, 255, -1);
  controller->port = (int) vsmmu_read_integer (reader, target, "/target", "port", 0, 0, 255, -1);
  controller->bus_nr = (int) vsmmu_read_integer (reader, target, "/target", "busNr", 0, 1, 254, -1);
  controller->has_bad_bus_nr = controller->bus_nr < 0 && vsmmu_xml_attribute (target, "busNr") != NULL;
  controller->mem_reserve = vsmmu_read_integer (reader, target, "/target", "memReserve", 10, 0, G_MAXINT64, -1);
  controller->hotplug = vsmmu_read_switch (reader, target, "/target", "hotplug", VSMMU_READ_ON_OFF);
  if (node == NULL)
    return;
  text = vsmmu_read_text (reader, node, "/target/node");
  if (text == NULL || !vsmmu_number_parse (text, 10, &numa_node) || numa_node > G_MAXINT16)
    vsmmu_read_problem (reader, node, "/target/node", NULL, text, _ ("the number of a NUMA node"));
  else
    controller->numa_node = (int) numa_node;
}

static gboolean
is_virtio_scsi (const char *model)
{
  return model == NULL || strcmp (model, "auto") == 0 || strcmp (model, "virtio-scsi") == 0;
}

static void
read_controller (const VsmmuReader *reader, VsmmuDevice *device)
{
  static const ModelConnect usb_models[] = {
    { "nec-xhci", ANY_PCIE },  { "qemu-xhci", ANY_PCIE },     { "piix3-uhci", ANY_PCI }, { "piix4-uhci", ANY_PCI },
    { "ehci", ANY_PCI },       { "ich9-ehci1", ANY_PCI },     { "ich9-uhci1", ANY_PCI }, { "ich9-uhci2", ANY_PCI },
    { "ich9-uhci3", ANY_PCI }, { "vt82c686b-uhci", ANY_PCI }, { "pci-ohci", ANY_PCI },   { NULL, 0 },
  };
  static const ModelConnect scsi_models[] = {
    { "lsilogic", ANY_PCI }, { "lsisas1068", ANY_PCI }, { "lsisas1078", ANY_PCI }, { "vmpvscsi", ANY_PCI },
    { "buslogic", ANY_PCI }, { "am53c974", ANY_PCI },   { "dc390", ANY_PCI },      { NULL, 0 },
  };
  VsmmuController *controller = &device->controller;

  controller->type = vsmmu_xml_attribute (device->node, "type");
  controller->model = vsmmu_xml_attribute (device->node, "model");
  controller->index =
      (int) vsmmu_read_integer (reader, device->node, "", "index", 10, 0,
                                g_strcmp0 (controller->type, "pci") == 0 ? VSMMU_PCI_BUSES_MAX - 1 : G_MAXINT, -1);
  controller->has_index = controller->index >= 0;
  controller->chassis = controller->port = controller->chassis_nr = controller->bus_nr = controller->numa_node = -1;
  controller->mem_reserve = -1;
  if (controller->type == NULL)
    controller->type = "";

  if (strcmp (controller->type, "pci") == 0)
    read_pci_controller (reader, device);
  else if (strcmp (controller->type, "usb") == 0)
    set_by_model (device, controller->model != NULL ? controller->model : "qemu-xhci", usb_models);
  else if (strcmp (controller->type, "scsi") == 0)
    set_by_model (device, is_virtio_scsi (controller->model) ? "virtio" : controller->model, scsi_models);
  else if (strcmp (controller->type, "virtio-serial") == 0)
    set_virtio (device, controller->model);
  else if (strcmp (controller->type, "sata") == 0 || strcmp (controller->type, "ide") == 0)
    device->connect = ANY_PCI;
  else if (strcmp (controller->type, "nvme") == 0)
    device->connect = ANY_PCIE;
  /* When it uses virtio-mmio, libvirt does not look at the model. */
  device->is_virtio = device->is_virtio || strcmp (controller->type, "scsi") == 0;
}

static const struct {
  const char *element;
  VsmmuDeviceClass device_class;
  void (*read) (const VsmmuReader *reader, VsmmuDevice *device);
} kinds[] = {
  { "controller", VSMMU_DEVICE_CLASS_CONTROLLER, read_controller },
  { "filesystem", VSMMU_DEVICE_CLASS_FILESYSTEM, read_virtio_always },
  { "interface", VSMMU_DEVICE_CLASS_INTERFACE, read_interface },
  { "sound", VSMMU_DEVICE_CLASS_SOUND, read_sound },
  { "disk", VSMMU_DEVICE_CLASS_DISK, read_disk },
  { "hostdev", VSMMU_DEVICE_CLASS_HOSTDEV, read_hostdev },
  { "memballoon", VSMMU_DEVICE_CLASS_MEMBALLOON, read_virtio_only },
  { "rng", VSMMU_DEVICE_CLASS_RNG, read_virtio_only },
  { "watchdog", VSMMU_DEVICE_CLASS_WATCHDOG, read_watchdog },
  { "video", VSMMU_DEVICE_CLASS_VIDEO, read_video },
  { "shmem", VSMMU_DEVICE_CLASS_SHMEM, read_shmem },
  { "input", VSMMU_DEVICE_CLASS_INPUT, read_input },
  { "serial", VSMMU_DEVICE_CLASS_SERIAL, read_serial },
  { "iommu", VSMMU_DEVICE_CLASS_IOMMU, read_iommu },
  { "vsock", VSMMU_DEVICE_CLASS_VSOCK, read_virtio_always },
  { "memory", VSMMU_DEVICE_CLASS_MEMORY, read_memory },
  { "crypto", VSMMU_DEVICE_CLASS_CRYPTO, read_crypto },
  { "panic", VSMMU_DEVICE_CLASS_PANIC, read_panic },
  { "pstore", VSMMU_DEVICE_CLASS_PSTORE, read_pstore },
};

/* The guest address; libvirt reads 0000:00:00 as "choose one". */
static void
read_address (const VsmmuReader *reader, VsmmuDevice *device, const xmlNode *node)
{
  VsmmuPciAddress *address = &device->address;
  const char *type = vsmmu_xml_attribute (node, "type");
  VsmmuSwitch multifunction;

  device->address_line = vsmmu_xml_line (node);
  if (g_strcmp0 (type, "pci") != 0) {
    if (type != NULL)
      device->address_kind = VSMMU_ADDRESS_OTHER;
    return;
  }
  device->is_pci_given = TRUE;
  address->domain = (guint32) vsmmu_read_integer (reader, node, "/address", "domain", 0, 0, G_MAXUINT32, 0);
  address->bus = (guint8) vsmmu_read_integer (reader, node, "/address", "bus", 0, 0, 0xff, 0);
  address->slot = (guint8) vsmmu_read_integer (reader, node, "/address", "slot", 0, 0, 0x1f, 0);
  address->function = (guint8) vsmmu_read_integer (reader, node, "/address", "function", 0, 0, 7, 0);
  multifunction = vsmmu_read_switch (reader, node, "/address", "multifunction", VSMMU_READ_ON_OFF);
  address->multifunction = multifunction == VSMMU_SWITCH_ON;
  device->multifunction_given = multifunction != VSMMU_SWITCH_ABSENT;
  device->address_given = address->domain != 0 || address->bus != 0 || address->slot != 0;
  if (device->address_given)
    device->address_kind = VSMMU_ADDRESS_PCI;
}

/* Elements that are read in devices and occur once; a character device may have two <source>. */
static void
report_what_is_twice (const VsmmuReader *reader, const xmlNode *node)
{
  static const char *const names[] = { "acpi",  "address",   "alias", "boot",  "driver",
                                       "model", "pcihole64", "rom",   "target" };

  guint seen = 0;
  guint twice = 0;

  for (const xmlNode *child = node->children; child != NULL; child = child->next) {
    for (guint i = 0; child->type == XML_ELEMENT_NODE && i < G_N_ELEMENTS (names); i++) {
      if (*child->name != (xmlChar) *names[i] || !vsmmu_xml_is (child, names[i]))
        continue;
      twice |= seen & 1u << i;
      seen |= 1u << i;
    }
  }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if ((twice & 1u << i) != 0)
      vsmmu_read_child (reader, node, "", names[i]);
}

VsmmuDevice *
vsmmu_read_device (VsmmuDomain *domain, const xmlNode *node, guint ordinal)
{
  VsmmuDevice *device = g_new0 (VsmmuDevice, 1);
  const VsmmuReader reader = { .domain = domain, .device = device };
  const xmlNode *address = vsmmu_xml_child (node, "address");

  device->device_class = VSMMU_DEVICE_CLASS_OTHER;
  device->element = (const char *) node->name;
  device->ordinal = MAX (ordinal, 1);
  device->is_plug = ordinal == 0;
  device->line = vsmmu_xml_line (node);
  device->node = node;
  report_what_is_twice (&reader, node);
  device->alias = attribute_of_child (node, "alias", "name");
  if (address != NULL)
    read_address (&reader, device, address);

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (strcmp (kinds[i].element, device->element) == 0) {
      device->device_class = kinds[i].device_class;
      kinds[i].read (&reader, device);
      break;
    }
  }
  return device;
}
