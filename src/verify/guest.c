/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "check/finding.h"
#include "check/policy.h"
#include "domain/acceleration.h"
#include "domain/concern.h"
#include "libvirt/guest-memory.h"
#include "libvirt/monitor.h"
#include "verify/guest-output.h"
#include "verify/guest-pci.h"

/* A guest that boots settles in between; one that does this on purpose never does. */
#define PASSES_MAX 4

/* For who asks for all there is, and waits for it. */
#define OBSERVE_SECONDS 60

/* QEMU base_memmap: VIRT_MEM */
#define MEMORY_START G_GUINT64_CONSTANT (0x40000000)

/* Whether @device is on PCI, and no bridge: what a bridge says of hotplug does not go through KVM. */
static gboolean
is_endpoint (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  return device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device) &&
         device->address.bus < domain->n_buses && domain->buses[device->address.bus].root >= 0;
}

/* What does not change while a guest is read. */
typedef struct {
  const VsmmuDomain *domain;
  VsmmuEcam ecam;
  GPtrArray *endpoints;                    /* (element-type VsmmuDevice): borrowed from the domain */
  GPtrArray *forecasts;                    /* (element-type VsmmuMsiDevice): of each */
  gboolean is_needed[VSMMU_PCI_BUSES_MAX]; /* by the index of a bus: whether its number is */
} Subject;

/* All that is read of a guest at one time. */
typedef struct {
  const VsmmuDomain *domain;
  const VsmmuEcam *ecam;
  const gboolean *is_needed; /* of the subject */
  VsmmuMsiGuest numbers;
  VsmmuMsiResolver *resolver;
} Pass;

static void
pass_clear (Pass *pass)
{
  vsmmu_msi_resolver_free (pass->resolver);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pass, pass_clear)

/* The registers of an emulated SMMUv3 as they were when a pass first needed them. */
typedef struct {
  VsmmuSmmuv3Registers values;
  gboolean is_read;
} LiveRegisters;

typedef struct {
  VsmmuSmmuv3Source source;
  const VsmmuMemoryReader *reader;
  guint64 at; /* GPA */
  LiveRegisters *live;
} LiveSmmu;

/* Widths are those of the registers, and each is a read of the guest: those that do not matter are left out. */
static const struct {
  guint offset;
  gsize width;
  gsize member;
  gboolean is_for_on; /* matters while the SMMUv3 is on */
  gboolean is_for_off;
} registers[] = {
  { 0x00, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr0), TRUE, TRUE },
  { 0x20, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, cr0), TRUE, TRUE },
  { 0x44, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, gbpa), FALSE, TRUE },
  { 0x04, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr1), TRUE, FALSE },
  { 0x14, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, idr5), TRUE, FALSE },
  { 0x88, 4, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, strtab_base_cfg), TRUE, FALSE },
  { 0x80, 8, G_STRUCT_OFFSET (VsmmuSmmuv3Registers, strtab_base), TRUE, FALSE },
};
#define REGISTERS_FOR_ANY 2
#define CR0_SMMUEN (1u << 0)

static gboolean
read_registers (const LiveSmmu *smmu, GError **error)
{
  VsmmuSmmuv3Registers *values = &smmu->live->values;

  for (guint i = 0; i < G_N_ELEMENTS (registers); i++) {
    gboolean is_on = (values->cr0 & CR0_SMMUEN) != 0;
    gpointer member = G_STRUCT_MEMBER_P (values, registers[i].member);
    guint64 raw = 0;

    if (i >= REGISTERS_FOR_ANY && !(is_on ? registers[i].is_for_on : registers[i].is_for_off))
      continue;
    if (!smmu->reader->read (smmu->reader, smmu->at + registers[i].offset, &raw, registers[i].width, error))
      return FALSE;
    if (registers[i].width == sizeof (guint64))
      *(guint64 *) member = GUINT64_FROM_LE (raw);
    else
      *(guint32 *) member = (guint32) GUINT64_FROM_LE (raw);
  }
  return TRUE;
}

/* Where there is no SMMUv3 zeros are read, which would look like one that is off. */
static gboolean
get_registers (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *values, GError **error)
{
  const LiveSmmu *smmu = (const LiveSmmu *) source;

  if (!smmu->live->is_read && !read_registers (smmu, error))
    return FALSE;
  smmu->live->is_read = TRUE;
  if (smmu->live->values.idr0 == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("no SMMUv3 answers at 0x%" PRIx64), smmu->at);
    return FALSE;
  }
  *values = smmu->live->values;
  return TRUE;
}

static void
free_source (VsmmuSmmuv3Source *source)
{
  g_free (((LiveSmmu *) source)->live);
  g_free (source);
}

static VsmmuSmmuv3Source *
open_smmu (gpointer data, const char *id G_GNUC_UNUSED, guint64 at, GError **error G_GNUC_UNUSED)
{
  const VsmmuEcam *ecam = ((const Pass *) data)->ecam;
  LiveSmmu *smmu = g_new (LiveSmmu, 1);

  *smmu = (LiveSmmu){
    .source = { get_registers, vsmmu_page_reader_new (ecam->reader, MEMORY_START, ecam->memory_end), free_source },
    .reader = ecam->reader,
    .at = at,
    .live = g_new0 (LiveRegisters, 1),
  };
  return &smmu->source;
}

/* Root buses have a number from libvirt, and keep it. */
static void
number_root_buses (Pass *pass, gboolean *is_taken)
{
  const VsmmuDomain *domain = pass->domain;

  for (guint i = 0; i < VSMMU_PCI_BUSES_MAX; i++) {
    const VsmmuBus *bus = i < domain->n_buses ? &domain->buses[i] : NULL;
    gint16 number = VSMMU_MSI_BUS_UNNUMBERED;

    if (bus != NULL && bus->root == (int) i)
      number = i == 0 ? 0 : (gint16) bus->controller->controller.bus_nr;
    pass->numbers.bus_numbers[i] = number;
    if (number >= 0)
      is_taken[number] = TRUE;
  }
}

/* Reads the number that the guest gave the bus behind the bridge at @address. */
static gboolean
number_bus (Pass *pass, guint index, const VsmmuPciAddress *address, gboolean *is_taken, GError **error)
{
  guint parent = (guint) pass->numbers.bus_numbers[address->bus];
  VsmmuGuestFunction bridge;

  if (!vsmmu_guest_function_read (&bridge, pass->ecam, parent, (guint) address->slot << 3 | address->function, error))
    return FALSE;
  /* Where two bridges claim a number, or one that of a root bus, QEMU goes to the first. What is no bridge has 0, that
   * of pcie.0. */
  if (!is_taken[bridge.secondary_bus]) {
    pass->numbers.bus_numbers[index] = bridge.secondary_bus;
    is_taken[bridge.secondary_bus] = TRUE;
  }
  return TRUE;
}

/* From the root buses on; a bus behind another can have a smaller index than that. */
static gboolean
number_buses (Pass *pass, GError **error)
{
  const VsmmuDomain *domain = pass->domain;
  gboolean is_taken[256] = { FALSE };
  gboolean is_read[VSMMU_PCI_BUSES_MAX] = { FALSE };
  gboolean is_changed = TRUE;

  number_root_buses (pass, is_taken);
  while (is_changed) {
    is_changed = FALSE;
    for (guint i = 0; i < domain->n_buses; i++) {
      const VsmmuBus *bus = &domain->buses[i];

      if (is_read[i] || !pass->is_needed[i] || bus->root < 0 || bus->root == (int) i ||
          pass->numbers.bus_numbers[bus->controller->address.bus] < 0)
        continue;
      if (!number_bus (pass, i, &bus->controller->address, is_taken, error))
        return FALSE;
      is_read[i] = is_changed = TRUE;
    }
  }
  return TRUE;
}

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

static void
judge (VsmmuGuestDevice *device, VsmmuGuestVerdict verdict, char *reason)
{
  device->verdict = verdict;
  g_free (device->reason);
  device->reason = reason;
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
    judge (device, VSMMU_GUEST_UNKNOWN, g_strdup (problem->message));
  else if (vectors->len == 0)
    judge (device, VSMMU_GUEST_IDLE, g_strdup (_ ("no vector is enabled")));
  for (guint i = 0; vectors != NULL && i < vectors->len; i++)
    resolve (pass, known, &g_array_index (vectors, VsmmuGuestMsi, i), device);
  return TRUE;
}

static gboolean
read_device (const Pass *pass, const VsmmuDevice *known, VsmmuGuestDevice *device, GError **error)
{
  VsmmuGuestFunction function;

  if (device->bus < 0) {
    judge (device, VSMMU_GUEST_ABSENT, g_strdup (_ ("the guest has given its bus no number")));
    return TRUE;
  }
  if (!vsmmu_guest_function_read (&function, pass->ecam, (guint) device->bus, device->slot << 3 | device->function,
                                  error))
    return FALSE;
  if (function.is_present)
    return read_vectors (pass, known, &function, device, error);
  judge (device, VSMMU_GUEST_ABSENT, g_strdup (_ ("nothing answers at its address in the guest")));
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
read_strangers (const Pass *pass, GPtrArray *devices, GError **error)
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
      device->name = g_strdup_printf (_ ("a device %04x:%04x that the domain's XML does not have"), function.vendor,
                                      function.device);
      device->vendor = function.vendor;
      device->device = function.device;
      device->interrupts = interrupt_names[function.interrupts];
      device->n_vectors = function.n_vectors;
      judge (device, VSMMU_GUEST_UNKNOWN, g_strdup (_ ("the domain's XML does not have it")));
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
 * Reads all endpoints as they are now, in their order, and with @strangers what the domain's XML does not have.
 *
 * Returns: (transfer full) (element-type VsmmuGuestDevice): or %NULL with @error set
 */
static GPtrArray *
read_devices (const Subject *subject, GPtrArray *strangers, GError **error)
{
  g_auto (Pass) pass = {
    .domain = subject->domain, .ecam = &subject->ecam, .is_needed = subject->is_needed, .numbers.open_smmu = open_smmu
  };
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (device_free);
  VsmmuMsiTopology *topology;
  guint32 id;

  pass.numbers.data = &pass;
  if (!number_buses (&pass, error))
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
  if (strangers != NULL && !read_strangers (&pass, strangers, error))
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
      a->verdict != b->verdict || g_strcmp0 (a->reason, b->reason) != 0 || strcmp (a->interrupts, b->interrupts) != 0 ||
      a->n_vectors != b->n_vectors || a->vectors->len != b->vectors->len)
    return FALSE;
  for (guint i = 0; i < a->vectors->len; i++)
    if (!vectors_are_equal (&g_array_index (a->vectors, VsmmuGuestVector, i),
                            &g_array_index (b->vectors, VsmmuGuestVector, i)))
      return FALSE;
  return TRUE;
}

/* What to do about the rules that a vector can break. */
static const struct {
  const char *rule;
  const char *hint;
} hints[] = {
  { "msi-doorbell-zero", N_ ("give the machine an MSI controller: <gic version='3'/>, without its=off or msi=off") },
  { "msi-doorbell-mismatch", N_ ("QEMU and this program disagree; report it with the output of --format json") },
  { "msi-doorbell-not-controller", N_ ("QEMU and this program disagree; report it with the output of --format json") },
  { "msi-window-mismatch", N_ ("QEMU and this program disagree; report it with the output of --format json") },
  { "msi-address-unmapped",
    N_ ("the guest's kernel has not mapped the doorbell for this device; its interrupts are lost until the driver is "
        "bound anew") },
  { "msi-address-wrong-target",
    N_ ("the guest's kernel has programmed or mapped another address; what the device writes there is no interrupt") },
};

static void
report (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *device, const char *id, char *message)
{
  const char *hint = "";

  for (guint i = 0; i < G_N_ELEMENTS (hints); i++)
    if (strcmp (hints[i].rule, id) == 0)
      hint = _ (hints[i].hint);
  g_ptr_array_add (guest->findings,
                   vsmmu_finding_new (vsmmu_rules_find (id), VSMMU_SEVERITY_ERROR, domain->file, device->line,
                                      vsmmu_device_path (device, ""), message, g_strdup (hint)));
}

static const char *
find_rule (const VsmmuGuest *guest, const VsmmuGuestDevice *device, const VsmmuGuestVector *vector)
{
  if (vector->fault == NULL)
    return vsmmu_msi_route_find_fault (&guest->machine, &vector->route);
  if (device->path == VSMMU_MSI_PATH_TRANSLATED)
    return "msi-address-unmapped";
  return guest->machine.controller == VSMMU_MSI_CONTROLLER_UNKNOWN ? NULL : "msi-doorbell-zero";
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
      if (find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, v)) != NULL)
        return FALSE;
  }
  return TRUE;
}

/*
 * Reads until all is twice the same, and gives up on what is not. Without strangers to look for, which is a
 * verification, what is right or not there yet is not read twice: each read makes the guest wait.
 */
static GPtrArray *
read_settled (const Subject *subject, const VsmmuGuest *guest, GPtrArray *strangers, GError **error)
{
  g_autoptr (GPtrArray) devices = read_devices (subject, strangers, error);
  gboolean is_settled = devices != NULL && strangers == NULL && is_harmless (guest, devices);

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
        judge (device, VSMMU_GUEST_UNSTABLE, g_strdup (_ ("the guest changed it each time it was read; try again")));
    }
  }
  return g_steal_pointer (&devices);
}

/* (transfer full): what is wrong with @vector, and how many others have it too */
static char *
describe_fault (const VsmmuGuest *guest, const VsmmuGuestDevice *device, const VsmmuGuestVector *vector, guint n_others)
{
  g_autofree char *fault = g_strdup (vector->fault);

  if (fault == NULL)
    fault = g_strdup_printf (_ ("the MSI address 0x%" PRIx64 " leads to 0x%" PRIx64 ", and the doorbell is 0x%" PRIx64),
                             vector->address, (guint64) vector->route.address_hi << 32 | vector->route.address_lo,
                             guest->machine.doorbell);
  if (n_others == 0)
    return g_strdup_printf (_ ("%s, vector %u: %s"), device->name, vector->index, fault);
  return g_strdup_printf (
      g_dngettext (GETTEXT_PACKAGE, "%s, vector %u and %u more: %s", "%s, vector %u and %u more: %s", n_others),
      device->name, vector->index, n_others, fault);
}

/* Looks for vectors that break @id from the first that does, and reports them as one. */
static void
report_vectors (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *known, const VsmmuGuestDevice *device,
                guint first, const char *id)
{
  guint n_others = 0;

  for (guint i = 0; i < device->vectors->len; i++) {
    const char *rule = find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, i));

    if (g_strcmp0 (rule, id) != 0)
      continue;
    if (i < first)
      return;
    n_others += i > first;
  }
  report (guest, domain, known, id,
          describe_fault (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, first), n_others));
}

static void
judge_device (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *known, VsmmuGuestDevice *device)
{
  if (device->reason != NULL)
    return;
  if (guest->machine.controller == VSMMU_MSI_CONTROLLER_UNKNOWN) {
    judge (device, VSMMU_GUEST_UNKNOWN, g_strdup (_ ("the host decided which MSI controller the guest has")));
    return;
  }
  for (guint i = 0; i < device->vectors->len; i++) {
    const char *id = find_rule (guest, device, &g_array_index (device->vectors, VsmmuGuestVector, i));

    if (id == NULL)
      continue;
    device->verdict = VSMMU_GUEST_WRONG;
    report_vectors (guest, domain, known, device, i, id);
  }
}

static void
smmu_free (gpointer data)
{
  VsmmuGuestSmmu *smmu = data;

  g_free (smmu->alias);
  g_free (smmu);
}

static void
finding_free (gpointer data)
{
  vsmmu_finding_free (data);
}

static VsmmuGuest *
guest_new (const VsmmuDomain *domain)
{
  VsmmuGuest *guest = g_new0 (VsmmuGuest, 1);

  guest->name = g_strdup (domain->name != NULL ? domain->name : domain->file);
  vsmmu_msi_machine_of (domain, &guest->machine);
  guest->smmus = g_ptr_array_new_with_free_func (smmu_free);
  guest->findings = g_ptr_array_new_with_free_func (finding_free);
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

/* Without strangers to look for, only the bridges over @endpoints matter; each costs a read of the guest. */
static void
find_needed_buses (Subject *subject, gboolean is_all)
{
  for (guint i = 0; i < subject->domain->n_buses; i++)
    subject->is_needed[i] = is_all;
  for (guint i = 0; i < subject->endpoints->len; i++) {
    guint bus = ((const VsmmuDevice *) g_ptr_array_index (subject->endpoints, i))->address.bus;

    while (!subject->is_needed[bus]) {
      subject->is_needed[bus] = TRUE;
      if (subject->domain->buses[bus].root != (int) bus)
        bus = subject->domain->buses[bus].controller->address.bus;
    }
  }
}

/* Reads what @scope has of the guest, and with @strangers what the domain's XML does not have. */
static VsmmuGuest *
read_guest (const VsmmuDomain *domain, const VsmmuGuestScope *scope, GPtrArray *strangers,
            const VsmmuMemoryReader *reader, GError **error)
{
  g_autoptr (VsmmuGuest) guest = guest_new (domain);
  g_autoptr (GPtrArray) forecasts = NULL;
  g_autoptr (GPtrArray) endpoints = list_endpoints (domain, scope, &forecasts, error);
  Subject subject = { .domain = domain, .endpoints = endpoints, .forecasts = forecasts };

  if (endpoints == NULL)
    return NULL;
  /* Without a device in scope the guest is left alone. */
  if (endpoints->len == 0 && strangers == NULL) {
    guest->devices = g_ptr_array_new_with_free_func (device_free);
    return g_steal_pointer (&guest);
  }
  find_needed_buses (&subject, strangers != NULL);
  if (!vsmmu_ecam_find (&subject.ecam, domain, reader, error))
    return NULL;
  guest->devices = read_settled (&subject, guest, strangers, error);
  if (guest->devices == NULL)
    return NULL;
  for (guint i = 0; i < endpoints->len; i++)
    judge_device (guest, domain, g_ptr_array_index (endpoints, i), g_ptr_array_index (guest->devices, i));
  return g_steal_pointer (&guest);
}

VsmmuGuest *
vsmmu_guest_read (const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error)
{
  const VsmmuGuestScope everything = { 0 };
  g_autoptr (GPtrArray) strangers = g_ptr_array_new_with_free_func (device_free);
  VsmmuGuest *guest = read_guest (domain, &everything, strangers, reader, error);

  if (guest != NULL)
    g_ptr_array_extend_and_steal (guest->devices, g_steal_pointer (&strangers));
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
               _ ("the domain '%s' has no PCI device '%s'; 'virt-vsmmu msi --domain' lists those it has"),
               domain->name != NULL ? domain->name : domain->file, scope->alias);
  return NULL;
}

/* What QEMU says of a vSMMU, against what the machine has. */
static void
judge_smmu (VsmmuGuest *guest, const VsmmuDomain *domain, const VsmmuDevice *iommu, const VsmmuGuestSmmu *smmu)
{
  VsmmuMsiRoute route = { (guint32) smmu->msi_gpa, (guint32) (smmu->msi_gpa >> 32), .path = VSMMU_MSI_PATH_DIRECT };
  const char *id = vsmmu_msi_route_find_fault (&guest->machine, &route);

  if (id != NULL)
    report (guest, domain, iommu, id,
            g_strdup_printf (
                _ ("QEMU offers the doorbell 0x%" PRIx64 " for the vSMMU '%s', and the machine's is 0x%" PRIx64),
                smmu->msi_gpa, smmu->alias, guest->machine.doorbell));
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
      judge_smmu (guest, domain, iommu, smmu);
  }
  return TRUE;
}

/* What libxml2 keeps of a document. */
static gsize
measure (const xmlNode *root)
{
  gsize size = 0;

  for (const xmlNode *node = root; node != NULL; node = vsmmu_xml_next (root, node, TRUE)) {
    size += sizeof (*node);
    for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
      size += sizeof (xmlAttr) + sizeof (xmlNode);
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
      size += child->type != XML_ELEMENT_NODE && child->content != NULL
                  ? sizeof (xmlNode) + strlen ((const char *) child->content)
                  : 0;
  }
  return size;
}

static gboolean
read_terms (const char *xml, const char *name, const char *log, VsmmuGuestTerms *terms, GError **error)
{
  guint line;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), name, &line, error);

  if (document == NULL)
    return FALSE;
  *terms = (VsmmuGuestTerms){ .may_write_log = vsmmu_guest_may_write_log (document, log) };
  terms->has_action = vsmmu_policy_mismatch_of (document, &terms->action);
  return TRUE;
}

/* The name libvirt answers to; it lives as long as the document. */
static void
take_name (VsmmuDomain *domain, VsmmuConnectionDomain *running)
{
  g_autofree char *name = vsmmu_connection_domain_get_name (running);

  if (domain->document->dict == NULL)
    domain->document->dict = xmlDictCreate ();
  domain->name = (const char *) xmlDictLookup (domain->document->dict, (const xmlChar *) name, -1);
}

VsmmuDomain *
vsmmu_guest_read_domain (VsmmuConnectionDomain *running, const char *name, const char *log, VsmmuGuestTerms *terms,
                         gboolean *may_concern, GError **error)
{
  g_autofree char *xml = vsmmu_connection_domain_get_xml (running, VSMMU_DOMAIN_XML_LIVE, error);
  g_autoptr (VsmmuDomain) domain = NULL;

  if (may_concern != NULL)
    *may_concern = xml == NULL || vsmmu_document_may_concern (xml, strlen (xml)) || !vsmmu_document_is_running (xml);
  if (xml == NULL || (may_concern != NULL && !*may_concern))
    return NULL;
  vsmmu_connection_domain_take_budget (running, strlen (xml));
  if (terms == NULL || read_terms (xml, name, log, terms, error))
    domain = vsmmu_domain_new_from_data (xml, strlen (xml), name, error);
  vsmmu_connection_domain_give_budget (running, domain != NULL ? measure (xmlDocGetRootElement (domain->document)) : 0);
  g_clear_pointer (&xml, g_free);
  if (domain == NULL)
    return NULL;
  take_name (domain, running);
  if (domain->is_running)
    return g_steal_pointer (&domain);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN, _ ("the domain '%s' does not run; start it first"), name);
  return NULL;
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
vsmmu_guest_verdict_to_string (VsmmuGuestVerdict verdict)
{
  static const char *const names[] = {
    [VSMMU_GUEST_VERIFIED] = "verified", [VSMMU_GUEST_WRONG] = "wrong",     [VSMMU_GUEST_IDLE] = "idle",
    [VSMMU_GUEST_ABSENT] = "absent",     [VSMMU_GUEST_UNKNOWN] = "unknown", [VSMMU_GUEST_UNSTABLE] = "unstable",
  };

  return names[verdict];
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
