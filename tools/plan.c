/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "command.h"
#include "facts.h"
#include "host/host.h"
#include "plan/plan.h"

typedef struct {
  VsmmuFactsOptions host;
  GStrv devices;
  int spare_ports;
  gboolean is_per_device;
  int managed;
  int memory;
  int vcpus;
  char *into;
  GStrv adopted;
  char *name;
} Arguments;

/* By VsmmuPlanManaged. */
static const char *const managers[] = { "auto", "yes", "no", NULL };

/* (nullable): translated: why the options do not go together */
static const char *
find_fault (const Arguments *arguments, int n_operands)
{
  const char *fault = vsmmu_facts_find_fault (&arguments->host);

  if (n_operands != 0)
    return _ ("unexpected argument; plan accepts only options, see 'virt-vsmmu plan --help'");
  if (arguments->host.path == NULL && !arguments->host.is_this_host)
    return _ ("specify the host of the guest with --host or --this-host");
  if (fault != NULL)
    return fault;
  if (arguments->adopted != NULL && arguments->into == NULL)
    return _ ("--adopt requires --into, with the domain that has the devices");
  if (arguments->devices == NULL && arguments->adopted == NULL)
    return _ ("specify at least one --device; 'virt-vsmmu host --devices' lists the devices of a host");
  if (arguments->into != NULL && arguments->name != NULL)
    return _ ("--name cannot be used with --into; the guest already has a name");
  if (arguments->into != NULL && (arguments->memory != 0 || arguments->vcpus != 0))
    return _ ("--memory and --vcpus cannot be used with --into; the guest already has both");
  if (g_strcmp0 (arguments->host.path, "-") == 0 && g_strcmp0 (arguments->into, "-") == 0)
    return _ ("standard input can be used only once, for the host facts or the domain");
  if (arguments->spare_ports < 0 || arguments->spare_ports > VSMMU_PLAN_SPARE_PORTS_MAX)
    return _ ("--spare-ports requires a number from 0 to 128");
  if (arguments->memory < 0 || arguments->memory > VSMMU_PLAN_MEMORY_MAX)
    return _ ("--memory requires a number of GiB from 1 to 65536");
  if (arguments->vcpus < 0 || arguments->vcpus > VSMMU_PLAN_VCPUS_MAX)
    return _ ("--vcpus requires a number from 1 to 512");
  return NULL;
}

/* Findings that prevent the plan or need attention; notes are for 'check'. */
static void
print_findings (GPtrArray *findings)
{
  g_autofree char *text = NULL;

  for (guint i = findings->len; i-- > 0;)
    if (((const VsmmuFinding *) g_ptr_array_index (findings, i))->severity == VSMMU_SEVERITY_NOTE)
      g_ptr_array_remove_index (findings, i);
  if (findings->len == 0)
    return;
  text = vsmmu_render_text (findings, FALSE);
  g_printerr ("%s", text);
}

static int
print_plan (const VsmmuPlan *plan)
{
  gboolean is_wrong = vsmmu_findings_count (plan->findings, VSMMU_SEVERITY_ERROR) > 0;

  print_findings (plan->findings);
  if (is_wrong) {
    vsmmu_command_complain (_ ("no plan: the guest could not use the devices; the line numbers above are those of the "
                               "guest with the devices added"));
    return VSMMU_EXIT_FINDINGS;
  }
  for (guint i = 0; i < plan->notes->len; i++)
    vsmmu_command_complain ("%s", (const char *) g_ptr_array_index (plan->notes, i));
  if (plan->is_unchanged)
    vsmmu_command_complain (_ ("the guest already has the devices and ports; nothing was changed"));
  fwrite (plan->xml, 1, plan->length, stdout);
  return VSMMU_EXIT_CLEAN;
}

/* The devices cannot be had: 1, as for findings; the command could not be carried out: 2. */
static int
fail (const GError *error)
{
  vsmmu_command_complain ("%s", error->message);
  return g_error_matches (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED) ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_FAILED;
}

/* (transfer full) (nullable): the addresses in @given, where one word may have several; %NULL for all devices */
static GStrv
split_addresses (const GStrv given)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; given != NULL && given[i] != NULL; i++) {
    g_auto (GStrv) addresses = g_strsplit (given[i], ",", -1);

    if (given[i][0] == '\0')
      return NULL;
    g_strv_builder_addv (builder, (const char **) addresses);
  }
  return g_strv_builder_end (builder);
}

static int
make_plan (const Arguments *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_facts_load_chosen (&arguments->host, &error);
  g_autoptr (VsmmuPlan) plan = NULL;
  static const char *const no_devices[] = { NULL };
  const char *const *devices = arguments->devices != NULL ? (const char *const *) arguments->devices : no_devices;
  g_auto (GStrv) adopted = split_addresses (arguments->adopted);
  const VsmmuPlanOptions options = { .spare_ports = (guint) arguments->spare_ports,
                                     .is_per_device = arguments->is_per_device,
                                     .managed = (VsmmuPlanManaged) arguments->managed,
                                     .memory = (guint) arguments->memory,
                                     .vcpus = (guint) arguments->vcpus,
                                     .name = arguments->name,
                                     .adopts = arguments->adopted != NULL,
                                     .adopted = (const char *const *) adopted };

  if (host != NULL && arguments->into != NULL)
    plan = vsmmu_plan_new_into_file (host, devices, &options, arguments->into, &error);
  else if (host != NULL)
    plan = vsmmu_plan_new (host, devices, &options, &error);
  return plan != NULL ? print_plan (plan) : fail (error);
}

static int
plan_guest (gconstpointer data, int n_operands, char **operands G_GNUC_UNUSED)
{
  const Arguments *arguments = data;
  const char *fault = find_fault (arguments, n_operands);

  if (fault == NULL)
    return make_plan (arguments);
  vsmmu_command_complain ("%s", fault);
  return VSMMU_EXIT_FAILED;
}

static const VsmmuOption options[] = {
  { "host", 'H', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, host.path),
    N_ ("host: facts from 'virt-vsmmu host --json'"), N_ ("FACTS") },
  { "this-host", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_this_host), N_ ("use this host") },
  { "passive", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_passive),
    N_ ("do not open VFIO devices of this host") },
  { "device", 'd', G_OPTION_ARG_STRING_ARRAY, G_STRUCT_OFFSET (Arguments, devices),
    N_ ("PCI function of the host; may be repeated"), N_ ("ADDRESS") },
  { "spare-ports", 's', G_OPTION_ARG_INT, G_STRUCT_OFFSET (Arguments, spare_ports),
    N_ ("spare ports behind each vSMMU (default 0)"), N_ ("NUMBER") },
  { "per-device", 'p', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_per_device),
    N_ ("a bus and a vSMMU for each device") },
  { "managed", 'm', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, managed),
    N_ ("libvirt binds devices: auto (default), yes, no"), N_ ("WHO"), managers },
  { "memory", 0, G_OPTION_ARG_INT, G_STRUCT_OFFSET (Arguments, memory), N_ ("memory of the new guest, in GiB"),
    N_ ("NUMBER") },
  { "vcpus", 0, G_OPTION_ARG_INT, G_STRUCT_OFFSET (Arguments, vcpus), N_ ("vCPUs of the new guest"), N_ ("NUMBER") },
  { "into", 'i', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, into),
    N_ ("add to this domain; '-' is standard input"), N_ ("XML") },
  { "adopt", 0, G_OPTION_ARG_STRING_ARRAY, G_STRUCT_OFFSET (Arguments, adopted),
    N_ ("put devices it has behind vSMMUs (default all)"), N_ ("ADDRESS"), NULL, TRUE },
  { "name", 'n', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, name), N_ ("name of the new guest"), N_ ("NAME") },
  { NULL },
};

const VsmmuCommand vsmmu_command_plan = {
  .name = "plan",
  .summary = N_ ("write XML that assigns host devices to a guest behind vSMMUs"),
  .explanation = N_ ("Writes domain XML that assigns host devices to a guest behind accelerated\n"
                     "SMMUv3s: a pcie-expander-bus with a vSMMU for each physical SMMU, ports and the\n"
                     "devices. Prints the XML on standard output, and what else was changed or is left\n"
                     "to do on standard error."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = plan_guest,
};
