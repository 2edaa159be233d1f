/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "domain/acceleration.h"
#include "domain/virt-machine.h"
#include "msi/machine.h"
#include "msi/topology.h"

/* The topology that is built from a domain. */
typedef struct {
  const VsmmuDomain *domain;
  const VsmmuMsiGuest *guest; /* (nullable) */
  VsmmuMsiMachine machine;
  guint n_platform_smmus; /* so far */
  VsmmuMsiBus buses[VSMMU_MSI_BUSES_MAX];
} Builder;

static void
builder_clear (Builder *builder)
{
  for (guint i = 0; i < G_N_ELEMENTS (builder->buses); i++)
    g_clear_pointer (&builder->buses[i].viommu, vsmmu_viommu_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Builder, builder_clear)

static VsmmuMsiBusKind
kind_of (const VsmmuPciModel *model)
{
  if (model->is_root)
    return VSMMU_MSI_BUS_ROOT;
  /* What its bus accepts determines its kind; of those, only a pcie-pci-bridge has a PCI Express capability. */
  if (model->accepts & VSMMU_CONNECT_PCI)
    return model->demands == VSMMU_CONNECT_PCIE_TO_PCI_BRIDGE ? VSMMU_MSI_BUS_BRIDGED : VSMMU_MSI_BUS_CONVENTIONAL;
  return VSMMU_MSI_BUS_EXPRESS;
}

/* The number of bus @index: root buses get theirs from libvirt, the others from the guest. */
static gint16
number_of (const Builder *builder, guint index)
{
  const VsmmuBus *bus = &builder->domain->buses[index];

  if (bus->model->is_root)
    return index == 0 ? 0 : (gint16) bus->controller->controller.bus_nr;
  return builder->guest != NULL ? builder->guest->bus_numbers[index] : VSMMU_MSI_BUS_UNNUMBERED;
}

static void
add_buses (Builder *builder)
{
  for (guint i = 0; i < builder->domain->n_buses; i++) {
    const VsmmuBus *bus = &builder->domain->buses[i];
    VsmmuMsiBus *made = &builder->buses[i];

    *made = (VsmmuMsiBus){ .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .number = VSMMU_MSI_BUS_UNNUMBERED };
    if (bus->root < 0)
      continue;
    made->kind = kind_of (bus->model);
    made->number = number_of (builder, i);
    if (i == 0)
      continue;
    made->parent = bus->controller->address.bus;
    made->bridge = (guint8) (bus->controller->address.slot << 3 | bus->controller->address.function);
  }
}

/* (transfer full): an emulated SMMUv3, with its state if there is a way to it; %NULL with @error set */
static VsmmuViommu *
open_emulated (const Builder *builder, const char *id, guint64 registers, GError **error)
{
  VsmmuSmmuv3Source *source;

  if (builder->guest == NULL || builder->guest->open_smmu == NULL)
    return vsmmu_viommu_new_emulated (NULL);
  source = builder->guest->open_smmu (builder->guest->data, id, registers, error);
  return source != NULL ? vsmmu_viommu_new_emulated (source) : NULL;
}

/* An arm-smmuv3 device: QEMU gives each the next place on the platform bus. */
static gboolean
add_vsmmu (Builder *builder, const VsmmuDevice *iommu, GError **error)
{
  guint64 registers = VSMMU_VIRT_PLATFORM_SMMU + builder->n_platform_smmus++ * VSMMU_VIRT_SMMU_SIZE;
  VsmmuMsiBus *bus = &builder->buses[iommu->iommu.pci_bus];

  bus->is_per_bus = TRUE;
  bus->viommu = vsmmu_iommu_is_accelerated (iommu) ? vsmmu_viommu_new_accelerated (&builder->machine)
                                                   : open_emulated (builder, iommu->id, registers, error);
  return bus->viommu != NULL;
}

/* What serves pcie.0 and all pxb-pcie: -machine iommu=smmuv3, or virtio-iommu. */
static gboolean
add_machine_wide (Builder *builder, const VsmmuDevice *iommu, GError **error)
{
  VsmmuMsiBus *bus = &builder->buses[0];

  if (builder->domain->n_buses == 0 || bus->viommu != NULL)
    return TRUE;
  bus->viommu = iommu->iommu.is_smmuv3 ? open_emulated (builder, NULL, VSMMU_VIRT_MACHINE_SMMU, error)
                                       : vsmmu_viommu_new_opaque ();
  return bus->viommu != NULL;
}

static gboolean
add_iommus (Builder *builder, GError **error)
{
  const VsmmuDomain *domain = builder->domain;

  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);
    gboolean is_machine_wide =
        iommu->iommu.is_smmuv3 ? i == 0 && !iommu->iommu.names_pci_bus : g_strcmp0 (iommu->iommu.model, "virtio") == 0;

    if (is_machine_wide && !add_machine_wide (builder, iommu, error))
      return FALSE;
    if (iommu->iommu.has_pci_bus && iommu->iommu.pci_bus < domain->n_buses &&
        domain->buses[iommu->iommu.pci_bus].vsmmu == iommu && builder->buses[iommu->iommu.pci_bus].viommu == NULL &&
        builder->buses[iommu->iommu.pci_bus].kind == VSMMU_MSI_BUS_ROOT && !add_vsmmu (builder, iommu, error))
      return FALSE;
  }
  return TRUE;
}

/* (transfer full) (element-type VsmmuPciDevfn): the functions that are on a bus with a way to a root bus */
static GArray *
list_functions (const VsmmuDomain *domain)
{
  GArray *functions = g_array_new (FALSE, FALSE, sizeof (VsmmuPciDevfn));

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    const VsmmuPciAddress *address = &device->address;
    VsmmuPciDevfn devfn = VSMMU_PCI_DEVFN (address->bus, address->slot, address->function);

    if (device->address_kind == VSMMU_ADDRESS_PCI && address->bus < domain->n_buses &&
        domain->buses[address->bus].root >= 0)
      g_array_append_val (functions, devfn);
  }
  return functions;
}

VsmmuMsiTopology *
vsmmu_msi_topology_new_for_domain (const VsmmuDomain *domain, const VsmmuMsiGuest *guest, GError **error)
{
  g_auto (Builder) builder = { .domain = domain, .guest = guest };
  g_autoptr (GArray) functions = NULL;
  g_autoptr (GArray) regions = NULL;

  if (!vsmmu_domain_is_virt (domain)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED,
                 _ ("%s: MSIs can be resolved only for the arm64 machine 'virt'"), domain->file);
    return NULL;
  }
  if (domain->address_error != NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED, _ ("%s: libvirt would reject the PCI addresses: %s"),
                 domain->file, domain->address_error);
    return NULL;
  }
  vsmmu_msi_machine_of (domain, &builder.machine);
  add_buses (&builder);
  if (!add_iommus (&builder, error))
    return NULL;
  functions = list_functions (domain);
  regions = vsmmu_msi_regions_of (domain);
  return vsmmu_msi_topology_new (builder.buses, domain->n_buses, (const VsmmuPciDevfn *) (gpointer) functions->data,
                                 functions->len, (const VsmmuGuestRegion *) (gpointer) regions->data, regions->len,
                                 error);
}
