/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>
#include <unistd.h>

#include "base/target.h"
#include "domain/releases.h"
#include "probe/capabilities.h"
#include "probe/target.h"
#include "probe/tools.h"

static const struct {
  const char *text;
  guint libvirt;
  guint qemu;
  const char *libvirt_build;
  const char *qemu_build;
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
  { "libvirt=11.9.0+nvidia4,qemu=10.1.0+nvidia1egmfix", 11009000, 10001000, "+nvidia4", "+nvidia1egmfix" },
  { "qemu=11.0.0+nvidia1", 0, 11000000, NULL, "+nvidia1" },
  { "qemu=1:11.0.0+nvidia1-1", 0, 11000000, NULL, "+nvidia1-1" },
  { "qemu=9.1.0-15.el9_6.2", 0, 9001000, NULL, "-15.el9_6.2" },
  { "qemu=8.2.2+ds-0ubuntu1.4", 0, 8002002, NULL, "+ds-0ubuntu1.4" },
  { "qemu=1:11.1.3+dfsg-1~bpo13+1", 0, 11001003, NULL, "+dfsg-1~bpo13+1" },
  { "libvirt=12.9.0-1~bpo13+1", 12009000, 0, "-1~bpo13+1" },
  { "libvirt=12.7~rc1", 12007000, 0, "~rc1" },
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
  "libvirt=12.8+",
  "libvirt=12.8+-1",
  "libvirt=12.8nvidia4",
  "libvirt=12.8.+nvidia4",
  "libvirt=+nvidia4",
  "libvirt=1:",
  "libvirt=:12.8",
  "libvirt=1:2:12.8",
  "libvirt=1000:12.8",
  "libvirt=x:12.8",
  "libvirt=12.8+nvidia 4",
  "libvirt=12.8+nvidia/4",
  "libvirt=12.8+nvidia4\n",
  "libvirt=12.8+0123456789012345678901234567890123456789012345678901234567890123456789",
};

static void
test_versions_in_any_order_and_length_are_parsed (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    VsmmuTarget target = { 1, 1, "+a", "+b", 1, 1 };
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", targets[i].text);
    g_assert_true (vsmmu_target_parse (targets[i].text, &target, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (target.libvirt, ==, targets[i].libvirt);
    g_assert_cmpuint (target.qemu, ==, targets[i].qemu);
    g_assert_cmpstr (target.libvirt_build, ==, targets[i].libvirt_build != NULL ? targets[i].libvirt_build : "");
    g_assert_cmpstr (target.qemu_build, ==, targets[i].qemu_build != NULL ? targets[i].qemu_build : "");
    g_assert_cmpuint (target.asked, ==, 0);
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

/* Of each build what it has, whatever its release has. */
static const struct {
  const char *text;
  VsmmuFeature feature;
  gboolean has;
} vendors[] = {
  { "libvirt=11.9.0+nvidia4", VSMMU_FEATURE_ACCEL, TRUE },
  { "libvirt=11.9.0+nvidia4", VSMMU_FEATURE_PCI_BUS, TRUE },
  { "libvirt=11.9.0+nvidia4", VSMMU_FEATURE_IOMMUFD, TRUE },
  { "libvirt=11.9.0+nvidia4", VSMMU_FEATURE_DOMAIN_IOMMUFD, FALSE },
  { "libvirt=11.9.0+nvidia5-1", VSMMU_FEATURE_ACCEL, TRUE },
  { "libvirt=11.9.0+nvidia12", VSMMU_FEATURE_ACCEL, TRUE },
  { "libvirt=11.9.0+nvidia2-1", VSMMU_FEATURE_ACCEL, FALSE },
  { "libvirt=11.9.0", VSMMU_FEATURE_ACCEL, FALSE },
  { "libvirt=11.9.0-4", VSMMU_FEATURE_ACCEL, FALSE },
  { "libvirt=11.8.0+nvidia4", VSMMU_FEATURE_ACCEL, FALSE },
  { "qemu=10.1.0+nvidia1egmfix", VSMMU_FEATURE_QEMU_ACCEL, TRUE },
  { "qemu=10.1.0+nvidia1egmfix", VSMMU_FEATURE_QEMU_CMDQV, TRUE },
  { "qemu=10.1.0+nvidia1egmfix", VSMMU_FEATURE_QEMU_AUTO, FALSE },
  { "qemu=10.1.0", VSMMU_FEATURE_QEMU_ACCEL, FALSE },
  { "qemu=1:11.0.0+nvidia1-1", VSMMU_FEATURE_QEMU_AUTO, TRUE },
  { "qemu=1:11.0.0+nvidia1-1", VSMMU_FEATURE_QEMU_CMDQV, TRUE },
  { "qemu=11.0.0", VSMMU_FEATURE_QEMU_AUTO, FALSE },
  { "qemu=1:11.1.3+dfsg-1~bpo13+1", VSMMU_FEATURE_QEMU_AUTO, TRUE },
  { "qemu=9.1.0-15.el9_6.2", VSMMU_FEATURE_QEMU_ACCEL, FALSE },
};

static void
test_builds_of_vendors_have_more_than_their_release (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (vendors); i++) {
    VsmmuTarget target;

    g_test_message ("%s", vendors[i].text);
    g_assert_true (vsmmu_target_parse (vendors[i].text, &target, NULL));
    g_assert_cmpint (vsmmu_target_has (&target, vendors[i].feature), ==, vendors[i].has);
    g_assert_cmpint (vsmmu_target_lacks (&target, vendors[i].feature), ==, !vendors[i].has);
  }
}

static void
test_what_a_program_says_of_itself_counts_more_than_its_version (void)
{
  VsmmuTarget target = { VSMMU_VERSION_ENCODE (12, 8, 0), VSMMU_VERSION_ENCODE (10, 1, 0) };

  vsmmu_target_learn (&target, VSMMU_FEATURE_QEMU_ACCEL, TRUE);
  vsmmu_target_learn (&target, VSMMU_FEATURE_ACCEL, FALSE);
  g_assert_true (vsmmu_target_has (&target, VSMMU_FEATURE_QEMU_ACCEL));
  g_assert_false (vsmmu_target_lacks (&target, VSMMU_FEATURE_QEMU_ACCEL));
  g_assert_false (vsmmu_target_has (&target, VSMMU_FEATURE_ACCEL));
  g_assert_true (vsmmu_target_lacks (&target, VSMMU_FEATURE_ACCEL));
  g_assert_true (vsmmu_target_lacks (&target, VSMMU_FEATURE_QEMU_CMDQV));
  vsmmu_target_learn (&target, VSMMU_FEATURE_ACCEL, TRUE);
  g_assert_true (vsmmu_target_has (&target, VSMMU_FEATURE_ACCEL));
}

/* A root directory with libvirt's library and schemas. */
static void
install (const char *root, const char *library, const char *domain)
{
  g_autofree char *lib = g_build_filename (root, "usr", "lib64", NULL);
  g_autofree char *link = g_build_filename (lib, "libvirt.so.0", NULL);
  g_autofree char *schemas = g_build_filename (root, "usr", "share", "libvirt", "schemas", NULL);
  g_autofree char *common = g_build_filename (schemas, "domaincommon.rng", NULL);
  g_autofree char *basic = g_build_filename (schemas, "basictypes.rng", NULL);

  g_assert_cmpint (g_mkdir_with_parents (lib, 0700), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (schemas, 0700), ==, 0);
  g_assert_cmpint (symlink (library, link), ==, 0);
  g_assert_true (g_file_set_contents (common, domain, -1, NULL));
  g_assert_true (g_file_set_contents (basic, "<attribute name=\"iommufd\">", -1, NULL));
}

static void
remove_root (const char *root)
{
  g_autofree char *command = g_strdup_printf ("rm -r '%s'", root);

  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

static const struct {
  const char *library;
  const char *schema;
  gboolean is_known;
  gboolean has;
} installed[] = {
  { "libvirt.so.0.11009.0", "<attribute name=\"accel\">", TRUE, TRUE },
  { "/usr/lib64/libvirt.so.0.11009.0", "<attribute name=\"accel\">", TRUE, TRUE },
  { "libvirt.so.0.11009.0", "<attribute name=\"pciBus\">", TRUE, FALSE },
  { "libvirt.so.0.11009.1", "<attribute name=\"accel\">", FALSE, FALSE },
  { "libvirt.so.0.12008.0", "<attribute name=\"accel\">", FALSE, FALSE },
  { "libvirt.so.0.x", "<attribute name=\"accel\">", FALSE, FALSE },
  { "libvirt.so.0", "<attribute name=\"accel\">", FALSE, FALSE },
};

static void
test_the_schema_of_an_installed_libvirt_of_that_version_counts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (installed); i++) {
    g_autofree char *root = g_dir_make_tmp ("target-XXXXXX", NULL);
    g_autoptr (VsmmuHost) host = vsmmu_host_new ();
    VsmmuTarget target;

    g_test_message ("%s %s", installed[i].library, installed[i].schema);
    install (root, installed[i].library, installed[i].schema);
    host->tools.libvirt = VSMMU_VERSION_ENCODE (11, 9, 0);
    vsmmu_tools_read_libvirt (root, host);
    vsmmu_host_get_target (host, &target);
    g_assert_cmpint (vsmmu_fact_is_known (host->libvirt_accel), ==, installed[i].is_known);
    g_assert_cmpint (vsmmu_fact_is_true (host->libvirt_iommufd), ==, installed[i].is_known);
    g_assert_cmpint (vsmmu_target_has (&target, VSMMU_FEATURE_ACCEL), ==, installed[i].has);
    g_assert_cmpint (vsmmu_target_has (&target, VSMMU_FEATURE_PCI_BUS), ==, installed[i].has);
    remove_root (root);
  }
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

/* What virsh domcapabilities printed of real daemons, and what nobody should believe. */
static void
test_domain_capabilities_name_the_emulator_and_iommufd (void)
{
  static const char start[] = "<domainCapabilities><path>qemu</path><devices><hostdev><enum name='";
  static const struct {
    const char *recorded;
    const char *name; /* of an enum otherwise */
    const char *rest;
    gboolean has;
  } daemons[] = {
    { "libvirt-12.9.xml", NULL, NULL, TRUE },
    { "libvirt-11.3.xml", NULL, NULL, FALSE },
    { NULL, "iommufd", "'><value>yes</value></enum></hostdev></devices></domainCapabilities>", TRUE },
    { NULL, "iommufd", "'><value>no</value></enum></hostdev></devices></domainCapabilities>", FALSE },
    { NULL, "iommufd", "'/></hostdev></devices></domainCapabilities>", FALSE },
    { NULL, "pciBackend", "'><value>yes</value></enum></hostdev></devices></domainCapabilities>", FALSE },
    { NULL, "iommufd", "'><value>yes</value></enum></hostdev></devices>", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (daemons); i++) {
    g_autoptr (VsmmuHost) host = vsmmu_host_new ();
    g_autofree char *xml = g_strconcat (start, daemons[i].name, daemons[i].rest, NULL);

    if (daemons[i].recorded != NULL) {
      g_autofree char *path =
          g_test_build_filename (G_TEST_DIST, "tests", "data", "domcapabilities", daemons[i].recorded, NULL);

      g_free (xml);
      g_assert_true (g_file_get_contents (path, &xml, NULL, NULL));
    }
    vsmmu_capabilities_read (xml, host);
    g_assert_cmpstr (host->emulator, ==, daemons[i].recorded != NULL ? "/usr/bin/qemu-system-aarch64" : NULL);
    g_assert_cmpint (vsmmu_fact_is_true (host->libvirt_iommufd), ==, daemons[i].has);
    g_assert_false (vsmmu_fact_is_false (host->libvirt_iommufd));
  }
}

/* Also when its files cannot be read, as those of a daemon elsewhere. */
static void
test_what_a_daemon_lists_counts_until_its_schema_says_more (void)
{
  g_autofree char *root = g_dir_make_tmp ("target-XXXXXX", NULL);
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();
  VsmmuTarget target;

  host->tools.libvirt = VSMMU_VERSION_ENCODE (11, 9, 0);
  vsmmu_capabilities_read (
      "<domainCapabilities><devices><hostdev><enum name='iommufd'><value>yes</value></enum></hostdev>"
      "</devices></domainCapabilities>",
      host);
  vsmmu_tools_read_libvirt (root, host);
  vsmmu_host_get_target (host, &target);
  g_assert_true (vsmmu_target_has (&target, VSMMU_FEATURE_IOMMUFD));
  g_assert_true (vsmmu_target_lacks (&target, VSMMU_FEATURE_ACCEL));
  remove_root (root);
}

#define PROGRAM                                                                                                        \
  "#!/bin/sh\ncase $* in\n--version) echo 'QEMU emulator version 11.1.3' ;;\n*arm-smmuv3*) printf 'arm-smmuv3 "        \
  "options:\\n  accel=<bool>\\n' ;;\n*) echo 'vfio-pci options:' ;;\nesac\n"

/* An emulator with these rights; whether it is asked for this domain. */
static void
test_the_emulator_of_a_domain_is_asked_unless_others_may_change_it (void)
{
  static const struct {
    mode_t mode;
    gboolean by_root;
    gboolean by_others;
  } programs[] = { { 0755, TRUE, TRUE }, { 0775, FALSE, TRUE }, { 0757, FALSE, TRUE }, { 0644, FALSE, FALSE } };
  g_autofree char *root = g_dir_make_tmp ("target-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (root, "qemu", NULL);
  g_autofree char *xml =
      g_strdup_printf ("<domain type='kvm'><devices><emulator>%s</emulator></devices></domain>", path);
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "guest.xml", NULL);

  g_assert_nonnull (domain);
  for (gsize i = 0; i < G_N_ELEMENTS (programs); i++) {
    gboolean is_asked = geteuid () == 0 ? programs[i].by_root : programs[i].by_others;
    VsmmuTarget target;

    g_assert_true (g_file_set_contents (path, PROGRAM, -1, NULL));
    g_assert_cmpint (chmod (path, programs[i].mode), ==, 0);
    vsmmu_target_probe_for_domain (domain, &target);
    g_assert_cmpuint (target.qemu, ==, is_asked ? VSMMU_VERSION_ENCODE (11, 1, 3) : 0);
    g_assert_cmpint (vsmmu_target_has (&target, VSMMU_FEATURE_QEMU_ACCEL), ==, is_asked);
    g_assert_cmpint (vsmmu_target_lacks (&target, VSMMU_FEATURE_QEMU_IOMMUFD), ==, is_asked);
    g_assert_false (vsmmu_target_lacks (&target, VSMMU_FEATURE_ACCEL));
  }
  remove_root (root);
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
  g_test_add_func ("/target/builds-of-vendors-have-more-than-their-release",
                   test_builds_of_vendors_have_more_than_their_release);
  g_test_add_func ("/target/what-a-program-says-of-itself-counts-more-than-its-version",
                   test_what_a_program_says_of_itself_counts_more_than_its_version);
  g_test_add_func ("/target/the-schema-of-an-installed-libvirt-of-that-version-counts",
                   test_the_schema_of_an_installed_libvirt_of_that_version_counts);
  g_test_add_func ("/target/a-program-that-the-target-does-not-name-neither-has-nor-lacks",
                   test_a_program_that_the_target_does_not_name_neither_has_nor_lacks);
  g_test_add_func ("/target/domain-capabilities-name-the-emulator-and-iommufd",
                   test_domain_capabilities_name_the_emulator_and_iommufd);
  g_test_add_func ("/target/what-a-daemon-lists-counts-until-its-schema-says-more",
                   test_what_a_daemon_lists_counts_until_its_schema_says_more);
  g_test_add_func ("/target/the-emulator-of-a-domain-is-asked-unless-others-may-change-it",
                   test_the_emulator_of_a_domain_is_asked_unless_others_may_change_it);
  g_test_add_func ("/target/a-daemon-that-is-not-there-is-an-error", test_a_daemon_that_is_not_there_is_an_error);
  return g_test_run ();
}
