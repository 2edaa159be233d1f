/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check/finding.h"
#include "domain/virt-machine.h"
#include "golden.h"
#include "libvirt/guest-memory.h"
#include "msi/machine.h"
#include "msi/reader.h"
#include "verify/guest-pci.h"
#include "verify/guest.h"
#include "vsmmu/vsmmu.h"

#define ECAM G_GUINT64_CONSTANT (0x4010000000)
#define FUNCTION(bus, slot) (ECAM + ((guint64) (bus) << 20) + ((guint64) (slot) << 15))
#define DOORBELL 0x08090040
#define TABLE 0x10000000
#define SMMU 0x0c000000
#define MEMORY_START 0x40000000
#define MEMORY_END G_GUINT64_CONSTANT (0x4000000000)

/* A disk behind a vSMMU on bus 33 of the guest, a random number generator behind none on bus 1. */
#define GUEST(iommu) GUEST_OF ("<gic version='3'/>", "", iommu)
#define GUEST_OF(gic, arguments, iommu)                                                                                \
  "<domain type='kvm' id='1'><name>web</name><memory unit='MiB'>512</memory><os><type arch='aarch64' "                 \
  "machine='virt'>hvm</type></os><features><acpi/>" gic "</features>" arguments "<devices>"                            \
  "<controller type='usb' model='none'/><controller type='pci' index='0' model='pcie-root'/>"                          \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/><address type='pci' slot='1'/>"      \
  "</controller>"                                                                                                      \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' slot='2'/></controller>"                \
  "<rng model='virtio'><alias name='rng0'/><address type='pci' bus='3'/></rng><memballoon model='none'/>"              \
  "<hostdev type='pci'><driver iommufd='yes'/><source><address bus='9'/></source><alias name='hostdev0'/>"             \
  "<address type='pci' bus='2'/></hostdev>"                                                                            \
  "<iommu model='smmuv3'><driver pciBus='1' " iommu "/><alias name='iommu0'/></iommu></devices></domain>"
#define ACCELERATED GUEST ("accel='on'")
#define EMULATED GUEST ("")
#define GIC_OF_THE_HOST GUEST_OF ("<gic version='host'/>", "", "accel='on'")
#define NO_CONTROLLER                                                                                                  \
  GUEST_OF ("<gic version='3'/>",                                                                                      \
            "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-machine'/>"            \
            "<q:arg value='msi=off'/></q:commandline>",                                                                \
            "accel='on'")

/* A guest that is read: what is where, everything else is zeros. */
typedef struct {
  VsmmuMemoryReader reader;
  GHashTable *words; /* (element-type guint64 guint32): by GPA */
  guint n_reads;
  guint n_memory_reads; /* of memory, not of devices */
  guint fails_from;     /* this read and those after it fail; 0 for never */
  guint64 changing;     /* GPA of a word that is another at each read */
  guint n_changes;      /* left for it */
} Fake;

static gboolean
fake_read (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length, GError **error)
{
  Fake *fake = (Fake *) reader;

  fake->n_reads++;
  fake->n_memory_reads += address >= MEMORY_START && address < MEMORY_END;
  if (fake->fails_from != 0 && fake->n_reads >= fake->fails_from) {
    g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN, "gone");
    return FALSE;
  }
  g_assert_cmpuint (address % 4, ==, 0);
  for (gsize i = 0; i < length; i += 4) {
    guint64 at = address + i;
    guint32 word = GPOINTER_TO_UINT (g_hash_table_lookup (fake->words, &at));

    if (at == fake->changing && fake->n_changes > 0)
      word += 0x1000 * fake->n_changes--;
    word = GUINT32_TO_LE (word);
    memcpy ((guint8 *) buffer + i, &word, MIN (4, length - i));
  }
  return TRUE;
}

static void
fake_set (Fake *fake, guint64 address, guint32 word)
{
  g_hash_table_insert (fake->words, g_memdup2 (&address, sizeof (address)), GUINT_TO_POINTER (word));
}

static void
fake_clear (Fake *fake)
{
  g_hash_table_unref (fake->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fake, fake_clear)

#define PORT_ID 0x000c1b36
#define DISK_ID 0x00101b36

static void
add_bridge (Fake *fake, guint64 config, guint secondary_bus)
{
  fake_set (fake, config, PORT_ID);
  fake_set (fake, config + 0x0c, 0x00010000);
  fake_set (fake, config + 0x18, secondary_bus << 8);
}

/* MSI-X with four vectors, two of them enabled. */
static void
add_endpoint (Fake *fake, guint64 config, guint32 table, guint32 address)
{
  fake_set (fake, config, DISK_ID);
  fake_set (fake, config + 0x04, 0x00100002);
  fake_set (fake, config + 0x10, table | 4);
  fake_set (fake, config + 0x34, 0x40);
  fake_set (fake, config + 0x40, 0x80030011);
  for (guint i = 0; i < 4; i++) {
    fake_set (fake, table + 16 * i, i < 2 ? address : 0);
    fake_set (fake, table + 16 * i + 8, i);
    fake_set (fake, table + 16 * i + 12, i < 2 ? 0 : 1);
  }
}

/* All as it should be: behind the vSMMU any address will do, behind none it is the doorbell. */
static Fake
fake_new (void)
{
  Fake fake = { { fake_read, NULL }, g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL) };

  fake_set (&fake, ECAM, 0x00081b36);
  add_bridge (&fake, FUNCTION (32, 0), 33);
  add_bridge (&fake, FUNCTION (0, 2), 1);
  add_endpoint (&fake, FUNCTION (33, 0), TABLE, 0xfffff040);
  add_endpoint (&fake, FUNCTION (1, 0), TABLE + 0x1000, DOORBELL);
  return fake;
}

/* An emulated SMMUv3 that is on, with an empty stream table. */
static void
add_smmu (Fake *fake)
{
  static const guint32 registers[][2] = {
    { 0x00, 0x0d44101a }, { 0x04, 0x02730010 }, { 0x14, 0x00000074 }, { 0x20, 0xd },
    { 0x80, 0x40400000 }, { 0x84, 1 },          { 0x88, 0x10 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (registers); i++)
    fake_set (fake, SMMU + registers[i][0], registers[i][1]);
}

static VsmmuGuest *
read_fake (const Fake *fake, const char *xml, GError **error)
{
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "web", NULL);

  g_assert_nonnull (domain);
  return vsmmu_guest_read (domain, &fake->reader, error);
}

static VsmmuGuestDevice *
find_device (const VsmmuGuest *guest, const char *alias)
{
  for (guint i = 0; i < guest->devices->len; i++)
    if (g_strcmp0 (((VsmmuGuestDevice *) g_ptr_array_index (guest->devices, i))->alias, alias) == 0)
      return g_ptr_array_index (guest->devices, i);
  return NULL;
}

static void
assert_verdict (const VsmmuGuest *guest, const char *alias, VsmmuVectorState verdict)
{
  const VsmmuGuestDevice *device = find_device (guest, alias);

  g_assert_nonnull (device);
  g_assert_cmpstr (vsmmu_vector_state_to_string (device->state), ==, vsmmu_vector_state_to_string (verdict));
}

static void
test_every_vector_of_a_good_guest_is_verified (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuGuest) guest = read_fake (&fake, ACCELERATED, &error);
  const VsmmuGuestDevice *disk;
  const VsmmuGuestVector *vector;

  g_assert_no_error (error);
  g_assert_cmpuint (guest->devices->len, ==, 2);
  g_assert_cmpuint (guest->findings->len, ==, 0);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_VERIFIED);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_VERIFIED);
  disk = find_device (guest, "hostdev0");
  g_assert_cmpstr (disk->host, ==, "0000:09:00.0");
  g_assert_cmpstr (disk->vsmmu, ==, "iommu0");
  g_assert_cmpint (disk->path, ==, VSMMU_MSI_PATH_DIRECT);
  g_assert_cmpstr (disk->interrupts, ==, "msi-x");
  g_assert_cmpuint (disk->n_vectors, ==, 4);
  g_assert_cmpuint (disk->vectors->len, ==, 2);
  vector = &g_array_index (disk->vectors, VsmmuGuestVector, 1);
  g_assert_cmphex (vector->address, ==, 0xfffff040);
  g_assert_cmphex (vector->route.address_lo, ==, DOORBELL);
  g_assert_cmphex (vector->route.device_id, ==, 33 << 8);
  g_assert_cmpuint (vector->route.data, ==, 1);
}

static void
test_the_memory_of_a_guest_behind_an_accelerated_vsmmu_is_never_read (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = read_fake (&fake, ACCELERATED, NULL);

  g_assert_nonnull (guest);
  g_assert_cmpuint (fake.n_memory_reads, ==, 0);
}

static void
test_an_address_that_is_not_the_doorbell_is_wrong (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;
  const VsmmuFinding *finding;

  fake_set (&fake, TABLE + 0x1000 + 16, DOORBELL + 0x1000);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_WRONG);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_VERIFIED);
  g_assert_cmpuint (guest->findings->len, ==, 1);
  finding = g_ptr_array_index (guest->findings, 0);
  g_assert_cmpstr (finding->rule->id, ==, "msi-address-wrong-target");
  g_assert_nonnull (strstr (finding->message, "vector 1"));
}

static void
test_an_smmu_that_does_not_answer_is_not_taken_for_one_that_is_off (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = read_fake (&fake, EMULATED, NULL);
  const VsmmuFinding *finding;

  g_assert_nonnull (guest);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_WRONG);
  g_assert_cmpuint (guest->findings->len, ==, 1);
  finding = g_ptr_array_index (guest->findings, 0);
  g_assert_cmpstr (finding->rule->id, ==, "msi-address-unmapped");
  g_assert_nonnull (strstr (finding->message, "vector 0 and 1 more"));
  g_assert_nonnull (strstr (finding->message, "0xc000000"));
}

static void
test_a_fault_of_an_emulated_smmu_names_the_table (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;

  add_smmu (&fake);
  guest = read_fake (&fake, EMULATED, NULL);
  g_assert_nonnull (guest);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_WRONG);
  g_assert_nonnull (strstr (((VsmmuFinding *) g_ptr_array_index (guest->findings, 0))->message,
                            "[C_BAD_STE, descriptor at 0x140484000]"));
  g_assert_cmpuint (fake.n_memory_reads, >, 0);
}

static void
test_a_device_that_the_guest_has_not_got_is_absent (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;

  fake_set (&fake, FUNCTION (33, 0), G_MAXUINT32);
  fake_set (&fake, FUNCTION (0, 2) + 0x18, 0);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_ABSENT);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_ABSENT);
  g_assert_cmpint (find_device (guest, "hostdev0")->bus, ==, 33);
  g_assert_cmpint (find_device (guest, "rng0")->bus, ==, VSMMU_MSI_BUS_UNNUMBERED);
}

static void
test_a_device_that_the_xml_does_not_have_is_told (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;
  const VsmmuGuestDevice *stranger;

  add_endpoint (&fake, FUNCTION (0, 5), TABLE + 0x2000, DOORBELL);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  stranger = find_device (guest, NULL);
  g_assert_nonnull (stranger);
  g_assert_cmpint (stranger->bus, ==, 0);
  g_assert_cmpuint (stranger->slot, ==, 5);
  g_assert_cmpint (stranger->state, ==, VSMMU_VECTORS_UNKNOWN);
}

static void
test_two_bridges_with_one_bus_number_are_not_confused (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;

  fake_set (&fake, FUNCTION (0, 2) + 0x18, 33 << 8);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  assert_verdict (guest, "hostdev0", VSMMU_VECTORS_VERIFIED);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_ABSENT);
}

static void
test_a_bus_with_the_number_of_a_root_bus_is_not_confused_with_it (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;

  fake_set (&fake, FUNCTION (0, 2) + 0x18, 32 << 8);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_ABSENT);
}

/* What a guest does with the configuration space of its function, and what becomes of it. */
static const struct {
  const char *name;
  VsmmuVectorState verdict;
  struct {
    guint offset;
    guint32 word;
  } words[3];
} configurations[] = {
  { "off", VSMMU_VECTORS_IDLE, { { 0x40, 0x00030011 } } },
  { "masked", VSMMU_VECTORS_IDLE, { { 0x40, 0xc0030011 } } },
  { "no-capabilities", VSMMU_VECTORS_IDLE, { { 0x04, 0x00000002 } } },
  { "capability-leads-to-itself", VSMMU_VECTORS_IDLE, { { 0x40, 0x80034009 } } },
  { "capability-in-the-header", VSMMU_VECTORS_IDLE, { { 0x34, 0x2c }, { 0x2c, 0x80030011 } } },
  { "capability-past-the-end", VSMMU_VECTORS_IDLE, { { 0x34, 0xfc }, { 0xfc, 0x80030011 } } },
  { "message-past-the-end", VSMMU_VECTORS_IDLE, { { 0x34, 0xf4 }, { 0xf4, 0x00810005 } } },
  { "memory-off", VSMMU_VECTORS_UNKNOWN, { { 0x04, 0x00100000 } } },
  { "bar-not-placed", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0x00000004 } } },
  { "bar-is-io", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0x10000001 } } },
  { "bar-over-the-gic", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0x08000004 } } },
  { "bar-over-memory", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0x40000004 } } },
  { "bar-over-the-low-ecam", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0x3efeffc4 }, { 0x44, 0x8 } } },
  { "table-in-bar-6", VSMMU_VECTORS_UNKNOWN, { { 0x44, 0x6 } } },
  { "table-in-half-a-bar", VSMMU_VECTORS_UNKNOWN, { { 0x44, 0x5 }, { 0x24, 0x10000004 } } },
  { "table-past-the-window", VSMMU_VECTORS_UNKNOWN, { { 0x44, 0x3f000000 } } },
  { "table-past-all", VSMMU_VECTORS_UNKNOWN, { { 0x10, 0xffff0004 }, { 0x14, 0xffffffff }, { 0x44, 0xfff8 } } },
  /* Zeros are read there: every vector is enabled, and the vSMMU leads them all to the doorbell. */
  { "table-far-up", VSMMU_VECTORS_VERIFIED, { { 0x10, 0xffff0004 }, { 0x14, 0xffffffff } } },
};

static void
test_a_hostile_function_is_bounded (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_auto (Fake) fake = fake_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuGuest) guest = NULL;

  for (guint w = 0; w < G_N_ELEMENTS (configurations[i].words) && configurations[i].words[w].offset != 0; w++)
    fake_set (&fake, FUNCTION (33, 0) + configurations[i].words[w].offset, configurations[i].words[w].word);
  guest = read_fake (&fake, ACCELERATED, &error);
  g_assert_no_error (error);
  assert_verdict (guest, "hostdev0", configurations[i].verdict);
  assert_verdict (guest, "rng0", VSMMU_VECTORS_VERIFIED);
  g_assert_cmpuint (fake.n_memory_reads, ==, 0);
}

/* An MSI capability at 0x40 in the words after its address, and what is enabled. */
static const struct {
  const char *name;
  guint32 words[5]; /* from 0x40 on */
  guint n_enabled;
  guint64 address; /* of the last */
  guint32 data;
} messages[] = {
  { "one-of-32-bits", { 0x00010005, 0xfffff040, 0x1234 }, 1, 0xfffff040, 0x1234 },
  { "one-of-64-bits", { 0x00810005, 0xfffff040, 0x7, 0x1234 }, 1, G_GUINT64_CONSTANT (0x7fffff040), 0x1234 },
  { "four", { 0x00210005, DOORBELL, 0x1230 }, 4, DOORBELL, 0x1233 },
  { "four-and-two-masked", { 0x01210005, DOORBELL, 0x1232, 0xc }, 2, DOORBELL, 0x1231 },
  { "more-than-there-can-be", { 0x00710005, DOORBELL, 0x1200 }, 32, DOORBELL, 0x121f },
  { "off", { 0x00000005, DOORBELL, 0x1230 }, 0, 0, 0 },
};

static void
test_messages_without_a_table_are_read (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_auto (Fake) fake = fake_new ();
  g_autoptr (VsmmuGuest) guest = NULL;
  const VsmmuGuestDevice *device;

  for (guint w = 0; w < G_N_ELEMENTS (messages[i].words); w++)
    fake_set (&fake, FUNCTION (33, 0) + 0x40 + 4 * w, messages[i].words[w]);
  guest = read_fake (&fake, ACCELERATED, NULL);
  g_assert_nonnull (guest);
  device = find_device (guest, "hostdev0");
  g_assert_cmpstr (device->interrupts, ==, "msi");
  g_assert_cmpuint (device->vectors->len, ==, messages[i].n_enabled);
  if (messages[i].n_enabled > 0) {
    const VsmmuGuestVector *last = &g_array_index (device->vectors, VsmmuGuestVector, messages[i].n_enabled - 1);

    g_assert_cmphex (last->address, ==, messages[i].address);
    g_assert_cmphex (last->data, ==, messages[i].data);
  }
}

static void
test_a_guest_that_settles_is_judged_and_one_that_does_not_is_unstable (void)
{
  static const struct {
    guint n_changes;
    VsmmuVectorState verdict;
  } cases[] = { { 0, VSMMU_VECTORS_VERIFIED }, { 2, VSMMU_VECTORS_VERIFIED }, { 100, VSMMU_VECTORS_UNSTABLE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Fake) fake = fake_new ();
    g_autoptr (VsmmuGuest) guest = NULL;

    fake.changing = TABLE + 8;
    fake.n_changes = cases[i].n_changes;
    guest = read_fake (&fake, ACCELERATED, NULL);
    g_assert_nonnull (guest);
    assert_verdict (guest, "hostdev0", cases[i].verdict);
    assert_verdict (guest, "rng0", VSMMU_VECTORS_VERIFIED);
    g_assert_cmpuint (guest->findings->len, ==, 0);
    /* It reads four times at most. */
    g_assert_cmpuint (100 - fake.n_changes, <=, 100 - cases[i].n_changes + 4);
  }
}

static void
test_a_guest_that_goes_while_it_is_read_is_an_error_at_every_moment (void)
{
  static const char *const guests[] = { ACCELERATED, EMULATED };

  for (guint i = 0; i < G_N_ELEMENTS (guests); i++) {
    gboolean is_read = FALSE;

    for (guint moment = 1; !is_read; moment++) {
      g_auto (Fake) fake = fake_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (VsmmuGuest) guest = NULL;

      add_smmu (&fake);
      /* With as many passes as there can be. */
      fake.changing = TABLE + 8;
      fake.n_changes = 100;
      fake.fails_from = moment;
      guest = read_fake (&fake, guests[i], &error);
      is_read = fake.n_reads < moment;
      if (is_read)
        g_assert_no_error (error);
      else
        g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN);
      g_assert_true (is_read == (guest != NULL));
    }
  }
}

static void
test_a_guest_without_a_host_bridge_is_refused (void)
{
  g_auto (Fake) fake = fake_new ();
  g_autoptr (GError) error = NULL;

  fake_set (&fake, ECAM, 0);
  g_assert_null (read_fake (&fake, ACCELERATED, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
}

/* Where QEMU 11.1.3 has its ECAM, by "info mtree". */
static const struct {
  const char *memory;
  guint64 ecam;
  guint n_buses;
} ecams[] = {
  { "<memory unit='MiB'>768</memory>", G_GUINT64_CONSTANT (0x4010000000), 256 },
  { "<memory unit='GiB'>5</memory>", G_GUINT64_CONSTANT (0x4010000000), 256 },
  { "<memory unit='GiB'>255</memory>", G_GUINT64_CONSTANT (0x4010000000), 256 },
  { "<memory unit='GiB'>256</memory>", G_GUINT64_CONSTANT (0x4050000000), 256 },
  { "<memory unit='GiB'>300</memory>", G_GUINT64_CONSTANT (0x4b50000000), 256 },
  { "<memory unit='GiB'>1</memory><maxMemory slots='4' unit='GiB'>250</maxMemory>", G_GUINT64_CONSTANT (0x4010000000),
    256 },
  { "<memory unit='GiB'>1</memory><maxMemory slots='4' unit='GiB'>252</maxMemory>", G_GUINT64_CONSTANT (0x4050000000),
    256 },
  { "<memory unit='GiB'>1</memory><maxMemory slots='4' unit='GiB'>300</maxMemory>", G_GUINT64_CONSTANT (0x4c50000000),
    256 },
  { "<memory unit='MiB'>768</memory>", G_GUINT64_CONSTANT (0x4000000000), 256 },
  { "<memory unit='MiB'>768</memory>", 0x3f000000, 16 },
  { "<memory unit='EiB'>15</memory>", G_GUINT64_CONSTANT (0x10000050000000), 256 },
};

static void
test_the_ecam_is_found_where_qemu_has_it (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (ecams); i++) {
    g_auto (Fake) fake = { { fake_read, NULL }, g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL) };
    g_autofree char *xml =
        g_strdup_printf ("<domain>%s<os><type arch='aarch64' machine='virt'/></os></domain>", ecams[i].memory);
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "web", NULL);
    g_autoptr (GError) error = NULL;
    VsmmuEcam ecam;

    fake_set (&fake, ecams[i].ecam, 0x00081b36);
    vsmmu_ecam_find (&ecam, domain, &fake.reader, &error);
    g_assert_no_error (error);
    g_assert_cmphex (ecam.base, ==, ecams[i].ecam);
    g_assert_cmpuint (ecam.n_buses, ==, ecams[i].n_buses);
  }
}

static void
test_a_page_is_read_once_and_no_more_pages_than_a_guest_has_use_for (void)
{
  g_auto (Fake) fake = { { fake_read, NULL }, g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL) };
  g_autoptr (VsmmuMemoryReader) pages = vsmmu_page_reader_new (&fake.reader, MEMORY_START, MEMORY_END);
  g_autoptr (GError) error = NULL;
  guint8 bytes[64];
  guint n_pages = 2;

  fake_set (&fake, MEMORY_START + 0xffc, 0x11223344);
  fake_set (&fake, MEMORY_START + 0x1000, 0x55667788);
  for (guint i = 0; i < 3; i++) {
    g_assert_true (pages->read (pages, MEMORY_START + 0xffe, bytes, 4, NULL));
    g_assert_cmpmem (bytes, 4, "\x22\x11\x88\x77", 4);
  }
  g_assert_cmpuint (fake.n_reads, ==, 2);
  g_assert_false (pages->read (pages, MEMORY_START - 8, bytes, 8, NULL));
  g_assert_false (pages->read (pages, MEMORY_END - 8, bytes, 16, NULL));
  g_assert_false (pages->read (pages, G_MAXUINT64 - 8, bytes, 64, NULL));
  while (pages->read (pages, MEMORY_START + 0x1000 * (guint64) n_pages, bytes, 8, &error))
    n_pages++;
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
  g_assert_cmpuint (n_pages, ==, 4096);
}

static void
describe (GString *text, const char *name, const VsmmuGuest *guest)
{
  g_string_append_printf (text, "%s\n", name);
  for (guint i = 0; i < guest->devices->len; i++) {
    const VsmmuGuestDevice *device = g_ptr_array_index (guest->devices, i);
    g_autofree char *address = vsmmu_guest_device_get_address (device);

    g_string_append_printf (text, "  %s (%s) at %s behind %s: %u of %u %s: %s: %s\n", device->alias, device->name,
                            address, device->vsmmu, device->vectors->len, device->n_vectors, device->interrupts,
                            vsmmu_vector_state_to_string (device->state), device->reason);
  }
  for (guint i = 0; i < guest->findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (guest->findings, i);

    g_string_append_printf (text, "  %s:%u %s\n    %s: %s [%s]\n    hint: %s\n", finding->file, finding->line,
                            finding->element, vsmmu_severity_to_string (finding->severity), finding->message,
                            finding->rule->id, finding->hint);
  }
  g_string_append_c (text, '\n');
}

/* Guests that are wrong, or not as the domain has them, and what is said of them in every word. */
static const struct {
  const char *name;
  const char *xml;
  gboolean has_smmu;
  guint n_changes;
  struct {
    guint64 address;
    guint32 word;
  } words[4];
} guests[] = {
  { "good", ACCELERATED },
  { "all-vectors-wrong", ACCELERATED, .words = { { TABLE + 0x1000, 0x1000 }, { TABLE + 0x1010, 0x1000 } } },
  { "one-vector-wrong", ACCELERATED, .words = { { TABLE + 0x1010, DOORBELL + 0x1000 } } },
  { "three-vectors-wrong", ACCELERATED,
    .words = { { TABLE + 0x1000, 0x1000 }, { TABLE + 0x1010, 0x1000 }, { TABLE + 0x102c, 0 }, { 0 } } },
  { "first-vector-right", ACCELERATED, .words = { { TABLE + 0x1010, 0x1000 }, { TABLE + 0x102c, 0 } } },
  { "no-smmu", EMULATED },
  { "fault", EMULATED, .has_smmu = TRUE },
  { "changing", ACCELERATED, .n_changes = 100 },
  { "absent", ACCELERATED, .words = { { FUNCTION (33, 0), G_MAXUINT32 }, { FUNCTION (0, 2) + 0x18, 0 } } },
  { "stranger", ACCELERATED, .words = { { FUNCTION (0, 5), DISK_ID } } },
  { "no-controller", NO_CONTROLLER },
  { "gic-of-the-host", GIC_OF_THE_HOST },
  { "wrong-without-controller", NO_CONTROLLER, .words = { { TABLE + 0x1000, 0x1000 } } },
};

static void
test_what_is_said_of_guests_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (guests); i++) {
    g_auto (Fake) fake = fake_new ();
    g_autoptr (VsmmuGuest) guest = NULL;

    if (guests[i].has_smmu)
      add_smmu (&fake);
    for (guint w = 0; w < G_N_ELEMENTS (guests[i].words) && guests[i].words[w].address != 0; w++)
      fake_set (&fake, guests[i].words[w].address, guests[i].words[w].word);
    fake.changing = TABLE + 8;
    fake.n_changes = guests[i].n_changes;
    guest = read_fake (&fake, guests[i].xml, NULL);
    g_assert_nonnull (guest);
    describe (text, guests[i].name, guest);
  }
  for (guint i = 0; i < G_N_ELEMENTS (configurations); i++) {
    g_auto (Fake) fake = fake_new ();
    g_autoptr (VsmmuGuest) guest = NULL;

    for (guint w = 0; w < G_N_ELEMENTS (configurations[i].words) && configurations[i].words[w].offset != 0; w++)
      fake_set (&fake, FUNCTION (33, 0) + configurations[i].words[w].offset, configurations[i].words[w].word);
    guest = read_fake (&fake, ACCELERATED, NULL);
    g_assert_nonnull (guest);
    describe (text, configurations[i].name, guest);
  }
  g_print ("# %u cases\n", (guint) (G_N_ELEMENTS (guests) + G_N_ELEMENTS (configurations)));
  golden_compare ("guest/expected.txt", text->str);
}

/* As "info mtree" of QEMU 11.1.3 has them. */
static void
test_the_memory_map_is_that_of_the_machine (void)
{
  static const struct {
    const char *name;
    const char *xml;
  } machines[] = {
    { "its", "<features><gic version='3'/></features>" },
    { "gicv2m", "<features><gic version='2'/></features>" },
    { "unknown", "<features><gic version='host'/></features>" },
    { "255-gib", "<memory unit='GiB'>255</memory>" },
    { "256-gib", "<memory unit='GiB'>256</memory>" },
    { "more-than-there-is", "<memory unit='EiB'>15</memory>" },
  };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (machines); i++) {
    g_autofree char *xml = g_strdup_printf (
        "<domain type='kvm'>%s<os><type arch='aarch64' machine='virt'/></os></domain>", machines[i].xml);
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "web", NULL);
    g_autoptr (GArray) regions = vsmmu_msi_regions_of (domain);

    g_string_append_printf (text, "%s\n", machines[i].name);
    for (guint r = 0; r < regions->len; r++) {
      const VsmmuGuestRegion *region = &g_array_index (regions, VsmmuGuestRegion, r);

      g_string_append_printf (text, "  %#018" G_GINT64_MODIFIER "x-%#018" G_GINT64_MODIFIER "x %s\n", region->start,
                              region->start + region->size - 1, region->name);
    }
    g_string_append_c (text, '\n');
  }
  g_print ("# %u cases\n", (guint) G_N_ELEMENTS (machines));
  golden_compare ("guest/regions.txt", text->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/good", test_every_vector_of_a_good_guest_is_verified);
  g_test_add_func ("/guest/accelerated", test_the_memory_of_a_guest_behind_an_accelerated_vsmmu_is_never_read);
  g_test_add_func ("/guest/wrong-address", test_an_address_that_is_not_the_doorbell_is_wrong);
  g_test_add_func ("/guest/no-smmu", test_an_smmu_that_does_not_answer_is_not_taken_for_one_that_is_off);
  g_test_add_func ("/guest/fault", test_a_fault_of_an_emulated_smmu_names_the_table);
  g_test_add_func ("/guest/absent", test_a_device_that_the_guest_has_not_got_is_absent);
  g_test_add_func ("/guest/stranger", test_a_device_that_the_xml_does_not_have_is_told);
  g_test_add_func ("/guest/same-number", test_two_bridges_with_one_bus_number_are_not_confused);
  g_test_add_func ("/guest/number-of-root", test_a_bus_with_the_number_of_a_root_bus_is_not_confused_with_it);
  for (guint i = 0; i < G_N_ELEMENTS (configurations); i++) {
    g_autofree char *path = g_strdup_printf ("/guest/hostile/%s", configurations[i].name);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_a_hostile_function_is_bounded);
  }
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++) {
    g_autofree char *path = g_strdup_printf ("/guest/msi/%s", messages[i].name);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_messages_without_a_table_are_read);
  }
  g_test_add_func ("/guest/unstable", test_a_guest_that_settles_is_judged_and_one_that_does_not_is_unstable);
  g_test_add_func ("/guest/gone", test_a_guest_that_goes_while_it_is_read_is_an_error_at_every_moment);
  g_test_add_func ("/guest/no-host-bridge", test_a_guest_without_a_host_bridge_is_refused);
  g_test_add_func ("/guest/ecam", test_the_ecam_is_found_where_qemu_has_it);
  g_test_add_func ("/guest/words", test_what_is_said_of_guests_was_found_right);
  g_test_add_func ("/guest/memory-map", test_the_memory_map_is_that_of_the_machine);
  g_test_add_func ("/guest/pages", test_a_page_is_read_once_and_no_more_pages_than_a_guest_has_use_for);
  return g_test_run ();
}
