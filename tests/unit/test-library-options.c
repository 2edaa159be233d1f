/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options of checks and plans as other programs set them: with vsmmu/vsmmu.h, and nothing else. */
#include <string.h>
#include <vsmmu/vsmmu.h>

#define DEVICE                                                                                                         \
  "<hostdev mode='subsystem' type='pci'><source><address domain='9' bus='1' slot='0' function='0'/></source></hostdev>"

static char *
path_of (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "examples", name, NULL);
}

static VsmmuHost *
read_host (void)
{
  g_autofree char *path = path_of ("grace-host.json");
  g_autoptr (GError) error = NULL;
  VsmmuHost *host = vsmmu_host_new_from_file (path, &error);

  g_assert_no_error (error);
  return host;
}

static gboolean
has_rule (const GPtrArray *findings, const char *id)
{
  for (guint i = 0; i < findings->len; i++)
    if (strcmp (vsmmu_rule_get_id (vsmmu_finding_get_rule (g_ptr_array_index (findings, i))), id) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
finds (const char *document, const VsmmuCheckOptions *options, const char *rule)
{
  g_autofree char *path = path_of (document);
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (path, NULL);
  g_autoptr (GPtrArray) findings = vsmmu_check_domain (domain, options);

  return has_rule (findings, rule);
}

static void
test_what_is_set_last_counts (void)
{
  g_autoptr (VsmmuCheckOptions) options = vsmmu_check_options_new ();
  VsmmuTarget *old = vsmmu_target_new ("qemu=10.2", NULL);
  VsmmuHost *host = read_host ();

  g_assert_false (finds ("nic-only.xml", options, "target-qemu-too-old"));
  vsmmu_check_options_set_target (options, old);
  vsmmu_check_options_set_target (options, old);
  vsmmu_target_free (old);
  g_assert_true (finds ("nic-only.xml", options, "target-qemu-too-old"));
  vsmmu_check_options_set_target (options, NULL);
  g_assert_false (finds ("nic-only.xml", options, "target-qemu-too-old"));

  vsmmu_check_options_set_host (options, host);
  vsmmu_check_options_set_host (options, host);
  vsmmu_host_unref (host);
  g_assert_true (finds ("mismatched-smmus.xml", options, "host-smmu-mismatch"));
  vsmmu_check_options_set_host (options, NULL);
  g_assert_false (finds ("mismatched-smmus.xml", options, "host-smmu-mismatch"));
}

static void
test_what_cannot_be_set_changes_nothing (void)
{
  g_autoptr (VsmmuCheckOptions) options = vsmmu_check_options_new ();
  g_autoptr (GError) no_device = NULL;
  g_autoptr (GError) no_schema = NULL;

  for (guint i = 0; i < 2; i++)
    g_assert_true (
        vsmmu_check_options_set_device (options, VSMMU_HOTPLUG_ATTACH, DEVICE, strlen (DEVICE), "device.xml", NULL));
  g_assert_false (
      vsmmu_check_options_set_device (options, VSMMU_HOTPLUG_ATTACH, "<domain/>", 9, "domain.xml", &no_device));
  g_assert_error (no_device, VSMMU_ERROR, VSMMU_ERROR_NOT_DEVICE);
  g_assert_false (vsmmu_check_options_set_schema (options, "/nonexistent/domain.rng", &no_schema));
  g_assert_error (no_schema, VSMMU_ERROR, VSMMU_ERROR_READ);
  g_assert_true (finds ("hotplug-ready.xml", options, "hostdev-without-iommufd"));
}

static void
test_a_plan_is_of_what_was_set (void)
{
  static const char *const devices[] = { "0009:01:00.0", NULL };
  static const char *const none[] = { NULL };
  g_autoptr (VsmmuHost) host = read_host ();
  g_autoptr (VsmmuPlanOptions) options = vsmmu_plan_options_new ();
  g_autoptr (VsmmuPlan) plan = NULL;
  g_autoptr (VsmmuPlan) again = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;
  gsize length_again;

  vsmmu_plan_options_set_name (options, "one");
  vsmmu_plan_options_set_name (options, "two");
  plan = vsmmu_plan_new (host, devices, options, NULL);
  g_assert_nonnull (strstr (vsmmu_plan_get_xml (plan, &length), "<name>two</name>"));
  g_assert_cmpuint (length, ==, strlen (vsmmu_plan_get_xml (plan, &length)));
  g_assert_true (has_rule (vsmmu_plan_get_findings (plan), "no-free-hotplug-port"));

  for (guint i = 0; i < 2; i++)
    vsmmu_plan_options_set_guest (options, vsmmu_plan_get_xml (plan, &length), length, "guest.xml");
  vsmmu_plan_options_set_spare_ports (options, 1);
  again = vsmmu_plan_new (host, devices, options, NULL);
  vsmmu_plan_get_xml (again, &length_again);
  g_assert_cmpuint (length_again, >, length);
  g_assert_false (has_rule (vsmmu_plan_get_findings (again), "no-free-hotplug-port"));

  g_assert_null (vsmmu_plan_new (host, none, NULL, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE);
}

static guint
count_vsmmus (const VsmmuPlan *plan)
{
  gsize length;
  g_auto (GStrv) parts = g_strsplit (vsmmu_plan_get_xml (plan, &length), "<iommu ", -1);

  return g_strv_length (parts) - 1;
}

static void
test_a_plan_has_the_shape_and_size_that_were_set (void)
{
  static const char *const devices[] = { "0008:01:00.0", "0009:01:00.0", NULL };
  g_autoptr (VsmmuHost) host = read_host ();
  g_autoptr (VsmmuPlanOptions) options = vsmmu_plan_options_new ();
  g_autoptr (VsmmuPlan) shared = vsmmu_plan_new (host, devices, options, NULL);
  g_autoptr (VsmmuPlan) plan = NULL;
  g_autoptr (VsmmuPlan) refused = NULL;
  g_autoptr (GError) error = NULL;
  const char *xml;
  gsize length;

  g_assert_cmpuint (count_vsmmus (shared), ==, 1);
  vsmmu_plan_options_set_per_device (options, TRUE);
  vsmmu_plan_options_set_managed (options, VSMMU_PLAN_MANAGED_NO);
  vsmmu_plan_options_set_size (options, 32, 12);
  plan = vsmmu_plan_new (host, devices, options, NULL);
  xml = vsmmu_plan_get_xml (plan, &length);
  g_assert_cmpuint (count_vsmmus (plan), ==, 2);
  g_assert_nonnull (strstr (xml, "managed='no'"));
  g_assert_nonnull (strstr (xml, "<memory unit='GiB'>32</memory>"));
  g_assert_nonnull (strstr (xml, "<vcpu>12</vcpu>"));

  vsmmu_plan_options_set_size (options, VSMMU_PLAN_MEMORY_MAX + 1, 0);
  refused = vsmmu_plan_new (host, devices, options, &error);
  g_assert_null (refused);
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/library-options/what-is-set-last-counts", test_what_is_set_last_counts);
  g_test_add_func ("/library-options/what-cannot-be-set-changes-nothing", test_what_cannot_be_set_changes_nothing);
  g_test_add_func ("/library-options/a-plan-is-of-what-was-set", test_a_plan_is_of_what_was_set);
  g_test_add_func ("/library-options/a-plan-has-the-shape-and-size-that-were-set",
                   test_a_plan_has_the_shape_and_size_that_were_set);
  return g_test_run ();
}
