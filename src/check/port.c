/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/port.h"

#include <glib/gi18n-lib.h>

#include "check/check.h"
#include "domain/hotplug.h"
#include "domain/vsmmu.h"
#include "host/binding.h"

/* Whether some vSMMU has devices of @smmu. */
static gboolean
has_smmu (const VsmmuBehind behind[VSMMU_PCI_BUSES_MAX], const VsmmuHostSmmu *smmu)
{
  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++)
    if (behind[i].smmu == smmu)
      return TRUE;
  return FALSE;
}

static VsmmuSuitability
port_suits (const VsmmuCheck *check, guint port, const VsmmuDevice *device, const VsmmuHostSmmu *wanted,
            const VsmmuBehind *behind)
{
  guint root = (guint) check->domain->buses[port].root;
  const VsmmuDevice *vsmmu = check->domain->buses[root].vsmmu;
  gboolean is_behind = vsmmu != NULL && vsmmu_domain_is_effective (check->domain, vsmmu);

  if (is_behind != vsmmu_device_is_hostdev (device))
    return VSMMU_SUITS_NOT;
  if (!is_behind)
    return VSMMU_SUITS_WELL;
  if (wanted != NULL && behind[root].smmu != NULL)
    return behind[root].smmu == wanted ? VSMMU_SUITS_WELL : VSMMU_SUITS_NOT;
  return behind[root].count == 0 ? VSMMU_SUITS_EMPTY : VSMMU_SUITS_MAYBE;
}

VsmmuSuitability
vsmmu_check_choose_port (const VsmmuCheck *check, const VsmmuDevice *device, gboolean with_own, guint *port)
{
  const VsmmuHostSmmu *wanted = vsmmu_device_is_hostdev (device) ? vsmmu_host_smmu_of (check->host, device) : NULL;
  gboolean is_free[VSMMU_PCI_BUSES_MAX];
  VsmmuBehind behind[VSMMU_PCI_BUSES_MAX];
  VsmmuSuitability best = VSMMU_SUITS_NOT;

  vsmmu_domain_find_free_ports (check->domain, is_free);
  if (with_own && device->address_kind == VSMMU_ADDRESS_PCI)
    is_free[device->address.bus] = TRUE;
  vsmmu_host_look_behind_all (check->domain, check->host, behind);
  for (guint i = 0; i < check->domain->n_buses; i++) {
    VsmmuSuitability suitability = is_free[i] ? port_suits (check, i, device, wanted, behind) : VSMMU_SUITS_NOT;

    if (suitability > best) {
      best = suitability;
      *port = i;
    }
  }
  return best;
}

char *
vsmmu_check_hint_for_port (const VsmmuCheck *check, const VsmmuDevice *device)
{
  const VsmmuHostSmmu *wanted = vsmmu_device_is_hostdev (device) ? vsmmu_host_smmu_of (check->host, device) : NULL;
  VsmmuBehind behind[VSMMU_PCI_BUSES_MAX];
  guint port = 0;
  VsmmuSuitability best = vsmmu_check_choose_port (check, device, FALSE, &port);

  vsmmu_host_look_behind_all (check->domain, check->host, behind);
  if (best == VSMMU_SUITS_NOT && wanted != NULL && !has_smmu (behind, wanted))
    return g_strdup_printf (_ ("start the guest with one more pcie-expander-bus and an accelerated SMMUv3 for the "
                               "devices of %s"),
                            wanted->name);
  if (best == VSMMU_SUITS_NOT)
    return g_strdup (_ ("detach a device, or start the guest with more pcie-root-port controllers; no suitable port "
                        "is free"));
  if (best == VSMMU_SUITS_WELL)
    return g_strdup_printf (_ ("set the address of the device to <address type='pci' bus='0x%02x' slot='0x00'/>, "
                               "a suitable free port"),
                            port);
  if (best == VSMMU_SUITS_EMPTY)
    return g_strdup_printf (_ ("set the address of the device to <address type='pci' bus='0x%02x' slot='0x00'/>, "
                               "a free port behind an accelerated SMMUv3 without devices"),
                            port);
  return g_strdup_printf (_ ("set the address of the device to <address type='pci' bus='0x%02x' slot='0x00'/>, a "
                             "free port behind an accelerated SMMUv3"),
                          port);
}

char *
vsmmu_check_new_port (VsmmuRoom *room, guint bus, guint *index)
{
  VsmmuPciAddress address;
  g_autofree char *xml = NULL;

  if (room->next_index >= VSMMU_PCI_BUSES_MAX || !vsmmu_room_take_slot (room, bus, VSMMU_CONNECT_ROOT_PORT, &address) ||
      !vsmmu_room_take_index (room, index))
    return NULL;
  xml = vsmmu_pci_address_to_xml (&address);
  return g_strdup_printf ("<controller type='pci' index='%u' model='pcie-root-port'>%s</controller>", *index, xml);
}

/* (transfer full): what to write for a device that libvirt adds by itself, so that it is at @address */
static char *
describe_implicit (const VsmmuDevice *device, const char *address)
{
  if (strcmp (device->element, "controller") == 0)
    return g_strdup_printf ("<controller type='%s' index='%d'>%s</controller>", device->controller.type,
                            device->controller.index, address);
  return g_strdup_printf ("<%s>%s</%s>", device->element, address, device->element);
}

char *
vsmmu_check_hint_below (VsmmuRoom *room, guint root, const VsmmuDevice *device)
{
  guint bus = 0;
  g_autofree char *port = NULL;
  g_autofree char *address = NULL;
  g_autofree char *implicit = NULL;

  if (!vsmmu_room_take_port (room, root, &bus)) {
    port = vsmmu_check_new_port (room, root, &bus);
    if (port == NULL)
      return NULL;
  }
  address = vsmmu_pci_address_to_xml (&(VsmmuPciAddress){ .bus = (guint8) bus });
  if (device->ordinal == 0)
    implicit = describe_implicit (device, address);
  if (implicit != NULL && port != NULL)
    return g_strdup_printf (_ ("add %s and %s"), port, implicit);
  if (implicit != NULL)
    return g_strdup_printf (_ ("add %s"), implicit);
  if (port != NULL)
    return g_strdup_printf (_ ("add %s, and set the address of the device to %s"), port, address);
  return g_strdup_printf (_ ("set the address of the device to %s"), address);
}

char *
vsmmu_check_hint_for_bus (VsmmuRoom *room)
{
  guint index;

  if (vsmmu_room_take_expander (room, &index))
    return g_strdup_printf (_ ("set pciBus='%u', the index of a pcie-expander-bus without an SMMUv3"), index);
  if (vsmmu_room_take_index (room, &index))
    return g_strdup_printf (_ ("add <controller type='pci' index='%u' model='pcie-expander-bus'/>, and set "
                               "pciBus='%u'"),
                            index, index);
  return g_strdup (_ ("remove a PCI controller, and add a pcie-expander-bus for the SMMUv3"));
}

VsmmuHotplugPlace
vsmmu_hotplug_choose_bus (const VsmmuHotplug *hotplug, const VsmmuDomain *guest, const VsmmuHost *host, guint *bus)
{
  static const VsmmuHotplugPlace places[] = {
    [VSMMU_SUITS_NOT] = VSMMU_PLACE_NONE,
    [VSMMU_SUITS_MAYBE] = VSMMU_PLACE_UNKNOWN,
    [VSMMU_SUITS_EMPTY] = VSMMU_PLACE_CHOSEN,
    [VSMMU_SUITS_WELL] = VSMMU_PLACE_CHOSEN,
  };
  g_autoptr (VsmmuDomain) domain = NULL;
  VsmmuCheck check = { .host = host };
  const VsmmuPlug *plug;

  if (!vsmmu_domain_is_accelerated (guest))
    return VSMMU_PLACE_KEPT;
  check.domain = domain = vsmmu_hotplug_apply (hotplug, guest);
  plug = domain->plug;
  if (plug->action != VSMMU_HOTPLUG_ATTACH || plug->device->address_given || vsmmu_domain_is_unclear (check.domain))
    return VSMMU_PLACE_KEPT;
  if (plug->outcome != VSMMU_PLUG_TAKEN &&
      (plug->outcome != VSMMU_PLUG_PLACED || plug->device->address_kind != VSMMU_ADDRESS_PCI))
    return VSMMU_PLACE_KEPT;
  return places[vsmmu_check_choose_port (&check, plug->device, plug->outcome == VSMMU_PLUG_PLACED, bus)];
}
