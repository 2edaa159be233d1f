/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe-model.h"
#include "domain/domain.h"
#include "golden.h"

/* What the program understands of tests/data/model/NAME.xml. */
static const char *const names[] = { "kinds-of-devices",
                                     "sound-without-a-bus",
                                     "video-without-a-bus",
                                     "choices-of-libvirt",
                                     "memory",
                                     "host-devices",
                                     "wrong-values",
                                     "disks",
                                     "serial-ports",
                                     "serial-ports-by-default",
                                     "added-by-libvirt",
                                     "port-without-index" };

static void
describe (GString *text, const VsmmuDomain *domain)
{
  g_autofree char *model = describe_model (domain);

  g_string_append (text, model);
  for (guint i = 0; i < domain->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (domain->problems, VsmmuValueProblem, i);

    g_string_append_printf (text, "problem in line %u '%s' expected %s\n", problem->line,
                            problem->value != NULL ? problem->value : "", problem->expected);
  }
  if (domain->address_error != NULL)
    g_string_append_printf (text, "no addresses: %s\n", domain->address_error);
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    g_autofree char *described = vsmmu_device_describe (device);

    g_string_append_printf (text, "'%s' pluggable %d virtio %d memory %" G_GUINT64_FORMAT "\n", described,
                            vsmmu_device_is_pluggable (device), device->is_virtio,
                            strcmp (device->element, "memory") == 0 ? device->memory.size : 0);
  }
}

static void
test_the_model_is_what_was_found_right (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *base = g_strconcat (names[i], ".xml", NULL);
    g_autofree char *path = g_test_build_filename (G_TEST_DIST, "tests", "data", "model", base, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (path, &error);

    g_assert_no_error (error);
    g_string_append_printf (text, "%s\n\n", names[i]);
    describe (text, domain);
    g_string_append_c (text, '\n');
  }
  golden_compare ("model/found-right.txt", text->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model/found-right", test_the_model_is_what_was_found_right);
  return g_test_run ();
}
