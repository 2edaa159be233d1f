/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi.h"

#include <glib/gi18n.h>

#include "command.h"

static const char *const formats[] = { "text", "json", NULL };

/* What the user asked for. */
typedef struct {
  VsmmuMsiLive live;
  char *format_name;
} Arguments;

/* (nullable): what is wrong with the arguments, translated */
static const char *
find_fault (const Arguments *arguments, int n_documents)
{
  if (arguments->live.domain == NULL && n_documents != 1)
    return _ ("specify one domain XML file, or a running guest with --domain; see 'virt-vsmmu msi --help'");
  if (arguments->live.domain != NULL && n_documents != 0)
    return _ ("a domain XML file and --domain cannot be used together");
  if (arguments->live.domain == NULL && (arguments->live.uri != NULL || arguments->live.use_monitor))
    return _ ("--connect and --monitor require --domain");
  return NULL;
}

static int
show (const Arguments *arguments, int argc, char **argv)
{
  const char *fault = find_fault (arguments, argc - 1);
  int format = vsmmu_command_choose ("format", arguments->format_name, formats);

  if (format < 0)
    return VSMMU_EXIT_FAILED;
  if (fault != NULL) {
    vsmmu_command_complain ("%s", fault);
    return VSMMU_EXIT_FAILED;
  }
  if (arguments->live.domain != NULL)
    return vsmmu_msi_show_guest (&arguments->live, format == 1);
  return vsmmu_msi_show_domain (argv[1], format == 1);
}

int
vsmmu_command_msi (int argc, char **argv)
{
  Arguments arguments = { 0 };
  const GOptionEntry entries[] = {
    { "domain", 'd', 0, G_OPTION_ARG_STRING, &arguments.live.domain, N_ ("show this running guest: name, UUID or ID"),
      N_ ("DOMAIN") },
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &arguments.live.uri, N_ ("libvirt of the guest (default qemu:///system)"),
      N_ ("URI") },
    { "monitor", 'm', 0, G_OPTION_ARG_NONE, &arguments.live.use_monitor,
      N_ ("ask QEMU for the doorbells; taints the guest"), NULL },
    { "format", 'f', 0, G_OPTION_ARG_STRING, &arguments.format_name, N_ ("output format: text (default) or json"),
      N_ ("FORMAT") },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (_ ("[XML]"));
  int status = VSMMU_EXIT_FAILED;

  g_option_context_set_summary (context,
                                _ ("Shows where the MSIs of each device go. For a domain in a file, or '-' for\n"
                                   "standard input: the path and the doorbell of each device, and what cannot be\n"
                                   "resolved. For a running guest: the target of every enabled vector."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (vsmmu_command_parse (context, &argc, &argv))
    status = show (&arguments, argc, argv);
  g_free (arguments.live.domain);
  g_free (arguments.live.uri);
  g_free (arguments.format_name);
  return status;
}
