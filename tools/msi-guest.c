/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "command.h"
#include "msi.h"
#include "render/text.h"
#include "table.h"
#include "verify/guest.h"

#define NONE "-"

static char *
show_address (guint64 address)
{
  return g_strdup_printf ("0x%08" PRIx64, address);
}

/* How a table shows a word that a user chose. */
static char *
show_word (const char *word)
{
  return vsmmu_render_printable (word != NULL ? word : NONE);
}

/* Where the vectors of a device lead; those that lead nowhere are in the findings. */
static char *
show_gpa (const VsmmuGuestDevice *device)
{
  guint64 gpa = 0;

  for (guint i = 0; i < device->vectors->len; i++) {
    const VsmmuGuestVector *vector = &g_array_index (device->vectors, VsmmuGuestVector, i);

    if (vector->fault != NULL)
      continue;
    if (gpa != 0 && gpa != vsmmu_guest_vector_get_gpa (vector))
      return g_strdup (_ ("multiple"));
    gpa = vsmmu_guest_vector_get_gpa (vector);
  }
  return gpa != 0 ? show_address (gpa) : g_strdup (NONE);
}

static void
add_row (GPtrArray *cells, const VsmmuGuest *guest, const VsmmuGuestDevice *device)
{
  char *address = vsmmu_guest_device_get_address (device);

  g_ptr_array_add (cells, show_word (device->alias));
  g_ptr_array_add (cells, address != NULL ? address : g_strdup (NONE));
  g_ptr_array_add (cells, show_word (device->host));
  g_ptr_array_add (cells, show_word (device->vsmmu));
  g_ptr_array_add (cells, g_strdup (device->has_path ? vsmmu_msi_path_to_string (device->path) : NONE));
  g_ptr_array_add (cells, device->n_vectors == 0 ? g_strdup (NONE)
                                                 : g_strdup_printf ("%u/%u %s", device->vectors->len, device->n_vectors,
                                                                    device->interrupts));
  g_ptr_array_add (cells, show_gpa (device));
  g_ptr_array_add (cells, guest->machine.doorbell != 0 ? show_address (guest->machine.doorbell) : g_strdup ("?"));
  if (device->reason != NULL)
    g_ptr_array_add (cells, g_strdup_printf ("%s: %s", vsmmu_vector_state_to_string (device->state), device->reason));
  else
    g_ptr_array_add (cells, g_strdup (vsmmu_vector_state_to_string (device->state)));
}

static void
print_devices (const VsmmuGuest *guest)
{
  static const char *const titles[] = { N_ ("device"),  N_ ("guest"), N_ ("host"),     N_ ("vSMMU"),  N_ ("path"),
                                        N_ ("vectors"), N_ ("GPA"),   N_ ("expected"), N_ ("verdict") };
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < guest->devices->len; i++)
    add_row (cells, guest, g_ptr_array_index (guest->devices, i));
  vsmmu_table_print (titles, G_N_ELEMENTS (titles), cells);
}

static void
print_text (const VsmmuGuest *guest)
{
  g_autofree char *findings = vsmmu_render_text (guest->findings, FALSE);

  for (guint i = 0; i < guest->smmus->len; i++) {
    const VsmmuGuestSmmu *smmu = g_ptr_array_index (guest->smmus, i);

    if (smmu->has_msi_gpa && smmu->msi_gpa == 0)
      g_print (_ ("%s: QEMU has no doorbell\n"), smmu->alias);
    else if (smmu->has_msi_gpa)
      g_print (_ ("%s: QEMU has the doorbell 0x%08" PRIx64 "\n"), smmu->alias, smmu->msi_gpa);
  }
  print_devices (guest);
  g_print ("%s", findings);
}

/* Whether the monitor was asked of any. */
static gboolean
was_monitored (const VsmmuGuest *guest)
{
  for (guint i = 0; i < guest->smmus->len; i++)
    if (((const VsmmuGuestSmmu *) g_ptr_array_index (guest->smmus, i))->has_msi_gpa)
      return TRUE;
  return FALSE;
}

/* What nobody can vouch for is no better than what is wrong. */
static int
status_of (const VsmmuGuest *guest)
{
  for (guint i = 0; i < guest->devices->len; i++)
    if (((const VsmmuGuestDevice *) g_ptr_array_index (guest->devices, i))->state == VSMMU_VECTORS_UNSTABLE)
      return VSMMU_EXIT_FINDINGS;
  return guest->findings->len > 0 ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_CLEAN;
}

int
vsmmu_msi_show_guest (const VsmmuMsiLive *live, gboolean is_json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (live->uri, FALSE, &error);
  g_autoptr (VsmmuGuest) guest = NULL;

  if (connection != NULL)
    guest = vsmmu_guest_observe (connection, live->domain, live->use_monitor ? VSMMU_GUEST_MONITOR : VSMMU_GUEST_MEMORY,
                                 &error);
  if (guest == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (was_monitored (guest))
    vsmmu_command_complain (
        _ ("libvirt now marks the domain '%s' as tainted (custom-monitor), because its monitor was used"), guest->name);
  if (is_json) {
    g_autofree char *text = vsmmu_guest_to_json (guest);

    /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
    fputs (text, stdout);
  } else {
    print_text (guest);
  }
  return status_of (guest);
}
