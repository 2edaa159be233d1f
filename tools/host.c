/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "facts.h"

/* What stands in a table for a fact that is not known. */
#define UNKNOWN "?"

static void
print_readiness (const GPtrArray *checks)
{
  glong width = 0;

  for (guint i = 0; i < checks->len; i++)
    width = MAX (width, g_utf8_strlen (((const VsmmuReadiness *) g_ptr_array_index (checks, i))->title, -1));
  for (guint i = 0; i < checks->len; i++) {
    const VsmmuReadiness *check = g_ptr_array_index (checks, i);
    g_autofree char *dots = g_strnfill ((gsize) (width - g_utf8_strlen (check->title, -1)), ' ');
    g_autofree char *message = vsmmu_render_printable (check->message);

    g_print ("%s%s : %s (%s)\n", check->title, dots, vsmmu_readiness_result_to_string (check->result), message);
    if (check->hint != NULL)
      g_print ("    %s: %s\n", _ ("hint"), check->hint);
  }
}

/* (transfer full): yes, no or ? */
static char *
flag (VsmmuFact fact)
{
  if (!vsmmu_fact_is_known (fact))
    return g_strdup (UNKNOWN);
  return g_strdup (fact.value != 0 ? _ ("yes") : _ ("no"));
}

static char *
number (VsmmuFact fact)
{
  return vsmmu_fact_is_known (fact) ? g_strdup_printf ("%" PRId64, fact.value) : g_strdup (UNKNOWN);
}

static char *
cell_name (const VsmmuHostSmmu *smmu)
{
  return vsmmu_render_printable (smmu->name);
}

static char *
cell_node (const VsmmuHostSmmu *smmu)
{
  return vsmmu_fact_is_known (smmu->numa_node) && smmu->numa_node.value < 0 ? g_strdup ("-") : number (smmu->numa_node);
}

static char *
cell_nesting (const VsmmuHostSmmu *smmu)
{
  return flag (vsmmu_host_smmu_supports_vsmmu (smmu));
}

static char *
cell_ats (const VsmmuHostSmmu *smmu)
{
  return flag (smmu->capabilities[VSMMU_SMMU_ATS]);
}

static char *
cell_ril (const VsmmuHostSmmu *smmu)
{
  return flag (smmu->capabilities[VSMMU_SMMU_RIL]);
}

static char *
cell_ssid (const VsmmuHostSmmu *smmu)
{
  return number (smmu->capabilities[VSMMU_SMMU_SSIDSIZE]);
}

static char *
cell_oas (const VsmmuHostSmmu *smmu)
{
  return number (smmu->capabilities[VSMMU_SMMU_OAS]);
}

static char *
cell_cmdqv (const VsmmuHostSmmu *smmu)
{
  return flag (smmu->capabilities[VSMMU_SMMU_CMDQV]);
}

/* "4K,16K,64K" */
static char *
cell_granules (const VsmmuHostSmmu *smmu)
{
  static const struct {
    VsmmuSmmuCapability capability;
    const char *name;
  } granules[] = { { VSMMU_SMMU_GRAN4K, "4K" }, { VSMMU_SMMU_GRAN16K, "16K" }, { VSMMU_SMMU_GRAN64K, "64K" } };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (granules); i++) {
    VsmmuFact fact = smmu->capabilities[granules[i].capability];

    if (!vsmmu_fact_is_known (fact))
      return g_strdup (UNKNOWN);
    if (fact.value != 0)
      g_string_append_printf (text, "%s%s", text->len > 0 ? "," : "", granules[i].name);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The window of the first group behind it that has one; all have the same, or readiness says so. */
static char *
cell_window (const VsmmuHostSmmu *smmu)
{
  for (guint i = 0; i < smmu->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (smmu->devices, i);

    for (guint r = 0; device->group != NULL && r < device->group->regions->len; r++) {
      const VsmmuHostRegion *region = g_ptr_array_index (device->group->regions, r);

      if (strcmp (region->type, "msi") == 0)
        return g_strdup_printf ("0x%" PRIx64 "-0x%" PRIx64, region->start, region->end);
    }
  }
  return g_strdup (UNKNOWN);
}

static char *
cell_devices (const VsmmuHostSmmu *smmu)
{
  guint n = 0;

  for (guint i = 0; i < smmu->devices->len; i++)
    n += !vsmmu_host_device_is_bridge (g_ptr_array_index (smmu->devices, i));
  return g_strdup_printf ("%u", n);
}

static const struct {
  const char *title;
  char *(*cell) (const VsmmuHostSmmu *smmu);
} columns[] = {
  { N_ ("SMMU"), cell_name },         { N_ ("NUMA"), cell_node },         { N_ ("nesting"), cell_nesting },
  { N_ ("ATS"), cell_ats },           { N_ ("RIL"), cell_ril },           { N_ ("SSID bits"), cell_ssid },
  { N_ ("OAS"), cell_oas },           { N_ ("granules"), cell_granules }, { N_ ("CMDQV"), cell_cmdqv },
  { N_ ("MSI window"), cell_window }, { N_ ("devices"), cell_devices },
};

static void
print_row (char *const cells[G_N_ELEMENTS (columns)], const glong widths[G_N_ELEMENTS (columns)])
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint c = 0; c < G_N_ELEMENTS (columns); c++) {
    g_autofree char *space = g_strnfill ((gsize) (widths[c] - g_utf8_strlen (cells[c], -1)), ' ');

    g_string_append_printf (line, "%s%s%s", c > 0 ? "  " : "", cells[c], c + 1 < G_N_ELEMENTS (columns) ? space : "");
  }
  g_print ("%s\n", line->str);
}

static void
print_smmus (const VsmmuHost *host)
{
  guint n_rows = host->smmus->len + 1;
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);
  glong widths[G_N_ELEMENTS (columns)] = { 0 };

  for (guint row = 0; row < n_rows; row++) {
    for (guint c = 0; c < G_N_ELEMENTS (columns); c++) {
      char *cell =
          row == 0 ? g_strdup (_ (columns[c].title)) : columns[c].cell (g_ptr_array_index (host->smmus, row - 1));

      widths[c] = MAX (widths[c], g_utf8_strlen (cell, -1));
      g_ptr_array_add (cells, cell);
    }
  }
  for (guint row = 0; row < n_rows; row++)
    print_row ((char *const *) cells->pdata + row * G_N_ELEMENTS (columns), widths);
}

static void
print_unread (const VsmmuHost *host)
{
  for (guint i = 0; i < host->unread->len; i++) {
    const VsmmuHostUnread *unread = g_ptr_array_index (host->unread, i);
    g_autofree char *text = g_strdup_printf (_ ("could not be read: %s: %s"), unread->path, unread->reason);
    g_autofree char *printable = vsmmu_render_printable (text);

    g_print ("%s\n", printable);
  }
}

static int
print_host (const VsmmuHost *host)
{
  g_autoptr (GPtrArray) checks = vsmmu_host_check_readiness (host);

  print_readiness (checks);
  if (host->smmus->len > 0) {
    g_print ("\n");
    print_smmus (host);
  }
  if (host->unread->len > 0) {
    g_print ("\n");
    print_unread (host);
  }
  for (guint i = 0; i < checks->len; i++)
    if (((const VsmmuReadiness *) g_ptr_array_index (checks, i))->result == VSMMU_READINESS_FAIL)
      return VSMMU_EXIT_FINDINGS;
  return VSMMU_EXIT_CLEAN;
}

int
vsmmu_command_host (int argc, char **argv)
{
  g_autofree char *path = NULL;
  gboolean is_json = FALSE;
  gboolean is_passive = FALSE;
  const GOptionEntry entries[] = {
    { "host", 'H', 0, G_OPTION_ARG_FILENAME, &path,
      N_ ("not this host but that of a facts file, or of a directory with its /sys, /proc and /dev"), N_ ("FACTS") },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, N_ ("print the facts as JSON, for --host"), NULL },
    { "passive", 0, 0, G_OPTION_ARG_NONE, &is_passive,
      N_ ("open no VFIO device, so that the registers of the SMMUs stay unknown"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = NULL;
  VsmmuHostProbeFlags flags = VSMMU_HOST_PROBE_TOOLS;

  g_option_context_set_summary (context, _ ("Says whether a host can give guests an accelerated SMMUv3, and what its "
                                            "SMMUs can do.\nSees more as root. Changes nothing."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!vsmmu_command_parse (context, &argc, &argv))
    return VSMMU_EXIT_FAILED;
  if (argc > 1) {
    vsmmu_command_complain (_ ("'%s' is too much; see 'virt-vsmmu host --help'"), argv[1]);
    return VSMMU_EXIT_FAILED;
  }
  if (!is_passive)
    flags |= VSMMU_HOST_PROBE_DEVICES;
  host = vsmmu_facts_load (path, flags, &error);
  if (host == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (is_json) {
    g_autofree char *text = vsmmu_host_to_json (host);

    /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
    fputs (text, stdout);
    return VSMMU_EXIT_CLEAN;
  }
  return print_host (host);
}
