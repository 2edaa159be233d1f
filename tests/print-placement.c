/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints the PCI addresses that libvsmmu expects libvirt to choose, for
 * comparison with what libvirt does choose.
 */
#include <locale.h>
#include <stdlib.h>

#include "model/domain.h"

static char *
device_key (const VsmmuDevice *device)
{
  if (strcmp (device->element, "controller") == 0)
    return g_strdup_printf ("controller:%s:%d", device->controller.type, device->controller.index);
  return g_strdup (device->alias != NULL ? device->alias : device->element);
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
print_domain (const VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  if (domain->problems->len > 0) {
    const VsmmuValueProblem *problem = &g_array_index (domain->problems, VsmmuValueProblem, 0);

    g_print ("ERROR %s: expected %s\n", problem->element, problem->expected);
    return;
  }
  if (domain->address_error != NULL) {
    g_print ("ERROR %s\n", domain->address_error);
    return;
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);
    g_autofree char *key = device_key (device);

    if (device->address_kind == VSMMU_ADDRESS_PCI)
      g_ptr_array_add (lines, g_strdup_printf ("%s\t%02x:%02x.%x", key, device->address.bus, device->address.slot,
                                               device->address.function));
  }
  g_ptr_array_sort (lines, compare_lines);
  for (guint i = 0; i < lines->len; i++)
    g_print ("%s\n", (const char *) g_ptr_array_index (lines, i));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (argv[i], &error);

    g_print ("FILE %s\n", argv[i]);
    if (domain == NULL)
      g_print ("ERROR %s\n", error->message);
    else
      print_domain (domain);
  }
  return EXIT_SUCCESS;
}
