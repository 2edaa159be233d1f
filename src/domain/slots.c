/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/slots.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "domain/implicit.h"
#include "domain/numbering.h"
#include "domain/pci-slots.h"

typedef struct {
  VsmmuPciSlots slots;
  gboolean uses_mmio; /* a virtio-mmio address anywhere takes virtio off PCI */
  GHashTable *usb2;   /* index → the first part of that ICH9 USB 2 controller that has an address */
} Placement;

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
reserve_usb2 (Placement *placement, VsmmuDevice *device, int function)
{
  VsmmuPciSlots *slots = &placement->slots;
  gpointer key = GINT_TO_POINTER (device->controller.index);
  const VsmmuDevice *companion = g_hash_table_lookup (placement->usb2, key);
  VsmmuPciAddress address;

  if (companion == NULL) {
    /* In the dry run nothing gets an address, so each part takes a slot, as in libvirt. */
    if (!slots->is_dry_run)
      g_hash_table_insert (placement->usb2, key, device);
    return vsmmu_pci_slots_reserve_next (slots, device, (guint8) function);
  }
  address = companion->address;
  address.function = (guint8) function;
  address.multifunction = FALSE;
  if (!vsmmu_pci_slots_reserve (slots, device, &address, TRUE))
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
wants_address (const Placement *placement, const VsmmuDevice *device)
{
  if (device->address_kind != VSMMU_ADDRESS_NONE || device->connect == VSMMU_CONNECT_NONE)
    return FALSE;
  if (!placement->uses_mmio || !device->is_virtio || device->is_pci_given)
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
check_controllers (VsmmuPciSlots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuDevice *controller = g_ptr_array_index (controllers, i);
    const VsmmuDevice *previous = i > 0 ? g_ptr_array_index (controllers, i - 1) : NULL;
    gboolean is_root = controller->controller.pci == vsmmu_pci_model_find ("pcie-root");

    if (controller->controller.pci == NULL) {
      g_autofree char *model = vsmmu_text_shorten (controller->controller.model);

      vsmmu_pci_slots_refuse (slots, controller,
                              _ ("the machine 'virt' does not support a PCI controller of model "
                                 "'%s'"),
                              model);
      return FALSE;
    }
    if (is_root != (controller->controller.index == 0)) {
      vsmmu_pci_slots_refuse (slots, controller, _ ("index 0 is reserved for pcie-root"));
      return FALSE;
    }
    if (previous != NULL && previous->controller.index == controller->controller.index) {
      vsmmu_pci_slots_refuse (slots, controller, _ ("two PCI controllers have index %d"), controller->controller.index);
      return FALSE;
    }
  }
  return TRUE;
}

#define RESERVATION_ROUNDS 3

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
reserve_given (Placement *placement)
{
  GPtrArray *devices = placement->slots.domain->devices;

  for (guint round = 0; round < RESERVATION_ROUNDS; round++) {
    for (guint i = 0; i < devices->len; i++) {
      VsmmuDevice *device = g_ptr_array_index (devices, i);

      if (!device->address_given || reservation_round (device) != round)
        continue;
      if (!vsmmu_pci_slots_reserve (&placement->slots, device, &device->address, TRUE))
        return FALSE;
      if (usb2_function (device) >= 0)
        g_hash_table_insert (placement->usb2, GINT_TO_POINTER (device->controller.index), device);
    }
  }
  return TRUE;
}

/* Starts a run: the buses of the controllers there are, and every address that was given. */
static gboolean
start_run (Placement *placement, guint n_buses, gboolean is_dry_run)
{
  VsmmuPciSlots *slots = &placement->slots;
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
      vsmmu_slot_bus_set_model (&slots->buses[i], "pcie-root-port");

  return reserve_given (placement);
}

static gboolean
place_devices (Placement *placement, const GPtrArray *order)
{
  VsmmuPciSlots *slots = &placement->slots;
  for (guint i = 0; i < order->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (order, i);
    int function = usb2_function (device);

    if (!wants_address (placement, device) ||
        (vsmmu_device_is_pci_controller (device) && device->controller.pci->demands == VSMMU_CONNECT_NONE))
      continue;
    if (!(function >= 0 ? reserve_usb2 (placement, device, function) : vsmmu_pci_slots_reserve_next (slots, device, 0)))
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
add_controllers (VsmmuPciSlots *slots)
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
    if (!vsmmu_pci_slots_reserve_next (slots, controller, 0))
      return FALSE;
  }
  g_ptr_array_sort (slots->domain->controllers, compare_indexes);
  vsmmu_implicit_order_controllers (slots->domain);
  return TRUE;
}

/* The only order of indexes that libvirt requires. */
static gboolean
check_pci_bridges (VsmmuPciSlots *slots)
{
  GPtrArray *controllers = slots->domain->controllers;

  for (guint i = 0; i < controllers->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (controllers, i);

    if ((device->controller.pci->demands & VSMMU_CONNECT_PCI_BRIDGE) &&
        device->controller.index <= device->address.bus) {
      vsmmu_pci_slots_refuse (slots, device,
                              _ ("the index of a pci-bridge must be higher than the index of its bus, "
                                 "which is %u"),
                              device->address.bus);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_disks (VsmmuPciSlots *slots)
{
  for (guint i = 0; i < slots->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (slots->domain->devices, i);

    if (device->device_class != VSMMU_DEVICE_CLASS_DISK)
      continue;
    if (device->connect == VSMMU_CONNECT_NONE && device->address_given) {
      vsmmu_pci_slots_refuse (slots, device, _ ("a disk on a bus other than virtio cannot have a PCI address"));
      return FALSE;
    }
    if (device->connect != VSMMU_CONNECT_NONE && has_address_type (device, "drive")) {
      vsmmu_pci_slots_refuse (slots, device, _ ("a disk on the virtio bus cannot have an address of type 'drive'"));
      return FALSE;
    }
  }
  return TRUE;
}

/* virDomainPCIAddressSetAllMulti(): function 0 of a shared slot must announce the others. */
static void
mark_multifunction (const VsmmuPciSlots *slots)
{
  for (guint i = 0; i < slots->domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (slots->domain->devices, i);
    const VsmmuPciAddress *address = &device->address;

    if (device->address_kind == VSMMU_ADDRESS_PCI && address->function == 0 && !device->multifunction_given &&
        slots->buses[address->bus].functions[address->slot] > 1)
      device->address.multifunction = TRUE;
  }
}

static void
assign (Placement *placement)
{
  VsmmuPciSlots *slots = &placement->slots;
  VsmmuDomain *domain = slots->domain;
  g_autoptr (GPtrArray) order = NULL;
  guint n_buses = 0;

  g_ptr_array_sort (domain->controllers, compare_indexes);
  for (guint i = 0; i < domain->devices->len; i++)
    if (has_address_type (g_ptr_array_index (domain->devices, i), "virtio-mmio"))
      placement->uses_mmio = TRUE;
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
  if (!start_run (placement, n_buses, TRUE) || !place_devices (placement, order))
    return;
  /* A domain without explicit topology gets one more port, for hotplug. */
  if (n_buses <= 1 && slots->n_buses > n_buses) {
    VsmmuDevice spare = { .connect = VSMMU_CONNECT_PCIE | VSMMU_CONNECT_AUTOASSIGN };

    if (!vsmmu_pci_slots_reserve_next (slots, &spare, 0)) {
      domain->address_error_device = NULL;
      return;
    }
  }
  if (!add_controllers (slots))
    return;

  g_clear_pointer (&order, g_ptr_array_unref);
  order = placement_order (domain);
  if (!start_run (placement, slots->n_buses, FALSE) || !place_devices (placement, order) || !check_pci_bridges (slots))
    return;
  mark_multifunction (slots);
  vsmmu_numbers_assign (slots);
}

void
vsmmu_slots_assign (VsmmuDomain *domain)
{
  g_autofree Placement *placement = g_new0 (Placement, 1);

  placement->slots.domain = domain;
  placement->usb2 = g_hash_table_new (NULL, NULL);
  assign (placement);
  g_hash_table_unref (placement->usb2);
  vsmmu_buses_publish (domain);
}
