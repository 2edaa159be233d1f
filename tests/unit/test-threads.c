/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "check/run.h"
#include "vsmmu/vsmmu.h"

#define THREADS 8
#define ROUNDS 200

static const char *const documents[] = {
  "<domain type='kvm'><os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic "
  "version='3'/></features><devices>"
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>"
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>"
  "<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address domain='0' bus='1' slot='0' "
  "function='0'/></source>"
  "<address type='pci' bus='2' slot='0'/></hostdev>"
  "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu></devices></domain>",
  "<domain><devices><iommu model='smmuv3'><driver pciBus='9' acel='on' ssidSize='20'/></iommu><rng "
  "model='virtio'/></devices></domain>",
  "<domain type='kvm'><devices></domain>",
  "<!DOCTYPE domain><domain/>",
  "<network/>",
  "<domain type='qemu'/>",
  "\xff\xfe<\0d\0/\0>\0",
};

/* What a document leads to, as one string. */
static char *
look_at (const char *text)
{
  static const VsmmuTarget target = { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (11, 1, 0) };
  const VsmmuCheckOptions options = { .target = &target };
  g_autoptr (GPtrArray) findings = vsmmu_check_data (text, strlen (text), "guest.xml", &options, NULL);
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (text, strlen (text), "guest.xml", NULL);
  g_auto (GStrv) arguments = domain != NULL ? vsmmu_arguments_new (domain, VSMMU_ARGUMENT_SYNTAX_JSON, NULL) : NULL;
  g_autofree char *joined = arguments != NULL ? g_strjoinv (" ", arguments) : NULL;
  g_autofree char *rendered = vsmmu_render_text (findings, FALSE);
  g_autofree char *json = vsmmu_render_json (findings, 1);
  g_autofree char *sarif = vsmmu_render_sarif (findings);

  return g_strconcat (rendered, json, sarif, joined, NULL);
}

static gpointer
look_at_all (gpointer data)
{
  char **expected = data;

  for (guint round = 0; round < ROUNDS; round++) {
    guint i = (round * 7 + GPOINTER_TO_UINT (g_thread_self ()) / 64) % G_N_ELEMENTS (documents);
    g_autofree char *seen = look_at (documents[i]);

    if (strcmp (seen, expected[i]) != 0)
      return g_steal_pointer (&seen);
  }
  return NULL;
}

static void
test_documents_are_parsed_and_checked_in_several_threads (void)
{
  g_autofree char **expected = g_new0 (char *, G_N_ELEMENTS (documents));
  GThread *threads[THREADS];

  for (gsize i = 0; i < G_N_ELEMENTS (documents); i++)
    expected[i] = look_at (documents[i]);
  g_assert_nonnull (strstr (expected[0], "arm-smmuv3"));
  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("check", look_at_all, expected);
  for (guint i = 0; i < THREADS; i++) {
    g_autofree char *different = g_thread_join (threads[i]);

    g_assert_cmpstr (different, ==, NULL);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (documents); i++)
    g_free (expected[i]);
}

/* The findings of one domain that all threads look at. */
static gpointer
check_shared (gpointer data)
{
  const VsmmuDomain *domain = data;

  for (guint round = 0; round < ROUNDS; round++) {
    g_autoptr (GPtrArray) findings = vsmmu_check_domain (domain, NULL);
    g_auto (GStrv) arguments = vsmmu_arguments_new (domain, VSMMU_ARGUMENT_SYNTAX_LEGACY, NULL);

    if (findings->len != 2 || g_strv_length (arguments) != 12)
      return GUINT_TO_POINTER (1);
  }
  return NULL;
}

static void
test_one_domain_is_checked_in_several_threads (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain =
      vsmmu_domain_new_from_data (documents[0], strlen (documents[0]), "guest.xml", &error);
  GThread *threads[THREADS];

  g_assert_no_error (error);
  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("check", check_shared, domain);
  for (guint i = 0; i < THREADS; i++)
    g_assert_null (g_thread_join (threads[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/threads/documents-are-parsed-and-checked",
                   test_documents_are_parsed_and_checked_in_several_threads);
  g_test_add_func ("/threads/one-domain-is-checked", test_one_domain_is_checked_in_several_threads);
  return g_test_run ();
}
