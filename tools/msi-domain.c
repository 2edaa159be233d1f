/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "command.h"
#include "msi.h"
#include "msi/forecast.h"
#include "msi/machine.h"
#include "render/text.h"
#include "table.h"

#define NONE "-"

/* How a table shows a word from a document. */
static char *
show_word (const char *word)
{
  return vsmmu_render_printable (word != NULL ? word : NONE);
}

static char *
show_doorbell (const VsmmuMsiMachine *machine)
{
  if (machine->doorbell != 0)
    return g_strdup_printf ("0x%08" PRIx64, machine->doorbell);
  return g_strdup (machine->controller == VSMMU_MSI_CONTROLLER_UNKNOWN ? "?" : NONE);
}

static char *
show_forecast (const VsmmuMsiDevice *device)
{
  const char *forecast = vsmmu_msi_forecast_to_string (device->forecast);

  return device->reason != NULL ? g_strdup_printf ("%s: %s", forecast, device->reason) : g_strdup (forecast);
}

static void
print_text (const GPtrArray *devices, const VsmmuMsiMachine *machine)
{
  static const char *const titles[] = { N_ ("device"), N_ ("address"),  N_ ("host"),    N_ ("vSMMU"),
                                        N_ ("path"),   N_ ("expected"), N_ ("forecast") };
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < devices->len; i++) {
    const VsmmuMsiDevice *device = g_ptr_array_index (devices, i);

    g_ptr_array_add (cells, show_word (device->alias != NULL ? device->alias : device->name));
    g_ptr_array_add (cells, show_word (device->address));
    g_ptr_array_add (cells, show_word (device->host));
    g_ptr_array_add (cells, show_word (device->vsmmu));
    g_ptr_array_add (cells, g_strdup (vsmmu_msi_path_to_string (device->path)));
    g_ptr_array_add (cells, show_doorbell (machine));
    g_ptr_array_add (cells, show_forecast (device));
  }
  vsmmu_table_print (titles, G_N_ELEMENTS (titles), cells);
}

static int
status_of (const GPtrArray *devices)
{
  for (guint i = 0; i < devices->len; i++)
    if (((const VsmmuMsiDevice *) g_ptr_array_index (devices, i))->forecast == VSMMU_MSI_UNRESOLVABLE)
      return VSMMU_EXIT_FINDINGS;
  return VSMMU_EXIT_CLEAN;
}

int
vsmmu_msi_show_domain (const char *path, gboolean is_json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (path, &error);
  g_autoptr (GPtrArray) devices = domain != NULL ? vsmmu_msi_forecast (domain, &error) : NULL;
  VsmmuMsiMachine machine;

  if (devices == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  vsmmu_msi_machine_of (domain, &machine);
  if (is_json) {
    g_autofree char *text = vsmmu_msi_devices_to_json (domain, devices);

    /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
    fputs (text, stdout);
  } else {
    print_text (devices, &machine);
  }
  return status_of (devices);
}
