/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/check.h"
#include "check/port.h"
#include "domain/acceleration.h"
#include "domain/numbering.h"
#include "domain/vsmmu.h"

/* (transfer full): an index for a controller, above those of all others */
static char *
hint_for_index (const VsmmuDomain *domain)
{
  int highest = -1;

  for (guint i = 0; i < domain->controllers->len; i++)
    highest = MAX (highest, ((const VsmmuDevice *) g_ptr_array_index (domain->controllers, i))->controller.index);
  if (highest + 1 >= VSMMU_PCI_BUSES_MAX)
    return g_strdup (_ ("set index to a number that no other PCI controller has"));
  return g_strdup_printf (_ ("set index='%d', which no other PCI controller has"), highest + 1);
}

/* (transfer full): what to do about a controller that libvirt rejects */
static char *
hint_for_controller (const VsmmuDomain *domain, const VsmmuController *controller)
{
  if (controller->pci == NULL)
    return g_strdup (_ ("set model='pcie-root-port', or another model that the machine 'virt' supports"));
  if (controller->pci == vsmmu_pci_model_find ("pcie-root") && controller->index != 0)
    return g_strdup (_ ("set index='0'"));
  return hint_for_index (domain);
}

/* (transfer full): what to do about a device for which there is no room */
static char *
hint_for_room (const VsmmuDevice *device)
{
  static const struct {
    guint connect;
    const char *model;
  } homes[] = {
    { VSMMU_CONNECT_DOWNSTREAM_PORT, "pcie-switch-upstream-port" },
    { VSMMU_CONNECT_PCI_BRIDGE, "pcie-to-pci-bridge" },
    { VSMMU_CONNECT_ROOT_PORT, "pcie-expander-bus" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (homes); i++)
    if (device->connect & homes[i].connect)
      return g_strdup_printf (_ ("add <controller type='pci' model='%s'/>"), homes[i].model);
  return g_strdup (_ ("move a device from bus 0 to a pcie-root-port"));
}

/* (transfer full): what to do about the address that libvirt rejects */
static char *
hint_for_address (const VsmmuDomain *domain)
{
  const VsmmuDevice *device = domain->address_error_device;

  if (domain->is_controller_error)
    return hint_for_controller (domain, &device->controller);
  if (vsmmu_device_is_pci_controller (device) && (device->connect & VSMMU_CONNECT_PCI_BRIDGE) &&
      device->controller.index <= device->address.bus)
    return hint_for_index (domain);
  if (device->address_given)
    return g_strdup (_ ("remove <address>, or use a free one on a bus that accepts the device"));
  return hint_for_room (device);
}

static void
check_pci_address_invalid (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const VsmmuDevice *device = domain->address_error_device;
  gboolean is_address;
  g_autofree char *name = NULL;

  if (domain->address_error == NULL)
    return;
  if (device == NULL || device->ordinal == 0) {
    vsmmu_check_report (check, domain->line, g_strdup ("/domain/devices"),
                        g_strdup (_ ("use fewer devices, or bridges that accept several devices each")),
                        _ ("libvirt rejects the PCI addresses of the domain: %s"), domain->address_error);
    return;
  }
  name = vsmmu_device_describe (device);
  is_address = device->address_given && !domain->is_controller_error;
  vsmmu_check_report (check, is_address ? device->address_line : device->line,
                      vsmmu_device_path (device, is_address ? "/address" : ""), hint_for_address (domain),
                      is_address ? _ ("libvirt rejects the PCI address of %s: %s") : _ ("libvirt rejects %s: %s"), name,
                      domain->address_error);
}

static void
check_pci_controller_order (VsmmuCheck *check)
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
        controller->address_given ? g_strdup (_ ("change the indexes so that each controller has a higher index than "
                                                 "its bus"))
                                  : g_strdup (_ ("add an <address> on a controller with a lower index")),
        _ ("%s is on bus %u, which QEMU has not created yet, because libvirt creates controllers in the order of "
           "their indexes"),
        name, controller->address.bus);
  }
}

/* The only pcie-expander-bus without an SMMUv3 whose busNr is @bus_nr, which some take for the index; or %NULL. */
static const VsmmuDevice *
expander_at (const VsmmuDomain *domain, guint bus_nr)
{
  const VsmmuDevice *found = NULL;

  for (guint i = 0; i < domain->controllers->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->controllers, i);

    if (device->controller.pci == NULL || device->controller.pci->demands != VSMMU_CONNECT_PCIE_EXPANDER ||
        device->ordinal == 0 || device->controller.bus_nr != (int) bus_nr)
      continue;
    if (found != NULL)
      return NULL;
    found = device;
  }
  return found != NULL && domain->buses[found->controller.index].vsmmu == NULL ? found : NULL;
}

static char *
hint_for_missing_bus (const VsmmuCheck *check, guint bus)
{
  const VsmmuDevice *meant = expander_at (check->domain, bus);

  if (meant == NULL)
    return vsmmu_check_hint_for_bus (check->room);
  return g_strdup_printf (_ ("set pciBus='%d', the index of the controller with busNr='%u'"), meant->controller.index,
                          bus);
}

static void
check_pci_bus_missing (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    const VsmmuBus *bus = vsmmu_domain_bus_of (check->domain, iommu);

    if (vsmmu_iommu_wants_acceleration (iommu) && bus != NULL && bus->controller == NULL)
      vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"),
                          hint_for_missing_bus (check, iommu->iommu.pci_bus),
                          _ ("pciBus='%u' is not the index of a controller; libvirt fails to start the guest"),
                          iommu->iommu.pci_bus);
  }
}

static void
check_pci_bus_not_root (VsmmuCheck *check)
{
  for (guint i = 0; i < check->domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (check->domain, i);
    const VsmmuBus *bus = vsmmu_domain_bus_of (check->domain, iommu);
    g_autofree char *hint = NULL;

    if (!vsmmu_iommu_wants_acceleration (iommu) || bus == NULL || bus->model == NULL || bus->model->is_root)
      continue;
    if (bus->root > 0 && !check->room->has_vsmmu[bus->root]) {
      check->room->has_vsmmu[bus->root] = TRUE;
      hint = g_strdup_printf (_ ("set pciBus='%d', the index of the root bus above it"), bus->root);
    } else {
      hint = vsmmu_check_hint_for_bus (check->room);
    }
    vsmmu_check_report (check, iommu->iommu.driver_line, vsmmu_device_path (iommu, "/driver"), g_steal_pointer (&hint),
                        _ ("pciBus='%u' is a %s; an SMMUv3 must be attached to a root bus, which is pcie-root or a "
                           "pcie-expander-bus"),
                        iommu->iommu.pci_bus, bus->model->name);
  }
}

static void
check_pci_bus_shared (VsmmuCheck *check)
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
                          vsmmu_check_hint_for_bus (check->room),
                          _ ("pciBus='%u' is already used by the SMMUv3 on line %u; QEMU supports one SMMUv3 for each "
                             "root bus"),
                          iommu->iommu.pci_bus, owners[iommu->iommu.pci_bus]->line);
  }
}

static void
check_iommu_models_mixed (VsmmuCheck *check)
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
    vsmmu_check_report (check, iommu->line, vsmmu_device_path (iommu, ""), g_strdup (_ ("remove this <iommu>")),
                        is_machine_wide ? _ ("a machine-wide %s IOMMU conflicts with the SMMUv3 on line %u, which has "
                                             "a bus of its own; QEMU rejects it, or libvirt drops it")
                                        : _ ("an IOMMU of model '%s' conflicts with the SMMUv3 on line %u; QEMU "
                                             "supports only one model"),
                        model, vsmmu->line);
  }
}

/* Of one PCI domain. */
#define BUS_NUMBERS 256

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

/* A busNr that libvirt rejects, so there is none to compare. */
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

static gboolean
has_own_number (const VsmmuDevice *expander)
{
  const xmlNode *target = expander->node != NULL ? vsmmu_xml_child (expander->node, "target") : NULL;

  return target != NULL && vsmmu_xml_attribute (target, "busNr") != NULL;
}

/* The numbers of all root buses if @self had @start: libvirt counts down from the lowest for those without a number. */
static void
find_numbers (const VsmmuDomain *domain, guint self, int start, int numbers[VSMMU_PCI_BUSES_MAX])
{
  int lowest = start;

  for (guint i = 1; i < domain->n_buses; i++) {
    const VsmmuDevice *controller = domain->buses[i].controller;

    numbers[i] = i == self ? start : -1;
    if (controller == NULL || !domain->buses[i].model->is_root || i == self || !has_own_number (controller))
      continue;
    numbers[i] = controller->controller.bus_nr;
    lowest = MIN (lowest, numbers[i]);
  }
  numbers[0] = 0;
  for (guint i = 1; i < domain->n_buses; i++)
    if (domain->buses[i].controller != NULL && domain->buses[i].model->is_root && numbers[i] < 0)
      numbers[i] = lowest -= VSMMU_AUTO_BUS_NUMBERS;
}

/* Whether no two root buses would have a bus number in common if @self had @start. */
static gboolean
fits (const VsmmuDomain *domain, const guint counts[VSMMU_PCI_BUSES_MAX], guint self, int start)
{
  gboolean is_taken[BUS_NUMBERS] = { FALSE };
  int numbers[VSMMU_PCI_BUSES_MAX];

  find_numbers (domain, self, start, numbers);
  for (guint i = 0; i < domain->n_buses; i++) {
    if (domain->buses[i].controller == NULL || !domain->buses[i].model->is_root)
      continue;
    for (int number = numbers[i]; number < numbers[i] + (int) counts[i]; number++) {
      if (number < 0 || number >= BUS_NUMBERS || is_taken[number])
        return FALSE;
      is_taken[number] = TRUE;
    }
  }
  return TRUE;
}

/* (transfer full): the busNr closest to its own that the root bus @self can have */
static char *
hint_for_bus_number (const VsmmuDomain *domain, const guint counts[VSMMU_PCI_BUSES_MAX], guint self)
{
  const VsmmuDevice *expander = domain->buses[self].controller;
  gboolean has_target = expander->node != NULL && vsmmu_xml_child (expander->node, "target") != NULL;
  int own = expander->controller.bus_nr;

  for (int distance = 1; distance < BUS_NUMBERS; distance++)
    for (int start = own - distance; start <= own + distance; start += 2 * distance)
      if (start > 0 && start < BUS_NUMBERS && fits (domain, counts, self, start))
        return g_strdup_printf (has_target ? _ ("set busNr='%d' on <target>") : _ ("add <target busNr='%d'/>"), start);
  return g_strdup (_ ("set busNr on the <target> of each pcie-expander-bus, with room for the ports below it"));
}

static void
check_pxb_bus_range_overlap (VsmmuCheck *check)
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
                          hint_for_bus_number (domain, counts, (guint) next->controller.index),
                          _ ("busNr %d of this pcie-expander-bus is in the range %d-%d, which %s with index %u and "
                             "the ports below it need"),
                          next->controller.bus_nr, first, last, bus->model->name, i);
    else if (last >= BUS_NUMBERS)
      vsmmu_check_report (check, bus->controller->ordinal != 0 ? bus->controller->line : domain->line,
                          vsmmu_device_path (bus->controller, ""), hint_for_bus_number (domain, counts, i),
                          _ ("%s with index %u and the ports below it need the bus numbers %d-%d, but the last bus "
                             "number is 255"),
                          bus->model->name, i, first, last);
  }
}

const VsmmuRuleRow vsmmu_pci_tree_rules[] = {
  { { "pci-address-invalid", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("libvirt would reject the PCI addresses"),
      N_ ("A PCI address is used twice, its slot or bus does not exist or does not accept this device, or there is "
          "no room for a device without an address. libvirt rejects the domain. Until this is fixed, devices without "
          "an address cannot be checked."),
      "libvirt qemuDomainAssignPCIAddresses(), virDomainPCIAddressValidate()" },
    check_pci_address_invalid },
  { { "pci-controller-order", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("The index of a PCI controller is lower than that of its bus"),
      N_ ("libvirt passes controllers to QEMU in the order of their indexes, and QEMU creates them in that order. A "
          "port on a bus that comes later is rejected: \"Bus 'pci.9' not found\". libvirt does not check this, and "
          "may itself place a controller without an address on a port that it adds with a higher index."),
      "libvirt qemuBuildControllersCommandLine(); seen on 12.8 with domxml-to-native" },
    check_pci_controller_order },
  { { "pci-bus-missing", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("pciBus is not the index of a controller"),
      N_ ("pciBus is the index of a PCI controller. If the domain has no such controller, libvirt still defines it, "
          "but fails to start it with 'Could not find a suitable controller for smmuv3'."),
      "libvirt qemuBuildIOMMUCommandLine()" },
    check_pci_bus_missing },
  { { "pci-bus-not-root", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("pciBus is not the index of a root bus"),
      N_ ("An SMMUv3 translates for everything below one root bus: pcie-root or a pcie-expander-bus. libvirt passes "
          "the index of a port or a bridge to QEMU, which does not start: 'SMMU should be attached to a default PCIe "
          "root complex(pcie.0) or a pxb-pcie based root complex'."),
      "QEMU smmu_base_realize()" },
    check_pci_bus_not_root },
  { { "pci-bus-shared", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR, N_ ("Two SMMUv3s on one root bus"),
      N_ ("A root bus has one IOMMU. libvirt accepts two SMMUv3s with the same pciBus, but QEMU does not start: 'An "
          "iommu is already attached to this bus'. Use one pcie-expander-bus for each physical SMMU."),
      "QEMU smmu_base_realize()" },
    check_pci_bus_shared },
  { { "iommu-models-mixed", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("Another kind of IOMMU next to an SMMUv3 with a bus of its own"),
      N_ ("libvirt 12.8 reports such a combination, but continues. Depending on the order, it drops one of the two, "
          "or QEMU does not start, or the guest has both and neither works."),
      "libvirt virDomainDefValidate(); QEMU virt_machine_device_pre_plug_cb()" },
    check_iommu_models_mixed },
  { { "pxb-bus-range-overlap", VSMMU_RULE_GROUP_GUEST, VSMMU_SEVERITY_ERROR,
      N_ ("The bus numbers of two root buses overlap"),
      N_ ("A pcie-expander-bus starts at busNr and needs one more bus number for each port and bridge below it, up "
          "to the next root bus; pcie-root counts from 0. If the range is too small, the firmware leaves devices "
          "without a bus number, and an accelerated SMMUv3 relies on the numbers that the firmware assigns. Without "
          "busNr, libvirt counts down from 254 in steps of two, which leaves room for a single port."),
      "QEMU pxb_dev_realize_common(); libvirt qemuDomainAddressFindNewBusNr()" },
    check_pxb_bus_range_overlap },
  { { NULL }, NULL },
};
