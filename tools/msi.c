/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi.h"

#include <glib/gi18n.h>

#include "command.h"

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = { "text", "json", NULL };

typedef struct {
  VsmmuMsiLive live;
  int format;
} Arguments;

/* (nullable): what is wrong with the arguments, translated */
static const char *
find_fault (const VsmmuMsiLive *live, int n_documents)
{
  if (live->domain == NULL && n_documents != 1)
    return _ ("specify one domain XML file, or a running guest with --domain; see 'virt-vsmmu msi --help'");
  if (live->domain != NULL && n_documents != 0)
    return _ ("a domain XML file and --domain cannot be used together");
  if (live->domain == NULL && (live->uri != NULL || live->use_monitor))
    return _ ("--connect and --monitor require --domain");
  return NULL;
}

static int
show (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;
  const char *fault = find_fault (&arguments->live, n_operands);

  if (fault != NULL) {
    vsmmu_command_complain ("%s", fault);
    return VSMMU_EXIT_FAILED;
  }
  if (arguments->live.domain != NULL)
    return vsmmu_msi_show_guest (&arguments->live, arguments->format == FORMAT_JSON);
  return vsmmu_msi_show_domain (operands[0], arguments->format == FORMAT_JSON);
}

static const VsmmuOption options[] = {
  { "domain", 'd', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, live.domain),
    N_ ("show this running guest: name, UUID or ID"), N_ ("DOMAIN") },
  { "connect", 'c', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, live.uri),
    N_ ("libvirt of the guest (default qemu:///system)"), N_ ("URI") },
  { "monitor", 'm', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, live.use_monitor),
    N_ ("ask QEMU for the doorbells; taints the guest") },
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("output format: text (default) or json"), N_ ("FORMAT"), formats },
  { NULL },
};

const VsmmuCommand vsmmu_command_msi = {
  .name = "msi",
  .summary = N_ ("show where the MSIs of each device go"),
  .operands = N_ ("[XML]"),
  .explanation = N_ ("Shows where the MSIs of each device go. For a domain in a file, or '-' for\n"
                     "standard input: the path and the doorbell of each device, and what cannot be\n"
                     "resolved. For a running guest: the target of every enabled vector."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = show,
};
