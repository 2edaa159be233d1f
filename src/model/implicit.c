/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/implicit.h"

#include "model/number.h"

/* Disks on one controller when libvirt derives the controller from the name of the disk. */
#define SCSI_UNITS 7
#define SATA_UNITS 6
/* More than a domain can have; a larger number comes from a hostile document. */
#define CONTROLLERS_MAX 256

VsmmuDevice *
vsmmu_implicit_add_controller (VsmmuDomain *domain, const char *type, const char *model, int index)
{
  VsmmuDevice *device = g_new0 (VsmmuDevice, 1);
  VsmmuController *controller = &device->controller;

  device->element = "controller";
  controller->type = type;
  controller->model = model;
  controller->index = index;
  controller->has_index = TRUE;
  controller->chassis = controller->port = controller->chassis_nr = controller->bus_nr = controller->numa_node = -1;
  controller->mem_reserve = -1;
  if (strcmp (type, "pci") == 0) {
    device->device_class = VSMMU_DEVICE_CLASS_PCI_CONTROLLER;
    controller->pci = vsmmu_pci_model_find (model);
    device->connect = controller->pci->demands;
    g_ptr_array_add (domain->controllers, device);
  } else {
    device->device_class = VSMMU_DEVICE_CLASS_CONTROLLER;
    device->is_virtio = strcmp (type, "sata") != 0 && strcmp (type, "nvme") != 0;
    device->connect =
        (strcmp (type, "sata") == 0 ? VSMMU_CONNECT_PCI : VSMMU_CONNECT_PCIE) | VSMMU_CONNECT_AUTOASSIGN;
  }
  g_ptr_array_add (domain->devices, device);
  return device;
}

static gboolean
is_controller (const VsmmuDevice *device, const char *type)
{
  return strcmp (device->element, "controller") == 0 && strcmp (device->controller.type, type) == 0;
}

/* Indexes of the controllers of @type that the domain has. */
static void
collect_indexes (const VsmmuDomain *domain, const char *type, gboolean taken[CONTROLLERS_MAX])
{
  memset (taken, 0, sizeof (gboolean) * CONTROLLERS_MAX);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (is_controller (device, type) && device->controller.index >= 0 && device->controller.index < CONTROLLERS_MAX)
      taken[device->controller.index] = TRUE;
  }
}

/* libvirt's virDomainAssignControllerIndexes(): the smallest free index of the type. */
static void
assign_indexes (VsmmuDomain *domain)
{
  static const char *const types[] = { "pci", "scsi", "sata", "usb", "virtio-serial", "nvme" };
  gboolean taken[CONTROLLERS_MAX];

  for (guint t = 0; t < G_N_ELEMENTS (types); t++) {
    int next = 0;

    collect_indexes (domain, types[t], taken);
    for (guint i = 0; i < domain->devices->len; i++) {
      VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

      if (!is_controller (device, types[t]) || device->controller.index >= 0)
        continue;
      while (next < CONTROLLERS_MAX - 1 && taken[next])
        next++;
      device->controller.index = next;
      taken[next] = TRUE;
    }
  }
}

/* A number in <address>, or -1 when it is not there or not usable. */
static int
address_number (const VsmmuDevice *device, const char *name, int max)
{
  const xmlNode *address = device->node != NULL ? vsmmu_xml_child (device->node, "address") : NULL;
  const char *text = address != NULL ? vsmmu_xml_attribute (address, name) : NULL;
  guint64 number;

  if (text == NULL || !vsmmu_number_parse (text, 10, &number) || number > (guint64) max)
    return -1;
  return (int) number;
}

static const char *
target_attribute (const VsmmuDevice *device, const char *name)
{
  const xmlNode *target = device->node != NULL ? vsmmu_xml_child (device->node, "target") : NULL;

  return target != NULL ? vsmmu_xml_attribute (target, name) : NULL;
}

static gboolean
is_disk_on (const VsmmuDevice *device, const char *type)
{
  const char *bus = target_attribute (device, "bus");
  const char *name = target_attribute (device, "dev");

  if (strcmp (device->element, "disk") != 0)
    return FALSE;
  if (bus == NULL && name != NULL && g_str_has_prefix (name, "sd"))
    bus = "scsi";
  return g_strcmp0 (bus, type) == 0;
}

/* virDomainDiskDefAssignAddress(): controller and unit follow from the name, unless they are given. */
static void
place_disk (const VsmmuDevice *disk, const char *type, guint units, guint *controller, guint *unit)
{
  guint index = (guint) MAX (disk->sort_key & G_MAXUINT32, 1) - 1;
  int given = address_number (disk, "controller", CONTROLLERS_MAX - 1);
  const char *name = target_attribute (disk, "dev");

  *controller = MIN (index / units, CONTROLLERS_MAX - 1);
  *unit = index % units;
  /* nvme3n1 is a namespace of controller 3. */
  if (strcmp (type, "nvme") == 0 && name != NULL && g_str_has_prefix (name, "nvme"))
    *controller = (guint) MIN (g_ascii_strtoull (name + strlen ("nvme"), NULL, 10), CONTROLLERS_MAX - 1);
  if (given >= 0) {
    *controller = (guint) given;
    *unit = (guint) MAX (address_number (disk, "unit", 63), 0);
  }
}

/* virDomainHostdevAssignAddress(): the first unit that no disk and no other hostdev has. */
static void
place_scsi_hostdevs (const VsmmuDomain *domain, guint64 used[CONTROLLERS_MAX])
{
  guint at = 0;

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    int given = address_number (device, "controller", CONTROLLERS_MAX - 1);

    if (strcmp (device->element, "hostdev") != 0 ||
        g_strcmp0 (vsmmu_xml_attribute (device->node, "type"), "scsi") != 0)
      continue;
    if (given >= 0) {
      used[given] |= G_GUINT64_CONSTANT (1) << MAX (address_number (device, "unit", 63), 0);
      continue;
    }
    while (at < CONTROLLERS_MAX - 1 && (~used[at] & ((1u << SCSI_UNITS) - 1)) == 0)
      at++;
    used[at] |= ~used[at] & (used[at] + 1);
  }
}

/* Disks and SCSI hostdevs bring all controllers up to theirs. */
static void
add_disk_controllers (VsmmuDomain *domain, const char *type, const char *model, guint units)
{
  guint64 used[CONTROLLERS_MAX] = { 0 };
  gboolean taken[CONTROLLERS_MAX];
  gboolean is_needed = FALSE;

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    guint controller;
    guint unit;

    if (!is_disk_on (device, type))
      continue;
    place_disk (device, type, units, &controller, &unit);
    used[controller] |= G_GUINT64_CONSTANT (1) << unit;
  }
  if (strcmp (type, "scsi") == 0)
    place_scsi_hostdevs (domain, used);
  collect_indexes (domain, type, taken);
  for (int index = CONTROLLERS_MAX - 1; index >= 0; index--) {
    is_needed = is_needed || used[index] != 0;
    taken[index] = taken[index] || !is_needed;
  }
  for (int index = 0; index < CONTROLLERS_MAX; index++)
    if (!taken[index])
      vsmmu_implicit_add_controller (domain, type, model, index);
}

/* The ports of a virtio-serial controller: which exist, and which are taken. */
typedef struct {
  gboolean exists;
  guint64 ports;
  guint64 used;
} SerialController;

static void
add_serial_controller (VsmmuDomain *domain, SerialController *controllers, guint index)
{
  if (controllers[index].exists)
    return;
  controllers[index].exists = TRUE;
  controllers[index].ports = G_GUINT64_CONSTANT (0x7fffffff);
  vsmmu_implicit_add_controller (domain, "virtio-serial", NULL, (int) index);
}

static gboolean
is_serial_port (const VsmmuDevice *device, const char *element)
{
  return strcmp (device->element, element) == 0 && g_strcmp0 (target_attribute (device, "type"), "virtio") == 0;
}

/* virDomainVirtioSerialAddrNext(): the first free port, of a new controller if need be. Port 0 is for consoles. */
static void
place_serial_port (VsmmuDomain *domain, SerialController *controllers, guint64 allowed)
{
  guint unused = CONTROLLERS_MAX;

  for (guint i = 0; i < CONTROLLERS_MAX; i++) {
    guint64 free = controllers[i].exists ? controllers[i].ports & ~controllers[i].used & allowed : 0;

    if (!controllers[i].exists && unused == CONTROLLERS_MAX)
      unused = i;
    if (free != 0) {
      controllers[i].used |= free & -free;
      return;
    }
  }
  if (unused < CONTROLLERS_MAX) {
    add_serial_controller (domain, controllers, unused);
    controllers[unused].used |= allowed & -allowed;
  }
}

static void
add_serial_controllers (VsmmuDomain *domain)
{
  SerialController controllers[CONTROLLERS_MAX] = { 0 };
  guint n_devices = domain->devices->len;

  for (guint i = 0; i < n_devices; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    int index = device->controller.index;
    guint64 ports;

    if (!is_controller (device, "virtio-serial") || index < 0 || index >= CONTROLLERS_MAX)
      continue;
    if (!vsmmu_number_parse (vsmmu_xml_attribute (device->node, "ports") ?: "31", 10, &ports))
      ports = 31;
    controllers[index].exists = TRUE;
    controllers[index].ports = ports >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT (1) << ports) - 1;
  }
  for (guint i = 0; i < n_devices; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    int given = address_number (device, "controller", CONTROLLERS_MAX - 1);

    if (!is_serial_port (device, "channel") && !is_serial_port (device, "console"))
      continue;
    add_serial_controller (domain, controllers, (guint) MAX (given, 0));
    if (given >= 0)
      controllers[given].used |= G_GUINT64_CONSTANT (1) << MAX (address_number (device, "port", 63), 0);
  }
  for (guint i = 0; i < n_devices * 2; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i % n_devices);
    gboolean is_console = i < n_devices;

    if (is_serial_port (device, is_console ? "console" : "channel") &&
        address_number (device, "controller", CONTROLLERS_MAX - 1) < 0)
      place_serial_port (domain, controllers, is_console ? G_MAXUINT64 : ~G_GUINT64_CONSTANT (1));
  }
}

/*
 * virDomainDiskInsert(): disks of one bus are sorted by name, in the place of the
 * first of them; those that do not name their bus are a bus of their own.
 */
static void
order_disks (VsmmuDomain *domain)
{
  gboolean has_first = FALSE;
  gboolean first_names_bus = FALSE;

  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    gboolean names_bus;

    if (device->device_class != VSMMU_DEVICE_CLASS_DISK || device->connect == VSMMU_CONNECT_NONE)
      continue;
    names_bus = target_attribute (device, "bus") != NULL;
    if (!has_first)
      first_names_bus = names_bus;
    has_first = TRUE;
    device->sort_key |= (guint64) (names_bus != first_names_bus) << 32;
  }
}

static void
add_video (VsmmuDomain *domain)
{
  gboolean has_graphics = FALSE;
  VsmmuDevice *video;

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->device_class == VSMMU_DEVICE_CLASS_VIDEO)
      return;
    has_graphics = has_graphics || strcmp (device->element, "graphics") == 0;
  }
  if (!has_graphics)
    return;
  video = g_new0 (VsmmuDevice, 1);
  video->device_class = VSMMU_DEVICE_CLASS_VIDEO;
  video->element = "video";
  video->is_virtio = TRUE;
  video->connect = VSMMU_CONNECT_PCIE | VSMMU_CONNECT_AUTOASSIGN;
  g_ptr_array_add (domain->devices, video);
}

static void
add_pcie_root (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++)
    if (((const VsmmuDevice *) g_ptr_array_index (domain->controllers, i))->controller.index == 0)
      return;
  vsmmu_implicit_add_controller (domain, "pci", "pcie-root", 0);
}

/* How far the list of the controllers of one type has come. */
typedef struct {
  guint64 rank;     /* of the type */
  guint64 segments; /* controllers without an index so far */
} TypeOrder;

void
vsmmu_implicit_order_controllers (VsmmuDomain *domain)
{
  g_autoptr (GHashTable) types = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    const VsmmuController *controller = &device->controller;
    TypeOrder *order;
    guint64 index;

    if (strcmp (device->element, "controller") != 0)
      continue;
    order = g_hash_table_lookup (types, controller->type);
    if (order == NULL) {
      order = g_new0 (TypeOrder, 1);
      order->rank = g_hash_table_size (types);
      g_hash_table_insert (types, (gpointer) controller->type, order);
    }
    order->segments += !controller->has_index;
    /* The master of an ICH9 USB 2 controller comes before its companions. */
    index = controller->has_index ? ((guint64) controller->index + 1) << 1 : 0;
    index |= controller->has_index && g_strcmp0 (controller->model, "ich9-ehci1") != 0;
    device->sort_key = MIN (order->rank, 0x7f) << 56 | MIN (order->segments, 0x3fffff) << 34 | index;
  }
}

void
vsmmu_implicit_add (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (vsmmu_device_is_pci_controller (device))
      g_ptr_array_add (domain->controllers, device);
  }
  assign_indexes (domain);
  if (!vsmmu_domain_is_virt (domain))
    return;
  add_pcie_root (domain);
  add_disk_controllers (domain, "scsi", "virtio-scsi", SCSI_UNITS);
  add_disk_controllers (domain, "sata", NULL, SATA_UNITS);
  add_disk_controllers (domain, "nvme", NULL, 1);
  add_serial_controllers (domain);
  add_video (domain);
  order_disks (domain);
  vsmmu_implicit_order_controllers (domain);
}
