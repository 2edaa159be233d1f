/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "domain/vsmmu.h"
#include "plan/layout.h"

#define BUS_NUMBERS 256

/* The guest's buses with what is planned. */
typedef struct {
  guint next_index; /* of the next controller */
  gboolean is_taken[VSMMU_PCI_BUSES_MAX][VSMMU_PCI_SLOTS_MAX];
  gboolean is_free_port[VSMMU_PCI_BUSES_MAX]; /* there, and nothing is behind it */
  guint n_buses[VSMMU_PCI_BUSES_MAX];         /* root buses: with those below */
  gboolean is_taken_number[BUS_NUMBERS];
} Buses;

static VsmmuPlanGroup *
group_at (const VsmmuLayout *layout, guint i)
{
  return g_ptr_array_index (layout->groups, i);
}

static void
take_over (const VsmmuLayout *layout, Buses *buses)
{
  const VsmmuDomain *domain = layout->domain;

  buses->next_index = MAX (domain->n_buses, 1);
  vsmmu_domain_find_free_ports (domain, buses->is_free_port);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI)
      buses->is_taken[device->address.bus][device->address.slot] = TRUE;
  }
  for (guint i = 0; i < domain->n_buses; i++)
    if (domain->buses[i].root >= 0)
      buses->n_buses[domain->buses[i].root]++;
}

/* The first slot of @bus with nothing in it, or -1. */
static int
free_slot (const Buses *buses, guint bus, const VsmmuPciModel *model)
{
  for (guint slot = model->min_slot; slot <= model->max_slot; slot++)
    if (!buses->is_taken[bus][slot])
      return (int) slot;
  return -1;
}

static guint
count_free_slots (const Buses *buses, guint bus, const VsmmuPciModel *model)
{
  guint count = 0;

  for (guint slot = model->min_slot; slot <= model->max_slot; slot++)
    count += !buses->is_taken[bus][slot];
  return count;
}

static void
use_free_ports (const VsmmuLayout *layout, Buses *buses, VsmmuPlanGroup *group)
{
  for (guint i = 0; i < layout->domain->n_buses && group->vsmmu != NULL; i++) {
    const VsmmuPlanPort port = { .index = i };

    if (buses->is_free_port[i] && layout->domain->buses[i].root == (int) group->root)
      g_array_append_val (group->ports, port);
  }
}

/* One port in each slot, or eight where there are more ports than slots. */
static gboolean
add_ports (Buses *buses, VsmmuPlanGroup *group, guint count, GError **error)
{
  const VsmmuPciModel *model = vsmmu_pci_model_find (group->root == 0 ? "pcie-root" : "pcie-expander-bus");
  gboolean is_packed = count > count_free_slots (buses, group->root, model);
  VsmmuPciAddress address = { .bus = (guint8) group->root, .function = VSMMU_PCI_FUNCTIONS_MAX - 1 };

  for (guint i = 0; i < count; i++) {
    VsmmuPlanPort port = { .index = buses->next_index, .is_new = TRUE };

    if (is_packed && address.function < VSMMU_PCI_FUNCTIONS_MAX - 1) {
      address.function++;
    } else {
      int slot = free_slot (buses, group->root, model);

      if (slot < 0)
        return vsmmu_layout_refuse (error, _ ("the bus with index %u has no room for %u more ports"), group->root,
                                    count - i);
      address.slot = (guint8) slot;
      address.function = is_packed ? 0 : VSMMU_PCI_FUNCTIONS_MAX - 1;
      buses->is_taken[group->root][slot] = TRUE;
    }
    if (buses->next_index >= VSMMU_PCI_BUSES_MAX)
      return vsmmu_layout_refuse (error,
                                  _ ("the guest would need more than %d PCI buses; request fewer devices or spare "
                                     "ports"),
                                  VSMMU_PCI_BUSES_MAX);
    buses->next_index++;
    port.address = address;
    if (!is_packed)
      port.address.function = 0;
    port.address.multifunction = is_packed && address.function == 0;
    g_array_append_val (group->ports, port);
  }
  buses->n_buses[group->root] += count;
  return TRUE;
}

static gboolean
add_root (const VsmmuLayout *layout, Buses *buses, VsmmuPlanGroup *group, GError **error)
{
  int slot = free_slot (buses, 0, vsmmu_pci_model_find ("pcie-root"));

  if (slot < 0)
    return vsmmu_layout_refuse (error, _ ("%s: pcie-root has no free slot for a pcie-expander-bus"),
                                layout->domain->file);
  if (buses->next_index >= VSMMU_PCI_BUSES_MAX)
    return vsmmu_layout_refuse (error, _ ("%s: the guest has no room for another PCI bus"), layout->domain->file);
  group->slot = (guint) slot;
  group->root = buses->next_index++;
  buses->is_taken[0][slot] = TRUE;
  buses->n_buses[group->root] = 1;
  return TRUE;
}

static gboolean
place_group (const VsmmuLayout *layout, Buses *buses, VsmmuPlanGroup *group, GError **error)
{
  guint needed = group->devices->len + layout->options->spare_ports;

  use_free_ports (layout, buses, group);
  if (group->vsmmu == NULL && !add_root (layout, buses, group, error))
    return FALSE;
  return group->ports->len >= needed || add_ports (buses, group, needed - group->ports->len, error);
}

/* The root buses that are there keep their numbers. */
static void
take_numbers (const VsmmuDomain *domain, Buses *buses)
{
  for (guint i = 0; i < domain->n_buses; i++) {
    const VsmmuBus *bus = &domain->buses[i];
    guint first = i == 0 || bus->controller == NULL ? 0 : (guint) MAX (bus->controller->controller.bus_nr, 0);

    if (bus->model == NULL || !bus->model->is_root)
      continue;
    for (guint n = first; n < MIN (first + buses->n_buses[i], BUS_NUMBERS); n++)
      buses->is_taken_number[n] = TRUE;
  }
}

/* The first multiple of @step from which on @count numbers are free, or 0. */
static guint
find_numbers (const gboolean is_taken[BUS_NUMBERS], guint step, guint count)
{
  for (guint start = step; start + count <= BUS_NUMBERS; start += step) {
    guint n = 0;

    while (n < count && !is_taken[start + n])
      n++;
    if (n == count)
      return start;
  }
  return 0;
}

static gboolean
number_groups (const VsmmuLayout *layout, const Buses *buses, guint step)
{
  gboolean is_taken[BUS_NUMBERS];

  memcpy (is_taken, buses->is_taken_number, sizeof (is_taken));
  for (guint i = 0; i < layout->groups->len; i++) {
    VsmmuPlanGroup *group = group_at (layout, i);
    guint count = buses->n_buses[group->root];

    if (group->vsmmu != NULL)
      continue;
    group->bus_nr = find_numbers (is_taken, step, count);
    /* libvirt does not accept a busNr of 255. */
    if (group->bus_nr == 0 || group->bus_nr > BUS_NUMBERS - 2)
      return FALSE;
    for (guint n = 0; n < count; n++)
      is_taken[group->bus_nr + n] = TRUE;
  }
  return TRUE;
}

gboolean
vsmmu_layout_place (VsmmuLayout *layout, GError **error)
{
  g_autofree Buses *buses = g_new0 (Buses, 1);

  take_over (layout, buses);
  for (guint i = 0; i < layout->groups->len; i++)
    if (!place_group (layout, buses, group_at (layout, i), error))
      return FALSE;
  take_numbers (layout->domain, buses);
  /* As far apart as possible, to leave room for ports to come. */
  for (guint step = 32; step > 0; step /= 2)
    if (number_groups (layout, buses, step))
      return TRUE;
  return vsmmu_layout_refuse (error,
                              _ ("not enough PCI bus numbers are left for the ports; request fewer spare ports"));
}
