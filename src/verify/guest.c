/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest.h"

#include <glib/gi18n-lib.h>

#include "domain/acceleration.h"
#include "libvirt/guest-memory.h"
#include "libvirt/monitor.h"
#include "msi/forecast.h"
#include "msi/machine.h"
#include "msi/reader.h"
#include "verify/guest-buses.h"
#include "verify/guest-domain.h"
#include "verify/guest-judge.h"
#include "verify/guest-read.h"

/* For callers that want everything and wait for it. */
#define OBSERVE_SECONDS 60

static void
smmu_free (gpointer data)
{
  VsmmuGuestSmmu *smmu = data;

  g_free (smmu->alias);
  g_free (smmu);
}

static VsmmuGuest *
guest_new (const VsmmuDomain *domain)
{
  VsmmuGuest *guest = g_new0 (VsmmuGuest, 1);

  guest->name = g_strdup (domain->name != NULL ? domain->name : domain->file);
  vsmmu_msi_machine_of (domain, &guest->machine);
  guest->smmus = g_ptr_array_new_with_free_func (smmu_free);
  guest->findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  for (guint i = 0; i < domain->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);
    VsmmuGuestSmmu *smmu = g_new0 (VsmmuGuestSmmu, 1);

    smmu->alias = g_strdup (iommu->alias != NULL ? iommu->alias : iommu->id);
    smmu->is_accelerated = vsmmu_iommu_is_accelerated (iommu);
    g_ptr_array_add (guest->smmus, smmu);
  }
  return guest;
}

void
vsmmu_guest_free (VsmmuGuest *guest)
{
  if (guest == NULL)
    return;
  g_free (guest->name);
  g_ptr_array_unref (guest->smmus);
  g_clear_pointer (&guest->devices, g_ptr_array_unref);
  g_ptr_array_unref (guest->findings);
  g_free (guest);
}

/* Whether @device is on PCI and not a bridge: a bridge's hotplug interrupts do not go through KVM. */
static gboolean
is_endpoint (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  return device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device) &&
         device->address.bus < domain->n_buses && domain->buses[device->address.bus].root >= 0;
}

/*
 * What @scope has of the endpoints of @domain, and what is forecast of each.
 *
 * Returns: (transfer full): the endpoints, or %NULL with @error set
 */
static GPtrArray *
list_endpoints (const VsmmuDomain *domain, const VsmmuGuestScope *scope, GPtrArray **forecasts, GError **error)
{
  g_autoptr (GPtrArray) all = vsmmu_msi_forecast (domain, error);
  g_autoptr (GPtrArray) endpoints = g_ptr_array_new ();

  for (guint i = 0; all != NULL && i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    const VsmmuMsiDevice *forecast;

    if (!is_endpoint (domain, device))
      continue;
    forecast = g_ptr_array_index (all, endpoints->len);
    if ((scope->alias == NULL || g_strcmp0 (device->alias, scope->alias) == 0) &&
        (!scope->is_guarded_only || forecast->vsmmu != NULL))
      g_ptr_array_add (endpoints, device);
    else
      g_ptr_array_remove_index (all, endpoints->len);
  }
  *forecasts = g_steal_pointer (&all);
  return *forecasts != NULL ? g_steal_pointer (&endpoints) : NULL;
}

/* Reads what @scope has of the guest, and with @unknown what the domain's XML does not have. */
static VsmmuGuest *
read_guest (const VsmmuDomain *domain, const VsmmuGuestScope *scope, GPtrArray *unknown,
            const VsmmuMemoryReader *reader, GError **error)
{
  g_autoptr (VsmmuGuest) guest = guest_new (domain);
  g_autoptr (GPtrArray) forecasts = NULL;
  g_autoptr (GPtrArray) endpoints = list_endpoints (domain, scope, &forecasts, error);
  VsmmuGuestSubject subject = { .domain = domain, .endpoints = endpoints, .forecasts = forecasts };

  if (endpoints == NULL)
    return NULL;
  /* Without a device in scope the guest is left alone. */
  if (endpoints->len == 0 && unknown == NULL) {
    guest->devices = vsmmu_guest_devices_new ();
    return g_steal_pointer (&guest);
  }
  for (guint i = 0; i < domain->n_buses; i++)
    subject.is_needed[i] = unknown != NULL;
  vsmmu_guest_find_needed_buses (domain, endpoints, subject.is_needed);
  if (!vsmmu_ecam_find (&subject.ecam, domain, reader, error))
    return NULL;
  guest->devices = vsmmu_guest_read_devices (&subject, guest, unknown, error);
  if (guest->devices == NULL)
    return NULL;
  for (guint i = 0; i < endpoints->len; i++)
    vsmmu_guest_judge_device (guest, domain, g_ptr_array_index (endpoints, i), g_ptr_array_index (guest->devices, i));
  return g_steal_pointer (&guest);
}

VsmmuGuest *
vsmmu_guest_read (const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error)
{
  const VsmmuGuestScope everything = { 0 };
  g_autoptr (GPtrArray) unknown = vsmmu_guest_devices_new ();
  VsmmuGuest *guest = read_guest (domain, &everything, unknown, reader, error);

  if (guest != NULL)
    g_ptr_array_extend_and_steal (guest->devices, g_steal_pointer (&unknown));
  return guest;
}

VsmmuGuest *
vsmmu_guest_read_known (const VsmmuDomain *domain, const VsmmuGuestScope *scope, const VsmmuMemoryReader *reader,
                        GError **error)
{
  g_autoptr (VsmmuGuest) guest = read_guest (domain, scope, NULL, reader, error);

  if (guest == NULL || guest->devices->len > 0 || scope->alias == NULL || scope->is_guarded_only)
    return g_steal_pointer (&guest);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
               _ ("the domain '%s' has no PCI device '%s'; 'virt-vsmmu msi --domain' lists its devices"),
               domain->name != NULL ? domain->name : domain->file, scope->alias);
  return NULL;
}

/* The SMMUv3 of the machine has no name in QEMU. */
gboolean
vsmmu_guest_ask_monitor (VsmmuGuest *guest, const VsmmuDomain *domain, VsmmuConnectionDomain *running, GError **error)
{
  for (guint i = 0; i < guest->smmus->len; i++) {
    VsmmuGuestSmmu *smmu = g_ptr_array_index (guest->smmus, i);

    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (domain, i);

    if (!iommu->iommu.has_pci_bus)
      continue;
    if (!vsmmu_monitor_get_msi_gpa (running, smmu->alias, &smmu->msi_gpa, error))
      return FALSE;
    smmu->has_msi_gpa = TRUE;
    if (smmu->is_accelerated)
      vsmmu_guest_judge_smmu (guest, domain, iommu, smmu);
  }
  return TRUE;
}

VsmmuGuest *
vsmmu_guest_observe (VsmmuConnection *connection, const char *name, VsmmuGuestFlags flags, GError **error)
{
  g_autoptr (VsmmuConnectionDomain) running = vsmmu_connection_domain_new (connection, name, error);
  g_autoptr (VsmmuDomain) domain = NULL;
  g_autoptr (VsmmuMemoryReader) reader = NULL;
  g_autoptr (VsmmuGuest) guest = NULL;
  VsmmuPeekCount count = { .deadline = g_get_monotonic_time () + OBSERVE_SECONDS * G_TIME_SPAN_SECOND };

  if (running == NULL)
    return NULL;
  domain = vsmmu_guest_read_domain (running, name, NULL, NULL, NULL, error);
  if (domain == NULL)
    return NULL;
  reader = vsmmu_peek_reader_new (running, &count);
  guest = vsmmu_guest_read (domain, reader, error);
  if (guest == NULL || ((flags & VSMMU_GUEST_MONITOR) != 0 && !vsmmu_guest_ask_monitor (guest, domain, running, error)))
    return NULL;
  guest->n_peeks = (guint) count.peeks;
  guest->n_bytes = count.bytes;
  return g_steal_pointer (&guest);
}

const char *
vsmmu_vector_state_to_string (VsmmuVectorState state)
{
  static const char *const names[] = {
    [VSMMU_VECTORS_VERIFIED] = "verified", [VSMMU_VECTORS_WRONG] = "wrong",     [VSMMU_VECTORS_IDLE] = "idle",
    [VSMMU_VECTORS_ABSENT] = "absent",     [VSMMU_VECTORS_UNKNOWN] = "unknown", [VSMMU_VECTORS_UNSTABLE] = "unstable",
  };

  return names[state];
}

guint64
vsmmu_guest_vector_get_gpa (const VsmmuGuestVector *vector)
{
  return (guint64) vector->route.address_hi << 32 | vector->route.address_lo;
}

char *
vsmmu_guest_device_get_address (const VsmmuGuestDevice *device)
{
  const VsmmuPciAddress address = { 0, (guint8) device->bus, (guint8) device->slot, (guint8) device->function, FALSE };

  return device->bus >= 0 ? vsmmu_pci_address_to_string (&address) : NULL;
}
