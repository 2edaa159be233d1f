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
get_msi_direct_gpa (const VsmmuViommu *viommu G_GNUC_UNUSED, guint64 *gpa, GError **error G_GNUC_UNUSED)
{
  *gpa = DOORBELL;
  return TRUE;
}

static void
viommu_free (VsmmuViommu *viommu)
{
  g_free (viommu);
}

static const VsmmuIommuOps ops = { .name = "mine", .get_msi_direct_gpa = get_msi_direct_gpa, .free = viommu_free };

int
main (void)
{
  g_autoptr (GError) error = NULL;
  VsmmuViommu *viommu = g_new (VsmmuViommu, 1);
  const VsmmuMsiBus bus = { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .viommu = viommu };
  const VsmmuPciDevfn device = VSMMU_PCI_DEVFN (0, 1, 0);
  const VsmmuGuestRegion memory = { 0x40000000, 0x10000000, "memory" };
  VsmmuMsiRoute route = { 0 };

  *viommu = (VsmmuViommu){ .ops = &ops, .ref_count = 1 };
  VsmmuMsiTopology *topology = vsmmu_msi_topology_new (&bus, 1, &device, 1, &memory, 1, &error);
  vsmmu_viommu_unref (viommu); /* the topology has it */
  g_autoptr (VsmmuMsiResolver) resolver = topology != NULL ? vsmmu_msi_resolver_new (topology) : NULL;

  if (resolver == NULL || !vsmmu_msi_resolve (resolver, device, 0xffffff000040, 7, &route, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  printf ("0xffffff000040 -> 0x%08x, data %u, %s\n", route.address_lo, route.data,
          vsmmu_msi_path_to_string (route.path));
  return 0;
}
