/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe-model.h"

#include <inttypes.h>

static void
describe_controller (const VsmmuController *controller, GString *text)
{
  g_string_append_printf (text, " %s %s %d driver=%s chassis=%d port=%d chassis-nr=%d bus-nr=%d node=%d hotplug=%d",
                          controller->type, controller->model, controller->index, controller->driver,
                          controller->chassis, controller->port, controller->chassis_nr, controller->bus_nr,
                          controller->numa_node, (int) controller->hotplug);
  if (controller->has_pcihole64)
    g_string_append_printf (text, " hole=%" PRIu64, controller->pcihole64);
}

static void
describe_hostdev (const VsmmuDomain *domain, const VsmmuDevice *device, GString *text)
{
  g_autofree char *host = vsmmu_pci_address_to_string (&device->hostdev.host);

  g_string_append_printf (text,
                          " %s iommufd=%d managed=%d rom=%d,%s boot=%d index=%" PRIi64 " nodes=%" PRIx64 ",%" PRIx64,
                          host, vsmmu_domain_uses_iommufd (domain, device), device->hostdev.is_managed,
                          (int) device->hostdev.rom_bar, device->hostdev.rom_file, device->hostdev.boot_order,
                          device->hostdev.acpi_index, device->hostdev.acpi_nodes[0], device->hostdev.acpi_nodes[1]);
}

static void
describe_iommu (const VsmmuIommu *iommu, GString *text)
{
  g_string_append_printf (text, " %s bus=%d,%u accel=%d ats=%d ril=%d cmdqv=%d ssidsize=%d oas=%d", iommu->model,
                          iommu->has_pci_bus, iommu->pci_bus, (int) iommu->accel, (int) iommu->ats, (int) iommu->ril,
                          (int) iommu->cmdqv, iommu->ssidsize, iommu->oas);
}

static char *
describe_device (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  g_autofree char *address = vsmmu_pci_address_to_string (&device->address);
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%s %s", device->element, device->id);
  /* An SMMUv3 has none. */
  if (!vsmmu_device_is_iommu (device) || !device->iommu.is_smmuv3)
    g_string_append_printf (text, " at=%d,%s", (int) device->address_kind, address);
  if (g_strcmp0 (device->element, "controller") == 0)
    describe_controller (&device->controller, text);
  else if (vsmmu_device_is_hostdev (device))
    describe_hostdev (domain, device, text);
  else if (vsmmu_device_is_iommu (device))
    describe_iommu (&device->iommu, text);
  return g_string_free (text, FALSE);
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char *
describe_model (const VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%s %s %s acpi=%d gic=%d iommufd=%d cells=%u memory=%" PRIu64 "\n", domain->name,
                          domain->arch, domain->machine, domain->has_acpi, (int) domain->gic, (int) domain->iommufd,
                          domain->n_cells, domain->memory);
  for (guint i = 0; i < domain->devices->len; i++)
    g_ptr_array_add (lines, describe_device (domain, g_ptr_array_index (domain->devices, i)));
  g_ptr_array_sort (lines, compare_lines);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) g_ptr_array_index (lines, i));
  for (guint i = 0; i < domain->arguments->len; i++)
    g_string_append_printf (text, "argument %s\n", g_array_index (domain->arguments, VsmmuPassthrough, i).value);
  for (guint i = 0; i < domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (domain->overrides, VsmmuPassthrough, i);

    g_string_append_printf (text, "override %s %s=%s\n", override->alias, override->property, override->value);
  }
  return g_string_free (text, FALSE);
}
