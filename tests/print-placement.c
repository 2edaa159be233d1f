/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints the PCI addresses that libvsmmu expects libvirt to choose, for
 * comparison with what libvirt does choose: of all devices of each domain, or
 * with --attach of a device that is attached to a domain while it runs.
 */
#include <locale.h>
#include <stdlib.h>

#include "domain/hotplug.h"

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

/* An address, NONE for a device that is not on PCI, or why libvirt refuses. */
static void
print_attached (const char *device_path, const char *domain_path)
{
  static const char *const words[] = {
    [VSMMU_PLUG_PLACED] = "NONE",     [VSMMU_PLUG_UNSUPPORTED] = "UNSUPPORTED", [VSMMU_PLUG_UNKNOWN] = "UNKNOWN",
    [VSMMU_PLUG_NO_BUS] = "NO-BUS",   [VSMMU_PLUG_NO_HOTPLUG] = "NO-HOTPLUG",   [VSMMU_PLUG_TAKEN] = "TAKEN",
    [VSMMU_PLUG_REFUSED] = "REFUSED",
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) guest = vsmmu_domain_new_from_file (domain_path, &error);
  g_autoptr (VsmmuHotplug) hotplug =
      guest != NULL ? vsmmu_hotplug_new_from_file (VSMMU_HOTPLUG_ATTACH, device_path, &error) : NULL;
  g_autoptr (VsmmuDomain) domain = NULL;
  const VsmmuDevice *device;

  if (hotplug == NULL)
    g_error ("%s", error->message);
  domain = vsmmu_hotplug_apply (hotplug, guest);
  device = domain->plug->device;
  if (device->address_kind == VSMMU_ADDRESS_PCI)
    g_print ("%02x:%02x.%x\n", device->address.bus, device->address.slot, device->address.function);
  else
    g_print ("%s\n", words[domain->plug->outcome]);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc == 4 && strcmp (argv[1], "--attach") == 0) {
    print_attached (argv[2], argv[3]);
    return EXIT_SUCCESS;
  }
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
