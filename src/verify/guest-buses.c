/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-buses.h"

#include "msi/topology.h"

void
vsmmu_guest_find_needed_buses (const VsmmuDomain *domain, const GPtrArray *endpoints,
                               gboolean is_needed[VSMMU_PCI_BUSES_MAX])
{
  for (guint i = 0; i < endpoints->len; i++) {
    guint bus = ((const VsmmuDevice *) g_ptr_array_index (endpoints, i))->address.bus;

    while (!is_needed[bus]) {
      is_needed[bus] = TRUE;
      if (domain->buses[bus].root != (int) bus)
        bus = domain->buses[bus].controller->address.bus;
    }
  }
}

/* Root buses have a number from libvirt, and keep it. */
static void
number_root_buses (const VsmmuDomain *domain, VsmmuMsiGuest *numbers, gboolean *is_taken)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBus *bus = i < domain->n_buses ? &domain->buses[i] : NULL;
    gint16 number = VSMMU_MSI_BUS_UNNUMBERED;

    if (bus != NULL && bus->root == (int) i)
      number = i == 0 ? 0 : (gint16) bus->controller->controller.bus_nr;
    numbers->bus_numbers[i] = number;
    if (number >= 0)
      is_taken[number] = TRUE;
  }
}

/* Reads the number that the guest gave the bus behind the bridge at @address. */
static gboolean
number_bus (const VsmmuEcam *ecam, VsmmuMsiGuest *numbers, guint index, const VsmmuPciAddress *address,
            gboolean *is_taken, GError **error)
{
  guint parent = (guint) numbers->bus_numbers[address->bus];
  VsmmuGuestFunction bridge;

  if (!vsmmu_guest_function_read (&bridge, ecam, parent, (guint) address->slot << 3 | address->function, error))
    return FALSE;
  /* Where two bridges, or a bridge and a root bus, claim a number, QEMU goes to the first. A function that is not a
   * bridge has 0, the number of pcie.0. */
  if (!is_taken[bridge.secondary_bus]) {
    numbers->bus_numbers[index] = bridge.secondary_bus;
    is_taken[bridge.secondary_bus] = TRUE;
  }
  return TRUE;
}

gboolean
vsmmu_guest_number_buses (VsmmuMsiGuest *numbers, const VsmmuDomain *domain, const VsmmuEcam *ecam,
                          const gboolean *is_needed, GError **error)
{
  gboolean is_taken[256] = { FALSE };
  gboolean is_read[VSMMU_PCI_BUSES_MAX] = { FALSE };
  gboolean is_changed = TRUE;

  number_root_buses (domain, numbers, is_taken);
  /* A bus behind another can have a smaller index than that. */
  while (is_changed) {
    is_changed = FALSE;
    for (guint i = 0; i < domain->n_buses; i++) {
      const VsmmuBus *bus = &domain->buses[i];

      if (is_read[i] || !is_needed[i] || bus->root < 0 || bus->root == (int) i ||
          numbers->bus_numbers[bus->controller->address.bus] < 0)
        continue;
      if (!number_bus (ecam, numbers, i, &bus->controller->address, is_taken, error))
        return FALSE;
      is_read[i] = is_changed = TRUE;
    }
  }
  return TRUE;
}
