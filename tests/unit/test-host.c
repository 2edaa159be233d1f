/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "host/host.h"

static VsmmuHost *
read_grace (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "examples", "grace-host.json", NULL);
  g_autoptr (GError) error = NULL;
  VsmmuHost *host = vsmmu_host_new_from_file (path, &error);

  g_assert_no_error (error);
  return host;
}

/* What only root can read is unknown then. */
static void
forget (VsmmuHost *host)
{
  vsmmu_host_add_unread (host, "/sys/firmware/acpi/tables/IORT", "Permission denied");
  for (guint i = 0; i < host->smmus->len; i++) {
    VsmmuHostSmmu *smmu = g_ptr_array_index (host->smmus, i);

    memset (smmu->registers, 0, sizeof (smmu->registers));
    memset (smmu->capabilities, 0, sizeof (smmu->capabilities));
    smmu->features = (VsmmuFact){ 0 };
  }
  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    device->pasid = device->ats = device->pri = device->total_vfs = (VsmmuFact){ 0 };
  }
}

static void
assert_same (const VsmmuHost *host, const VsmmuHost *other)
{
  g_autofree char *one = vsmmu_host_to_json (host);
  g_autofree char *two = vsmmu_host_to_json (other);

  g_assert_cmpstr (one, ==, two);
}

static void
test_saved_facts_make_a_host_complete (void)
{
  g_autoptr (VsmmuHost) saved = read_grace ();
  g_autoptr (VsmmuHost) host = read_grace ();

  forget (host);
  vsmmu_host_complete (host, saved);
  assert_same (host, saved);
}

static void
test_what_is_known_is_not_overwritten (void)
{
  g_autoptr (VsmmuHost) saved = read_grace ();
  g_autoptr (VsmmuHost) host = read_grace ();
  g_autoptr (VsmmuHost) before = NULL;
  VsmmuHostSmmu *smmu = g_ptr_array_index (host->smmus, 0);
  VsmmuHostDevice *device = g_ptr_array_index (host->devices, host->devices->len - 1);

  smmu->capabilities[VSMMU_SMMU_OAS] = VSMMU_FACT (VSMMU_FACT_SOURCE_GIVEN, 40);
  device->ats = VSMMU_FACT (VSMMU_FACT_SOURCE_GIVEN, !device->ats.value);
  g_clear_pointer (&device->driver, g_free);
  vsmmu_host_complete (host, saved);
  g_assert_cmpint (smmu->capabilities[VSMMU_SMMU_OAS].value, ==, 40);
  g_assert_cmpint (device->ats.source, ==, VSMMU_FACT_SOURCE_GIVEN);
  g_assert_null (device->driver);
}

static void
test_facts_of_another_device_or_kernel_are_not_taken (void)
{
  g_autoptr (VsmmuHost) saved = read_grace ();
  g_autoptr (VsmmuHost) host = read_grace ();
  VsmmuHostDevice *device = g_ptr_array_index (host->devices, host->devices->len - 1);

  forget (host);
  device->device ^= 1;
  memset (host->options, 0, sizeof (host->options));
  g_free (host->kernel);
  host->kernel = g_strdup ("another");
  vsmmu_host_complete (host, saved);
  g_assert_false (vsmmu_fact_is_known (device->ats));
  g_assert_false (vsmmu_fact_is_known (host->options[VSMMU_HOST_OPTION_IOMMUFD]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/saved-facts-make-a-host-complete", test_saved_facts_make_a_host_complete);
  g_test_add_func ("/host/what-is-known-is-not-overwritten", test_what_is_known_is_not_overwritten);
  g_test_add_func ("/host/facts-of-another-device-or-kernel-are-not-taken",
                   test_facts_of_another_device_or_kernel_are_not_taken);
  return g_test_run ();
}
