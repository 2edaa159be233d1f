/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/check.h"
#include "domain/hotplug.h"

/* How well a free port suits a device; the larger, the better. */
typedef enum {
  VSMMU_SUITS_NOT,
  VSMMU_SUITS_MAYBE, /* nothing is known of physical SMMUs */
  VSMMU_SUITS_EMPTY, /* behind a vSMMU that has no device yet */
  VSMMU_SUITS_WELL,
} VsmmuSuitability;

/*
 * vsmmu_check_choose_port:
 * @device: the device to attach
 * @with_own: whether the port that libvirt would give it is one of the free ones
 * @port: (out): index of the controller; only set when some port suits
 *
 * Returns: how well @port suits @device, the first of the best
 */
VsmmuSuitability vsmmu_check_choose_port (const VsmmuCheck *check, const VsmmuDevice *device, gboolean with_own,
                                          guint *port);

/* (transfer full): where @device, which is to be attached, could go instead */
char *vsmmu_check_hint_for_port (const VsmmuCheck *check, const VsmmuDevice *device);

/* (transfer full) (nullable): how to place @device, which is in the domain, below the root bus @root; if there is room
 */
char *vsmmu_check_hint_below (VsmmuRoom *room, guint root, const VsmmuDevice *device);

/* (transfer full) (nullable): the <controller> to write for one more pcie-root-port on @bus; if there is room */
char *vsmmu_check_new_port (VsmmuRoom *room, guint bus, guint *index);

/* (transfer full): a pciBus for an SMMUv3 that has no root bus of its own */
char *vsmmu_check_hint_for_bus (VsmmuRoom *room);

/*
 * VsmmuHotplugPlace:
 * @VSMMU_PLACE_KEPT: there is nothing to choose: the device has an address, is
 *   not attached, does not have a PCI address, or the guest has no accelerated SMMUv3
 * @VSMMU_PLACE_CHOSEN: a free port suits the device
 * @VSMMU_PLACE_UNKNOWN: free ports may suit it, but the physical SMMUs of the device and of those behind the vSMMUs
 *   are not known
 * @VSMMU_PLACE_NONE: no free port suits it: none behind a vSMMU of its
 *   physical SMMU or an empty one, or for an emulated device none outside
 */
typedef enum {
  VSMMU_PLACE_KEPT,
  VSMMU_PLACE_CHOSEN,
  VSMMU_PLACE_UNKNOWN,
  VSMMU_PLACE_NONE,
} VsmmuHotplugPlace;

/*
 * vsmmu_hotplug_choose_bus:
 * @hotplug: a device to be attached
 * @guest: the running guest
 * @host: (nullable): the host it runs on
 * @bus: (out): index of the pcie-root-port, 0-255, with %VSMMU_PLACE_CHOSEN
 *
 * Where a device without an address should go. libvirt uses the first free port by index
 * (qemuDomainEnsurePCIAddress()), whatever is behind it.
 *
 * Returns: whether @bus is where it should go
 */
VsmmuHotplugPlace vsmmu_hotplug_choose_bus (const VsmmuHotplug *hotplug, const VsmmuDomain *guest,
                                            const VsmmuHost *host, guint *bus);
