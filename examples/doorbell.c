/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an MSI goes, with a vIOMMU of one's own: it says the doorbell, so what the guest wrote does not count.
 *
 *     cc doorbell.c $(pkg-config --cflags --libs libvsmmu) -o doorbell && ./doorbell
 */
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#define DOORBELL G_GUINT64_CONSTANT (0x08090040) /* GITS_TRANSLATER of QEMU's virt machine */

static gboolean
get_msi_direct_gpa (gpointer data G_GNUC_UNUSED, guint64 *gpa, GError **error G_GNUC_UNUSED)
{
  *gpa = DOORBELL;
  return TRUE;
}

static const VsmmuIommuOps ops = { sizeof (ops), .name = "mine", .get_msi_direct_gpa = get_msi_direct_gpa };

int
main (void)
{
  const VsmmuPciDevfn device = VSMMU_PCI_DEVFN (0, 1, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuViommu) viommu = vsmmu_viommu_new (&ops, NULL);
  VsmmuMsiTopologyBuilder *builder = vsmmu_msi_topology_builder_new ();
  VsmmuMsiRoute route = { 0 };

  vsmmu_msi_topology_builder_add_bus (builder, VSMMU_MSI_BUS_ROOT, -1, 0, 0);
  vsmmu_msi_topology_builder_set_root (builder, 0, viommu, VSMMU_MSI_BUS_SERVED_ALONE);
  vsmmu_msi_topology_builder_add_device (builder, device);
  VsmmuMsiTopology *topology = vsmmu_msi_topology_builder_end (builder, &error);
  g_autoptr (VsmmuMsiResolver) resolver = topology != NULL ? vsmmu_msi_resolver_new (topology) : NULL;

  if (resolver == NULL || !vsmmu_msi_resolve (resolver, device, 0xffffff000040, 7, &route, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  printf ("0xffffff000040 -> 0x%08x, data %u, %s\n", route.address_lo, route.data,
          vsmmu_msi_path_to_string (route.path));
  return 0;
}
