/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-pci.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "domain/virt-machine.h"
#include "libvirt/guest-memory.h"
#include "msi/reader.h"

#define ROUND_UP(value, unit) (((value) + (unit) -1) / (unit) * (unit))

/* KiB: 4 PiB, all that an arm64 CPU can address */
#define MEMORY_MAX (G_GUINT64_CONSTANT (1) << 42)

/* gpex-root, Red Hat's PCI Express host bridge: vendor in the lower half. */
#define HOST_BRIDGE_ID 0x00081b36

#define BUS_SHIFT 20
#define DEVFN_SHIFT 12

/* What the guest starts with; libvirt counts memory devices in <memory>. Sizes of a document may be absurd. */
static guint64
find_first_memory (const VsmmuDomain *domain)
{
  guint64 memory = MIN (domain->memory, MEMORY_MAX);

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->device_class == VSMMU_DEVICE_CLASS_MEMORY)
      memory -= MIN (device->memory.size, memory);
  }
  return memory * 1024;
}

/* Where the high regions begin; all memory is below. */
static guint64
find_memory_end (const VsmmuDomain *domain)
{
  guint64 first = find_first_memory (domain);
  guint64 max = MAX (MIN (domain->memory_max, MEMORY_MAX) * 1024, first);
  guint64 end = ROUND_UP (VSMMU_VIRT_MEMORY_START + first, VSMMU_GIB) +
                ROUND_UP (max - first + domain->memory_slots * VSMMU_GIB, VSMMU_GIB);

  return MAX (end, VSMMU_VIRT_HIGH_START_MIN);
}

gboolean
vsmmu_ecam_find (VsmmuEcam *ecam, const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error)
{
  guint64 memory_end = find_memory_end (domain);
  const struct {
    guint64 base;
    guint n_buses;
  } places[] = {
    { ROUND_UP (memory_end + 1, VSMMU_VIRT_HIGH_ECAM_ALIGNMENT), VSMMU_VIRT_HIGH_ECAM_BUSES },
    { memory_end, VSMMU_VIRT_HIGH_ECAM_BUSES }, /* highmem-redists=off */
    { VSMMU_VIRT_LOW_ECAM_START, VSMMU_VIRT_LOW_ECAM_BUSES },
  };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    guint32 id;

    if (!vsmmu_memory_read_32 (reader, places[i].base, &id, error))
      return FALSE;
    if (id == HOST_BRIDGE_ID) {
      *ecam = (VsmmuEcam){ reader, places[i].base, places[i].n_buses, memory_end };
      return TRUE;
    }
  }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
               _ ("no PCI host bridge at 0x%" PRIx64 " in the guest; is it a virt machine, and does the monitor work?"),
               places[0].base);
  return FALSE;
}

static guint16
config_16 (const guint8 *config, guint offset)
{
  return (guint16) (config[offset] | config[offset + 1] << 8);
}

static guint32
config_32 (const guint8 *config, guint offset)
{
  return config_16 (config, offset) | (guint32) config_16 (config, offset + 2) << 16;
}

/* Registers of the header, and of the capabilities: PCI Local Bus 3.0, 6.1 and 6.8. */
#define REGISTER_COMMAND 0x04
#define COMMAND_MEMORY (1 << 1)
#define REGISTER_STATUS 0x06
#define STATUS_CAPABILITIES (1 << 4)
#define REGISTER_HEADER 0x0e
#define HEADER_MULTIFUNCTION (1 << 7)
#define HEADER_BRIDGE 1
#define REGISTER_BARS 0x10
#define REGISTER_SECONDARY_BUS 0x19
#define REGISTER_CAPABILITIES 0x34
#define CAPABILITIES_START 0x40
#define CAPABILITY_MSI 0x05
#define CAPABILITY_MSIX 0x11
#define CAPABILITY_SIZE_MIN 4

#define MSI_ENABLE (1 << 0)
#define MSI_64_BIT (1 << 7)
#define MSI_MASKS (1 << 8)
#define MSI_VECTORS_LOG2_MAX 5
#define MSIX_ENABLE (1 << 15)
#define MSIX_MASK (1 << 14)
#define MSIX_SIZE 0x7ff
#define MSIX_BAR 7
#define MSIX_LENGTH 12
#define MSIX_ENTRY_SIZE 16
#define MSIX_ENTRY_MASK (1 << 0)

static void
parse_msi (VsmmuGuestFunction *function, const guint8 *config, guint offset)
{
  guint control = config_16 (config, offset + 2);
  guint high = (control & MSI_64_BIT) != 0 ? 4 : 0;
  guint length = 10 + high + ((control & MSI_MASKS) != 0 ? 6 : 0);

  if (offset + length > VSMMU_CONFIG_SIZE || (function->is_enabled && (control & MSI_ENABLE) == 0))
    return;
  function->interrupts = VSMMU_INTERRUPTS_MSI;
  function->is_enabled = (control & MSI_ENABLE) != 0;
  function->n_vectors = 1u << MIN (control >> 4 & 7, MSI_VECTORS_LOG2_MAX);
  function->address = config_32 (config, offset + 4);
  if (high != 0)
    function->address |= (guint64) config_32 (config, offset + 8) << 32;
  function->data = config_16 (config, offset + 8 + high);
  function->mask = (control & MSI_MASKS) != 0 ? config_32 (config, offset + 12 + high) : 0;
}

static void
parse_msix (VsmmuGuestFunction *function, const guint8 *config, guint offset)
{
  guint control = config_16 (config, offset + 2);
  guint32 table;

  if (offset + MSIX_LENGTH > VSMMU_CONFIG_SIZE || (function->is_enabled && (control & MSIX_ENABLE) == 0))
    return;
  table = config_32 (config, offset + 4);
  function->interrupts = VSMMU_INTERRUPTS_MSIX;
  function->is_enabled = (control & MSIX_ENABLE) != 0;
  function->is_masked = (control & MSIX_MASK) != 0;
  function->n_vectors = (control & MSIX_SIZE) + 1;
  function->table_bar = table & MSIX_BAR;
  function->table_offset = table & ~(guint32) MSIX_BAR;
}

/* Follows the list for as many steps as there is room for capabilities, since a guest may make it a ring. */
static void
parse_capabilities (VsmmuGuestFunction *function, const guint8 *config)
{
  guint offset = config[REGISTER_CAPABILITIES];

  for (guint steps = (VSMMU_CONFIG_SIZE - CAPABILITIES_START) / CAPABILITY_SIZE_MIN; steps > 0; steps--) {
    offset &= ~3u;
    if (offset < CAPABILITIES_START)
      return;
    if (config[offset] == CAPABILITY_MSI)
      parse_msi (function, config, offset);
    else if (config[offset] == CAPABILITY_MSIX)
      parse_msix (function, config, offset);
    offset = config[offset + 1];
  }
}

void
vsmmu_guest_function_parse (VsmmuGuestFunction *function, const guint8 config[VSMMU_CONFIG_SIZE])
{
  guint header = config[REGISTER_HEADER];

  *function = (VsmmuGuestFunction){
    .vendor = config_16 (config, 0),
    .device = config_16 (config, 2),
    .is_multifunction = (header & HEADER_MULTIFUNCTION) != 0,
    .is_bridge = (header & ~HEADER_MULTIFUNCTION) == HEADER_BRIDGE,
    .decodes_memory = (config_16 (config, REGISTER_COMMAND) & COMMAND_MEMORY) != 0,
  };
  /* All ones mean that no device responds; zeros are read where there is no configuration space. */
  function->is_present = function->vendor != G_MAXUINT16 && function->vendor != 0;
  if (!function->is_present)
    return;
  if (function->is_bridge)
    function->secondary_bus = config[REGISTER_SECONDARY_BUS];
  for (guint i = 0; i < G_N_ELEMENTS (function->bars); i++)
    function->bars[i] = config_32 (config, REGISTER_BARS + 4 * i);
  if ((config_16 (config, REGISTER_STATUS) & STATUS_CAPABILITIES) != 0)
    parse_capabilities (function, config);
}

gboolean
vsmmu_guest_function_read (VsmmuGuestFunction *function, const VsmmuEcam *ecam, guint bus, guint devfn, GError **error)
{
  guint64 address = ecam->base + ((guint64) bus << BUS_SHIFT | devfn << DEVFN_SHIFT);
  guint8 config[VSMMU_CONFIG_SIZE] = { 0 };

  if (bus < ecam->n_buses && !ecam->reader->read (ecam->reader, address, config, sizeof (config), error))
    return FALSE;
  vsmmu_guest_function_parse (function, config);
  return TRUE;
}

#define BAR_IO (1 << 0)
#define BAR_TYPE 0x6
#define BAR_64_BIT 0x4
#define BAR_FLAGS 0xfu
#define BRIDGE_BARS 2

/* GPA of a BAR, or 0 with @error set; not where it is in an address space that is not memory, or beyond all. */
static guint64
find_bar (const VsmmuGuestFunction *function, guint bar, GError **error)
{
  guint n_bars = function->is_bridge ? BRIDGE_BARS : G_N_ELEMENTS (function->bars);
  gboolean is_64_bit = bar < n_bars && (function->bars[bar] & BAR_TYPE) == BAR_64_BIT;
  guint64 address = bar < n_bars ? function->bars[bar] & ~BAR_FLAGS : 0;

  if (is_64_bit && bar + 1 < n_bars)
    address |= (guint64) function->bars[bar + 1] << 32;
  if (bar >= n_bars || (is_64_bit && bar + 1 >= n_bars) || (function->bars[bar] & BAR_IO) != 0)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("its MSI-X table is in BAR %u, which is not a memory BAR"),
                 bar);
  else if (address == 0 || !function->decodes_memory)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("its MSI-X table is in BAR %u, which the guest has not mapped or not enabled"), bar);
  else
    return address;
  return 0;
}

/* GPA of the MSI-X table, or 0 with @error set. A BAR may lie over anything; only what is for PCI devices is read. */
static guint64
find_table (const VsmmuGuestFunction *function, const VsmmuEcam *ecam, GError **error)
{
  guint64 size = (guint64) function->n_vectors * MSIX_ENTRY_SIZE;
  guint64 bar = find_bar (function, function->table_bar, error);
  guint64 start = bar + function->table_offset;

  if (bar == 0)
    return 0;
  if (start >= VSMMU_VIRT_MMIO_START && start <= VSMMU_VIRT_MMIO_END - size)
    return start;
  if (start >= ecam->memory_end && start <= G_MAXUINT64 - size)
    return start;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
               _ ("its MSI-X table would be at 0x%" PRIx64 ", where no PCI device can be"), start);
  return 0;
}

/* A message can have vectors that differ in the lower bits of data only. */
static void
add_msi_vectors (const VsmmuGuestFunction *function, GArray *vectors)
{
  for (guint i = 0; i < function->n_vectors; i++) {
    VsmmuGuestMsi vector = { i, function->address, (function->data & ~(function->n_vectors - 1)) | i };

    if ((function->mask >> i & 1) == 0)
      g_array_append_val (vectors, vector);
  }
}

static void
add_msix_vectors (const VsmmuGuestFunction *function, const guint8 *table, GArray *vectors)
{
  for (guint i = 0; i < function->n_vectors; i++) {
    const guint8 *entry = table + i * MSIX_ENTRY_SIZE;
    VsmmuGuestMsi vector = { i, config_32 (entry, 0) | (guint64) config_32 (entry, 4) << 32, config_32 (entry, 8) };

    if ((config_32 (entry, 12) & MSIX_ENTRY_MASK) == 0)
      g_array_append_val (vectors, vector);
  }
}

GArray *
vsmmu_guest_function_read_vectors (const VsmmuGuestFunction *function, const VsmmuEcam *ecam, GError **error)
{
  g_autoptr (GArray) vectors = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestMsi));
  g_autofree guint8 *table = NULL;
  guint64 address;

  if (!function->is_enabled || function->is_masked)
    return g_steal_pointer (&vectors);
  if (function->interrupts == VSMMU_INTERRUPTS_MSI) {
    add_msi_vectors (function, vectors);
    return g_steal_pointer (&vectors);
  }
  address = find_table (function, ecam, error);
  if (address == 0)
    return NULL;
  table = g_malloc ((gsize) function->n_vectors * MSIX_ENTRY_SIZE);
  if (!ecam->reader->read (ecam->reader, address, table, (gsize) function->n_vectors * MSIX_ENTRY_SIZE, error))
    return NULL;
  add_msix_vectors (function, table, vectors);
  return g_steal_pointer (&vectors);
}
