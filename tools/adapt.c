/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "adapt/lower.h"
#include "command.h"
#include "libvirt/connection.h"

/* What the user asked for. */
typedef struct {
  char *target;
  char *uri;
  gboolean lift;
} Arguments;

static void
arguments_clear (Arguments *arguments)
{
  g_free (arguments->target);
  g_free (arguments->uri);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

/* (nullable): translated: why the options do not go together */
static const char *
find_fault (const Arguments *arguments, int argc)
{
  if (argc > 2)
    return _ ("specify one document; see 'virt-vsmmu adapt --help'");
  if ((arguments->target != NULL) == arguments->lift)
    return _ ("specify --target to adapt a domain, or --lift to reverse an adaptation");
  if (arguments->uri != NULL && g_strcmp0 (arguments->target, "this") != 0)
    return _ ("--connect requires --target this");
  return NULL;
}

static gboolean
parse_arguments (Arguments *arguments, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "target", 't', 0, G_OPTION_ARG_STRING, &arguments->target, N_ ("versions: libvirt=11.3,qemu=11.1, or 'this'"),
      N_ ("TARGET") },
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &arguments->uri,
      N_ ("libvirt for --target this (default qemu:///system)"), N_ ("URI") },
    { "lift", 'l', 0, G_OPTION_ARG_NONE, &arguments->lift, N_ ("reverse the adaptation of a domain"), NULL },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (_ ("[XML]"));
  const char *fault;

  g_option_context_set_summary (context,
                                _ ("Writes a domain so that a libvirt older than 12.7 passes its SMMUv3s, and what\n"
                                   "they need, to QEMU; or reverses that. Prints the domain on standard output, and\n"
                                   "notes about what could not be kept on standard error. XML is a file, or '-' or\n"
                                   "nothing for standard input."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!vsmmu_command_parse (context, argc, argv))
    return FALSE;
  fault = find_fault (arguments, *argc);
  if (fault != NULL)
    vsmmu_command_complain ("%s", fault);
  return fault == NULL;
}

static gboolean
choose_target (const Arguments *arguments, VsmmuTarget *target, GError **error)
{
  if (strcmp (arguments->target, "this") == 0)
    return vsmmu_target_probe (arguments->uri, target, error);
  return vsmmu_target_parse (arguments->target, target, error);
}

/* (transfer full) (nullable) */
static char *
adapt (const Arguments *arguments, const char *path, GPtrArray *notes, gsize *length, GError **error)
{
  VsmmuTarget target;

  if (arguments->lift)
    return vsmmu_lift_file (path, notes, length, error);
  return choose_target (arguments, &target, error) ? vsmmu_lower_domain_file (path, &target, notes, length, error)
                                                   : NULL;
}

int
vsmmu_command_adapt (int argc, char **argv)
{
  g_auto (Arguments) arguments = { 0 };
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = NULL;
  gsize length = 0;

  if (!parse_arguments (&arguments, &argc, &argv))
    return VSMMU_EXIT_FAILED;
  xml = adapt (&arguments, argc > 1 ? argv[1] : "-", notes, &length, &error);
  for (guint i = 0; i < notes->len; i++)
    vsmmu_command_complain ("%s", (const char *) g_ptr_array_index (notes, i));
  if (xml == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return g_error_matches (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED) ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_FAILED;
  }
  fwrite (xml, 1, length, stdout);
  return VSMMU_EXIT_CLEAN;
}
