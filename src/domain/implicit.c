/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/implicit.h"

#include "base/number.h"

/* Disks on one controller when libvirt derives the controller from the name of the disk. */
#define SCSI_UNITS 7
#define SATA_UNITS 6
/* Longer lists, which libvirt cannot place anyway, stay in the order of the document. */
#define ORDERED_MAX 4096
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
  controller->is_late = TRUE;
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
    device->connect = (strcmp (type, "sata") == 0 ? VSMMU_CONNECT_PCI : VSMMU_CONNECT_PCIE) | VSMMU_CONNECT_AUTOASSIGN;
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

static gboolean
has_unnumbered (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (strcmp (device->element, "controller") == 0 && device->controller.index < 0)
      return TRUE;
  }
  return FALSE;
}

/* libvirt's virDomainAssignControllerIndexes(): the smallest free index of the type. */
static void
assign_indexes (VsmmuDomain *domain)
{
  static const char *const types[] = { "pci", "scsi", "sata", "usb", "virtio-serial", "nvme" };
  gboolean taken[CONTROLLERS_MAX];

  if (!has_unnumbered (domain))
    return;
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

    if (strcmp (device->element, "hostdev") != 0 || g_strcmp0 (vsmmu_xml_attribute (device->node, "type"), "scsi") != 0)
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

static void
collect_disks (const VsmmuDomain *domain, const char *type, guint units, guint64 used[CONTROLLERS_MAX])
{
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    guint controller;
    guint unit;

    if (!is_disk_on (device, type))
      continue;
    place_disk (device, type, units, &controller, &unit);
    used[controller] |= G_GUINT64_CONSTANT (1) << unit;
  }
}

/* Adds controllers up to the last one with a unit in use. */
static void
add_used_controllers (VsmmuDomain *domain, const char *type, const char *model, const guint64 used[CONTROLLERS_MAX])
{
  gboolean taken[CONTROLLERS_MAX];
  gboolean is_needed = FALSE;

  collect_indexes (domain, type, taken);
  for (int index = CONTROLLERS_MAX - 1; index >= 0; index--) {
    is_needed = is_needed || used[index] != 0;
    taken[index] = taken[index] || !is_needed;
  }
  for (int index = 0; index < CONTROLLERS_MAX; index++)
    if (!taken[index])
      vsmmu_implicit_add_controller (domain, type, model, index);
}

static void
add_disk_controllers (VsmmuDomain *domain, const char *type, const char *model, guint units)
{
  guint64 used[CONTROLLERS_MAX] = { 0 };

  collect_disks (domain, type, units, used);
  add_used_controllers (domain, type, model, used);
}

/* SCSI hostdevs get their units beside the disks, but their controllers before any is numbered. */
static void
add_hostdev_controllers (VsmmuDomain *domain)
{
  guint n_devices = domain->devices->len;
  guint64 disks[CONTROLLERS_MAX] = { 0 };
  guint64 used[CONTROLLERS_MAX];

  collect_disks (domain, "scsi", SCSI_UNITS, disks);
  memcpy (used, disks, sizeof (used));
  place_scsi_hostdevs (domain, used);
  for (guint i = 0; i < CONTROLLERS_MAX; i++)
    used[i] &= ~disks[i];
  add_used_controllers (domain, "scsi", "virtio-scsi", used);
  for (guint i = n_devices; i < domain->devices->len; i++)
    ((VsmmuDevice *) g_ptr_array_index (domain->devices, i))->controller.is_late = FALSE;
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

/* Places those of the first @n_devices that are @element and name no controller, on the ports that are @allowed. */
static void
place_serial_ports (VsmmuDomain *domain, SerialController *controllers, guint n_devices, const char *element,
                    guint64 allowed)
{
  for (guint i = 0; i < n_devices; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (is_serial_port (device, element) && address_number (device, "controller", CONTROLLERS_MAX - 1) < 0)
      place_serial_port (domain, controllers, allowed);
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
  place_serial_ports (domain, controllers, n_devices, "console", G_MAXUINT64);
  place_serial_ports (domain, controllers, n_devices, "channel", ~G_GUINT64_CONSTANT (1));
}

/*
 * virDomainDiskInsert(): disks of one bus are sorted by name, starting where the first of them was; those without a
 * bus form a group of their own.
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

/* The index that libvirt compares: unknown for one without, until all are numbered. */
static int
known_index (const VsmmuController *controller, gboolean are_numbered)
{
  return controller->has_index || are_numbered ? controller->index : -1;
}

/* virDomainControllerInsert(): from the end of the list back over larger indexes. */
static guint
insert_position (const GPtrArray *list, const VsmmuController *controller)
{
  gboolean are_numbered = controller->is_late;
  int index = known_index (controller, are_numbered);
  gboolean is_master = g_strcmp0 (controller->model, "ich9-ehci1") == 0;
  guint position = list->len;

  if (index < 0 || list->len > ORDERED_MAX)
    return position;
  while (position > 0) {
    const VsmmuDevice *before = g_ptr_array_index (list, position - 1);
    int other = known_index (&before->controller, are_numbered);

    /* The master of an ICH9 USB 2 controller comes before its companions. */
    if (other < index || (other == index && !is_master))
      break;
    position--;
  }
  return position;
}

void
vsmmu_implicit_order_controllers (VsmmuDomain *domain)
{
  /* type → its list; and the lists in the order in which the types appear */
  g_autoptr (GHashTable) lists = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) types = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    GPtrArray *list;

    if (strcmp (device->element, "controller") != 0)
      continue;
    list = g_hash_table_lookup (lists, device->controller.type);
    if (list == NULL) {
      list = g_ptr_array_new ();
      g_hash_table_insert (lists, (gpointer) device->controller.type, list);
      g_ptr_array_add (types, list);
    }
    g_ptr_array_insert (list, (int) insert_position (list, &device->controller), device);
  }

  for (guint rank = 0; rank < types->len; rank++) {
    GPtrArray *list = g_ptr_array_index (types, rank);

    for (guint position = 0; position < list->len; position++)
      ((VsmmuDevice *) g_ptr_array_index (list, position))->sort_key = (guint64) rank << 32 | position;
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
  if (vsmmu_domain_is_virt (domain))
    add_hostdev_controllers (domain);
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
