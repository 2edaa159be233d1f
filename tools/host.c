/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>

#include "check/readiness.h"
#include "collect.h"
#include "command.h"
#include "facts.h"
#include "render/text.h"
#include "table.h"

/* What a table shows for a fact that is not known. */
#define UNKNOWN "?"

static void
print_readiness (const GPtrArray *checks)
{
  glong width = 0;

  for (guint i = 0; i < checks->len; i++)
    width = MAX (width, vsmmu_table_width (((const VsmmuReadiness *) g_ptr_array_index (checks, i))->title));
  for (guint i = 0; i < checks->len; i++) {
    const VsmmuReadiness *check = g_ptr_array_index (checks, i);
    g_autofree char *dots = g_strnfill ((gsize) (width - vsmmu_table_width (check->title)), ' ');
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
cell_name (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;

  return vsmmu_render_printable (smmu->name);
}

static char *
cell_node (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;

  return vsmmu_fact_is_known (smmu->numa_node) && smmu->numa_node.value < 0 ? g_strdup ("-") : number (smmu->numa_node);
}

static char *
cell_coherent (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;

  return flag (vsmmu_host_smmu_is_coherent (smmu));
}

/* "4K,16K,64K" */
static char *
cell_granules (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;

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

/* "yes", and for how many devices behind one vSMMU */
static char *
cell_queues (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;
  VsmmuFact supported = vsmmu_host_smmu_supports_cmdqv (smmu);

  if (!vsmmu_fact_is_true (supported) || !vsmmu_fact_is_known (smmu->capabilities[VSMMU_SMMU_CMDQV_SIDS]))
    return flag (supported);
  return g_strdup_printf ("%s (%u)", _ ("yes"), vsmmu_host_smmu_cmdqv_devices (smmu));
}

/* The window of the first group behind it that has one; all have the same, or readiness says so. */
static char *
cell_window (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;

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

/* Addresses that a row has room for. */
#define ADDRESSES_MAX 3

static char *
cell_devices (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = data;
  g_autoptr (GString) text = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < smmu->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (smmu->devices, i);

    if (!vsmmu_host_device_is_bridge (device) && n++ < ADDRESSES_MAX)
      g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", device->name);
  }
  if (n > ADDRESSES_MAX)
    g_string_append_printf (text, " +%u", n - ADDRESSES_MAX);
  return n > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : g_strdup ("-");
}

static char *
cell_address (gconstpointer data)
{
  return g_strdup (((const VsmmuHostDevice *) data)->name);
}

static char *
cell_id (gconstpointer data)
{
  const VsmmuHostDevice *device = data;

  return g_strdup_printf ("%04x:%04x", device->vendor, device->device);
}

static char *
cell_driver (gconstpointer data)
{
  const char *driver = ((const VsmmuHostDevice *) data)->driver;

  return vsmmu_render_printable (driver != NULL ? driver : "-");
}

static char *
cell_smmu (gconstpointer data)
{
  const VsmmuHostSmmu *smmu = ((const VsmmuHostDevice *) data)->smmu;

  return g_strdup (smmu != NULL ? smmu->name : "-");
}

static char *
cell_group (gconstpointer data)
{
  const VsmmuHostGroup *group = ((const VsmmuHostDevice *) data)->group;

  return group != NULL ? g_strdup_printf ("%u", group->number) : g_strdup ("-");
}

static char *
cell_alone (gconstpointer data)
{
  const VsmmuHostGroup *group = ((const VsmmuHostDevice *) data)->group;

  if (group == NULL)
    return g_strdup ("-");
  return g_strdup (group->devices->len == 1 ? _ ("yes") : _ ("no"));
}

static char *
cell_device_node (gconstpointer data)
{
  VsmmuFact node = ((const VsmmuHostDevice *) data)->numa_node;

  return vsmmu_fact_is_known (node) && node.value < 0 ? g_strdup ("-") : number (node);
}

/* What pcihole64 must have room for. */
static char *
cell_memory (gconstpointer data)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  const VsmmuHostDevice *device = data;
  guint64 largest = 0;
  guint unit = 0;

  for (guint i = 0; i < VSMMU_HOST_BARS_MAX; i++)
    if (!device->bars[i].is_io)
      largest = MAX (largest, device->bars[i].size);
  if (largest == 0)
    return g_strdup ("-");
  /* They are powers of two. */
  for (; largest >= 1024; largest /= 1024)
    unit++;
  return g_strdup_printf ("%u %s", (guint) largest, units[unit]);
}

typedef struct {
  const char *title;
  char *(*cell) (gconstpointer thing); /* or %NULL: */
  char *(*show) (VsmmuFact fact);
  gsize offset; /* of the fact in the thing */
} Column;

#define CAPABILITY(title, show, capability)                                                                            \
  {                                                                                                                    \
    title, NULL, show, G_STRUCT_OFFSET (VsmmuHostSmmu, capabilities) + (capability) * sizeof (VsmmuFact)               \
  }
#define DEVICE_FACT(title, show, member)                                                                               \
  {                                                                                                                    \
    title, NULL, show, G_STRUCT_OFFSET (VsmmuHostDevice, member)                                                       \
  }

static const Column smmu_columns[] = {
  { N_ ("SMMU"), cell_name },
  { N_ ("NUMA"), cell_node },
  CAPABILITY (N_ ("nesting"), flag, VSMMU_SMMU_NESTING),
  { N_ ("coherent"), cell_coherent },
  CAPABILITY (N_ ("ATS"), flag, VSMMU_SMMU_ATS),
  CAPABILITY (N_ ("RIL"), flag, VSMMU_SMMU_RIL),
  CAPABILITY (N_ ("SSID bits"), number, VSMMU_SMMU_SSIDSIZE),
  CAPABILITY (N_ ("OAS"), number, VSMMU_SMMU_OAS),
  { N_ ("granules"), cell_granules },
  { N_ ("CMDQV"), cell_queues },
  { N_ ("MSI window"), cell_window },
  { N_ ("devices"), cell_devices },
};

static const Column device_columns[] = {
  { N_ ("device"), cell_address },
  { N_ ("ID"), cell_id },
  { N_ ("driver"), cell_driver },
  { N_ ("SMMU"), cell_smmu },
  { N_ ("group"), cell_group },
  { N_ ("alone"), cell_alone },
  { N_ ("NUMA"), cell_device_node },
  DEVICE_FACT (N_ ("ATS"), flag, ats),
  DEVICE_FACT (N_ ("PASID bits"), number, pasid),
  DEVICE_FACT (N_ ("VFs"), number, vfs),
  { N_ ("largest BAR"), cell_memory },
};

/* (transfer full): what stands in @column of the row of @thing */
static char *
make_cell (const Column *column, gconstpointer thing)
{
  return column->cell != NULL ? column->cell (thing)
                              : column->show (G_STRUCT_MEMBER (VsmmuFact, thing, column->offset));
}

static void
print_table (const GPtrArray *things, const Column *columns, guint n_columns)
{
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);
  g_autofree const char **titles = g_new (const char *, n_columns);

  for (guint c = 0; c < n_columns; c++)
    titles[c] = columns[c].title;
  for (guint row = 0; row < things->len; row++)
    for (guint c = 0; c < n_columns; c++)
      g_ptr_array_add (cells, make_cell (&columns[c], g_ptr_array_index (things, row)));
  g_print ("\n");
  vsmmu_table_print (titles, n_columns, cells);
}

static void
print_devices (const VsmmuHost *host)
{
  g_autoptr (GPtrArray) devices = g_ptr_array_new ();

  for (guint i = 0; i < host->devices->len; i++)
    if (!vsmmu_host_device_is_bridge (g_ptr_array_index (host->devices, i)))
      g_ptr_array_add (devices, g_ptr_array_index (host->devices, i));
  if (devices->len > 0)
    print_table (devices, device_columns, G_N_ELEMENTS (device_columns));
}

/* Which functions were opened, and so reset. */
static void
print_probed (const VsmmuHost *host)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < host->smmus->len; i++) {
    const VsmmuHostSmmu *smmu = g_ptr_array_index (host->smmus, i);

    if (smmu->probed != NULL)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", smmu->probed);
  }
  if (names->len > 0) {
    g_autofree char *printable = vsmmu_render_printable (names->str);

    g_print ("\n");
    g_print (_ ("registers read through %s\n"), printable);
  }
}

static void
print_unread (const VsmmuHost *host)
{
  for (guint i = 0; i < host->unread->len; i++) {
    const VsmmuHostUnread *unread = g_ptr_array_index (host->unread, i);
    g_autofree char *text = g_strdup_printf (_ ("cannot read '%s': %s"), unread->path, unread->reason);
    g_autofree char *printable = vsmmu_render_printable (text);

    g_print ("%s\n", printable);
  }
}

static int
print_host (const VsmmuHost *host, gboolean with_devices)
{
  g_autoptr (GPtrArray) checks = vsmmu_host_check_readiness (host);

  print_readiness (checks);
  if (host->smmus->len > 0)
    print_table (host->smmus, smmu_columns, G_N_ELEMENTS (smmu_columns));
  print_probed (host);
  if (with_devices)
    print_devices (host);
  if (host->unread->len > 0) {
    g_print ("\n");
    print_unread (host);
  }
  for (guint i = 0; i < checks->len; i++)
    if (((const VsmmuReadiness *) g_ptr_array_index (checks, i))->result == VSMMU_READINESS_FAIL)
      return VSMMU_EXIT_FINDINGS;
  return VSMMU_EXIT_CLEAN;
}

typedef struct {
  char *path;
  char *collected;
  gboolean is_json;
  gboolean with_devices;
  gboolean is_passive;
} Arguments;

/* (nullable): why the options do not go together */
static const char *
find_fault (const Arguments *arguments)
{
  if (arguments->collected == NULL)
    return NULL;
  if (arguments->is_json || arguments->with_devices)
    return _ ("--collect cannot be used together with --json and --devices");
  if (arguments->path != NULL && !g_file_test (arguments->path, G_FILE_TEST_IS_DIR))
    return _ ("--collect needs a directory with /sys, /proc and /dev for --host, or this host without --host");
  return NULL;
}

static int
report (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = NULL;
  VsmmuHostProbeFlags flags = VSMMU_HOST_PROBE_TOOLS;

  if (n_operands > 0) {
    vsmmu_command_complain (_ ("unexpected argument '%s'; see 'virt-vsmmu host --help'"), operands[0]);
    return VSMMU_EXIT_FAILED;
  }
  if (find_fault (arguments) != NULL) {
    vsmmu_command_complain ("%s", find_fault (arguments));
    return VSMMU_EXIT_FAILED;
  }
  if (!arguments->is_passive)
    flags |= VSMMU_HOST_PROBE_DEVICES;
  if (arguments->collected != NULL)
    return vsmmu_collect (arguments->path, flags, arguments->collected);
  host = vsmmu_facts_load (arguments->path, flags, &error);
  if (host == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (arguments->is_json) {
    g_autofree char *text = vsmmu_host_to_json (host);

    /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
    fputs (text, stdout);
    return VSMMU_EXIT_CLEAN;
  }
  return print_host (host, arguments->with_devices);
}

static const VsmmuOption options[] = {
  { "host", 'H', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, path),
    N_ ("use host facts, a listing, or a directory with /sys"), N_ ("FACTS") },
  { "json", 'j', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_json), N_ ("print the facts as JSON, for --host") },
  { "collect", 'c', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, collected),
    N_ ("write what is read to a listing, for --host"), N_ ("FILE") },
  { "devices", 'd', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, with_devices),
    N_ ("also list the devices that can be assigned to a guest") },
  { "passive", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_passive),
    N_ ("do not open VFIO devices; SMMU registers are unknown") },
  { NULL },
};

const VsmmuCommand vsmmu_command_host = {
  .name = "host",
  .summary = N_ ("report whether a host is ready, and what its SMMUs support"),
  .explanation = N_ ("Reports whether a host supports guests with an accelerated SMMUv3, and what its\n"
                     "SMMUs support. Reads more as root, and changes nothing."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = report,
};
