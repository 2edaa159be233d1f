/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "command.h"

enum { SYNTAX_JSON, SYNTAX_LEGACY };
enum { FORMAT_SHELL, FORMAT_JSON };
static const char *const syntaxes[] = { "json", "legacy", NULL };
static const char *const formats[] = { "shell", "json", NULL };

/* As a person would type it: quotes only where the shell needs them. */
static char *
quote (const char *argument)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,.:/+@%";

  return argument[0] != '\0' && strspn (argument, plain) == strlen (argument) ? g_strdup (argument)
                                                                              : g_shell_quote (argument);
}

static void
print_shell (GStrv arguments)
{
  for (guint i = 0; arguments[i] != NULL; i++) {
    g_autofree char *quoted = quote (arguments[i]);
    const char *separator = " ";

    if (arguments[i + 1] == NULL)
      separator = "\n";
    else if (i % 2 == 1)
      separator = " \\\n";
    /* Not g_print(), which converts to the encoding of the locale. */
    printf ("%s%s", quoted, separator);
  }
}

static void
print_json (GStrv arguments)
{
  g_autoptr (JsonArray) array = json_array_new ();
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  g_autofree char *text = NULL;

  for (guint i = 0; arguments[i] != NULL; i++)
    json_array_add_string_element (array, arguments[i]);
  json_node_set_array (node, array);
  text = json_to_string (node, TRUE);
  printf ("%s\n", text);
}

/* Errors keep the guest from starting; the arguments would only hide them. */
static gboolean
is_free_of_errors (const VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) findings = vsmmu_check_domain (domain, NULL);
  g_autofree char *text = NULL;

  for (guint i = findings->len; i-- > 0;)
    if (((const VsmmuFinding *) g_ptr_array_index (findings, i))->severity != VSMMU_SEVERITY_ERROR)
      g_ptr_array_remove_index (findings, i);
  if (findings->len == 0)
    return TRUE;
  text = vsmmu_render_text (findings, FALSE);
  g_printerr ("%s", text);
  vsmmu_command_complain (_ ("no arguments for a domain that cannot start; use --force to print them anyway"));
  return FALSE;
}

typedef struct {
  int syntax;
  int format;
  gboolean force;
} Arguments;

static int
print_arguments (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *wanted = data;
  g_autoptr (VsmmuDomain) domain = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = NULL;

  if (n_operands != 1) {
    vsmmu_command_complain (_ ("specify one domain XML file; see 'virt-vsmmu args --help'"));
    return VSMMU_EXIT_FAILED;
  }
  domain = vsmmu_domain_new_from_file (operands[0], &error);
  if (domain == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (!wanted->force && !is_free_of_errors (domain))
    return VSMMU_EXIT_FINDINGS;
  arguments = vsmmu_arguments_new (
      domain, wanted->syntax == SYNTAX_JSON ? VSMMU_ARGUMENT_SYNTAX_JSON : VSMMU_ARGUMENT_SYNTAX_LEGACY, &error);
  if (arguments == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (wanted->format == FORMAT_SHELL)
    print_shell (arguments);
  else
    print_json (arguments);
  return VSMMU_EXIT_CLEAN;
}

static const VsmmuOption options[] = {
  { "syntax", 's', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, syntax), N_ ("syntax: json (default) or legacy"),
    N_ ("SYNTAX"), syntaxes },
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("output format: shell (default) or json"), N_ ("FORMAT"), formats },
  { "force", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, force),
    N_ ("print arguments even if the domain has errors") },
  { NULL },
};

const VsmmuCommand vsmmu_command_args = {
  .name = "args",
  .summary = N_ ("print the QEMU arguments for the vSMMU part of a domain"),
  .operands = N_ ("XML"),
  .explanation = N_ ("Prints the QEMU arguments for the vSMMU part of a domain as libvirt 12.8 writes\n"
                     "them: machine options, root buses and their ports, arm-smmuv3, iommufd and\n"
                     "vfio-pci. XML is a file, or '-' for standard input."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = print_arguments,
};
