/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "probe/iort.h"
#include "probe/pci.h"
#include "probe/tools.h"

static void
test_addresses_are_those_of_sysfs (void)
{
  static const struct {
    const char *text;
    gboolean is_address;
  } addresses[] = {
    { "0000:00:00.0", TRUE },   { "ffff:ff:1f.7", TRUE },       { "12345678:00:00.0", TRUE },
    { "10000:e1:00.0", TRUE },  { "0000:00:20.0", FALSE },      { "0000:00:00.8", FALSE },
    { "000:00:00.0", FALSE },   { "123456789:00:00.0", FALSE }, { "0000:0A:00.0", FALSE },
    { "0000:00:00", FALSE },    { "0000:00:00.", FALSE },       { "0000:00:00.0 ", FALSE },
    { " 0000:00:00.0", FALSE }, { "0000-00:00.0", FALSE },      { "", FALSE },
    { "0000:00.00:0", FALSE },  { "0000:000:0.0", FALSE },      { "-000:00:00.0", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++) {
    VsmmuPciAddress address;

    g_test_message ("'%s'", addresses[i].text);
    g_assert_cmpint (vsmmu_host_parse_address (addresses[i].text, &address), ==, addresses[i].is_address);
  }
}

static void
test_names_of_smmus_hold_their_address (void)
{
  guint64 base = 0;

  g_assert_true (vsmmu_host_parse_smmu ("smmu3.0x0000100012000000", &base));
  g_assert_cmphex (base, ==, G_GUINT64_CONSTANT (0x100012000000));
  g_assert_true (vsmmu_host_parse_smmu ("smmu3.0xffffffffffffffff", &base));
  g_assert_cmphex (base, ==, G_MAXUINT64);
  g_assert_false (vsmmu_host_parse_smmu ("smmu3.0x12000000", &base));
  g_assert_false (vsmmu_host_parse_smmu ("dmar0", &base));
  g_assert_false (vsmmu_host_parse_smmu ("smmu3.0x000010001200000g", &base));
  g_assert_false (vsmmu_host_parse_smmu ("smmu3.0x00001000120000001", &base));
}

static void
test_resources_are_sizes_of_registers (void)
{
  char text[] = "0x0000000010200000 0x0000000010203fff 0x0000000000140204\n"
                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                "0x0000660000000000 0x0000661fffffffff 0x000000000014220c\n"
                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                "0x0000000000001000 0x000000000000101f 0x0000000000040101\n"
                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                "0x0000000000000000 0x000000000007ffff 0x0000000000046200\n"
                "0x0000000000100000 0x00000000001fffff 0x0000000000000200\n";
  VsmmuHostBar bars[VSMMU_HOST_BARS_MAX] = { 0 };

  vsmmu_pci_read_resource (text, bars);
  g_assert_cmpuint (bars[0].size, ==, 16 * 1024);
  g_assert_true (bars[0].is_64bit && !bars[0].is_prefetchable && !bars[0].is_io);
  g_assert_cmpuint (bars[1].size, ==, 0);
  g_assert_cmpuint (bars[2].size, ==, G_GUINT64_CONSTANT (128) << 30);
  g_assert_true (bars[2].is_prefetchable);
  g_assert_true (bars[4].is_io && bars[4].size == 32);
  /* One that has no address yet has its size all the same. */
  g_assert_cmpuint (bars[6].size, ==, 512 * 1024);
}

static void
test_broken_resources_are_none (void)
{
  static const char *const texts[] = { "",
                                       "\n",
                                       "x",
                                       "0x",
                                       "0x1",
                                       "0x1 0x2",
                                       "0xffffffffffffffff 0x1 0x200",
                                       "\n\n\n\n\n\n\n\n\n0x0 0xfff 0x200",
                                       "0x0 0xffffffffffffffff 0x200" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *text = g_strdup (texts[i]);
    VsmmuHostBar bars[VSMMU_HOST_BARS_MAX] = { 0 };

    vsmmu_pci_read_resource (text, bars);
    for (guint b = 0; b < VSMMU_HOST_BARS_MAX; b++)
      g_assert_cmpuint (bars[b].size, ==, 0);
  }
}

/* An IORT as bytes: two SMMUs, one root complex in front of each, and one in front of both. */
typedef struct {
  guint8 bytes[512];
  gsize length;
} Table;

static void
put32 (Table *table, gsize offset, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (table->bytes + offset, &value, sizeof (value));
}

/* Returns where the node starts. */
static gsize
add_node (Table *table, guint8 type, guint length)
{
  gsize offset = table->length;

  table->bytes[offset] = type;
  table->bytes[offset + 1] = (guint8) length;
  table->bytes[offset + 2] = (guint8) (length >> 8);
  table->length += length;
  put32 (table, 4, (guint32) table->length);
  return offset;
}

static void
add_root_complex (Table *table, guint8 flags, gsize first, gsize second)
{
  gsize offset = add_node (table, 2, 40 + 2 * 20);

  put32 (table, offset + 8, second != 0 ? 2 : 1);
  put32 (table, offset + 12, 40);
  table->bytes[offset + 23] = flags;
  put32 (table, offset + 40 + 12, (guint32) first);
  put32 (table, offset + 60 + 12, (guint32) second);
}

static Table
make_table (guint8 flags_a, guint8 flags_b, guint8 flags_both)
{
  Table table = { .bytes = "IORT", .length = 48 };
  gsize a = add_node (&table, 4, 68);
  gsize b = add_node (&table, 4, 68);

  put32 (&table, 36, 5);
  put32 (&table, 40, 48);
  put32 (&table, a + 16, 0x0c000000);
  put32 (&table, b + 16, 0x0c020000);
  add_root_complex (&table, flags_a, a, 0);
  add_root_complex (&table, flags_b, b, 0);
  add_root_complex (&table, flags_both, a, b);
  return table;
}

static void
test_the_iort_says_which_root_complexes_have_canwbs (void)
{
  static const struct {
    guint8 flags[3]; /* before the first SMMU, the second, both */
    guint n_canwbs[2];
  } tables[] = {
    { { 7, 7, 7 }, { 2, 2 } }, { { 7, 3, 7 }, { 2, 1 } }, { { 3, 7, 7 }, { 1, 2 } },
    { { 7, 7, 3 }, { 1, 1 } }, { { 3, 3, 3 }, { 0, 0 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
    Table table = make_table (tables[i].flags[0], tables[i].flags[1], tables[i].flags[2]);
    g_autoptr (GArray) smmus = vsmmu_iort_parse (table.bytes, table.length);

    g_assert_cmpuint (smmus->len, ==, 2);
    for (guint s = 0; s < 2; s++) {
      const VsmmuIortSmmu *smmu = &g_array_index (smmus, VsmmuIortSmmu, s);

      g_assert_cmphex (smmu->base, ==, 0x0c000000 + s * 0x20000);
      g_assert_cmpuint (smmu->n_root_complexes, ==, 2);
      g_assert_cmpuint (smmu->n_canwbs, ==, tables[i].n_canwbs[s]);
    }
  }
}

static void
test_the_iort_says_which_root_complexes_have_ats (void)
{
  Table table = make_table (7, 7, 7);
  g_autoptr (GArray) all = NULL;

  /* The root complexes are the last three nodes, of 80 bytes each. */
  for (guint i = 0; i < 3; i++) {
    put32 (&table, table.length - (3 - i) * 80 + 24, i == 1 ? 2 : 3 - i);
    put32 (&table, table.length - (3 - i) * 80 + 28, 8 + i);
  }
  all = vsmmu_iort_list_root_complexes (table.bytes, table.length);
  g_assert_cmpuint (all->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpuint (g_array_index (all, VsmmuIortRootComplex, i).segment, ==, 8 + i);
    g_assert_cmpint (g_array_index (all, VsmmuIortRootComplex, i).has_ats, ==, i != 1);
  }
}

static void
test_of_an_iort_that_is_cut_off_nothing_is_believed (void)
{
  Table table = make_table (7, 7, 7);

  for (gsize length = 0; length <= table.length; length++) {
    /* In memory of its own, so that valgrind and ASan see every byte too far. */
    g_autofree guint8 *copy = g_memdup2 (table.bytes, length);
    g_autoptr (GArray) smmus = vsmmu_iort_parse (copy, length);

    g_autoptr (GArray) root_complexes = vsmmu_iort_list_root_complexes (copy, length);

    g_assert_cmpint (smmus != NULL, ==, length == table.length);
    g_assert_cmpint (root_complexes != NULL, ==, length == table.length);
  }
}

static void
test_lengths_in_an_iort_are_not_believed (void)
{
  static const gsize places[] = { 4, 36, 40, 48 + 1, 48 + 8, 48 + 12, 184 + 1, 184 + 8, 184 + 12, 184 + 52 };
  static const guint32 values[] = { 0, 1, 47, 0x7fffffff, 0xffffffff, 0xfffffff0 };

  for (guint p = 0; p < G_N_ELEMENTS (places); p++) {
    for (guint v = 0; v < G_N_ELEMENTS (values); v++) {
      Table table = make_table (7, 7, 7);
      g_autofree guint8 *copy = NULL;
      g_autoptr (GArray) smmus = NULL;
      g_autoptr (GArray) root_complexes = NULL;

      put32 (&table, places[p], values[v]);
      copy = g_memdup2 (table.bytes, table.length);
      smmus = vsmmu_iort_parse (copy, table.length);
      g_assert_true (smmus == NULL || smmus->len <= 2);
      root_complexes = vsmmu_iort_list_root_complexes (copy, table.length);
      g_assert_true (root_complexes == NULL || root_complexes->len <= 3);
    }
  }
}

static void
test_the_version_of_qemu_is_read (void)
{
  g_assert_cmpuint (vsmmu_tools_read_version ("QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1)\nCopyright"), ==,
                    VSMMU_VERSION_ENCODE (11, 1, 3));
  g_assert_cmpuint (vsmmu_tools_read_version ("QEMU emulator version 11.0.50"), ==, VSMMU_VERSION_ENCODE (11, 0, 50));
  g_assert_cmpuint (vsmmu_tools_read_version ("QEMU emulator version unknown"), ==, 0);
  g_assert_cmpuint (vsmmu_tools_read_version (""), ==, 0);
}

static void
test_the_build_of_qemu_is_in_brackets_behind_its_version (void)
{
  static const struct {
    const char *text;
    const char *build;
  } programs[] = {
    { "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1)\nCopyright", "+ds-1" },
    { "QEMU emulator version 10.1.0 (Debian 1:10.1.0+nvidia1egmfix-1)\n", "+nvidia1egmfix-1" },
    { "QEMU emulator version 9.1.0 (qemu-kvm-9.1.0-15.el9_6.2)\n", "-15.el9_6.2" },
    { "QEMU emulator version 11.0.50 (v11.0.0-1234-gdeadbeef)\n", "" },
    { "QEMU emulator version 11.1.3 (11.1.3 of somebody)\n", "" },
    { "QEMU emulator version 11.1.3\n(Debian 1:11.1.3+ds-1)", "" },
    { "QEMU emulator version 11.1.3", "" },
    { "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++) {
    char build[VSMMU_BUILD_SIZE] = "+x";

    vsmmu_tools_read_build (programs[i].text, build);
    g_assert_cmpstr (build, ==, programs[i].build);
  }
}

static void
test_the_properties_of_the_device_decide_not_the_version_alone (void)
{
  static const char new[] =
      "arm-smmuv3 options:\n  accel=<bool>           - on/off\n  cmdqv=<OnOffAuto>      - (default: auto)\n";
  static const char old[] = "arm-smmuv3 options:\n  primary-bus=<link>    - not accel=<bool>, nor  cmdqv=on\n";
  static const char vfio[] =
      "vfio-pci options:\n  iommufd=<link<iommufd>> - Set host IOMMUFD backend device\n  x-vpasid-cap-offset=<uint16>\n";
  static const char without[] = "vfio-pci options:\n  host=<str>             - \n  x-iommufd=<bool>\n";
  static const struct {
    guint qemu;
    const char *smmu;
    const char *vfio;
    gboolean accel;
    gboolean automatic;
    gboolean cmdqv;
    gboolean of_vfio; /* iommufd, and PASIDs */
  } programs[] = {
    { VSMMU_VERSION_ENCODE (11, 1, 0), new, vfio, TRUE, TRUE, TRUE, TRUE },
    { VSMMU_VERSION_ENCODE (11, 0, 0), new, vfio, TRUE, FALSE, TRUE, TRUE },
    { VSMMU_VERSION_ENCODE (11, 1, 0), new, without, TRUE, TRUE, TRUE, FALSE },
    { VSMMU_VERSION_ENCODE (11, 1, 0), old, NULL, FALSE, FALSE, FALSE, FALSE },
    { VSMMU_VERSION_ENCODE (10, 0, 0), NULL, without, FALSE, FALSE, FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++) {
    g_autoptr (VsmmuHost) host = vsmmu_host_new ();

    host->tools.qemu = programs[i].qemu;
    vsmmu_tools_read_properties (host, programs[i].smmu, programs[i].vfio);
    g_assert_cmpint (host->qemu_accel.value, ==, programs[i].accel);
    g_assert_cmpint (host->qemu_auto.value, ==, programs[i].automatic);
    g_assert_cmpint (host->qemu_cmdqv.value, ==, programs[i].cmdqv);
    g_assert_cmpint (host->qemu_iommufd.value, ==, programs[i].of_vfio);
    g_assert_cmpint (host->qemu_pasid.value, ==, programs[i].of_vfio);
    g_assert_cmpint (host->qemu_accel.source, ==, VSMMU_FACT_SOURCE_QEMU);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/probe/addresses-are-those-of-sysfs", test_addresses_are_those_of_sysfs);
  g_test_add_func ("/probe/names-of-smmus-hold-their-address", test_names_of_smmus_hold_their_address);
  g_test_add_func ("/probe/resources-are-sizes-of-registers", test_resources_are_sizes_of_registers);
  g_test_add_func ("/probe/broken-resources-are-none", test_broken_resources_are_none);
  g_test_add_func ("/probe/the-iort-says-which-root-complexes-have-canwbs",
                   test_the_iort_says_which_root_complexes_have_canwbs);
  g_test_add_func ("/probe/the-iort-says-which-root-complexes-have-ats",
                   test_the_iort_says_which_root_complexes_have_ats);
  g_test_add_func ("/probe/of-an-iort-that-is-cut-off-nothing-is-believed",
                   test_of_an_iort_that_is_cut_off_nothing_is_believed);
  g_test_add_func ("/probe/lengths-in-an-iort-are-not-believed", test_lengths_in_an_iort_are_not_believed);
  g_test_add_func ("/probe/the-version-of-qemu-is-read", test_the_version_of_qemu_is_read);
  g_test_add_func ("/probe/the-properties-of-the-device-decide",
                   test_the_properties_of_the_device_decide_not_the_version_alone);
  g_test_add_func ("/probe/the-build-of-qemu-is-in-brackets-behind-its-version",
                   test_the_build_of_qemu_is_in_brackets_behind_its_version);
  return g_test_run ();
}
