/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/slots.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "domain/implicit.h"

typedef struct {
  const VsmmuPciModel *model; /* %NULL for a bus that nothing has claimed yet */
  guint accepts;
  guint8 functions[VSMMU_PCI_SLOTS_MAX]; /* bit mask of the functions in use */
  guint32 shared;                        /* slots that root ports share, one function each */
} Bus;

typedef struct {
  VsmmuDomain *domain;
  gboolean is_dry_run; /* buses may be added, and addresses are thrown away */
  gboolean uses_mmio;  /* a virtio-mmio address anywhere takes virtio off PCI */
  GHashTable *usb2;    /* index → the first part of that ICH9 USB 2 controller that has an address */
  guint n_buses;
  Bus buses[VSMMU_PCI_BUSES_MAX];
} Slots;

/* Records the first refusal; the ones after it follow from it. */
static void G_GNUC_PRINTF (3, 4) refuse (Slots *slots, const VsmmuDevice *device, const char *format, ...)
{
  va_list arguments;

  if (slots->domain->address_error != NULL)
    return;
  va_start (arguments, format);
  slots->domain->address_error = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  slots->domain->address_error_device = device;
}

static void
set_model (Bus *bus, const char *name)
{
  bus->model = vsmmu_pci_model_find (name);
  bus->accepts = bus->model->accepts;
}

static gboolean
takes_pci_bridge (const Slots *slots)
{
  for (guint i = 0; i < slots->n_buses; i++)
    if (slots->buses[i].accepts & VSMMU_CONNECT_PCI_BRIDGE)
      return TRUE;
  return FALSE;
}

/*
 * virDomainPCIAddressSetGrow(): adds buses until @bus exists, of a kind that
 * takes a device with @connect.
 */
static gboolean
grow (Slots *slots, const VsmmuDevice *device, guint connect, guint8 *bus)
{
  guint add = *bus + 1 - slots->n_buses;
  const char *model = "pcie-root-port";
  gboolean needs_bridge = FALSE;

  if (connect & VSMMU_CONNECT_PCI) {
    model = "pci-bridge";
    needs_bridge = !takes_pci_bridge (slots);
    /* A bridge for conventional PCI needs a root port of its own. */
    if (needs_bridge && add == 1) {
      add++;
      (*bus)++;
    }
  } else if (!(connect & (VSMMU_CONNECT_PCIE | VSMMU_CONNECT_UPSTREAM_PORT | VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE))) {
    refuse (slots, device, _ ("there is no free slot for it, and libvirt cannot add a controller that has one"));
    return FALSE;
  }

  if (slots->n_buses + add > VSMMU_PCI_BUSES_MAX || (needs_bridge && *bus == 0)) {
    refuse (slots, device, _ ("the domain would need more than %d PCI controllers"), VSMMU_PCI_BUSES_MAX);
    return FALSE;
  }
  for (guint i = 0; i < add; i++) {
    Bus *new_bus = &slots->buses[slots->n_buses++];

    memset (new_bus, 0, sizeof (*new_bus));
    if (needs_bridge && i == 0) {
      set_model (new_bus, "pcie-root-port");
      /* Kept for the bridge, so that nothing else takes it in this run. */
      new_bus->accepts = VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE;
    } else if (needs_bridge && i == 1) {
      set_model (new_bus, "pcie-to-pci-bridge");
    } else {
      set_model (new_bus, model);
    }
  }
  return TRUE;
}

static gboolean
bus_takes (const Bus *bus, guint number, guint connect, gboolean is_given)
{
  guint accepts = bus->accepts;

  if (connect & VSMMU_CONNECT_INTEGRATED) {
    if (number != 0)
      return FALSE;
    accepts |= VSMMU_CONNECT_PCI | VSMMU_CONNECT_AUTOASSIGN;
  }
  if (is_given) {
    if (accepts & VSMMU_CONNECT_ENDPOINT)
      accepts |= VSMMU_CONNECT_ENDPOINT;
    if (connect & VSMMU_CONNECT_PCI_BRIDGE)
      connect |= VSMMU_CONNECT_PCI;
  } else if ((connect & VSMMU_CONNECT_AUTOASSIGN) && !(accepts & VSMMU_CONNECT_AUTOASSIGN)) {
    return FALSE;
  }
  return (accepts & connect & VSMMU_CONNECT_TYPES) != 0;
}

static gboolean
reserve (Slots *slots, const VsmmuDevice *device, VsmmuPciAddress *address, gboolean is_given)
{
  /* libvirt lets a device that needs no PCI keep an address it was given. */
  guint connect = device->connect != VSMMU_CONNECT_NONE ? device->connect : VSMMU_CONNECT_PCI;
  Bus *bus;

  if (address->domain != 0) {
    refuse (slots, device, _ ("a guest has only PCI domain 0, not %u"), address->domain);
    return FALSE;
  }
  if (address->bus >= slots->n_buses && slots->is_dry_run && !grow (slots, device, connect, &address->bus))
    return FALSE;
  if (address->bus >= slots->n_buses) {
    refuse (slots, device, _ ("there is no PCI controller with index %u"), address->bus);
    return FALSE;
  }
  bus = &slots->buses[address->bus];
  if (!bus_takes (bus, address->bus, connect, is_given)) {
    refuse (slots, device, _ ("%s with index %u does not take such a device"), bus->model->name, address->bus);
    return FALSE;
  }
  if (address->slot < bus->model->min_slot || address->slot > bus->model->max_slot) {
    refuse (slots, device, _ ("slot %u: %s with index %u has slots %u to %u"), address->slot, bus->model->name,
            address->bus, bus->model->min_slot, bus->model->max_slot);
    return FALSE;
  }
  if (bus->functions[address->slot] & 1 << address->function) {
    refuse (slots, device, _ ("PCI address %02x:%02x.%x is used twice"), address->bus, address->slot,
            address->function);
    return FALSE;
  }
  if (bus->functions[address->slot] == 0 && (connect & VSMMU_CONNECT_ROOT_PORT))
    bus->shared |= 1u << address->slot;
  bus->functions[address->slot] |= (guint8) (1 << address->function);
  return TRUE;
}

/* Finds a slot on one bus: an empty one, or for a root port a free function among other root ports. */
static gboolean
find_slot (const Bus *bus, guint connect, VsmmuPciAddress *address)
{
  for (guint slot = bus->model->min_slot; slot <= bus->model->max_slot; slot++) {
    guint function = address->function;

    address->slot = (guint8) slot;
    if (bus->functions[slot] == 0)
      return TRUE;
    if (!(connect & VSMMU_CONNECT_ROOT_PORT) || !(bus->shared & 1u << slot))
      continue;
    while (function < VSMMU_PCI_FUNCTIONS_MAX && (bus->functions[slot] & 1 << function))
      function++;
    if (function < VSMMU_PCI_FUNCTIONS_MAX) {
      address->function = (guint8) function;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
find_address (Slots *slots, const VsmmuDevice *device, VsmmuPciAddress *address)
{
  guint connect = device->connect;

  for (guint i = 0; i < slots->n_buses; i++) {
    address->bus = (guint8) i;
    if (bus_takes (&slots->buses[i], i, connect, FALSE) && find_slot (&slots->buses[i], connect, address))
      return TRUE;
  }
  if (!slots->is_dry_run) {
    refuse (slots, device, _ ("there is no free PCI slot for it"));
    return FALSE;
  }
  if (slots->n_buses >= VSMMU_PCI_BUSES_MAX) {
    refuse (slots, device, _ ("the domain would need more than %d PCI controllers"), VSMMU_PCI_BUSES_MAX);
    return FALSE;
  }
  address->bus = (guint8) slots->n_buses;
  if (!grow (slots, device, connect, &address->bus))
    return FALSE;
  address->slot = slots->buses[address->bus].model->min_slot;
  return TRUE;
}

static gboolean
reserve_next (Slots *slots, VsmmuDevice *device, guint8 function)
{
  VsmmuPciAddress address = { .function = function };

  if (!find_address (slots, device, &address) || !reserve (slots, device, &address, FALSE))
    return FALSE;
  if (!slots->is_dry_run) {
    address.multifunction = device->address.multifunction;
    device->address = address;
    device->address_kind = VSMMU_ADDRESS_PCI;
  }
  return TRUE;
}

/* The functions that the parts of an ICH9 USB 2 controller have in their common slot. */
static int
usb2_function (const VsmmuDevice *device)
{
  static const struct {
    const char *model;
    int function;
  } parts[] = { { "ich9-uhci1", 0 }, { "ich9-uhci2", 1 }, { "ich9-uhci3", 2 }, { "ich9-ehci1", 7 } };

  if (strcmp (device->element, "controller") != 0 || device->controller.model == NULL ||
      strcmp (device->controller.type, "usb") != 0)
    return -1;
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (strcmp (parts[i].model, device->controller.model) == 0)
      return parts[i].function;
  return -1;
}

static gboolean
reserve_usb2 (Slots *slots, VsmmuDevice *device, int function)
{
  gpointer key = GINT_TO_POINTER (device->controller.index);
  const VsmmuDevice *companion = g_hash_table_lookup (slots->usb2, key);
  VsmmuPciAddress address;

  if (companion == NULL) {
    /* In the dry run nothing gets an address, so each part takes a slot, as in libvirt. */
    if (!slots->is_dry_run)
      g_hash_table_insert (slots->usb2, key, device);
    return reserve_next (slots, device, (guint8) function);
  }
  address = companion->address;
  address.function = (guint8) function;
  address.multifunction = FALSE;
  if (!reserve (slots, device, &address, TRUE))
    return FALSE;
  if (!slots->is_dry_run) {
    device->address = address;
    device->address_kind = VSMMU_ADDRESS_PCI;
  }
  return TRUE;
}

static gboolean
has_address_type (const VsmmuDevice *device, const char *type)
{
  const xmlNode *address = device->node != NULL ? vsmmu_xml_child (device->node, "address") : NULL;

  return address != NULL && g_strcmp0 (vsmmu_xml_attribute (address, "type"), type) == 0;
}

static gboolean
wants_address (const Slots *slots, const VsmmuDevice *device)
{
  if (device->address_kind != VSMMU_ADDRESS_NONE || device->connect == VSMMU_CONNECT_NONE)
    return FALSE;
  if (!slots->uses_mmio || !device->is_virtio || device->is_pci_given)
    return TRUE;
  /* Not among the kinds of qemuDomainAssignARMVirtioMMIOAddresses(). */
  return device->device_class == VSMMU_DEVICE_CLASS_FILESYSTEM || device->device_class == VSMMU_DEVICE_CLASS_VSOCK;
}

static int
compare_devices (gconstpointer a, gconstpointer b)
{
  const VsmmuDevice *left = *(const VsmmuDevice *const *) a;
  const VsmmuDevice *right = *(const VsmmuDevice *const *) b;

  if (left->device_class != right->device_class)
    return left->device_class < right->device_class ? -1 : 1;
  return (left->sort_key > right->sort_key) - (left->sort_key < right->sort_key);
}

static int
compare_indexes (gconstpointer a, gconstpointer b)
{
  const VsmmuDevice *left = *(const VsmmuDevice *const *) a;
  const VsmmuDevice *right = *(const VsmmuDevice *const *) b;

  return left->controller.index - right->controller.index;
}

static gboolean
check_controllers (Slots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (controllers, i);
    const VsmmuDevice *previous = i > 0 ? g_ptr_array_index (controllers, i - 1) : NULL;
    gboolean is_root = controller->controller.pci == vsmmu_pci_model_find ("pcie-root");

    if (controller->controller.pci == NULL) {
      g_autofree char *model = vsmmu_text_shorten (controller->controller.model);

      refuse (slots, controller, _ ("a virt machine has no PCI controller of model '%s'"), model);
      return FALSE;
    }
    if (is_root != (controller->controller.index == 0)) {
      refuse (slots, controller, _ ("index 0 belongs to pcie-root and to nothing else"));
      return FALSE;
    }
    if (previous != NULL && previous->controller.index == controller->controller.index) {
      refuse (slots, controller, _ ("two PCI controllers have index %d"), controller->controller.index);
      return FALSE;
    }
  }
  return TRUE;
}

/* virDomainDeviceInfoIterate() visits these kinds, then controllers, then the rest. */
static guint
reservation_round (const VsmmuDevice *device)
{
  switch (device->device_class) {
  case VSMMU_DEVICE_CLASS_DISK:
  case VSMMU_DEVICE_CLASS_INTERFACE:
  case VSMMU_DEVICE_CLASS_SOUND:
  case VSMMU_DEVICE_CLASS_HOSTDEV:
  case VSMMU_DEVICE_CLASS_VIDEO:
    return 0;
  case VSMMU_DEVICE_CLASS_PCI_CONTROLLER:
  case VSMMU_DEVICE_CLASS_CONTROLLER:
    return 1;
  default:
    return 2;
  }
}

static gboolean
reserve_given (Slots *slots)
{
  GPtrArray *devices = slots->domain->devices;

  for (guint i = 0; i < devices->len * 3; i++) {
    VsmmuDevice *device = g_ptr_array_index (devices, i % devices->len);

    if (!device->address_given || reservation_round (device) != i / devices->len)
      continue;
    if (!reserve (slots, device, &device->address, TRUE))
      return FALSE;
    if (usb2_function (device) >= 0)
      g_hash_table_insert (slots->usb2, GINT_TO_POINTER (device->controller.index), device);
  }
  return TRUE;
}

/* Starts a run: the buses of the controllers there are, and every address that was given. */
static gboolean
start_run (Slots *slots, guint n_buses, gboolean is_dry_run)
{
  VsmmuDomain *domain = slots->domain;

  slots->is_dry_run = is_dry_run;
  slots->n_buses = n_buses;
  memset (slots->buses, 0, sizeof (slots->buses[0]) * n_buses);
  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (domain->controllers, i);

    slots->buses[controller->controller.index].model = controller->controller.pci;
    slots->buses[controller->controller.index].accepts = controller->controller.pci->accepts;
  }
  /* A gap in the indexes becomes a root port. */
  for (guint i = 0; i < n_buses; i++)
    if (slots->buses[i].model == NULL)
      set_model (&slots->buses[i], "pcie-root-port");

  return reserve_given (slots);
}

static gboolean
place_devices (Slots *slots, const GPtrArray *order)
{
  for (guint i = 0; i < order->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (order, i);
    int function = usb2_function (device);

    if (!wants_address (slots, device) ||
        (vsmmu_device_is_pci_controller (device) && device->controller.pci->demands == VSMMU_CONNECT_NONE))
      continue;
    if (!(function >= 0 ? reserve_usb2 (slots, device, function) : reserve_next (slots, device, 0)))
      return FALSE;
  }
  return TRUE;
}

static GPtrArray *
placement_order (const VsmmuDomain *domain)
{
  GPtrArray *order = g_ptr_array_sized_new (domain->devices->len);

  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->connect != VSMMU_CONNECT_NONE)
      g_ptr_array_add (order, device);
  }
  g_ptr_array_sort (order, compare_devices);
  return order;
}

/* Turns the buses that the dry run added into controllers. */
static gboolean
add_controllers (Slots *slots)
{
  gboolean exists[VSMMU_PCI_BUSES_MAX] = { FALSE };

  for (guint i = 0; i < slots->domain->controllers->len; i++)
    exists[((const VsmmuDevice *) g_ptr_array_index (slots->domain->controllers, i))->controller.index] = TRUE;

  /* n_buses may rise while the new controllers themselves look for a slot. */
  for (guint i = 1; i < slots->n_buses; i++) {
    VsmmuDevice *controller;

    if (exists[i])
      continue;
    controller = vsmmu_implicit_add_controller (slots->domain, "pci", slots->buses[i].model->name, (int) i);
    if (!reserve_next (slots, controller, 0))
      return FALSE;
  }
  g_ptr_array_sort (slots->domain->controllers, compare_indexes);
  vsmmu_implicit_order_controllers (slots->domain);
  return TRUE;
}

/* The one order of indexes that libvirt insists on. */
static gboolean
check_pci_bridges (Slots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (controllers, i);

    if ((device->controller.pci->demands & VSMMU_CONNECT_PCI_BRIDGE) &&
        device->controller.index <= device->address.bus) {
      refuse (slots, device, _ ("the index of a pci-bridge must be larger than that of its bus, %u"),
              device->address.bus);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_disks (Slots *slots)
{
  for (guint i = 0; i < slots->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (slots->domain->devices, i);

    if (device->device_class != VSMMU_DEVICE_CLASS_DISK)
      continue;
    if (device->connect == VSMMU_CONNECT_NONE && device->address_given) {
      refuse (slots, device, _ ("a disk that is not on the virtio bus has no PCI address"));
      return FALSE;
    }
    if (device->connect != VSMMU_CONNECT_NONE && has_address_type (device, "drive")) {
      refuse (slots, device, _ ("a disk on the virtio bus has no address of type 'drive'"));
      return FALSE;
    }
  }
  return TRUE;
}

/* virDomainPCIAddressSetAllMulti(): function 0 of a shared slot must say that there are others. */
static void
mark_multifunction (const Slots *slots)
{
  for (guint i = 0; i < slots->domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (slots->domain->devices, i);
    const VsmmuPciAddress *address = &device->address;

    if (device->address_kind == VSMMU_ADDRESS_PCI && address->function == 0 && !device->multifunction_given &&
        slots->buses[address->bus].functions[address->slot] > 1)
      device->address.multifunction = TRUE;
  }
}

/* libvirt counts down from 256 in twos: one number for the pxb, one for a bridge. */
static void
assign_bus_numbers (Slots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;
  int lowest = 256;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuController *controller = &((const VsmmuDevice *) g_ptr_array_index (controllers, i))->controller;

    if (controller->bus_nr >= 0)
      lowest = MIN (lowest, controller->bus_nr);
  }
  for (guint i = 0; i < controllers->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (controllers, i);

    if (!(device->controller.pci->demands & VSMMU_CONNECT_PCIE_EXPANDER) || device->controller.bus_nr >= 0)
      continue;
    if (lowest <= 2) {
      refuse (slots, device, _ ("no bus number below %d is left for it; give busNr in <target>"), lowest);
      return;
    }
    lowest -= 2;
    device->controller.bus_nr = lowest;
  }
}

static void
assign_port_numbers (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->controllers, i);
    VsmmuController *controller = &device->controller;
    guint demands = controller->pci->demands;

    if ((demands & VSMMU_CONNECT_PCI_BRIDGE) && controller->chassis_nr < 0)
      controller->chassis_nr = controller->index;
    if (!(demands & (VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_DOWNSTREAM_PORT)))
      continue;
    if (controller->chassis < 0)
      controller->chassis = controller->index;
    if (controller->port < 0)
      controller->port = demands & VSMMU_CONNECT_ROOT_PORT ? (device->address.slot << 3) + device->address.function
                                                           : device->address.slot;
  }
}

/* Walks up from every bus to the root bus it hangs off; a loop hangs off none. */
static void
find_roots (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->n_buses; i++) {
    guint at = i;

    domain->buses[i].root = -1;
    for (guint steps = 0; steps < domain->n_buses && at < domain->n_buses; steps++) {
      const VsmmuBus *bus = &domain->buses[at];

      if (bus->controller == NULL)
        break;
      if (bus->model->is_root) {
        domain->buses[i].root = (int) at;
        break;
      }
      if (bus->controller->address_kind != VSMMU_ADDRESS_PCI)
        break;
      at = bus->controller->address.bus;
    }
  }
}

static void
publish_buses (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (domain->controllers, i);
    guint index = (guint) controller->controller.index;

    if (controller->controller.pci == NULL)
      continue;
    domain->buses[index].controller = controller;
    domain->buses[index].model = controller->controller.pci;
    domain->n_buses = MAX (domain->n_buses, index + 1);
  }
  find_roots (domain);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *iommu = g_ptr_array_index (domain->devices, i);

    if (vsmmu_device_is_iommu (iommu) && iommu->iommu.is_smmuv3 && iommu->iommu.has_pci_bus &&
        iommu->iommu.pci_bus < domain->n_buses && domain->buses[iommu->iommu.pci_bus].vsmmu == NULL)
      domain->buses[iommu->iommu.pci_bus].vsmmu = iommu;
  }
}

static void
assign (Slots *slots)
{
  VsmmuDomain *domain = slots->domain;
  g_autoptr (GPtrArray) order = NULL;
  guint n_buses = 0;

  g_ptr_array_sort (domain->controllers, compare_indexes);
  for (guint i = 0; i < domain->devices->len; i++)
    if (has_address_type (g_ptr_array_index (domain->devices, i), "virtio-mmio"))
      slots->uses_mmio = TRUE;
  if (!check_controllers (slots)) {
    domain->is_controller_error = TRUE;
    return;
  }
  if (!check_disks (slots))
    return;
  if (domain->controllers->len > 0)
    n_buses = (guint) ((const VsmmuDevice *) g_ptr_array_index (domain->controllers, domain->controllers->len - 1))
                  ->controller.index +
              1;

  order = placement_order (domain);
  if (!start_run (slots, n_buses, TRUE) || !place_devices (slots, order))
    return;
  /* A domain that leaves its topology to libvirt gets one more port, for hotplug. */
  if (n_buses <= 1 && slots->n_buses > n_buses) {
    VsmmuDevice spare = { .connect = VSMMU_CONNECT_PCIE | VSMMU_CONNECT_AUTOASSIGN };

    if (!reserve_next (slots, &spare, 0)) {
      domain->address_error_device = NULL;
      return;
    }
  }
  if (!add_controllers (slots))
    return;

  g_clear_pointer (&order, g_ptr_array_unref);
  order = placement_order (domain);
  if (!start_run (slots, slots->n_buses, FALSE) || !place_devices (slots, order) || !check_pci_bridges (slots))
    return;
  mark_multifunction (slots);
  assign_bus_numbers (slots);
  assign_port_numbers (domain);
}

void
vsmmu_slots_assign (VsmmuDomain *domain)
{
  g_autofree Slots *slots = g_new0 (Slots, 1);

  slots->domain = domain;
  slots->usb2 = g_hash_table_new (NULL, NULL);
  assign (slots);
  g_hash_table_unref (slots->usb2);
  publish_buses (domain);
}

/* The buses as they are while the guest runs. */
static void
take_over (Slots *slots, const VsmmuDomain *domain)
{
  slots->n_buses = domain->n_buses;
  for (guint i = 0; i < domain->n_buses; i++) {
    Bus *bus = &slots->buses[i];

    bus->model = domain->buses[i].model;
    if (bus->model == NULL)
      continue;
    bus->accepts = bus->model->accepts;
    if (domain->buses[i].controller->controller.hotplug == VSMMU_SWITCH_OFF)
      bus->accepts &= ~(guint) VSMMU_CONNECT_AUTOASSIGN;
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI && device->address.bus < domain->n_buses)
      slots->buses[device->address.bus].functions[device->address.slot] |= (guint8) (1 << device->address.function);
  }
}

/* The address that the document names, in the order of libvirt's own checks. */
static VsmmuPlugOutcome
plug_given (const Slots *slots, const VsmmuDevice *device, char **reason)
{
  const VsmmuPciAddress *address = &device->address;
  const Bus *bus = &slots->buses[address->bus];

  if (address->function != 0) {
    *reason = g_strdup (_ ("only function 0 of a slot can be attached while the guest runs"));
    return VSMMU_PLUG_REFUSED;
  }
  if (address->domain != 0) {
    *reason = g_strdup_printf (_ ("a guest has only PCI domain 0, not %u"), address->domain);
    return VSMMU_PLUG_REFUSED;
  }
  if (address->bus >= slots->n_buses || bus->model == NULL)
    return VSMMU_PLUG_NO_BUS;
  if (!(bus->accepts & VSMMU_CONNECT_AUTOASSIGN) || !bus_takes (bus, address->bus, device->connect, TRUE))
    return VSMMU_PLUG_NO_HOTPLUG;
  if (address->slot < bus->model->min_slot || address->slot > bus->model->max_slot) {
    *reason = g_strdup_printf (_ ("slot %u: %s with index %u has slots %u to %u"), address->slot, bus->model->name,
                               address->bus, bus->model->min_slot, bus->model->max_slot);
    return VSMMU_PLUG_REFUSED;
  }
  return bus->functions[address->slot] & 1 ? VSMMU_PLUG_TAKEN : VSMMU_PLUG_PLACED;
}

static VsmmuPlugOutcome
plug_anywhere (const Slots *slots, VsmmuDevice *device)
{
  for (guint i = 0; i < slots->n_buses; i++) {
    VsmmuPciAddress address = { .bus = (guint8) i };

    if (slots->buses[i].model == NULL || !bus_takes (&slots->buses[i], i, device->connect, FALSE) ||
        !find_slot (&slots->buses[i], device->connect, &address))
      continue;
    device->address = address;
    device->address_kind = VSMMU_ADDRESS_PCI;
    return VSMMU_PLUG_PLACED;
  }
  return VSMMU_PLUG_TAKEN;
}

VsmmuPlugOutcome
vsmmu_slots_plug (const VsmmuDomain *domain, VsmmuDevice *device, char **reason)
{
  g_autofree Slots *slots = NULL;
  VsmmuPlugOutcome outcome;

  if (device->connect == VSMMU_CONNECT_NONE || device->address_kind == VSMMU_ADDRESS_OTHER)
    return VSMMU_PLUG_PLACED;
  if (domain->address_error != NULL || !vsmmu_domain_is_virt (domain)) {
    device->address_kind = VSMMU_ADDRESS_NONE;
    return VSMMU_PLUG_UNKNOWN;
  }
  slots = g_new0 (Slots, 1);
  take_over (slots, domain);
  if (!device->address_given)
    return plug_anywhere (slots, device);
  outcome = plug_given (slots, device, reason);
  /* Rules that go by the address have nothing to say of one that libvirt refuses. */
  if (outcome != VSMMU_PLUG_PLACED)
    device->address_kind = VSMMU_ADDRESS_NONE;
  return outcome;
}
