/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/target.h"
#include "domain/releases.h"
#include "libvirt/connection.h"

static const struct {
  const char *text;
  guint libvirt;
  guint qemu;
} targets[] = {
  { "libvirt=12.8,qemu=11.1", 12008000, 11001000 },
  { "qemu=11.1,libvirt=12.8", 12008000, 11001000 },
  { "libvirt=12.8", 12008000, 0 },
  { "qemu=11.1", 0, 11001000 },
  { "libvirt=11", 11000000, 0 },
  { "libvirt=11.10.0", 11010000, 0 },
  { "qemu=11.1.3", 0, 11001003 },
  { "qemu=0.0.1", 0, 1 },
  { "libvirt=012.08", 12008000, 0 },
  { "libvirt=999.999.999", 999999999, 0 },
};

static const char *const no_targets[] = {
  "",
  ",",
  "this",
  "12.8",
  "libvirt",
  "libvirt=",
  "libvirt=,qemu=",
  "libvirt=x",
  "libvirt=12.x",
  "libvirt=.8",
  "libvirt=12.",
  "libvirt=12..8",
  "libvirt=1.2.3.4",
  "libvirt=0",
  "libvirt=0.0.0",
  "libvirt=-1",
  "libvirt=12.-8",
  "libvirt=+12",
  "libvirt= 12",
  "libvirt=12 ",
  "libvirt=12.8,",
  ",libvirt=12.8",
  "libvirt=12.8,,qemu=11.1",
  "libvirt=12.8,libvirt=12.8",
  "qemu=11,qemu=11",
  "xen=4",
  "LIBVIRT=12.8",
  "libvirt=1000",
  "libvirt=12.1000",
  "libvirt=99999999999999999999",
  "libvirt=0x0c",
  "libvirt=12,8",
  "libvirt:12.8",
  "libvirt==12.8",
  "libvirt=12.8=",
};

static void
test_versions_in_any_order_and_length_are_parsed (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    VsmmuTarget target = { 1, 1 };
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", targets[i].text);
    g_assert_true (vsmmu_target_parse (targets[i].text, &target, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (target.libvirt, ==, targets[i].libvirt);
    g_assert_cmpuint (target.qemu, ==, targets[i].qemu);
  }
}

static void
test_anything_else_is_an_error_that_shows_how_to_write_it (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (no_targets); i++) {
    VsmmuTarget target;
    g_autoptr (GError) error = NULL;

    g_test_message ("'%s'", no_targets[i]);
    g_assert_false (vsmmu_target_parse (no_targets[i], &target, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "libvirt=12.8,qemu=11.1"));
  }
}

static void
test_releases_compare_as_numbers (void)
{
  g_assert_cmpuint (VSMMU_VERSION_ENCODE (11, 9, 0), <, VSMMU_VERSION_ENCODE (11, 10, 0));
  g_assert_cmpuint (VSMMU_VERSION_ENCODE (11, 10, 999), <, VSMMU_VERSION_ENCODE (12, 0, 0));
}

static void
test_a_release_has_what_came_with_it_or_before (void)
{
  VsmmuTarget before = { VSMMU_VERSION_ENCODE (12, 6, 999), VSMMU_VERSION_ENCODE (11, 0, 9) };
  VsmmuTarget with = { VSMMU_VERSION_ENCODE (12, 7, 0), VSMMU_VERSION_ENCODE (11, 1, 0) };

  g_assert_true (vsmmu_target_lacks (&before, VSMMU_FEATURE_ACCEL));
  g_assert_false (vsmmu_target_has (&before, VSMMU_FEATURE_ACCEL));
  g_assert_true (vsmmu_target_has (&before, VSMMU_FEATURE_DOMAIN_IOMMUFD));
  g_assert_true (vsmmu_target_has (&before, VSMMU_FEATURE_QEMU_ACCEL));
  g_assert_true (vsmmu_target_lacks (&before, VSMMU_FEATURE_QEMU_CMDQV));
  g_assert_true (vsmmu_target_has (&with, VSMMU_FEATURE_ACCEL));
  g_assert_false (vsmmu_target_lacks (&with, VSMMU_FEATURE_ACCEL));
  g_assert_true (vsmmu_target_has (&with, VSMMU_FEATURE_QEMU_CMDQV));
  g_assert_cmpstr (vsmmu_feature_since (VSMMU_FEATURE_ACCEL), ==, "12.7");
}

static void
test_a_program_that_the_target_does_not_name_neither_has_nor_lacks (void)
{
  VsmmuTarget target = { 0 };

  for (VsmmuFeature feature = 0; feature < VSMMU_FEATURES; feature++) {
    g_assert_false (vsmmu_target_has (&target, feature));
    g_assert_false (vsmmu_target_lacks (&target, feature));
  }
}

static void
test_a_daemon_that_is_not_there_is_an_error (void)
{
  VsmmuTarget target;
  g_autoptr (GError) error = NULL;

  g_assert_false (vsmmu_target_probe ("no-such-driver:///", &target, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/target/versions-in-any-order-and-length-are-parsed",
                   test_versions_in_any_order_and_length_are_parsed);
  g_test_add_func ("/target/anything-else-is-an-error-that-shows-how-to-write-it",
                   test_anything_else_is_an_error_that_shows_how_to_write_it);
  g_test_add_func ("/target/releases-compare-as-numbers", test_releases_compare_as_numbers);
  g_test_add_func ("/target/a-release-has-what-came-with-it-or-before", test_a_release_has_what_came_with_it_or_before);
  g_test_add_func ("/target/a-program-that-the-target-does-not-name-neither-has-nor-lacks",
                   test_a_program_that_the_target_does_not_name_neither_has_nor_lacks);
  g_test_add_func ("/target/a-daemon-that-is-not-there-is-an-error", test_a_daemon_that_is_not_there_is_an_error);
  return g_test_run ();
}
