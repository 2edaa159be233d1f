/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/topology.h"

struct _VsmmuMsiTopologyBuilder {
  GArray *buses;   /* (element-type VsmmuMsiBus): with references to their vIOMMUs */
  GArray *devices; /* (element-type VsmmuPciDevfn) */
  GArray *regions; /* (element-type VsmmuGuestRegion) */
};

static void
bus_clear (gpointer data)
{
  VsmmuMsiBus *bus = data;

  g_clear_pointer (&bus->viommu, vsmmu_viommu_unref);
}

VsmmuMsiTopologyBuilder *
vsmmu_msi_topology_builder_new (void)
{
  VsmmuMsiTopologyBuilder *builder = g_new0 (VsmmuMsiTopologyBuilder, 1);

  builder->buses = g_array_new (FALSE, TRUE, sizeof (VsmmuMsiBus));
  g_array_set_clear_func (builder->buses, bus_clear);
  builder->devices = g_array_new (FALSE, FALSE, sizeof (VsmmuPciDevfn));
  builder->regions = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestRegion));
  return builder;
}

void
vsmmu_msi_topology_builder_free (VsmmuMsiTopologyBuilder *builder)
{
  if (builder == NULL)
    return;
  g_array_unref (builder->buses);
  g_array_unref (builder->devices);
  g_array_unref (builder->regions);
  g_free (builder);
}

guint
vsmmu_msi_topology_builder_add_bus (VsmmuMsiTopologyBuilder *builder, VsmmuMsiBusKind kind, int parent, guint8 bridge,
                                    int number)
{
  const VsmmuMsiBus bus = {
    .kind = kind, .parent = parent, .bridge = bridge, .number = (gint16) CLAMP (number, G_MININT16, G_MAXINT16)
  };

  g_array_append_val (builder->buses, bus);
  return builder->buses->len - 1;
}

void
vsmmu_msi_topology_builder_set_root (VsmmuMsiTopologyBuilder *builder, guint index, VsmmuViommu *viommu,
                                     VsmmuMsiBusFlags flags)
{
  VsmmuMsiBus *bus;
  VsmmuViommu *reference;

  g_return_if_fail (index < builder->buses->len);
  bus = &g_array_index (builder->buses, VsmmuMsiBus, index);
  reference = viommu != NULL ? vsmmu_viommu_ref (viommu) : NULL;
  g_clear_pointer (&bus->viommu, vsmmu_viommu_unref);
  bus->viommu = reference;
  bus->is_bypassing = (flags & VSMMU_MSI_BUS_BYPASSES) != 0;
  bus->is_per_bus = (flags & VSMMU_MSI_BUS_SERVED_ALONE) != 0;
}

void
vsmmu_msi_topology_builder_add_device (VsmmuMsiTopologyBuilder *builder, VsmmuPciDevfn devfn)
{
  g_array_append_val (builder->devices, devfn);
}

void
vsmmu_msi_topology_builder_add_region (VsmmuMsiTopologyBuilder *builder, guint64 start, guint64 size, const char *name)
{
  const VsmmuGuestRegion region = { start, size, g_intern_string (name) };

  g_array_append_val (builder->regions, region);
}

VsmmuMsiTopology *
vsmmu_msi_topology_builder_end (VsmmuMsiTopologyBuilder *builder, GError **error)
{
  VsmmuMsiTopology *topology = vsmmu_msi_topology_new (
      (const VsmmuMsiBus *) (gpointer) builder->buses->data, builder->buses->len,
      (const VsmmuPciDevfn *) (gpointer) builder->devices->data, builder->devices->len,
      (const VsmmuGuestRegion *) (gpointer) builder->regions->data, builder->regions->len, error);

  vsmmu_msi_topology_builder_free (builder);
  return topology;
}
