/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "check/port.h"
#include "domain/options.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

/* The vSMMU that @device is behind, when it is accelerated and works; or %NULL. */
static const VsmmuDevice *
accelerated_vsmmu_of (const VsmmuCheck *check, const VsmmuDevice *device)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_vsmmu_of (check->domain, device);

  return vsmmu != NULL && vsmmu_domain_is_effective (check->domain, vsmmu) ? vsmmu : NULL;
}

/* The VFIO device that is to be attached, once it has its place; or %NULL. */
static const VsmmuDevice *
attached_hostdev (const VsmmuCheck *check)
{
  const VsmmuPlug *plug = check->domain->plug;

  if (plug->action != VSMMU_HOTPLUG_ATTACH || plug->outcome != VSMMU_PLUG_PLACED ||
      !vsmmu_device_is_hostdev (plug->device) || plug->device->address_kind != VSMMU_ADDRESS_PCI)
    return NULL;
  return plug->device;
}

static gboolean
is_refused (const VsmmuCheck *check, VsmmuPlugOutcome outcome)
{
  return check->domain->plug->action == VSMMU_HOTPLUG_ATTACH && check->domain->plug->outcome == outcome;
}

/* The line of the address in the device document, or of the device when it has none. */
static guint
address_line (const VsmmuDevice *device)
{
  return device->address_given ? device->address_line : device->line;
}

static char *
address_path (const VsmmuDevice *device)
{
  return vsmmu_device_path (device, device->address_given ? "/address" : "");
}

static void
check_hotplug_unsupported (VsmmuCheck *check)
{
  const VsmmuDevice *device = check->domain->plug->device;
  g_autofree char *name = vsmmu_device_describe (device);

  if (is_refused (check, VSMMU_PLUG_UNSUPPORTED))
    vsmmu_check_report (check, device->line, vsmmu_device_path (device, ""),
                        g_strdup (_ ("add it to the domain, and restart the guest")),
                        _ ("%s cannot be attached to a running guest"), name);
}

static void
check_hotplug_address_refused (VsmmuCheck *check)
{
  const VsmmuPlug *plug = check->domain->plug;
  g_autofree char *name = vsmmu_device_describe (plug->device);

  if (is_refused (check, VSMMU_PLUG_REFUSED))
    vsmmu_check_report (check, address_line (plug->device), address_path (plug->device),
                        vsmmu_check_hint_for_port (check, plug->device),
                        _ ("libvirt rejects the PCI address of %s: %s"), name, plug->reason);
}

static void
check_hotplug_bus_missing (VsmmuCheck *check)
{
  const VsmmuDomain *domain = check->domain;
  const VsmmuDevice *device = domain->plug->device;

  if (is_refused (check, VSMMU_PLUG_NO_BUS))
    vsmmu_check_report (check, address_line (device), address_path (device), vsmmu_check_hint_for_port (check, device),
                        _ ("the guest has no bus %u; the highest index of its PCI controllers is %u"),
                        device->address.bus, domain->n_buses - 1);
  else if (is_refused (check, VSMMU_PLUG_NO_HOTPLUG))
    vsmmu_check_report (check, address_line (device), address_path (device), vsmmu_check_hint_for_port (check, device),
                        _ ("bus %u (%s) does not accept hotplugged devices"), device->address.bus,
                        domain->buses[device->address.bus].model->name);
}

/* The device of the guest that has the address of @device. */
static const VsmmuDevice *
find_occupant (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *other = g_ptr_array_index (domain->devices, i);

    if (other != device && other->address_kind == VSMMU_ADDRESS_PCI && other->address.bus == device->address.bus &&
        other->address.slot == device->address.slot)
      return other;
  }
  return NULL;
}

static void
check_hotplug_bus_full (VsmmuCheck *check)
{
  const VsmmuDevice *device = check->domain->plug->device;
  g_autofree char *name = vsmmu_device_describe (device);
  g_autofree char *other = NULL;

  if (!is_refused (check, VSMMU_PLUG_TAKEN))
    return;
  if (!device->address_given) {
    vsmmu_check_report (check, device->line, vsmmu_device_path (device, ""), vsmmu_check_hint_for_port (check, device),
                        _ ("the guest has no free port for %s"), name);
    return;
  }
  other = vsmmu_device_describe (find_occupant (check->domain, device));
  vsmmu_check_report (check, device->address_line, vsmmu_device_path (device, "/address"),
                      vsmmu_check_hint_for_port (check, device), _ ("slot %u of bus %u is used by %s"),
                      device->address.slot, device->address.bus, other);
}

static void
check_hotplug_outside_vsmmu (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = attached_hostdev (check);
  const VsmmuDevice *emulated;
  g_autofree char *name = NULL;
  g_autofree char *place = NULL;

  if (hostdev == NULL || vsmmu_domain_is_unclear (check->domain) || accelerated_vsmmu_of (check, hostdev) != NULL)
    return;
  name = vsmmu_device_describe (hostdev);
  emulated = vsmmu_domain_vsmmu_of (check->domain, hostdev);
  if (emulated == NULL)
    emulated = vsmmu_domain_machine_wide (check->domain);
  if (emulated != NULL) {
    place = vsmmu_check_place (check, TRUE, emulated);
    vsmmu_check_report_as (check, VSMMU_SEVERITY_ERROR, address_line (hostdev), address_path (hostdev),
                           vsmmu_check_hint_for_port (check, hostdev),
                           _ ("%s will be at %02x:%02x.%x, behind the emulated SMMUv3 on %s, which cannot translate "
                              "for VFIO devices"),
                           name, hostdev->address.bus, hostdev->address.slot, hostdev->address.function, place);
    return;
  }
  vsmmu_check_report (check, address_line (hostdev), address_path (hostdev), vsmmu_check_hint_for_port (check, hostdev),
                      hostdev->address_given
                          ? _ ("%s will be at %02x:%02x.%x without an SMMUv3; the guest cannot isolate it")
                          : _ ("libvirt will place %s at %02x:%02x.%x without an SMMUv3; the guest cannot isolate it"),
                      name, hostdev->address.bus, hostdev->address.slot, hostdev->address.function);
}

/* How many accelerated vSMMUs had a free port before @hostdev took one. */
static guint
count_choices (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  const VsmmuDomain *domain = check->domain;
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  gboolean is_choice[VSMMU_PCI_BUSES_MAX] = { FALSE };
  guint count = 0;

  vsmmu_domain_find_free_ports (check->domain, is_free);
  is_free[hostdev->address.bus] = TRUE;
  for (guint i = 0; i < domain->n_buses; i++)
    if (is_free[i])
      is_choice[domain->buses[i].root] = TRUE;
  for (guint i = 0; i < domain->n_buses; i++)
    count += is_choice[i] && domain->buses[i].vsmmu != NULL &&
             vsmmu_domain_is_effective (check->domain, domain->buses[i].vsmmu);
  return count;
}

static void
check_hotplug_smmu_mismatch (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = attached_hostdev (check);
  const VsmmuDevice *vsmmu = hostdev != NULL ? accelerated_vsmmu_of (check, hostdev) : NULL;
  const VsmmuHostSmmu *wanted = vsmmu != NULL ? vsmmu_host_smmu_of (check->host, hostdev) : NULL;
  const VsmmuHostSmmu *bound = vsmmu != NULL ? vsmmu_host_look_behind (check->domain, check->host, vsmmu).smmu : NULL;
  g_autofree char *name = NULL;
  g_autofree char *place = NULL;

  if (wanted == NULL || bound == NULL || wanted == bound)
    return;
  name = vsmmu_device_describe (hostdev);
  place = vsmmu_check_place (check, TRUE, vsmmu);
  vsmmu_check_report (check, address_line (hostdev), address_path (hostdev), vsmmu_check_hint_for_port (check, hostdev),
                      _ ("%s is behind %s on the host, but the devices behind the SMMUv3 on %s, where it would be "
                         "attached, are behind %s; its DMA would be translated with the wrong tables, and neither "
                         "libvirt nor QEMU rejects it"),
                      name, wanted->name, place, bound->name);
}

/* Whether it is known on which physical SMMU @hostdev and the devices behind @vsmmu are. */
static gboolean
is_known (const VsmmuCheck *check, const VsmmuDevice *hostdev, const VsmmuDevice *vsmmu)
{
  return vsmmu_host_smmu_of (check->host, hostdev) != NULL &&
         vsmmu_host_look_behind (check->domain, check->host, vsmmu).smmu != NULL;
}

/* Whether the physical SMMU of @hostdev is known to have no command queues. */
static gboolean
has_no_command_queue (const VsmmuCheck *check, const VsmmuDevice *hostdev)
{
  const VsmmuHostSmmu *smmu = vsmmu_host_smmu_of (check->host, hostdev);

  return smmu != NULL && vsmmu_fact_is_false (vsmmu_host_smmu_supports_cmdqv (smmu));
}

static void
check_hotplug_auto_placed (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = attached_hostdev (check);
  const VsmmuDevice *vsmmu = hostdev != NULL ? accelerated_vsmmu_of (check, hostdev) : NULL;
  g_autofree char *name = NULL;
  g_autofree char *place = NULL;
  guint choices;

  if (vsmmu == NULL || hostdev->address_given || is_known (check, hostdev, vsmmu) ||
      (choices = count_choices (check, hostdev)) < 2)
    return;
  name = vsmmu_device_describe (hostdev);
  place = vsmmu_check_place (check, TRUE, vsmmu);
  vsmmu_check_report (check, hostdev->line, vsmmu_device_path (hostdev, ""),
                      g_strdup (_ ("add an <address> on a port behind the SMMUv3 whose devices are on the same "
                                   "physical SMMU")),
                      _ ("libvirt will place %s at %02x:%02x.%x, behind the SMMUv3 on %s, only because this port "
                         "comes first; %u SMMUv3s have free ports"),
                      name, hostdev->address.bus, hostdev->address.slot, hostdev->address.function, place, choices);
}

static void
check_hotplug_options_frozen (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = attached_hostdev (check);
  const VsmmuDevice *vsmmu = hostdev != NULL ? accelerated_vsmmu_of (check, hostdev) : NULL;
  g_autofree char *options = vsmmu != NULL ? vsmmu_iommu_auto_options (vsmmu) : NULL;
  g_autofree char *name = NULL;

  /* The same physical SMMU has the same features, and hotplug-smmu-mismatch reports another one. */
  if (options == NULL || is_known (check, hostdev, vsmmu))
    return;
  name = vsmmu_device_describe (hostdev);
  if (vsmmu_host_look_behind (check->domain, check->host, vsmmu).count > 0)
    vsmmu_check_report (check, vsmmu->iommu.driver_line, vsmmu_device_path (vsmmu, "/driver"),
                        g_strdup_printf (_ ("attach only devices of the same physical SMMU here, or set %s before the "
                                            "next start"),
                                         options),
                        _ ("the first VFIO device of this SMMUv3 determined %s; QEMU rejects %s if its physical SMMU "
                           "supports less"),
                        options, name);
  else if (check->domain->is_running)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_WARNING, vsmmu->iommu.driver_line,
                           vsmmu_device_path (vsmmu, "/driver"),
                           g_strdup_printf (_ ("attach a device of the physical SMMU that was used at start, or set "
                                               "%s before the next start"),
                                            options),
                           _ ("a VFIO device that is no longer attached determined %s of this SMMUv3 at start; they "
                              "do not change for %s"),
                           options, name);
}

static void
check_hotplug_cmdqv_first (VsmmuCheck *check)
{
  const VsmmuDevice *hostdev = attached_hostdev (check);
  const VsmmuDevice *vsmmu = hostdev != NULL ? accelerated_vsmmu_of (check, hostdev) : NULL;
  g_autofree char *options = vsmmu != NULL ? vsmmu_iommu_auto_options (vsmmu) : NULL;
  g_autofree char *name = NULL;

  /* With automatic options there was a device at start, or QEMU has exited; see vsmmu-empty. */
  if (vsmmu == NULL || options != NULL || vsmmu_host_look_behind (check->domain, check->host, vsmmu).count > 0 ||
      has_no_command_queue (check, hostdev))
    return;
  name = vsmmu_device_describe (hostdev);
  if (vsmmu->iommu.cmdqv == VSMMU_SWITCH_ON)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_ERROR, vsmmu->iommu.driver_line, vsmmu_device_path (vsmmu, "/driver"),
                           g_strdup (_ ("start the guest with a VFIO device behind this SMMUv3, or set cmdqv='off'")),
                           _ ("cmdqv='on', and %s would be the first VFIO device behind this SMMUv3; the guest gets "
                              "no command queue, and QEMU does not release the device"),
                           name);
  else if (vsmmu->iommu.cmdqv == VSMMU_SWITCH_ABSENT)
    vsmmu_check_report (check, vsmmu->iommu.driver_line, vsmmu_device_path (vsmmu, "/driver"),
                        g_strdup (_ ("set cmdqv='off' before the next start, or start the guest with a VFIO device "
                                     "behind this SMMUv3")),
                        _ ("cmdqv='off' is not set, and %s would be the first VFIO device behind this SMMUv3; on a "
                           "host with command queues, the guest gets none, and QEMU does not release the device"),
                        name);
}

static void
check_unplug_device_missing (VsmmuCheck *check)
{
  const VsmmuPlug *plug = check->domain->plug;
  g_autofree char *name = vsmmu_device_describe (plug->device);

  if (plug->action == VSMMU_HOTPLUG_DETACH && vsmmu_device_is_hostdev (plug->device) && plug->target == NULL)
    vsmmu_check_report (check, plug->device->line, vsmmu_device_path (plug->device, ""),
                        g_strdup (_ ("specify a device as 'virsh dumpxml' shows it")), _ ("the guest does not have %s"),
                        name);
}

/* The VFIO device behind @vsmmu that QEMU creates first: interfaces come before <hostdev>. */
static const VsmmuDevice *
first_behind (const VsmmuCheck *check, const VsmmuDevice *vsmmu)
{
  const VsmmuDevice *first = NULL;

  for (guint i = 0; i < check->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (check->domain, i);

    if (vsmmu_domain_vsmmu_of (check->domain, hostdev) == vsmmu &&
        (first == NULL || hostdev->sort_key < first->sort_key))
      first = hostdev;
  }
  return first;
}

/* With a command queue, QEMU keeps the device through which it was set up. */
static void
report_command_queue (VsmmuCheck *check, const VsmmuDevice *vsmmu)
{
  const VsmmuDevice *device = check->domain->plug->device;
  g_autofree char *name = vsmmu_device_describe (device);
  g_autofree char *place = vsmmu_check_place (check, TRUE, vsmmu);

  if (vsmmu->iommu.cmdqv == VSMMU_SWITCH_ON)
    vsmmu_check_report_as (check, VSMMU_SEVERITY_ERROR, device->line, vsmmu_device_path (device, ""),
                           g_strdup (_ ("detach another device of this SMMUv3, or shut down the guest")),
                           _ ("QEMU does not release %s, through which it set up the command queue of the SMMUv3 on "
                              "%s"),
                           name, place);
  else if (vsmmu->iommu.cmdqv == VSMMU_SWITCH_ABSENT)
    vsmmu_check_report_as (
        check, VSMMU_SEVERITY_WARNING, device->line, vsmmu_device_path (device, ""),
        g_strdup (_ ("set cmdqv='off' on this SMMUv3 before the next start")),
        _ ("on a host with command queues, QEMU does not release %s; it is the first device behind the SMMUv3 on %s, "
           "which does not have cmdqv='off'"),
        name, place);
}

static void
check_unplug_last_device (VsmmuCheck *check)
{
  const VsmmuPlug *plug = check->domain->plug;
  const VsmmuDevice *vsmmu = plug->target != NULL ? accelerated_vsmmu_of (check, plug->target) : NULL;
  g_autofree char *name = vsmmu_device_describe (plug->device);
  g_autofree char *place = NULL;

  if (vsmmu == NULL)
    return;
  if (first_behind (check, vsmmu) == plug->target && !has_no_command_queue (check, plug->target))
    report_command_queue (check, vsmmu);
  if (vsmmu_host_look_behind (check->domain, check->host, vsmmu).count > 1 ||
      (vsmmu->iommu.cmdqv == VSMMU_SWITCH_ON && !has_no_command_queue (check, plug->target)))
    return;
  place = vsmmu_check_place (check, TRUE, vsmmu);
  vsmmu_check_report (
      check, plug->device->line, vsmmu_device_path (plug->device, ""),
      g_strdup (_ ("attach only a device of the same physical SMMU afterwards")),
      _ ("%s is the last VFIO device behind the SMMUv3 on %s, which will then use the physical SMMU of the next "
         "device, whichever that is"),
      name, place);
}

const VsmmuRuleRow vsmmu_hotplug_rules[] = {
  { { "hotplug-unsupported", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR,
      N_ ("A device that cannot be attached to a running guest"),
      N_ ("Root buses, ports and IOMMUs are part of the machine, and libvirt does not attach them to a running "
          "guest: \"live attach of device 'iommu' is not supported\". The same applies to memory balloons, sound, "
          "video and some other devices. They must be present when the guest starts."),
      "libvirt qemuDomainAttachDeviceLive(); tested on 12.8" },
    check_hotplug_unsupported },
  { { "hotplug-address-refused", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR,
      N_ ("libvirt would reject the address of the device to attach"),
      N_ ("While the guest runs, a device can be attached only as function 0 of a slot, in PCI domain 0, and in a "
          "slot that its port has. A device with several functions cannot be attached as a whole: give each function "
          "a port of its own, and attach them one by one."),
      "libvirt virDomainPCIAddressEnsureAddr(); tested on 12.8" },
    check_hotplug_address_refused },
  { { "hotplug-bus-missing", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR,
      N_ ("The bus of the device to attach is missing or does not support hotplug"),
      N_ ("The bus in an <address> is the index of a PCI controller of the guest, and controllers cannot be added "
          "while it runs. A device is attached to an empty pcie-root-port or pcie-switch-downstream-port without "
          "hotplug='off'; pcie-root and pcie-expander-bus do not accept hotplugged devices. libvirt rejects the "
          "device: 'requires hotplug capability, but the PCI controller with index=... doesn't support hotplug'."),
      "libvirt virDomainPCIAddressValidate(); tested on 12.8" },
    check_hotplug_bus_missing },
  { { "hotplug-bus-full", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR, N_ ("No free slot for the device to attach"),
      N_ ("A port accepts one device. libvirt rejects an address that is in use. If the document has no address and "
          "no port is free, it fails with 'No more available PCI slots'; it does not add ports while the guest runs."),
      "libvirt qemuDomainEnsurePCIAddress(); tested on 12.8" },
    check_hotplug_bus_full },
  { { "hotplug-outside-vsmmu", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_WARNING,
      N_ ("A VFIO device would be attached without an accelerated SMMUv3"),
      N_ ("Without an <address>, libvirt uses the first free port in the order of the controller indexes, regardless "
          "of vSMMUs. Outside a vSMMU, a device works, but the guest has no IOMMU for it. Behind an SMMUv3 that is "
          "not accelerated, QEMU rejects it: 'requires iommu MAP notifier which is not currently supported'."),
      "libvirt qemuDomainEnsurePCIAddress(); QEMU pci_device_iommu_address_space()" },
    check_hotplug_outside_vsmmu },
  { { "hotplug-smmu-mismatch", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR,
      N_ ("A device would be attached behind the SMMUv3 of another physical SMMU"),
      N_ ("An accelerated SMMUv3 belongs to the physical SMMU of its first VFIO device. libvirt and QEMU accept a "
          "device of another one. QEMU only writes 'IOMMU_VDEVICE_ALLOC failed: Invalid argument' to the log of the "
          "guest, when the guest sets up translation for the device. Before and after that, the addresses that the "
          "device uses are treated as guest physical addresses: it does not work, and its writes corrupt guest "
          "memory. Requires --host or --this-host."),
      "QEMU smmuv3_accel_set_iommu_device(); Linux arm_vsmmu_init(); seen on the emulated arm64 host with libvirt "
      "12.8" },
    check_hotplug_smmu_mismatch },
  { { "hotplug-auto-placed", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_WARNING,
      N_ ("libvirt will choose the SMMUv3 for the device"),
      N_ ("Several accelerated SMMUv3s have free ports, and the device has no <address>. libvirt uses the first free "
          "port in the order of the controller indexes. If the devices behind that SMMUv3 are on another physical "
          "SMMU, the new device does not work and may corrupt guest memory. Neither libvirt nor QEMU checks this."),
      "libvirt qemuDomainEnsurePCIAddress(); QEMU smmuv3_accel_set_iommu_device()" },
    check_hotplug_auto_placed },
  { { "hotplug-options-frozen", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_NOTE,
      N_ ("Options that QEMU took from the first VFIO device"),
      N_ ("Unless they are set, QEMU takes ats, ril and ssidsize from the physical SMMU of the first VFIO device "
          "behind the SMMUv3, and oas is 44. From then on they are fixed, because the guest has seen them. QEMU "
          "rejects a later device whose physical SMMU supports less: 'Failed to set vIOMMU: Host SMMUv3 ...'. The "
          "values stay even after the first device has been detached."),
      "QEMU smmuv3_accel_check_hw_compatible(), auto_finalised" },
    check_hotplug_options_frozen },
  { { "hotplug-cmdqv-first", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_WARNING,
      N_ ("The first VFIO device of an SMMUv3 would be attached without cmdqv='off'"),
      N_ ("On hosts with command queue virtualization (Tegra241), QEMU sets it up through the first VFIO device, but "
          "the guest sees it only if that device is present at start. If it is attached later, it cannot be detached "
          "again (QEMU: 'CMDQV is active: removing the device that established the viommu association would break "
          "the guest CMDQV'), and the guest still has no command queue."),
      "QEMU virt_smmuv3_dev_link_cmdqv(), tegra241_cmdqv_init(); derived from the order of the code, not tested" },
    check_hotplug_cmdqv_first },
  { { "unplug-device-missing", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_ERROR,
      N_ ("The guest does not have the device to detach"),
      N_ ("libvirt looks for the host device in the document, and fails with 'device not found' if the guest does "
          "not have it."),
      "libvirt virDomainHostdevFind(); tested on 12.8" },
    check_unplug_device_missing },
  { { "unplug-last-device", VSMMU_RULE_GROUP_HOTPLUG, VSMMU_SEVERITY_NOTE,
      N_ ("The SMMUv3 depends on the device to detach"),
      N_ ("While a command queue (cmdqv) is active, QEMU does not release the device through which it was set up, "
          "which is the first one behind the SMMUv3. Otherwise, when the last device is detached, the SMMUv3 is no "
          "longer tied to a physical SMMU. The next device ties it to its own, and from then on devices of the "
          "former SMMU do not fit. Options that QEMU took from the first device stay."),
      "QEMU smmuv3_accel_unset_iommu_device(); seen on the emulated arm64 host" },
    check_unplug_last_device },
  { { NULL }, NULL },
};
