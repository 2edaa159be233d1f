/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <locale.h>

#include "command.h"
#include "complete.h"

static void
print_help (void)
{
  g_print (_ ("Usage:\n"
              "  virt-vsmmu COMMAND [OPTION...] ...\n"
              "\n"
              "Checks libvirt domains with an accelerated SMMUv3 and VFIO devices, and\n"
              "generates QEMU arguments for them.\n"
              "\n"
              "Commands:\n"));
  for (guint i = 0; vsmmu_commands[i] != NULL; i++)
    g_print ("  %-10s %s\n", vsmmu_commands[i]->name, _ (vsmmu_commands[i]->summary));
  g_print (_ ("\n"
              "Options:\n"
              "  -h, --help     show this help\n"
              "  -V, --version  show the version\n"
              "\n"
              "'virt-vsmmu help COMMAND' explains a command, virt-vsmmu(1) all commands.\n"
              "\n"
              "Exit status: 0 no errors, 1 findings of severity error, 2 the command failed.\n"));
}

/* `virt-vsmmu help`, and of a command */
static int
help (int argc, char **argv)
{
  const VsmmuCommand *command = argc > 1 ? vsmmu_command_find (argv[1]) : NULL;

  if (argc > 2) {
    vsmmu_command_complain (_ ("unexpected argument '%s'; see 'virt-vsmmu --help'"), argv[2]);
    return VSMMU_EXIT_FAILED;
  }
  if (argc > 1 && command == NULL && strcmp (argv[1], "--help") != 0 && strcmp (argv[1], "-h") != 0) {
    vsmmu_command_complain_unknown (argv[1]);
    return VSMMU_EXIT_FAILED;
  }
  if (command != NULL)
    vsmmu_command_print_help (command);
  else
    print_help ();
  return VSMMU_EXIT_CLEAN;
}

static int
run_command (int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : NULL;
  const VsmmuCommand *command;

  if (name == NULL) {
    vsmmu_command_complain (_ ("no command specified; see 'virt-vsmmu --help'"));
    return VSMMU_EXIT_FAILED;
  }
  if (strcmp (name, "help") == 0)
    return help (argc - 1, argv + 1);
  if (strcmp (name, "--help") == 0 || strcmp (name, "-h") == 0) {
    print_help ();
    return VSMMU_EXIT_CLEAN;
  }
  if (strcmp (name, "--version") == 0 || strcmp (name, "-V") == 0) {
    g_print ("virt-vsmmu %s\n", PACKAGE_VERSION);
    return VSMMU_EXIT_CLEAN;
  }
  if (strcmp (name, "complete") == 0)
    return vsmmu_complete (argc - 1, argv + 1);
  command = vsmmu_command_find (name);
  if (command != NULL)
    return vsmmu_command_run (command, argc - 1, argv + 1);
  vsmmu_command_complain_unknown (name);
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
