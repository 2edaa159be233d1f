/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "check/run.h"
#include "command.h"
#include "facts.h"

enum { FORMAT_DOT, FORMAT_SVG };
static const char *const formats[] = { "dot", "svg", NULL };

/* Feeds @process; if it ends before it has read everything, this program must not end too. */
static gboolean
communicate (GSubprocess *process, GBytes *input, GBytes **output, GError **error)
{
  void (*old_handler) (int) = signal (SIGPIPE, SIG_IGN);
  gboolean is_done = g_subprocess_communicate (process, input, NULL, output, NULL, error);

  signal (SIGPIPE, old_handler);
  return is_done;
}

/* (transfer full): what Graphviz makes of @dot, or %NULL after saying why there is nothing */
static GBytes *
draw (const char *dot)
{
  g_autofree char *program = g_find_program_in_path ("dot");
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) input = g_bytes_new_static (dot, strlen (dot));
  g_autoptr (GBytes) output = NULL;

  if (program == NULL) {
    vsmmu_command_complain (_ ("--format svg requires the program 'dot': install the package graphviz, or use "
                               "--format dot"));
    return NULL;
  }
  process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, program, "-Tsvg", NULL);
  if (process == NULL || !communicate (process, input, &output, &error)) {
    vsmmu_command_complain (_ ("cannot run %s: %s"), program, error->message);
    return NULL;
  }
  if (!g_subprocess_get_successful (process)) {
    vsmmu_command_complain (_ ("%s failed; see its message above, or use --format dot"), program);
    return NULL;
  }
  return g_steal_pointer (&output);
}

typedef struct {
  int format;
  VsmmuFactsOptions host;
} Arguments;

/* (nullable): what is wrong with the arguments, translated */
static const char *
find_fault (const Arguments *arguments, int n_operands, char **operands)
{
  if (n_operands != 1)
    return _ ("specify one domain XML file; see 'virt-vsmmu graph --help'");
  if (g_strcmp0 (arguments->host.path, "-") == 0 && strcmp (operands[0], "-") == 0)
    return _ ("standard input can be used only once, for the host facts or the domain");
  return vsmmu_facts_find_fault (&arguments->host);
}

static int
print_graph (const Arguments *arguments, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_facts_load_chosen (&arguments->host, &error);
  g_autoptr (VsmmuDomain) domain = error == NULL ? vsmmu_domain_new_from_file (path, &error) : NULL;
  const VsmmuCheckOptions options = { .host = host };
  g_autoptr (GPtrArray) findings = NULL;
  g_autofree char *dot = NULL;
  g_autoptr (GBytes) picture = NULL;

  if (domain == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  findings = vsmmu_check_domain (domain, &options);
  dot = vsmmu_render_dot (domain, host, findings);
  picture = arguments->format == FORMAT_SVG ? draw (dot) : g_bytes_new_static (dot, strlen (dot));
  if (picture == NULL)
    return VSMMU_EXIT_FAILED;
  /* Not g_print(), which converts to the encoding of the locale. */
  fwrite (g_bytes_get_data (picture, NULL), 1, g_bytes_get_size (picture), stdout);
  return vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR) > 0 ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_CLEAN;
}

static int
graph (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;
  const char *fault = find_fault (arguments, n_operands, operands);

  if (fault == NULL)
    return print_graph (arguments, operands[0]);
  vsmmu_command_complain ("%s", fault);
  return VSMMU_EXIT_FAILED;
}

static const VsmmuOption options[] = {
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format), N_ ("output format: dot (default) or svg"),
    N_ ("FORMAT"), formats },
  { "host", 'H', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, host.path),
    N_ ("show physical SMMUs, check against these host facts"), N_ ("FACTS") },
  { "this-host", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_this_host), N_ ("the same with this host") },
  { "passive", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_passive),
    N_ ("do not open VFIO devices of this host") },
  { NULL },
};

const VsmmuCommand vsmmu_command_graph = {
  .name = "graph",
  .summary = N_ ("draw buses, vSMMUs, devices and findings of a guest"),
  .operands = N_ ("XML"),
  .explanation = N_ ("Draws the root buses of a guest with their vSMMUs, ports and devices, the\n"
                     "physical SMMUs behind them, and the findings. Prints the picture on standard\n"
                     "output. XML is a file, or '-' for standard input."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = graph,
};
