/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every driver option of an SMMUv3, in every part of the program that has to know it. */
#include <string.h>
#include <vsmmu/vsmmu.h>

#include "base/target.h"
#include "check/finding.h"
#include "domain/options.h"

#define DOMAIN                                                                                                         \
  "<domain type='kvm'>\n<name>guest</name>\n<memory unit='GiB'>4</memory>\n<vcpu>4</vcpu>\n"                           \
  "<os firmware='efi'><type arch='aarch64' machine='virt-11.1'>hvm</type></os>\n"                                      \
  "<features><acpi/><gic version='3'/></features>\n<devices>\n"                                                        \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>\n"                     \
  "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>\n"      \
  "<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address bus='1'/></source>"                    \
  "<address type='pci' bus='2' slot='0'/></hostdev>\n"                                                                 \
  "<iommu model='smmuv3'>\n  <driver pciBus='1'%s/>\n</iommu>\n</devices>\n</domain>\n"

/* (transfer full): a value of @option that is not what QEMU takes without one */
static char *
value_of (const VsmmuDriverOption *option)
{
  return option->kind == VSMMU_DRIVER_NUMBER ? g_strdup_printf ("%d", (int) option->max) : g_strdup ("on");
}

/* (transfer full): a guest whose SMMUv3 has @option, and accel='on' if @is_accelerated */
static char *
guest_with (const VsmmuDriverOption *option, gboolean is_accelerated)
{
  g_autofree char *value = value_of (option);
  g_autofree char *other = is_accelerated && strcmp (option->name, "accel") != 0 ? g_strdup (" accel='on'") : NULL;
  g_autofree char *attributes = g_strdup_printf ("%s %s='%s'", other ?: "", option->name, value);

  return g_strdup_printf (DOMAIN, attributes);
}

static gboolean
has_finding (const char *xml, const char *rule)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) findings = vsmmu_check_data (xml, strlen (xml), "guest.xml", NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < findings->len; i++)
    if (strcmp (((const VsmmuFinding *) g_ptr_array_index (findings, i))->rule->id, rule) == 0)
      return TRUE;
  return FALSE;
}

static void
test_the_rules_know_it (gconstpointer data)
{
  const VsmmuDriverOption *option = data;
  g_autofree char *xml = guest_with (option, TRUE);
  g_autofree char *emulated = guest_with (option, FALSE);
  g_autofree char *wrong = g_strdup_printf (" accel='on' %s='perhaps'", option->name);
  g_autofree char *misspelt = g_strdup_printf (" accel='on' x%s='on'", option->name);
  g_autofree char *wrong_xml =
      g_strdup_printf (DOMAIN, strcmp (option->name, "accel") != 0 ? wrong : " accel='perhaps'");
  g_autofree char *misspelt_xml = g_strdup_printf (DOMAIN, misspelt);

  g_assert_false (has_finding (xml, "unknown-driver-attribute"));
  g_assert_false (has_finding (xml, "invalid-attribute-value"));
  g_assert_true (has_finding (misspelt_xml, "unknown-driver-attribute"));
  g_assert_true (has_finding (wrong_xml, "invalid-attribute-value"));
  g_assert_cmpint (has_finding (emulated, "option-without-accel"), ==, strcmp (option->name, "accel") != 0);
}

static void
test_qemu_is_told (gconstpointer data)
{
  const VsmmuDriverOption *option = data;
  g_autofree char *xml = guest_with (option, TRUE);
  g_autofree char *value = value_of (option);
  g_autofree char *member = option->kind == VSMMU_DRIVER_BOOL ? g_strdup_printf ("\"%s\":true", option->name)
                                                              : g_strdup_printf ("\"%s\":\"%s\"", option->name, value);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "guest.xml", &error);
  g_auto (GStrv) arguments = domain != NULL ? vsmmu_arguments_new (domain, VSMMU_ARGUMENT_SYNTAX_JSON, &error) : NULL;
  g_autofree char *line = NULL;

  g_assert_no_error (error);
  line = g_strjoinv (" ", arguments);
  g_test_message ("%s in %s", member, line);
  g_assert_nonnull (strstr (line, member));
}

static const VsmmuTarget targets[] = {
  { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
  { VSMMU_VERSION_ENCODE (12, 0, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
};

static void
test_it_gets_through_an_older_libvirt (gconstpointer data)
{
  const VsmmuDriverOption *option = data;
  g_autofree char *xml = guest_with (option, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *lowered = NULL;
    g_autofree char *lifted = NULL;
    g_autofree char *value = value_of (option);
    g_autofree char *attribute = g_strdup_printf (" %s='%s'", option->name, value);
    g_autofree char *property = g_strdup_printf ("<qemu:property name='%s'", option->name);
    gsize length = 0;

    lowered = vsmmu_lower_domain (xml, strlen (xml), "guest.xml", &targets[i], notes, &length, &error);
    g_assert_no_error (error);
    g_assert_nonnull (strstr (lowered, property));
    lifted = vsmmu_lift (lowered, length, "guest.xml", notes, &length, &error);
    g_assert_no_error (error);
    g_assert_nonnull (strstr (lifted, attribute));
  }
}

static void
test_it_is_drawn_and_documented (gconstpointer data)
{
  const VsmmuDriverOption *option = data;
  g_autofree char *xml = guest_with (option, TRUE);
  g_autofree char *value = value_of (option);
  g_autofree char *drawn = g_strdup_printf ("%s %s", option->name, value);
  g_autofree char *word = g_strdup_printf ("\\b%s\\b", option->name);
  g_autofree char *attribute = g_strdup_printf ("<attribute name=\"%s\">", option->name);
  g_autofree char *schema_path = g_test_build_filename (G_TEST_DIST, "schemas", "vsmmu-domain.rng", NULL);
  g_autofree char *manual_path = g_test_build_filename (G_TEST_DIST, "docs", "rules.rst", NULL);
  g_autofree char *schema = NULL;
  g_autofree char *manual = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "guest.xml", &error);
  g_autoptr (GPtrArray) findings = domain != NULL ? vsmmu_check_domain (domain, NULL) : NULL;
  g_autofree char *picture = NULL;

  g_assert_no_error (error);
  picture = vsmmu_render_dot (domain, NULL, findings);
  /* Whether it is accelerated, the picture says in words. */
  g_assert_nonnull (strstr (picture, option->kind == VSMMU_DRIVER_BOOL ? "accelerated vSMMU" : drawn));
  g_assert_true (g_file_get_contents (schema_path, &schema, NULL, NULL));
  g_assert_nonnull (strstr (schema, attribute));
  g_assert_true (g_file_get_contents (manual_path, &manual, NULL, NULL));
  g_assert_true (g_regex_match_simple (word, manual, 0, 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++) {
    g_autofree char *rules = g_strdup_printf ("/options/%s/rules", option->name);
    g_autofree char *arguments = g_strdup_printf ("/options/%s/arguments", option->name);
    g_autofree char *adapt = g_strdup_printf ("/options/%s/adapt", option->name);
    g_autofree char *drawn = g_strdup_printf ("/options/%s/drawn-and-documented", option->name);

    g_test_add_data_func (rules, option, test_the_rules_know_it);
    g_test_add_data_func (arguments, option, test_qemu_is_told);
    g_test_add_data_func (adapt, option, test_it_gets_through_an_older_libvirt);
    g_test_add_data_func (drawn, option, test_it_is_drawn_and_documented);
  }
  return g_test_run ();
}
