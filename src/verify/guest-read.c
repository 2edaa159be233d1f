/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-read.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "libvirt/guest-memory.h"
#include "msi/forecast.h"
#include "msi/topology.h"
#include "verify/guest-buses.h"
#include "verify/guest-judge.h"
#include "verify/guest-smmuv3.h"

/* A guest that boots settles in between; a guest that does this on purpose never does. */
#define PASSES_MAX 4

/* All that is read of a guest at one time. */
typedef struct {
  const VsmmuDomain *domain;
  const VsmmuEcam *ecam;
  VsmmuMsiGuest numbers;
  VsmmuMsiResolver *resolver;
} Pass;

static void
pass_clear (Pass *pass)
{
  vsmmu_msi_resolver_free (pass->resolver);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pass, pass_clear)

static void
vector_clear (gpointer data)
{
  g_free (((VsmmuGuestVector *) data)->fault);
}

static void
device_free (gpointer data)
{
  VsmmuGuestDevice *device = data;

  g_free (device->alias);
  g_free (device->name);
  g_free (device->host);
  g_free (device->vsmmu);
  g_array_unref (device->vectors);
  g_free (device->reason);
  g_free (device);
}

static VsmmuGuestDevice *
device_new (int bus, guint slot, guint function)
{
  VsmmuGuestDevice *device = g_new0 (VsmmuGuestDevice, 1);

  *device = (VsmmuGuestDevice){
    .bus = bus,
    .slot = slot,
    .function = function,
    .interrupts = "none",
    .vectors = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestVector)),
  };
  g_array_set_clear_func (device->vectors, vector_clear);
  return device;
}

GPtrArray *
vsmmu_guest_devices_new (void)
{
  return g_ptr_array_new_with_free_func (device_free);
}

static VsmmuSmmuv3Source *
open_smmu (gpointer data, const char *id G_GNUC_UNUSED, guint64 at, GError **error G_GNUC_UNUSED)
{
  return vsmmu_guest_smmuv3_new (((const Pass *) data)->ecam, at);
}

/* A device as it is known before the guest is asked. */
static VsmmuGuestDevice *
describe (const Pass *pass, const VsmmuDevice *known, const VsmmuMsiDevice *forecast)
{
  const VsmmuPciAddress *address = &known->address;
  VsmmuGuestDevice *device = device_new (pass->numbers.bus_numbers[address->bus], address->slot, address->function);

  device->alias = g_strdup (forecast->alias);
  device->name = g_strdup (forecast->name);
  device->host = g_strdup (forecast->host);
  device->vsmmu = g_strdup (forecast->vsmmu);
  device->has_path = TRUE;
  device->path = forecast->path;
  return device;
}

static void
resolve (const Pass *pass, const VsmmuDevice *known, const VsmmuGuestMsi *msi, VsmmuGuestDevice *device)
{
  const VsmmuPciAddress *address = &known->address;
  VsmmuGuestVector vector = { .index = msi->index, .address = msi->address, .data = msi->data };
  g_autoptr (GError) fault = NULL;

  if (!vsmmu_msi_resolve (pass->resolver, VSMMU_PCI_DEVFN (address->bus, address->slot, address->function),
                          msi->address, msi->data, &vector.route, &fault))
    vector.fault = g_strdup (fault->message);
  g_array_append_val (device->vectors, vector);
}

static const char *const interrupt_names[] = {
  [VSMMU_INTERRUPTS_NONE] = "none",
  [VSMMU_INTERRUPTS_MSI] = "msi",
  [VSMMU_INTERRUPTS_MSIX] = "msi-x",
};

/* Reads the vectors of a function that is there. */
static gboolean
read_vectors (const Pass *pass, const VsmmuDevice *known, const VsmmuGuestFunction *function, VsmmuGuestDevice *device,
              GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (GArray) vectors = vsmmu_guest_function_read_vectors (function, pass->ecam, &problem);

  device->vendor = function->vendor;
  device->device = function->device;
  device->interrupts = interrupt_names[function->interrupts];
  device->n_vectors = function->n_vectors;
  if (vectors == NULL && !g_error_matches (problem, VSMMU_ERROR, VSMMU_ERROR_MSI)) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  if (vectors == NULL)
    vsmmu_guest_device_judge (device, VSMMU_VECTORS_UNKNOWN, g_strdup (problem->message));
  else if (vectors->len == 0)
    vsmmu_guest_device_judge (device, VSMMU_VECTORS_IDLE, g_strdup (_ ("no vector is enabled")));
  for (guint i = 0; vectors != NULL && i < vectors->len; i++)
    resolve (pass, known, &g_array_index (vectors, VsmmuGuestMsi, i), device);
  return TRUE;
}

static gboolean
read_device (const Pass *pass, const VsmmuDevice *known, VsmmuGuestDevice *device, GError **error)
{
  VsmmuGuestFunction function;

  if (device->bus < 0) {
    vsmmu_guest_device_judge (device, VSMMU_VECTORS_ABSENT,
                              g_strdup (_ ("the guest has not assigned a number to its "
                                           "bus")));
    return TRUE;
  }
  if (!vsmmu_guest_function_read (&function, pass->ecam, (guint) device->bus, device->slot << 3 | device->function,
                                  error))
    return FALSE;
  if (function.is_present)
    return read_vectors (pass, known, &function, device, error);
  vsmmu_guest_device_judge (device, VSMMU_VECTORS_ABSENT,
                            g_strdup (_ ("no device responds at its address in the "
                                         "guest")));
  return TRUE;
}

/* Which slots of the buses the domain's XML has something in. */
static void
list_slots (const VsmmuDomain *domain, gboolean is_known[VSMMU_PCI_BUSES_MAX][VSMMU_PCI_SLOTS_MAX])
{
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI)
      is_known[device->address.bus][device->address.slot] = TRUE;
  }
}

/* Looks at the slots in which the domain's XML has nothing. */
static gboolean
read_unknown_devices (const Pass *pass, GPtrArray *devices, GError **error)
{
  const VsmmuDomain *domain = pass->domain;
  gboolean is_known[VSMMU_PCI_BUSES_MAX][VSMMU_PCI_SLOTS_MAX] = { 0 };

  list_slots (domain, is_known);
  for (guint i = 0; i < domain->n_buses; i++) {
    int number = pass->numbers.bus_numbers[i];

    for (guint slot = number >= 0 ? domain->buses[i].model->min_slot : VSMMU_PCI_SLOTS_MAX;
         slot < VSMMU_PCI_SLOTS_MAX && slot <= domain->buses[i].model->max_slot; slot++) {
      VsmmuGuestFunction function = { 0 };
      VsmmuGuestDevice *device;

      if (!is_known[i][slot] && !vsmmu_guest_function_read (&function, pass->ecam, (guint) number, slot << 3, error))
        return FALSE;
      if (!function.is_present || function.is_bridge)
        continue;
      device = device_new (number, slot, 0);
      device->name = g_strdup_printf (_ ("a device %04x:%04x that is not in the XML of the domain"), function.vendor,
                                      function.device);
      device->vendor = function.vendor;
      device->device = function.device;
      device->interrupts = interrupt_names[function.interrupts];
      device->n_vectors = function.n_vectors;
      vsmmu_guest_device_judge (device, VSMMU_VECTORS_UNKNOWN,
                                g_strdup (_ ("the device is not in the XML of the "
                                             "domain")));
      g_ptr_array_add (devices, device);
    }
  }
  return TRUE;
}

static gboolean
has_fault (const GPtrArray *devices)
{
  for (guint i = 0; i < devices->len; i++) {
    const VsmmuGuestDevice *device = g_ptr_array_index (devices, i);

    for (guint v = 0; v < device->vectors->len; v++)
      if (g_array_index (device->vectors, VsmmuGuestVector, v).fault != NULL)
        return TRUE;
  }
  return FALSE;
}

/*
 * Reads all endpoints as they are now, in their order, and with @unknown what the domain's XML does not have.
 *
 * Returns: (transfer full) (element-type VsmmuGuestDevice): or %NULL with @error set
 */
static GPtrArray *
read_devices (const VsmmuGuestSubject *subject, GPtrArray *unknown, GError **error)
{
  g_auto (Pass) pass = { .domain = subject->domain, .ecam = &subject->ecam, .numbers.open_smmu = open_smmu };
  g_autoptr (GPtrArray) devices = vsmmu_guest_devices_new ();
  VsmmuMsiTopology *topology;
  guint32 id;

  pass.numbers.data = &pass;
  if (!vsmmu_guest_number_buses (&pass.numbers, subject->domain, &subject->ecam, subject->is_needed, error))
    return NULL;
  topology = vsmmu_msi_topology_new_for_domain (subject->domain, &pass.numbers, error);
  if (topology == NULL)
    return NULL;
  pass.resolver = vsmmu_msi_resolver_new (topology);
  for (guint i = 0; i < subject->endpoints->len; i++) {
    const VsmmuDevice *known = g_ptr_array_index (subject->endpoints, i);
    VsmmuGuestDevice *device = describe (&pass, known, g_ptr_array_index (subject->forecasts, i));

    g_ptr_array_add (devices, device);
    if (!read_device (&pass, known, device, error))
      return NULL;
  }
  if (unknown != NULL && !read_unknown_devices (&pass, unknown, error))
    return NULL;
  /* To a walk, a guest that has gone is a table that cannot be read. */
  if (has_fault (devices) && !vsmmu_memory_read_32 (subject->ecam.reader, subject->ecam.base, &id, error))
    return NULL;
  return g_steal_pointer (&devices);
}

static gboolean
vectors_are_equal (const VsmmuGuestVector *a, const VsmmuGuestVector *b)
{
  return a->index == b->index && a->address == b->address && a->data == b->data &&
         g_strcmp0 (a->fault, b->fault) == 0 && a->route.address_lo == b->route.address_lo &&
         a->route.address_hi == b->route.address_hi && a->route.device_id == b->route.device_id;
}

static gboolean
devices_are_equal (const VsmmuGuestDevice *a, const VsmmuGuestDevice *b)
{
  if (a->bus != b->bus || a->slot != b->slot || a->vendor != b->vendor || a->device != b->device ||
      a->state != b->state || g_strcmp0 (a->reason, b->reason) != 0 || strcmp (a->interrupts, b->interrupts) != 0 ||
      a->n_vectors != b->n_vectors || a->vectors->len != b->vectors->len)
    return FALSE;
  for (guint i = 0; i < a->vectors->len; i++)
    if (!vectors_are_equal (&g_array_index (a->vectors, VsmmuGuestVector, i),
                            &g_array_index (b->vectors, VsmmuGuestVector, i)))
      return FALSE;
  return TRUE;
}

/*
 * Whether no vector leads elsewhere. What was read in the midst of a change can look wrong; for it to look right by
 * mistake, every part of it would have to.
 */
static gboolean
is_harmless (const VsmmuGuest *guest, const GPtrArray *devices)
{
  for (guint i = 0; i < devices->len; i++) {
    const VsmmuGuestDevice *device = g_ptr_array_index (devices, i);

    for (guint v = 0; v < device->vectors->len; v++)
      if (vsmmu_guest_find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, v)) != NULL)
        return FALSE;
  }
  return TRUE;
}

GPtrArray *
vsmmu_guest_read_devices (const VsmmuGuestSubject *subject, const VsmmuGuest *guest, GPtrArray *unknown, GError **error)
{
  g_autoptr (GPtrArray) devices = read_devices (subject, unknown, error);
  gboolean is_settled = devices != NULL && unknown == NULL && is_harmless (guest, devices);

  for (guint pass = 1; devices != NULL && !is_settled && pass < PASSES_MAX; pass++) {
    g_autoptr (GPtrArray) before = g_steal_pointer (&devices);

    devices = read_devices (subject, NULL, error);
    is_settled = TRUE;
    for (guint i = 0; devices != NULL && i < devices->len; i++) {
      VsmmuGuestDevice *device = g_ptr_array_index (devices, i);

      if (devices_are_equal (g_ptr_array_index (before, i), device))
        continue;
      is_settled = FALSE;
      if (pass + 1 == PASSES_MAX)
        vsmmu_guest_device_judge (device, VSMMU_VECTORS_UNSTABLE,
                                  g_strdup (_ ("the guest changed the data during each read; try again")));
    }
  }
  return g_steal_pointer (&devices);
}
