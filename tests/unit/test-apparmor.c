/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a profile of AppArmor allows, as apparmor.d(5) describes it. */
#include "probe/apparmor-glob.h"
#include "probe/apparmor.h"

#define VFIO "/dev/vfio/devices/vfio12"

static void
test_globs_match_as_in_apparmor (void)
{
  static const struct {
    const char *glob;
    const char *path;
    gboolean matches;
  } rows[] = {
    { "/dev/iommu", "/dev/iommu", TRUE },
    { "/dev/iomm", "/dev/iommu", FALSE },
    { "/dev/iommufd", "/dev/iommu", FALSE },
    { "/dev/*", "/dev/iommu", TRUE },
    { "/dev/*", VFIO, FALSE },
    { "/dev/**", VFIO, TRUE },
    { "/**", VFIO, TRUE },
    { "/dev/vfio/[0-9]*", VFIO, FALSE },
    { "/dev/vfio/[0-9]*", "/dev/vfio/12", TRUE },
    { "/dev/vfio/devices/*", VFIO, TRUE },
    { "/dev/vfio/devices/vfio[0-9]", VFIO, FALSE },
    { "/dev/vfio/devices/vfio[0-9]*", VFIO, TRUE },
    { "/dev/vfio/devices/vfio[^a-z]?", VFIO, TRUE },
    { "/dev/vfio/devices/vfio[^0-9]?", VFIO, FALSE },
    { "/dev/vfio{,/devices/**}", VFIO, TRUE },
    { "/{dev,run}/{iommu,vfio{,/**}}", VFIO, TRUE },
    { "/{dev,run}/{iommu,vfio{,/**}}", "/dev/iommu", TRUE },
    { "/{dev,run}/{kvm,vfio}", "/dev/iommu", FALSE },
    { "/dev/io?mu", "/dev/iommu", TRUE },
    { "/dev/io\\*", "/dev/iommu", FALSE },
    { "@{DEV}/iommu", "/dev/iommu", FALSE },
    { "/dev/{iommu", "/dev/iommu", FALSE },
    { "", "/dev/iommu", FALSE },
    { "/dev/****iommu", "/dev/iommu", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].glob);
    g_assert_cmpint (vsmmu_apparmor_glob_matches (rows[i].glob, rows[i].path), ==, rows[i].matches);
  }
}

static void
test_rules_allow_or_deny (void)
{
  static const struct {
    const char *text;
    gboolean allows;
  } rows[] = {
    { "", FALSE },
    { "/dev/iommu rw,", TRUE },
    { "  /dev/iommu   rwk,\n", TRUE },
    { "\"/dev/iommu\" rw,", TRUE },
    { "rw /dev/iommu,", TRUE },
    { "file /dev/iommu rw,", TRUE },
    { "file,", TRUE },
    { "allow file rw /dev/iommu,", TRUE },
    { "audit /dev/iommu rw,", TRUE },
    { "/dev/iommu r,", FALSE },
    { "/dev/iommu r,\n/dev/* w,", TRUE },
    { "/dev/iommu a,", FALSE },
    { "owner /dev/iommu rw,", FALSE },
    { "/dev/iommu rw,\ndeny /dev/** w,", FALSE },
    { "/dev/iommu rw,\naudit deny /dev/iommu rw,", FALSE },
    { "/dev/iommu rw,\ndeny /dev/iommu x,", TRUE },
    { "# /dev/iommu rw,", FALSE },
    { "/dev/kvm rw, # for KVM, /dev/iommu rw,\n", FALSE },
    { "/dev/kvm rw, # for KVM\n/dev/iommu rw,", TRUE },
    { "#include <abstractions/base>\n/dev/iommu rw,", TRUE },
    { "include if exists <local/x>\n/dev/iommu rw,", TRUE },
    { "@{DEV}=/dev /x\n/dev/iommu rw,", TRUE },
    { "profile helper {\n /dev/iommu rw,\n}\n", FALSE },
    { "profile helper /x flags=(complain, y) {\n /dev/kvm rw,\n}\n/dev/iommu rw,", TRUE },
    { "/{usr/,}bin/x rmix,\n/dev/iommu rw,", TRUE },
    { "unix (send, receive) peer=(label=x),\n/dev/iommu rw,", TRUE },
    { "signal (receive) set=(\"term\") peer=x,\n  /dev/iommu\n    rw,", TRUE },
    { "capability sys_admin,\nnetwork inet,\n", FALSE },
    { "}}}\n/dev/iommu rw,", TRUE },
    { "x {\n{\n /dev/iommu rw,", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].text);
    g_assert_cmpint (vsmmu_apparmor_text_allows (rows[i].text, "/dev/iommu"), ==, rows[i].allows);
  }
}

static void
test_only_lines_that_matter_are_collected (void)
{
  static const struct {
    const char *line;
    gboolean matters;
  } rows[] = {
    { "  #include <abstractions/base>", TRUE },
    { "  include if exists <abstractions/libvirt-qemu.d>", TRUE },
    { "profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {", TRUE },
    { "  }", TRUE },
    { "  /dev/iommu rw,", TRUE },
    { "  /dev/vfio/devices/vfio3 rw,", TRUE },
    { "  deny /dev/** w,", TRUE },
    { "  /** r,", TRUE },
    { "  # a comment", FALSE },
    { "", FALSE },
    { "  /srv/customer-17/** rw,", FALSE },
    { "  /dev/kvm rw,", FALSE },
    { "  network inet stream,", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].line);
    g_assert_cmpint (vsmmu_apparmor_line_matters (rows[i].line), ==, rows[i].matters);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/apparmor/globs", test_globs_match_as_in_apparmor);
  g_test_add_func ("/apparmor/rules", test_rules_allow_or_deny);
  g_test_add_func ("/apparmor/lines", test_only_lines_that_matter_are_collected);
  return g_test_run ();
}
