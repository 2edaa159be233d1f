/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vIOMMUs of other programs: what vsmmu/msi.h offers, and nothing else. */
#include <string.h>
#include <vsmmu/vsmmu.h>

#define DOORBELL G_GUINT64_CONSTANT (0x08090040)
#define IOVA G_GUINT64_CONSTANT (0xffffff000040)

/* What a callback was asked, and what it answers. */
typedef struct {
  guint64 gpa;
  guint32 stream_id;
  guint64 iova;
  guint n_freed;
} Asked;

static gboolean
get_msi_direct_gpa (gpointer data, guint64 *gpa, GError **error)
{
  const Asked *asked = data;

  if (asked->gpa == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, "no doorbell");
    return FALSE;
  }
  *gpa = asked->gpa;
  return TRUE;
}

static gboolean
translate (gpointer data, guint32 stream_id, guint64 iova, guint64 *gpa, G_GNUC_UNUSED GError **error)
{
  Asked *asked = data;

  asked->stream_id = stream_id;
  asked->iova = iova;
  *gpa = asked->gpa;
  return TRUE;
}

static void
count_free (gpointer data)
{
  ((Asked *) data)->n_freed++;
}

static const VsmmuIommuOps both = { sizeof (both), "mine", get_msi_direct_gpa, translate, count_free };
static const VsmmuIommuOps translating = { sizeof (translating), "mine", NULL, translate, count_free };
static const VsmmuIommuOps neither = { sizeof (neither), "mine", NULL, NULL, count_free };
static const VsmmuIommuOps older = { G_STRUCT_OFFSET (VsmmuIommuOps, translate), "mine", NULL, translate, count_free };

/* (transfer full): a root bus with @viommu (transfer full), a port on it, a device on either, and a doorbell */
static VsmmuMsiTopology *
topology_new (VsmmuViommu *viommu, VsmmuMsiBusFlags flags, GError **error)
{
  VsmmuMsiTopologyBuilder *builder = vsmmu_msi_topology_builder_new ();

  g_assert_cmpuint (vsmmu_msi_topology_builder_add_bus (builder, VSMMU_MSI_BUS_ROOT, -1, 0, 0), ==, 0);
  g_assert_cmpuint (vsmmu_msi_topology_builder_add_bus (builder, VSMMU_MSI_BUS_EXPRESS, 0, 1 << 3, 3), ==, 1);
  vsmmu_msi_topology_builder_set_root (builder, 0, viommu, flags);
  vsmmu_viommu_unref (viommu);
  vsmmu_msi_topology_builder_add_device (builder, VSMMU_PCI_DEVFN (1, 2, 0));
  vsmmu_msi_topology_builder_add_region (builder, 0x08080000, 0x20000, "ITS");
  return vsmmu_msi_topology_builder_end (builder, error);
}

static gboolean
resolve (VsmmuViommu *viommu, VsmmuMsiBusFlags flags, VsmmuMsiRoute *route, GError **error)
{
  g_autoptr (VsmmuMsiResolver) resolver = vsmmu_msi_resolver_new (topology_new (viommu, flags, NULL));

  return vsmmu_msi_resolve (resolver, VSMMU_PCI_DEVFN (1, 2, 0), IOVA, 7, route, error);
}

static void
test_the_reported_doorbell_counts (void)
{
  Asked asked = { .gpa = DOORBELL };
  VsmmuMsiRoute route = { 0 };

  g_assert_true (resolve (vsmmu_viommu_new (&both, &asked), VSMMU_MSI_BUS_SERVED_ALONE, &route, NULL));
  g_assert_cmphex (route.address_lo, ==, DOORBELL);
  g_assert_cmpuint (route.data, ==, 7);
  g_assert_cmphex (route.device_id, ==, 3 << 8 | 2 << 3);
  g_assert_cmpint (route.path, ==, VSMMU_MSI_PATH_DIRECT);
  g_assert_cmpuint (asked.n_freed, ==, 1);
}

static void
test_an_error_is_handed_on (void)
{
  Asked asked = { 0 };
  VsmmuMsiRoute route = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (resolve (vsmmu_viommu_new (&both, &asked), VSMMU_MSI_BUS_PLAIN, &route, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
  g_assert_cmpstr (error->message, ==, "no doorbell");
}

static void
test_an_address_is_translated (void)
{
  Asked asked = { .gpa = DOORBELL };
  VsmmuMsiRoute route = { 0 };

  g_assert_true (resolve (vsmmu_viommu_new (&translating, &asked), VSMMU_MSI_BUS_PLAIN, &route, NULL));
  g_assert_cmpint (route.path, ==, VSMMU_MSI_PATH_TRANSLATED);
  g_assert_cmphex (asked.iova, ==, IOVA);
  g_assert_cmphex (asked.stream_id, ==, 3 << 8 | 2 << 3);
  g_assert_cmpuint (asked.n_freed, ==, 1);
}

static void
test_a_bus_that_bypasses_has_none (void)
{
  Asked asked = { .gpa = DOORBELL };
  VsmmuMsiRoute route = { 0 };

  g_assert_true (resolve (vsmmu_viommu_new (&both, &asked), VSMMU_MSI_BUS_BYPASSES, &route, NULL));
  g_assert_cmpint (route.path, ==, VSMMU_MSI_PATH_IDENTITY);
  g_assert_cmphex (route.address_lo, ==, (guint32) IOVA);
}

/* Members past the size may be anything. */
static void
test_members_beyond_the_size_do_not_count (void)
{
  Asked asked = { .gpa = DOORBELL };
  VsmmuMsiRoute route = { 0 };
  const VsmmuIommuOps *ops[] = { &neither, &older };

  for (guint i = 0; i < G_N_ELEMENTS (ops); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (resolve (vsmmu_viommu_new (ops[i], &asked), VSMMU_MSI_BUS_PLAIN, &route, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
    g_assert_nonnull (strstr (error->message, "vIOMMU 'mine' has no doorbell of its own"));
  }
  g_assert_cmphex (asked.iova, ==, 0);
  g_assert_cmpuint (asked.n_freed, ==, 1);
}

static void
test_an_invalid_tree_is_refused (void)
{
  VsmmuMsiTopologyBuilder *builder = vsmmu_msi_topology_builder_new ();
  g_autoptr (VsmmuMsiTopologyBuilder) unwanted = vsmmu_msi_topology_builder_new ();
  g_autoptr (GError) error = NULL;

  vsmmu_msi_topology_builder_add_bus (unwanted, VSMMU_MSI_BUS_ROOT, -1, 0, 0);
  vsmmu_msi_topology_builder_add_bus (builder, VSMMU_MSI_BUS_ROOT, -1, 0, 70000);
  g_assert_null (vsmmu_msi_topology_builder_end (builder, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE);
}

/* Registers by their offset, and a linear stream table at 0 of which the STE of the device says bypass. */
typedef struct {
  guint64 ste;
  guint n_reads;
  guint n_freed;
} Smmuv3;

static gboolean
read_register (gpointer data, guint offset, guint64 *value, GError **error)
{
  static const struct {
    guint offset;
    guint64 value;
  } registers[] = { { 0x000, 1 << 1 }, { 0x004, 0 }, { 0x014, 4 }, { 0x020, 1 },
                    { 0x044, 0 },      { 0x080, 0 }, { 0x088, 16 } };

  ((Smmuv3 *) data)->n_reads++;
  for (guint i = 0; i < G_N_ELEMENTS (registers); i++)
    if (registers[i].offset == offset) {
      *value = registers[i].value;
      return TRUE;
    }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, "no such register: 0x%x", offset);
  return FALSE;
}

static gboolean
read_memory (gpointer data, guint64 address, gpointer buffer, gsize length, G_GNUC_UNUSED GError **error)
{
  guint64 words[8] = { GUINT64_TO_LE (((const Smmuv3 *) data)->ste) };

  g_assert_cmphex (address, ==, (3 << 8 | 2 << 3) * 64);
  g_assert_cmpuint (length, <=, sizeof (words));
  memcpy (buffer, words, length);
  return TRUE;
}

static void
smmuv3_free (gpointer data)
{
  ((Smmuv3 *) data)->n_freed++;
}

static void
test_tables_of_an_smmuv3_are_walked (void)
{
  static const VsmmuSmmuv3Ops ops = { sizeof (ops), read_register, read_memory, smmuv3_free };
  Smmuv3 bypassing = { .ste = 1 | 4 << 1 };
  Smmuv3 invalid = { 0 };
  VsmmuMsiRoute route = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuMsiResolver) resolver =
      vsmmu_msi_resolver_new (topology_new (vsmmu_viommu_new_smmuv3 (&ops, &bypassing), VSMMU_MSI_BUS_PLAIN, NULL));

  g_assert_true (vsmmu_msi_resolve (resolver, VSMMU_PCI_DEVFN (1, 2, 0), DOORBELL, 7, &route, NULL));
  g_assert_cmpint (route.path, ==, VSMMU_MSI_PATH_TRANSLATED);
  g_assert_cmphex (route.address_lo, ==, DOORBELL);
  g_assert_cmpuint (bypassing.n_reads, ==, 7);
  vsmmu_msi_resolver_set_topology (resolver,
                                   topology_new (vsmmu_viommu_new_smmuv3 (&ops, &invalid), VSMMU_MSI_BUS_PLAIN, NULL));
  g_assert_false (vsmmu_msi_resolve (resolver, VSMMU_PCI_DEVFN (1, 2, 0), DOORBELL, 7, &route, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
  g_clear_pointer (&resolver, vsmmu_msi_resolver_free);
  g_assert_cmpuint (bypassing.n_freed, ==, 1);
  g_assert_cmpuint (invalid.n_freed, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/viommu-ops/the-doorbell-that-is-said-counts", test_the_reported_doorbell_counts);
  g_test_add_func ("/viommu-ops/an-error-is-handed-on", test_an_error_is_handed_on);
  g_test_add_func ("/viommu-ops/an-address-is-translated", test_an_address_is_translated);
  g_test_add_func ("/viommu-ops/a-bus-that-bypasses-has-none", test_a_bus_that_bypasses_has_none);
  g_test_add_func ("/viommu-ops/what-is-past-the-size-does-not-count", test_members_beyond_the_size_do_not_count);
  g_test_add_func ("/viommu-ops/a-tree-that-is-none-is-refused", test_an_invalid_tree_is_refused);
  g_test_add_func ("/viommu-ops/tables-of-an-smmuv3-are-walked", test_tables_of_an_smmuv3_are_walked);
  return g_test_run ();
}
