/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <locale.h>

#include "command.h"

static const struct {
  const char *name;
  const char *summary;
  int (*run) (int argc, char **argv);
} commands[] = {
  { "check", N_ ("find mistakes in domain XML before libvirt or QEMU sees it"), vsmmu_command_check },
  { "args", N_ ("print the QEMU arguments for the vSMMU part of a domain"), vsmmu_command_args },
  { "adapt", N_ ("adapt a domain for an older libvirt"), vsmmu_command_adapt },
  { "msi", N_ ("show where the MSIs of each device go"), vsmmu_command_msi },
  { "verify", N_ ("verify that the interrupts of a running guest's devices arrive"), vsmmu_command_verify },
  { "watch", N_ ("monitor guests, and report devices that are attached or detached"), vsmmu_command_watch },
  { "host", N_ ("report whether a host is ready, and what its SMMUs support"), vsmmu_command_host },
  { "plan", N_ ("write XML that assigns host devices to a guest behind vSMMUs"), vsmmu_command_plan },
  { "graph", N_ ("draw buses, vSMMUs, devices and findings of a guest"), vsmmu_command_graph },
  { "explain", N_ ("explain a rule and how to fix its findings"), vsmmu_command_explain },
};

static void
print_help (void)
{
  g_print (_ ("Usage:\n"
              "  virt-vsmmu COMMAND [OPTION...] ...\n"
              "\n"
              "Checks libvirt domains with an accelerated SMMUv3 and VFIO devices, and generates\n"
              "QEMU arguments for them.\n"
              "\n"
              "Commands:\n"));
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    g_print ("  %-10s %s\n", commands[i].name, _ (commands[i].summary));
  g_print (_ ("\n"
              "Options:\n"
              "  -h, --help     show this help\n"
              "  -V, --version  show the version\n"
              "\n"
              "'virt-vsmmu COMMAND --help' explains a command, virt-vsmmu(1) all commands.\n"
              "\n"
              "Exit status: 0 no errors, 1 findings of severity error, 2 the command failed.\n"));
}

static int
run_command (int argc, char **argv)
{
  const char *command = argc > 1 ? argv[1] : NULL;

  if (command == NULL) {
    vsmmu_command_complain (_ ("no command specified; see 'virt-vsmmu --help'"));
    return VSMMU_EXIT_FAILED;
  }
  if (strcmp (command, "--help") == 0 || strcmp (command, "-h") == 0 || strcmp (command, "help") == 0) {
    print_help ();
    return VSMMU_EXIT_CLEAN;
  }
  if (strcmp (command, "--version") == 0 || strcmp (command, "-V") == 0) {
    g_print ("virt-vsmmu %s\n", PACKAGE_VERSION);
    return VSMMU_EXIT_CLEAN;
  }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (command, commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);
  vsmmu_command_complain (_ ("unknown command '%s'; see 'virt-vsmmu --help'"), command);
  return VSMMU_EXIT_FAILED;
}

int
main (int argc, char **argv)
{
  int status;

  /* The other categories cost a dozen files and are of no use here. */
  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (GETTEXT_PACKAGE, LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("virt-vsmmu");
  status = run_command (argc, argv);
  return vsmmu_command_flush () ? status : VSMMU_EXIT_FAILED;
}
