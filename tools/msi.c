/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi.h"

#include <glib/gi18n.h>

#include "command.h"

static const char *const formats[] = { "text", "json", NULL };

int
vsmmu_command_msi (int argc, char **argv)
{
  VsmmuMsiLive live = { 0 };
  g_autofree char *format_name = NULL;
  const GOptionEntry entries[] = {
    { "domain", 'd', 0, G_OPTION_ARG_STRING, &live.domain, N_ ("look at this running guest: name, UUID or id"),
      N_ ("DOMAIN") },
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &live.uri, N_ ("libvirt that it runs under (default qemu:///system)"),
      N_ ("URI") },
    { "monitor", 'm', 0, G_OPTION_ARG_NONE, &live.use_monitor,
      N_ ("also ask QEMU for the doorbell of each vSMMU; libvirt then calls the guest tainted"), NULL },
    { "format", 'f', 0, G_OPTION_ARG_STRING, &format_name, N_ ("of the output: text (default) or json"),
      N_ ("FORMAT") },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new ("");
  int format;

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!vsmmu_command_parse (context, &argc, &argv))
    return VSMMU_EXIT_FAILED;
  format = vsmmu_command_choose ("format", format_name, formats);
  if (format < 0)
    return VSMMU_EXIT_FAILED;
  return vsmmu_msi_show_guest (&live, format == 1);
}
