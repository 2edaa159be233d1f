/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe-model.h"

#include "domain/domain.h"

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void add (GPtrArray *lines, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add (GPtrArray *lines, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (lines, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

/* What lines of devices end in: how the device is called, and where it is. */
static char *
place_of (const VsmmuDevice *device)
{
  const char *alias = device->alias != NULL && g_str_has_prefix (device->alias, "ua-") ? device->alias : "-";

  if (device->address_kind != VSMMU_ADDRESS_PCI)
    return g_strdup_printf ("alias %s not on PCI", alias);
  return g_strdup_printf ("alias %s at %02x:%02x.%x", alias, device->address.bus, device->address.slot,
                          device->address.function);
}

static void
add_controller (GPtrArray *lines, const VsmmuDevice *device)
{
  const VsmmuController *controller = &device->controller;
  g_autofree char *place = place_of (device);

  /* Ports and chassis that are not given are libvirt's to choose. */
  add (lines,
       "controller %s %d %s busNr %d node %d hole %" G_GUINT64_FORMAT " reserve %" G_GINT64_FORMAT " hotplug %d %s",
       controller->type, controller->index, controller->model != NULL ? controller->model : "-", controller->bus_nr,
       controller->numa_node, controller->pcihole64, controller->mem_reserve, controller->hotplug, place);
}

static void
add_hostdev (GPtrArray *lines, const VsmmuDomain *domain, const VsmmuDevice *device)
{
  const VsmmuHostdev *hostdev = &device->hostdev;
  g_autofree char *host = vsmmu_pci_address_to_string (&hostdev->host);
  g_autofree char *place = place_of (device);

  add (lines,
       "%s %s pci %d mdev %d managed %d iommufd %d bar %d rom %s boot %d acpi %" G_GINT64_FORMAT
       " nodes %" G_GINT64_MODIFIER "x %s",
       device->element, host, hostdev->is_pci, hostdev->is_mdev, hostdev->is_managed,
       vsmmu_domain_uses_iommufd (domain, device), hostdev->rom_bar,
       hostdev->rom_file != NULL ? hostdev->rom_file : "-", hostdev->boot_order, hostdev->acpi_index,
       hostdev->acpi_nodes[0], place);
}

static void
add_iommu (GPtrArray *lines, const VsmmuDevice *device)
{
  const VsmmuIommu *iommu = &device->iommu;

  add (lines, "iommu %s bus %d accel %d ats %d ril %d cmdqv %d ssidsize %d oas %d", iommu->model,
       iommu->has_pci_bus ? (int) iommu->pci_bus : -1, iommu->accel, iommu->ats, iommu->ril, iommu->cmdqv,
       iommu->ssidsize, iommu->oas);
}

static void
add_device (GPtrArray *lines, const VsmmuDomain *domain, const VsmmuDevice *device)
{
  g_autofree char *place = place_of (device);

  if (vsmmu_device_is_pci_controller (device))
    add_controller (lines, device);
  else if (vsmmu_device_is_hostdev (device))
    add_hostdev (lines, domain, device);
  else if (vsmmu_device_is_iommu (device))
    add_iommu (lines, device);
  else if (device->address_kind == VSMMU_ADDRESS_PCI)
    add (lines, "%s %s", device->element, place);
}

static void
add_passthrough (GPtrArray *lines, const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->arguments->len; i++)
    add (lines, "argument %03u %s", i, g_array_index (domain->arguments, VsmmuPassthrough, i).value);
  for (guint i = 0; i < domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (domain->overrides, VsmmuPassthrough, i);

    add (lines, "override %03u %s %s=%s", i, override->alias, override->property, override->value);
  }
}

static void
add_cells (GPtrArray *lines, const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->cells->len; i++) {
    const VsmmuCell *cell = &g_array_index (domain->cells, VsmmuCell, i);
    g_autoptr (GString) distances = g_string_new (NULL);

    for (guint sibling = 0; cell->has_distances && sibling < domain->cells->len; sibling++)
      g_string_append_printf (distances, " %u", cell->distances[sibling]);
    add (lines, "cell %u cpus %d memory %" G_GUINT64_FORMAT " distances%s", i, cell->has_cpus, cell->memory,
         distances->str);
  }
  for (guint i = 0; i < domain->memory_nodes->len; i++) {
    const VsmmuMemoryNodes *nodes = &g_array_index (domain->memory_nodes, VsmmuMemoryNodes, i);

    add (lines, "memory of cell %d on %" G_GINT64_MODIFIER "x", nodes->cell, nodes->nodes.bits[0]);
  }
}

static void
add_domain (GPtrArray *lines, const VsmmuDomain *domain)
{
  /* libvirt gives the machine the version that it has. */
  add (lines, "domain '%s' type %s arch %s virt %d running %d", domain->name, domain->type, domain->arch,
       vsmmu_domain_is_virt (domain), domain->is_running);
  add (lines, "uefi %d acpi %d gic %d vcpus %u cells %u iommufd %d", domain->has_uefi, domain->has_acpi, domain->gic,
       domain->vcpus, domain->n_cells, domain->iommufd);
  add (lines, "memory %" G_GUINT64_FORMAT " max %" G_GUINT64_FORMAT " slots %u hugepages %d %" G_GUINT64_FORMAT,
       domain->memory, domain->memory_max, domain->memory_slots, domain->has_hugepages, domain->huge_page);
  add_cells (lines, domain);
  for (guint i = 0; i < domain->devices->len; i++)
    add_device (lines, domain, g_ptr_array_index (domain->devices, i));
  add_passthrough (lines, domain);
}

char *
describe_model (const VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  add_domain (lines, domain);
  g_ptr_array_sort (lines, compare_lines);
  g_ptr_array_add (lines, g_strdup (""));
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}
