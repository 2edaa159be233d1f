/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "render/text.h"

void
vsmmu_command_complain (const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *printable = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  printable = vsmmu_render_printable (message);
  g_printerr ("virt-vsmmu: %s\n", printable);
}

gboolean
vsmmu_command_parse (GOptionContext *context, int *argc, char ***argv)
{
  g_autoptr (GOptionContext) owned = context;
  g_autoptr (GError) error = NULL;
  g_autofree char *program = g_strconcat ("virt-vsmmu ", (*argv)[0], NULL);

  g_set_prgname (program);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (g_option_context_parse (context, argc, argv, &error))
    return TRUE;
  vsmmu_command_complain (_ ("%s; see '%s --help'"), error->message, program);
  return FALSE;
}

gboolean
vsmmu_command_flush (void)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return TRUE;
  vsmmu_command_complain (_ ("cannot write the output: %s"), g_strerror (errno));
  return FALSE;
}

int
vsmmu_command_choose (const char *option, const char *value, const char *const *choices)
{
  g_autofree char *list = NULL;

  if (value == NULL)
    return 0;
  for (int i = 0; choices[i] != NULL; i++)
    if (strcmp (choices[i], value) == 0)
      return i;
  list = g_strjoinv (", ", (char **) choices);
  vsmmu_command_complain (_ ("invalid value '%s' for --%s; use one of %s"), value, option, list);
  return -1;
}
