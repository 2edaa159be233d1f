/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "domain/acceleration.h"
#include "domain/options.h"
#include "domain/vsmmu.h"

/* How many VFIO devices stand below each root bus when the guest starts. */
static void
count_hostdevs (const VsmmuCheck *check, guint counts[VSMMU_PCI_BUSES_MAX])
{
  memset (counts, 0, sizeof (guint) * VSMMU_PCI_BUSES_MAX);
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);

    if (!hostdev->is_plug && hostdev->address_kind == VSMMU_ADDRESS_PCI &&
        hostdev->address.bus < check->domain->n_buses && check->domain->buses[hostdev->address.bus].root >= 0)
      counts[check->domain->buses[hostdev->address.bus].root]++;
  }
}

/* (transfer full): what to do about the address that libvirt refuses */
static char *
hint_for_address (const VsmmuDomain *domain)
{
  if (domain->is_controller_error)
    return g_strdup (_ ("give it another index or another model"));
  if (domain->address_error_device->address_given)
    return g_strdup (_ ("give a free address on a bus of the right kind, or leave <address> out"));
  return g_strdup (_ ("add a controller that has room for it"));
}

void
vsmmu_rule_pci_address_invalid (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const VsmmuDevice *device = domain->address_error_device;
  gboolean is_address;
  g_autofree char *name = NULL;

  if (domain->address_error == NULL)
    return;
  if (device == NULL || device->ordinal == 0) {
    vsmmu_check_report (check, domain->line, g_strdup ("/domain/devices"),
                        g_strdup (_ ("use fewer devices, or bridges that take several devices each")),
                        _ ("libvirt refuses the PCI addresses of the domain: %s"), domain->address_error);
    return;
  }
  name = vsmmu_device_describe (device);
  is_address = device->address_given && !domain->is_controller_error;
  vsmmu_check_report (check, is_address ? device->address_line : device->line,
                      vsmmu_device_path (device, is_address ? "/address" : ""), hint_for_address (domain),
                      is_address ? _ ("libvirt refuses the PCI address of %s: %s") : _ ("libvirt refuses %s: %s"), name,
                      domain->address_error);
}

void
vsmmu_rule_pci_controller_order (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;

  for (guint i = 1; i < domain->n_buses && domain->address_error == NULL; i++) {
    const VsmmuDevice *controller = domain->buses[i].controller;
    g_autofree char *name = NULL;

    if (controller == NULL || controller->address_kind != VSMMU_ADDRESS_PCI || controller->address.bus <= i)
      continue;
    name = vsmmu_device_describe (controller);
    vsmmu_check_report (
        check, controller->ordinal != 0 ? controller->line : domain->line, vsmmu_device_path (controller, ""),
        controller->address_given ? g_strdup (_ ("number the controllers so that each has a larger index than its bus"))
                                  : g_strdup (_ ("give it an <address> on a controller with a smaller index")),
        _ ("%s is on bus %u: libvirt creates controllers in the order of their indexes, so QEMU does "
           "not find the bus yet"),
        name, controller->address.bus);
  }
}

void
vsmmu_rule_pci_bus_missing (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    const VsmmuBus *bus = vsmmu_domain_bus_of (check->domain, iommu);

    if (vsmmu_iommu_wants_acceleration (iommu) && bus != NULL && bus->controller == NULL)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup_printf (_ ("add <controller type='pci' index='%u' model='pcie-expander-bus'/>, or "
                                              "correct pciBus"),
                                           iommu->iommu.pci_bus),
                          _ ("pciBus='%u' names a controller that does not exist; libvirt notices only at start"),
                          iommu->iommu.pci_bus);
  }
}

void
vsmmu_rule_pci_bus_not_root (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    const VsmmuBus *bus = vsmmu_domain_bus_of (check->domain, iommu);
    g_autofree char *hint = NULL;

    if (!vsmmu_iommu_wants_acceleration (iommu) || bus == NULL || bus->model == NULL || bus->model->is_root)
      continue;
    if (bus->root > 0)
      hint =
          g_strdup_printf (_ ("that port hangs off the root bus with index %d: use pciBus='%d'"), bus->root, bus->root);
    else
      hint = g_strdup (_ ("name the index of a pcie-expander-bus"));
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), g_steal_pointer (&hint),
                        _ ("pciBus='%u' is a %s; an SMMUv3 stands over a root bus, pcie-root or pcie-expander-bus"),
                        iommu->iommu.pci_bus, bus->model->name);
  }
}

void
vsmmu_rule_pci_bus_shared (VsmmuCheck *check)
{
  const VsmmuDevice *owners[VSMMU_PCI_BUSES_MAX] = { NULL };

  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (!iommu->iommu.is_smmuv3 || !iommu->iommu.has_pci_bus)
      continue;
    if (owners[iommu->iommu.pci_bus] == NULL)
      owners[iommu->iommu.pci_bus] = iommu;
    else
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (_ ("give each SMMUv3 a pcie-expander-bus of its own")),
                          _ ("pciBus='%u' already has the SMMUv3 of line %u; QEMU takes one for each root bus"),
                          iommu->iommu.pci_bus, owners[iommu->iommu.pci_bus]->line);
  }
}

void
vsmmu_rule_iommu_models_mixed (VsmmuCheck *check)
{
  const VsmmuDevice *vsmmu = NULL;

  for (guint i = 0; i < check->domain->iommus->len && vsmmu == NULL; i++)
    if (vsmmu_domain_iommu_at (check->domain, i)->iommu.is_smmuv3 &&
        vsmmu_domain_iommu_at (check->domain, i)->iommu.has_pci_bus)
      vsmmu = vsmmu_domain_iommu_at (check->domain, i);
  for (guint i = 0; i < check->domain->iommus->len && vsmmu != NULL; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    gboolean is_machine_wide = iommu->iommu.is_smmuv3 && !iommu->iommu.names_pci_bus;
    g_autofree char *model = vsmmu_text_shorten (iommu->iommu.model);

    if (iommu->iommu.is_smmuv3 && (!is_machine_wide || iommu->iommu.accel == VSMMU_SWITCH_ON))
      continue;
    vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""), g_strdup (_ ("remove it, or keep it alone")),
                        is_machine_wide ? _ ("a machine-wide %s IOMMU beside the SMMUv3 of line %u, which has a bus "
                                             "of its own: QEMU refuses that, or libvirt drops it")
                                        : _ ("an IOMMU of model %s beside the SMMUv3 of line %u: QEMU takes one model "
                                             "only"),
                        model, vsmmu->line);
  }
}

/* Devices that QEMU emulates; bridges and ports are allowed anywhere. */
static gboolean
is_emulated_endpoint (const VsmmuDevice *device)
{
  return device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device) &&
         !vsmmu_device_is_hostdev (device);
}

static void
report_endpoints (VsmmuCheck *check, gboolean is_given)
{
  for (guint i = 0; i < check->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (check->domain->devices, i);
    const VsmmuDevice *vsmmu;
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (device->address_given != is_given || !is_emulated_endpoint (device) ||
        !vsmmu_domain_is_behind_accelerated (check->domain, device))
      continue;
    vsmmu = vsmmu_domain_vsmmu_of (check->domain, device);
    name = vsmmu_device_describe (device);
    place = vsmmu_check_place (check, device->is_plug, vsmmu);
    if (is_given)
      vsmmu_check_report (
          check, device->address_line, vsmmu_device_path (device, "/address"),
          g_strdup_printf (_ ("put it below a root bus without an accelerated SMMUv3, not below bus %u"),
                           vsmmu->iommu.pci_bus),
          _ ("%s is emulated and stands behind the accelerated SMMUv3 of %s; QEMU allows only "
             "VFIO devices there"),
          name, place);
    else
      vsmmu_check_report (check, device->ordinal != 0 ? device->line : vsmmu->line, vsmmu_device_path (device, ""),
                          g_strdup (_ ("give it an <address> below a root bus without an accelerated SMMUv3, and a "
                                       "pcie-root-port there")),
                          _ ("libvirt will put %s on %02x:%02x.%x, behind the accelerated SMMUv3 of %s, where QEMU "
                             "allows only VFIO devices"),
                          name, device->address.bus, device->address.slot, device->address.function, place);
  }
}

void
vsmmu_rule_emulated_endpoint (VsmmuCheck *check)
{
  report_endpoints (check, TRUE);
}

void
vsmmu_rule_endpoint_auto_placed (VsmmuCheck *check)
{
  report_endpoints (check, FALSE);
}

static gboolean
is_disabled_by_domain (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  return check->domain->iommufd == VSMMU_SWITCH_OFF && hostdev->hostdev.iommufd == VSMMU_SWITCH_ABSENT &&
         !hostdev->hostdev.is_mdev;
}

void
vsmmu_rule_hostdev_without_iommufd (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    g_autofree char *name = NULL;

    if (!vsmmu_domain_is_behind_accelerated (check->domain, hostdev) ||
        hostdev->hostdev.iommufd == VSMMU_SWITCH_INVALID || is_disabled_by_domain (check, hostdev))
      continue;
    name = vsmmu_device_describe (hostdev);
    if (hostdev->hostdev.is_mdev)
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("put the mediated device below a root bus without an accelerated SMMUv3")),
                          _ ("%s is a mediated device, for which libvirt has no iommufd"), name);
    else if (!vsmmu_domain_uses_iommufd (check->domain, hostdev))
      vsmmu_check_report (check, hostdev->hostdev.driver_line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("add iommufd='yes' to its <driver>, or <iommufd enabled='yes'/> to the domain")),
                          _ ("%s stands behind an accelerated SMMUv3 without iommufd; QEMU refuses it"), name);
  }
}

void
vsmmu_rule_iommufd_disabled (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (!vsmmu_domain_is_behind_accelerated (check->domain, hostdev) || !is_disabled_by_domain (check, hostdev))
      continue;
    name = vsmmu_device_describe (hostdev);
    place = vsmmu_check_place (check, FALSE, hostdev);
    vsmmu_check_report (check, check->domain->iommufd_line, g_strdup ("/domain/iommufd"),
                        g_strdup (_ ("use <iommufd enabled='yes'/>, or iommufd='yes' in the <driver> of the device")),
                        _ ("iommufd is off for the domain, and %s (%s) behind an accelerated SMMUv3 needs it"), name,
                        place);
  }
}

void
vsmmu_rule_hostdev_outside_vsmmu (VsmmuCheck *check)
{
  gboolean is_unclear = vsmmu_domain_is_unclear (check->domain);
  const VsmmuDevice *machine_wide = vsmmu_domain_machine_wide (check->domain);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuDevice *emulated;
    g_autofree char *name = NULL;

    if (hostdev->address_kind != VSMMU_ADDRESS_PCI || hostdev->address.bus >= check->domain->n_buses || is_unclear ||
        vsmmu_domain_is_behind_accelerated (check->domain, hostdev) || hostdev->is_plug)
      continue;
    name = vsmmu_device_describe (hostdev);
    emulated = vsmmu_domain_vsmmu_of (check->domain, hostdev);
    if (emulated == NULL)
      emulated = machine_wide;
    if (emulated != NULL)
      vsmmu_check_report_as (
          check, VSMMU_SEVERITY_ERROR, hostdev->line, vsmmu_device_path (hostdev, ""),
          g_strdup_printf (_ ("give the SMMUv3 of line %u both accel='on' and pciBus"), emulated->line),
          _ ("%s stands behind the emulated SMMUv3 of line %u, which cannot translate for VFIO"), name, emulated->line);
    else
      vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                          g_strdup (_ ("give it an <address> on a port below the bus that pciBus of a vSMMU names")),
                          _ ("%s is on bus %u, behind no SMMUv3: the guest cannot isolate it"), name,
                          hostdev->address.bus);
  }
}

void
vsmmu_rule_hostdev_duplicate (VsmmuCheck *check)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);
    const VsmmuPciAddress *host = &hostdev->hostdev.host;
    g_autofree gint64 *key = g_new (gint64, 1);
    const VsmmuDevice *first;
    g_autofree char *name = NULL;
    g_autofree char *place = NULL;

    if (!hostdev->hostdev.is_pci)
      continue;
    *key = (gint64) host->domain << 16 | host->bus << 8 | host->slot << 3 | host->function;
    first = g_hash_table_lookup (seen, key);
    if (first == NULL) {
      g_hash_table_insert (seen, g_steal_pointer (&key), (gpointer) hostdev);
      continue;
    }
    name = vsmmu_device_describe (hostdev);
    place = vsmmu_check_place (check, hostdev->is_plug, first);
    vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                        g_strdup (_ ("name another host device, or remove one of the two")),
                        _ ("%s is already given to the guest in %s"), name, place);
  }
}

/* A device can only be attached to a running guest, which had at start what it needs. */
static gboolean
has_started (const VsmmuCheck *check)
{
  return check->domain->plug != NULL && check->domain->is_running;
}

void
vsmmu_rule_vsmmu_empty (VsmmuCheck *check)
{
  guint counts[VSMMU_PCI_BUSES_MAX];

  if (has_started (check))
    return;
  count_hostdevs (check, counts);
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    g_autofree char *options = NULL;

    if (!vsmmu_domain_is_effective (check->domain, iommu) || counts[iommu->iommu.pci_bus] > 0)
      continue;
    options = vsmmu_iommu_auto_options (iommu);
    if (options != NULL)
      vsmmu_check_report (
          check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
          g_strdup_printf (_ ("give %s explicitly, or put a <hostdev> below bus %u"), options, iommu->iommu.pci_bus),
          _ ("no VFIO device stands behind this SMMUv3 at start, so QEMU cannot find out %s and exits"), options);
  }
}

void
vsmmu_rule_cmdqv_vsmmu_empty (VsmmuCheck *check)
{
  guint counts[VSMMU_PCI_BUSES_MAX];

  if (has_started (check))
    return;
  count_hostdevs (check, counts);
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_domain_is_effective (check->domain, iommu) && counts[iommu->iommu.pci_bus] == 0 &&
        iommu->iommu.cmdqv == VSMMU_SWITCH_ON)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup_printf (_ ("put a <hostdev> below bus %u, or remove cmdqv"), iommu->iommu.pci_bus),
                          _ ("cmdqv='on' with no VFIO device behind the SMMUv3 at start: QEMU exits, or the guest gets "
                             "no command queue without a word"));
  }
}

void
vsmmu_rule_cmdqv_small_pages (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_iommu_is_accelerated (iommu) && iommu->iommu.cmdqv == VSMMU_SWITCH_ON && !check->domain->has_hugepages)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (_ ("back the memory with <memoryBacking><hugepages/></memoryBacking>")),
                          _ ("cmdqv='on' without huge pages: QEMU shrinks the command queue to one small page"));
  }
}

void
vsmmu_rule_pasid_without_ats (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_iommu_is_accelerated (iommu) && iommu->iommu.ssidsize > 0 && iommu->iommu.ats == VSMMU_SWITCH_OFF)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          g_strdup (_ ("use ats='on', or ssidsize='0'")),
                          _ ("ssidsize='%d' offers PASIDs, but with ats='off' devices cannot use shared virtual "
                             "addressing"),
                          iommu->iommu.ssidsize);
  }
}

/* The controller of the root bus whose number comes next after @bus_nr, or %NULL. */
static const VsmmuDevice *
next_expander (const VsmmuCheck *check, const VsmmuDevice *self, int bus_nr)
{
  const VsmmuDevice *next = NULL;

  for (guint i = 0; i < check->domain->controllers->len; i++) {
    const VsmmuDevice *other = g_ptr_array_index (check->domain->controllers, i);

    if (other == self || other->controller.pci == NULL || other->controller.bus_nr < bus_nr ||
        other->controller.pci->demands != VSMMU_CONNECT_PCIE_EXPANDER)
      continue;
    if (next == NULL || other->controller.bus_nr < next->controller.bus_nr)
      next = other;
  }
  return next;
}

/* A busNr that libvirt refuses, so that there is none to compare. */
static gboolean
has_bad_bus_number (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuController *controller = &((const VsmmuDevice *) g_ptr_array_index (domain->controllers, i))->controller;

    if (controller->has_bad_bus_nr)
      return TRUE;
  }
  return FALSE;
}

void
vsmmu_rule_pxb_bus_range_overlap (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  guint counts[VSMMU_PCI_BUSES_MAX] = { 0 };

  if (domain->address_error != NULL || has_bad_bus_number (domain))
    return;
  for (guint i = 0; i < domain->n_buses; i++)
    if (domain->buses[i].root >= 0)
      counts[domain->buses[i].root]++;

  for (guint i = 0; i < domain->n_buses; i++) {
    const VsmmuBus *bus = &domain->buses[i];
    const VsmmuDevice *next;
    int first;
    int last;

    if (bus->controller == NULL || !bus->model->is_root)
      continue;
    first = i == 0 ? 0 : bus->controller->controller.bus_nr;
    last = first + (int) counts[i] - 1;
    next = next_expander (check, bus->controller, first);
    if (next != NULL && next->controller.bus_nr <= last)
      vsmmu_check_report (check, next->ordinal != 0 ? next->line : domain->line, vsmmu_device_path (next, ""),
                          g_strdup_printf (_ ("give it a busNr above %d, with room for ports to come"), last),
                          _ ("busNr %d of this pcie-expander-bus lies in the range %d-%d that %s with index %u and the "
                             "ports below it need"),
                          next->controller.bus_nr, first, last, bus->model->name, i);
    else if (last > 255)
      vsmmu_check_report (check, bus->controller->ordinal != 0 ? bus->controller->line : domain->line,
                          vsmmu_device_path (bus->controller, ""),
                          g_strdup_printf (_ ("use a busNr of %d or less"), 256 - (int) counts[i]),
                          _ ("%s with index %u and the ports below it need the bus numbers %d-%d, and 255 is the last"),
                          bus->model->name, i, first, last);
  }
}

void
vsmmu_rule_no_free_hotplug_port (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  gboolean has_free[VSMMU_PCI_BUSES_MAX] = { FALSE };

  vsmmu_domain_find_free_ports (check->domain, is_free);
  for (guint i = 0; i < domain->n_buses; i++)
    if (is_free[i])
      has_free[domain->buses[i].root] = TRUE;
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);

    if (vsmmu_domain_is_effective (check->domain, iommu) && !has_free[iommu->iommu.pci_bus])
      vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""),
                          g_strdup_printf (_ ("add <controller type='pci' model='pcie-root-port'> with an <address> on "
                                              "bus %u, if devices are to be hotplugged"),
                                           iommu->iommu.pci_bus),
                          _ ("no free port below bus %u: no VFIO device can be hotplugged behind this SMMUv3"),
                          iommu->iommu.pci_bus);
  }
}
