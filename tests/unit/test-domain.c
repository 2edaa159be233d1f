/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "domain/domain.h"

static VsmmuDomain *
read_valid (const char *text)
{
  g_autoptr (GError) error = NULL;
  VsmmuDomain *domain = vsmmu_domain_new_from_data (text, strlen (text), "guest.xml", &error);

  g_assert_no_error (error);
  return domain;
}

/* What stands between <devices> and </devices>, and whether that asks for acceleration. */
static const struct {
  const char *devices;
  gboolean is_accelerated;
} requests[] = {
  { "", FALSE },
  { "<iommu/>", FALSE },
  { "<iommu model='smmuv3'/>", FALSE },
  { "<iommu model='smmuv3'><driver/></iommu>", FALSE },
  { "<iommu model='smmuv3'><driver pciBus='1'/></iommu>", FALSE },
  { "<iommu model='smmuv3'><driver pciBus='1' accel='off'/></iommu>", FALSE },
  { "<iommu model='smmuv3'><driver identifier='1'/></iommu>", FALSE },
  { "<iommu model='intel'><driver accel='on'/></iommu>", FALSE },
  { "<iommu model='SMMUv3'><driver accel='on'/></iommu>", FALSE },
  { "<iommu model='smmuv3'><driver pciBus='1' n:accel='off' xmlns:n='u'/></iommu>", FALSE },
  { "<iommu model='virtio' n:model='intel' xmlns:n='u'><driver accel='on'/></iommu>", FALSE },
  { "<video><iommu model='smmuv3'><driver accel='on'/></iommu></video>", FALSE },
  { "<iommu model='smmuv3'><driver accel='on'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver accel='yes'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver accel=''/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver acel='on'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver pciBus='1' ats='off'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver accel='off' cmdqv='off'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver ssidSize='20'/></iommu>", TRUE },
  { "<iommu model='smmuv3' accel='on'/>", TRUE },
  { "<n:iommu xmlns:n='u' model='smmuv3'><driver accel='on'/></n:iommu>", TRUE },
  { "<iommu xmlns='u' model='smmuv3'><driver accel='on'/></iommu>", TRUE },
  { "<iommu n:model='smmuv3' xmlns:n='u'><driver accel='on'/></iommu>", TRUE },
  { "<iommu model='virtio' n:model='smmuv3' xmlns:n='u'><driver accel='on'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><n:driver accel='on' xmlns:n='u'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver accel='off' n:accel='on' xmlns:n='u'/></iommu>", TRUE },
  { "<iommu model='smmuv3'><driver accel='off'/><driver accel='on'/></iommu>", TRUE },
  { "<n:devices xmlns:n='u'><iommu model='smmuv3'><driver accel='on'/></iommu></n:devices>", TRUE },
  { "<iommu model='virtio'/><iommu model='smmuv3'/><iommu model='smmuv3'><driver accel='on'/></iommu>", TRUE },
};

static void
test_acceleration_is_seen_even_when_asked_for_wrongly (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++) {
    g_autofree char *text = g_strdup_printf ("<domain><devices>%s</devices></domain>", requests[i].devices);
    g_autoptr (VsmmuDomain) domain = read_valid (text);

    g_test_message ("%s", requests[i].devices);
    g_assert_cmpint (vsmmu_domain_is_accelerated (domain), ==, requests[i].is_accelerated);
  }
}

/* Something unclear in the rest of the domain has all of it searched, but for what libvirt makes no device of. */
static void
test_metadata_ask_for_no_acceleration (void)
{
  static const char vsmmu[] = "<a><iommu model='smmuv3'><driver accel='on'/></iommu></a>";
  g_autofree char *inside =
      g_strdup_printf ("<domain><metadata>%s</metadata><devices><n:rng xmlns:n='u'/></devices></domain>", vsmmu);
  g_autofree char *outside =
      g_strdup_printf ("<domain><metadata/>%s<devices><n:rng xmlns:n='u'/></devices></domain>", vsmmu);
  g_autoptr (VsmmuDomain) kept = read_valid (inside);
  g_autoptr (VsmmuDomain) meant = read_valid (outside);

  g_assert_false (vsmmu_domain_is_accelerated (kept));
  g_assert_true (vsmmu_domain_is_accelerated (meant));
}

static void
test_the_name_is_the_text_of_its_element (void)
{
  static const struct {
    const char *text;
    const char *name;
  } names[] = {
    { "<domain><name>grace</name></domain>", "grace" },
    { "<domain><name>gr<!-- c -->ace &amp; <![CDATA[<1>]]></name></domain>", "grace & <1>" },
    { "<domain><name/></domain>", NULL },
    { "<domain/>", NULL },
    { "<domain><metadata><name>other</name></metadata></domain>", NULL },
    { "<domain><n:name xmlns:n='u'>other</n:name></domain>", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (VsmmuDomain) domain = read_valid (names[i].text);

    g_test_message ("%s", names[i].text);
    g_assert_cmpstr (vsmmu_domain_get_name (domain), ==, names[i].name);
  }
}

static void
test_another_root_element_is_an_error_of_its_own (void)
{
  static const char *const others[] = { "<network/>",  "<domains/>",       "<Domain/>", "<n:domains xmlns:n='u'/>",
                                        "<n:domain/>", "<domainsnapshot/>" };

  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", others[i]);
    g_assert_null (vsmmu_domain_new_from_data (others[i], strlen (others[i]), "guest.xml", &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_NOT_DOMAIN);
    g_assert_true (g_str_has_prefix (error->message, "guest.xml:1: "));
  }
}

/* Documents in which something that is looked for never comes; for a sanitizer or valgrind to see. */
static const char *const unterminated[] = {
  "",
  "<",
  "<a",
  "<a b",
  "<a b='",
  "<!--",
  "<![CDATA[",
  "<?",
  "<?xml",
  "<?xml encoding",
  "<?xml encoding?>",
  "<?xml encoding?><domain/>",
  "<?xml encoding='",
  "<?xml encoding='UTF-8?>",
  "<?xml version='1.0' encoding?><domain/>",
  "\xef\xbb",
  "\xef\xbb\xbf",
  "\xff\xfe<",
  "<domain>\xf0\x9f",
};

static void
test_nothing_is_read_past_the_end (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (unterminated); i++) {
    gsize length = strlen (unterminated[i]);
    g_autofree char *exact = g_memdup2 (unterminated[i], length);
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_domain_new_from_data (exact, length, "guest.xml", &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_XML);
  }
}

static void
test_data_need_not_end_in_a_nul (void)
{
  static const char text[] = "<domain><name>grace</name></domain>";
  g_autofree char *exact = g_memdup2 (text, strlen (text));
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (exact, strlen (text), "guest.xml", &error);

  g_assert_no_error (error);
  memset (exact, 'x', strlen (text));
  g_assert_cmpstr (vsmmu_domain_get_name (domain), ==, "grace");
}

static void
test_errors_may_be_ignored (void)
{
  g_assert_null (vsmmu_domain_new_from_data ("<", 1, "guest.xml", NULL));
  g_assert_null (vsmmu_domain_new_from_data ("", 0, "guest.xml", NULL));
  g_assert_null (vsmmu_domain_new_from_data ("<network/>", 10, "guest.xml", NULL));
  g_assert_null (vsmmu_domain_new_from_file ("/nonexistent/guest.xml", NULL));
  vsmmu_domain_unref (NULL);
}

static void
test_a_file_is_read_or_named_in_the_error (void)
{
  g_autofree char *directory = g_dir_make_tmp ("vsmmu-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "guest.xml", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "<domain><name>grace</name></domain>", -1, NULL));
  {
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (path, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (vsmmu_domain_get_name (domain), ==, "grace");
  }
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_null (vsmmu_domain_new_from_file (path, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  g_assert_null (vsmmu_domain_new_from_file (directory, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_READ);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

/* <os><type>: a machine, and whether it is one of arm64 virt. */
static void
test_virt_is_the_arm64_machine_in_all_its_versions (void)
{
  static const struct {
    const char *type;
    gboolean is_virt;
  } types[] = {
    { "<type arch='aarch64' machine='virt'>hvm</type>", TRUE },
    { "<type arch='aarch64' machine='virt-11.1'>hvm</type>", TRUE },
    { "<type arch='aarch64' machine='virtual'>hvm</type>", FALSE },
    { "<type arch='aarch64' machine='sbsa-ref'>hvm</type>", FALSE },
    { "<type arch='aarch64'>hvm</type>", FALSE },
    { "<type arch='riscv64' machine='virt'>hvm</type>", FALSE },
    { "<type machine='virt'>hvm</type>", FALSE },
    { "<type>hvm</type>", FALSE },
    { "", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autofree char *text = g_strdup_printf ("<domain><os>%s</os></domain>", types[i].type);
    g_autoptr (VsmmuDomain) domain = read_valid (text);

    g_test_message ("%s", types[i].type);
    g_assert_cmpint (vsmmu_domain_is_virt (domain), ==, types[i].is_virt);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain/accelerated/is-seen-even-when-asked-for-wrongly",
                   test_acceleration_is_seen_even_when_asked_for_wrongly);
  g_test_add_func ("/domain/accelerated/not-by-metadata", test_metadata_ask_for_no_acceleration);
  g_test_add_func ("/domain/name/is-the-text-of-its-element", test_the_name_is_the_text_of_its_element);
  g_test_add_func ("/domain/virt/is-the-arm64-machine-in-all-its-versions",
                   test_virt_is_the_arm64_machine_in_all_its_versions);
  g_test_add_func ("/domain/error/another-root-element-is-one-of-its-own",
                   test_another_root_element_is_an_error_of_its_own);
  g_test_add_func ("/domain/error/may-be-ignored", test_errors_may_be_ignored);
  g_test_add_func ("/domain/data/need-not-end-in-a-nul", test_data_need_not_end_in_a_nul);
  g_test_add_func ("/domain/data/nothing-is-read-past-the-end", test_nothing_is_read_past_the_end);
  g_test_add_func ("/domain/file/is-read-or-named-in-the-error", test_a_file_is_read_or_named_in_the_error);
  return g_test_run ();
}
