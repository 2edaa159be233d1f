/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsmmu/arguments.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "base/number.h"
#include "domain/acceleration.h"
#include "domain/domain.h"
#include "domain/options.h"

typedef struct {
  const VsmmuDomain *domain;
  VsmmuArgumentSyntax syntax;
  GPtrArray *arguments;
  guint n_initiators;
} Builder;

/* QEMU's option parser reads a doubled comma as one comma in a value. */
static char *
escape_commas (const char *value)
{
  g_auto (GStrv) parts = g_strsplit (value, ",", -1);

  return g_strjoinv (",,", parts);
}

static char *
value_to_legacy (JsonNode *value)
{
  if (json_node_get_value_type (value) == G_TYPE_BOOLEAN)
    return g_strdup (json_node_get_boolean (value) ? "on" : "off");
  if (json_node_get_value_type (value) == G_TYPE_INT64)
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (value));
  return escape_commas (json_node_get_string (value));
}

/* The first member, driver or qom-type, has no name in legacy syntax. */
static char *
to_legacy (JsonObject *object)
{
  g_autoptr (GString) text = g_string_new (NULL);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &value)) {
    g_autofree char *legacy = value_to_legacy (value);

    if (text->len > 0)
      g_string_append_printf (text, ",%s=", name);
    g_string_append (text, legacy);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
to_json (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}

static void
add (Builder *builder, const char *option, JsonObject *object)
{
  g_ptr_array_add (builder->arguments, g_strdup (option));
  g_ptr_array_add (builder->arguments,
                   builder->syntax == VSMMU_ARGUMENT_SYNTAX_JSON ? to_json (object) : to_legacy (object));
}

static void
add_machine (Builder *builder)
{
  static const char *const gics[] = {
    [VSMMU_GIC_HOST] = "host",
    [VSMMU_GIC_2] = "2",
    [VSMMU_GIC_3] = "3",
  };
  const VsmmuDomain *domain = builder->domain;
  const VsmmuController *root = &domain->buses[0].controller->controller;
  GString *machine = g_string_new (domain->machine);

  if (domain->gic != VSMMU_GIC_ABSENT)
    g_string_append_printf (machine, ",gic-version=%s", gics[domain->gic]);
  if (domain->has_acpi)
    g_string_append (machine, ",acpi=on");
  if (root->has_pcihole64)
    g_string_append_printf (machine, ",highmem-mmio-size=%" G_GUINT64_FORMAT "K", root->pcihole64);
  g_ptr_array_add (builder->arguments, g_strdup ("-machine"));
  g_ptr_array_add (builder->arguments, g_string_free (machine, FALSE));
}

static void
set_address (const Builder *builder, JsonObject *object, const VsmmuDevice *device)
{
  const VsmmuPciAddress *address = &device->address;
  g_autofree char *addr = address->function != 0 ? g_strdup_printf ("0x%x.0x%x", address->slot, address->function)
                                                 : g_strdup_printf ("0x%x", address->slot);

  json_object_set_string_member (object, "bus", builder->domain->buses[address->bus].controller->id);
  if (address->multifunction)
    json_object_set_boolean_member (object, "multifunction", TRUE);
  json_object_set_string_member (object, "addr", addr);
}

static void
set_if_given (JsonObject *object, const char *name, gint64 value)
{
  if (value >= 0)
    json_object_set_int_member (object, name, value);
}

static void
add_controller (Builder *builder, const VsmmuDevice *device)
{
  const VsmmuController *controller = &device->controller;
  gboolean is_port = controller->pci->demands & (VSMMU_CONNECT_ROOT_PORT | VSMMU_CONNECT_DOWNSTREAM_PORT);
  gboolean is_expander = controller->pci->demands & VSMMU_CONNECT_PCIE_EXPANDER;
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "driver",
                                 controller->driver != NULL ? controller->driver : controller->pci->qemu_driver);
  if (is_expander)
    set_if_given (object, "bus_nr", controller->bus_nr);
  if (is_port) {
    set_if_given (object, "port", controller->port);
    set_if_given (object, "chassis", controller->chassis);
  }
  if (controller->pci->demands & VSMMU_CONNECT_PCI_BRIDGE)
    set_if_given (object, "chassis_nr", controller->chassis_nr);
  json_object_set_string_member (object, "id", device->id);
  if (is_expander)
    set_if_given (object, "numa_node", controller->numa_node);
  if (controller->hotplug == VSMMU_SWITCH_ON || controller->hotplug == VSMMU_SWITCH_OFF)
    json_object_set_boolean_member (object, "hotplug", controller->hotplug == VSMMU_SWITCH_ON);
  if (controller->mem_reserve >= 0)
    json_object_set_int_member (object, "mem-reserve", controller->mem_reserve * 1024);
  set_address (builder, object, device);
  add (builder, "-device", object);
}

/*
 * The bus of a controller must exist before the controller. libvirt does not ensure that, so where it matters, its
 * own order does not start.
 */
static void
add_controller_after_parent (Builder *builder, guint index, gboolean is_wanted[VSMMU_PCI_BUSES_MAX])
{
  guint path[VSMMU_PCI_BUSES_MAX];
  guint depth = 0;

  for (guint at = index; is_wanted[at]; at = builder->domain->buses[at].controller->address.bus) {
    is_wanted[at] = FALSE;
    path[depth++] = at;
  }
  while (depth-- > 0)
    add_controller (builder, builder->domain->buses[path[depth]].controller);
}

/* Everything below root buses that may have a vSMMU, and the ports on the way to VFIO devices elsewhere. */
static void
find_wanted_buses (const VsmmuDomain *domain, gboolean is_wanted[VSMMU_PCI_BUSES_MAX])
{
  for (guint i = 0; i < domain->n_buses; i++)
    is_wanted[i] = domain->buses[i].root > 0 || (domain->buses[i].root == 0 && domain->buses[0].vsmmu != NULL);
  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);
    guint at = hostdev->address_kind == VSMMU_ADDRESS_PCI ? hostdev->address.bus : 0;

    for (; domain->buses[at].root >= 0 && at != 0 && !is_wanted[at]; at = domain->buses[at].controller->address.bus)
      is_wanted[at] = TRUE;
  }
  /* The machine itself has pcie.0. */
  is_wanted[0] = FALSE;
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  const VsmmuDevice *left = *(const VsmmuDevice *const *) a;
  const VsmmuDevice *right = *(const VsmmuDevice *const *) b;

  return (left->sort_key > right->sort_key) - (left->sort_key < right->sort_key);
}

static void
add_controllers (Builder *builder)
{
  g_autoptr (GPtrArray) controllers = g_ptr_array_copy (builder->domain->controllers, NULL, NULL);
  gboolean is_wanted[VSMMU_PCI_BUSES_MAX] = { FALSE };

  find_wanted_buses (builder->domain, is_wanted);
  g_ptr_array_sort (controllers, compare_keys);
  for (guint i = 0; i < controllers->len; i++)
    add_controller_after_parent (
        builder, (guint) ((const VsmmuDevice *) g_ptr_array_index (controllers, i))->controller.index, is_wanted);
}

static void
add_vsmmu (Builder *builder, const VsmmuDevice *device)
{
  const VsmmuIommu *iommu = &device->iommu;
  g_autoptr (JsonObject) object = json_object_new ();
  char value[VSMMU_OPTION_VALUE_SIZE];
  const char *name;
  const char *type;
  guint at = 0;

  json_object_set_string_member (object, "driver", "arm-smmuv3");
  json_object_set_string_member (object, "primary-bus", builder->domain->buses[iommu->pci_bus].controller->id);
  json_object_set_string_member (object, "id", device->id);
  /* libvirt passes properties that can be "auto" as strings. */
  while (vsmmu_options_next (iommu, &at, &name, &type, value)) {
    if (strcmp (type, "bool") == 0)
      json_object_set_boolean_member (object, name, strcmp (value, "true") == 0);
    else
      json_object_set_string_member (object, name, value);
  }
  add (builder, "-device", object);
}

static void
add_iommufd (Builder *builder)
{
  g_autoptr (JsonObject) object = json_object_new ();
  gboolean is_used = FALSE;

  for (guint i = 0; i < builder->domain->hostdevs->len; i++)
    is_used = is_used || vsmmu_domain_uses_iommufd (builder->domain, g_ptr_array_index (builder->domain->hostdevs, i));
  if (!is_used)
    return;
  json_object_set_string_member (object, "qom-type", "iommufd");
  json_object_set_string_member (object, "id", "iommufd0");
  add (builder, "-object", object);
}

static void
add_initiator (Builder *builder, const char *device, guint node)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autofree char *id = g_strdup_printf ("gi%u", builder->n_initiators++);

  json_object_set_string_member (object, "qom-type", "acpi-generic-initiator");
  json_object_set_string_member (object, "id", id);
  json_object_set_string_member (object, "pci-dev", device);
  json_object_set_int_member (object, "node", node);
  add (builder, "-object", object);
}

static void
add_initiators (Builder *builder, const VsmmuDevice *device)
{
  for (guint node = 0; node < VSMMU_NODES_MAX; node++)
    if (vsmmu_nodes_contain (device->hostdev.acpi_nodes, node))
      add_initiator (builder, device->id, node);
}

static void
add_hostdev (Builder *builder, const VsmmuDevice *device)
{
  const VsmmuHostdev *hostdev = &device->hostdev;
  g_autoptr (JsonObject) object = json_object_new ();
  g_autofree char *host = vsmmu_pci_address_to_string (&hostdev->host);
  gboolean uses_iommufd = vsmmu_domain_uses_iommufd (builder->domain, device);

  json_object_set_string_member (object, "driver", "vfio-pci");
  json_object_set_string_member (object, "host", host);
  json_object_set_string_member (object, "id", device->id);
  if (hostdev->boot_order > 0)
    json_object_set_int_member (object, "bootindex", hostdev->boot_order);
  if (uses_iommufd)
    json_object_set_string_member (object, "iommufd", "iommufd0");
  set_address (builder, object, device);
  if (hostdev->acpi_index > 0)
    json_object_set_int_member (object, "acpi-index", hostdev->acpi_index);
  if (hostdev->rom_bar == VSMMU_SWITCH_ON || hostdev->rom_bar == VSMMU_SWITCH_OFF)
    json_object_set_int_member (object, "rombar", hostdev->rom_bar == VSMMU_SWITCH_ON);
  if (hostdev->rom_file != NULL)
    json_object_set_string_member (object, "romfile", hostdev->rom_file);
  add (builder, "-device", object);
  add_initiators (builder, device);
}

static gboolean
has_accelerated (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->n_buses; i++)
    if (domain->buses[i].vsmmu != NULL && vsmmu_iommu_is_accelerated (domain->buses[i].vsmmu) &&
        domain->buses[i].model != NULL && domain->buses[i].model->is_root)
      return TRUE;
  return FALSE;
}

/* libvirt leaves out devices with <address type='unassigned'/>. */
static gboolean
is_passed (const VsmmuDevice *hostdev)
{
  return hostdev->hostdev.is_pci && hostdev->address_kind == VSMMU_ADDRESS_PCI;
}

/* Interfaces first, as libvirt collects them. */
static void
add_hostdevs (Builder *builder)
{
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < builder->domain->hostdevs->len; i++) {
      const VsmmuDevice *hostdev = g_ptr_array_index (builder->domain->hostdevs, i);

      if ((strcmp (hostdev->element, "interface") == 0) == (pass == 0) && is_passed (hostdev))
        add_hostdev (builder, hostdev);
    }
  }
}

GStrv
vsmmu_arguments_new (const VsmmuDomain *domain, VsmmuArgumentSyntax syntax, GError **error)
{
  Builder builder = { .domain = domain, .syntax = syntax };

  if (domain->address_error != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED, _ ("%s: libvirt would reject the PCI addresses: %s"),
                 domain->file, domain->address_error);
    return NULL;
  }
  if (!has_accelerated (domain)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED,
                 _ ("%s: nothing to print, because no root bus of an arm64 virt machine has an accelerated SMMUv3"),
                 domain->file);
    return NULL;
  }

  builder.arguments = g_ptr_array_new ();
  add_machine (&builder);
  add_controllers (&builder);
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (iommu->iommu.is_smmuv3 && iommu->iommu.has_pci_bus && iommu->iommu.pci_bus < domain->n_buses &&
        domain->buses[iommu->iommu.pci_bus].controller != NULL)
      add_vsmmu (&builder, iommu);
  }
  add_iommufd (&builder);
  add_hostdevs (&builder);
  g_ptr_array_add (builder.arguments, NULL);
  return (GStrv) g_ptr_array_free (builder.arguments, FALSE);
}
