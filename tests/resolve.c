/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * resolve XML ADDRESS [INDEX=NUMBER...]: how an MSI to ADDRESS from each PCI device of the domain is routed, in
 * the order of the document. The guest has given the bus of controller INDEX the NUMBER; all in hexadecimal. Emulated
 * SMMUv3s are off; that of pcie.0, or of the machine, then lets everything through, and the others nothing. A line is
 * "ELEMENT PATH GPA DEVICE-ID" or "ELEMENT error MESSAGE".
 */
#include <stdio.h>

#include "domain/domain.h"
#include "msi/reader.h"
#include "msi/topology.h"

#define GBPA_ABORT (1u << 20)

static VsmmuSmmuv3Source *
open_smmu (gpointer data, const char *id, guint64 address, G_GNUC_UNUSED GError **error)
{
  const VsmmuDomain *domain = data;
  VsmmuSmmuv3Registers registers = { .gbpa = GBPA_ABORT };
  g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);

  if (id == NULL || g_strcmp0 (domain->buses[0].vsmmu != NULL ? domain->buses[0].vsmmu->id : NULL, id) == 0)
    registers.gbpa = 0;
  g_printerr ("%s at %" G_GINT64_MODIFIER "x\n", id != NULL ? id : "machine", address);
  return vsmmu_smmuv3_source_new_fixed (&registers, vsmmu_memory_reader_new_bytes (nothing, 0));
}

static void
resolve (VsmmuMsiResolver *resolver, const VsmmuDevice *device, guint64 address)
{
  const VsmmuPciAddress *place = &device->address;
  g_autoptr (GError) error = NULL;
  VsmmuMsiRoute route;

  if (vsmmu_msi_resolve (resolver, VSMMU_PCI_DEVFN (place->bus, place->slot, place->function), address, 0, &route,
                         &error))
    printf ("%s %s %x%08x %x\n", device->element, vsmmu_msi_path_to_string (route.path), route.address_hi,
            route.address_lo, route.device_id);
  else
    printf ("%s error %s\n", device->element, error->message);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain = argc > 2 ? vsmmu_domain_new_from_file (argv[1], &error) : NULL;
  VsmmuMsiGuest guest = { .open_smmu = open_smmu, .data = domain };
  g_autoptr (VsmmuMsiTopology) topology = NULL;
  g_autoptr (VsmmuMsiResolver) resolver = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (guest.bus_numbers); i++)
    guest.bus_numbers[i] = VSMMU_MSI_BUS_UNNUMBERED;
  for (int i = 3; i < argc; i++) {
    char *number;
    guint64 index = g_ascii_strtoull (argv[i], &number, 16);

    guest.bus_numbers[index % G_N_ELEMENTS (guest.bus_numbers)] = (gint16) g_ascii_strtoull (number + 1, NULL, 16);
  }
  topology = domain != NULL ? vsmmu_msi_topology_new_for_domain (domain, &guest, &error) : NULL;
  if (topology == NULL) {
    g_printerr ("resolve: %s\n", error != NULL ? error->message : "give a file and an address");
    return 2;
  }
  resolver = vsmmu_msi_resolver_new (g_steal_pointer (&topology));
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device))
      resolve (resolver, device, g_ascii_strtoull (argv[2], NULL, 16));
  }
  return 0;
}
