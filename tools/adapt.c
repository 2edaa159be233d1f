/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>
#include <vsmmu/vsmmu.h>

#include "adapt/lower.h"
#include "command.h"
#include "facts.h"

typedef struct {
  char *target;
  char *uri;
  gboolean lift;
} Arguments;

/* (nullable): translated: why the options do not go together */
static const char *
find_fault (const Arguments *arguments, int n_operands)
{
  if (n_operands > 1)
    return _ ("specify one document; see 'virt-vsmmu adapt --help'");
  if ((arguments->target != NULL) == arguments->lift)
    return _ ("specify --target to adapt a domain, or --lift to reverse an adaptation");
  if (arguments->uri != NULL && g_strcmp0 (arguments->target, "this") != 0)
    return _ ("--connect requires --target this");
  return NULL;
}

/* (transfer full) (nullable) */
static char *
adapt (const Arguments *arguments, const char *path, GPtrArray *notes, gsize *length, GError **error)
{
  VsmmuTarget target;

  if (arguments->lift)
    return vsmmu_lift_file (path, notes, length, error);
  return vsmmu_facts_choose_target (arguments->target, arguments->uri, &target, error)
             ? vsmmu_lower_domain_file (path, &target, notes, length, error)
             : NULL;
}

static int
print_adapted (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;
  const char *fault = find_fault (arguments, n_operands);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = NULL;
  gsize length = 0;

  if (fault != NULL) {
    vsmmu_command_complain ("%s", fault);
    return VSMMU_EXIT_FAILED;
  }
  xml = adapt (arguments, n_operands > 0 ? operands[0] : "-", notes, &length, &error);
  for (guint i = 0; i < notes->len; i++)
    vsmmu_command_complain ("%s", (const char *) g_ptr_array_index (notes, i));
  if (xml == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return g_error_matches (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED) ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_FAILED;
  }
  fwrite (xml, 1, length, stdout);
  return VSMMU_EXIT_CLEAN;
}

static const VsmmuOption options[] = {
  { "target", 't', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, target),
    N_ ("versions: libvirt=11.3,qemu=11.1, 'this' or host facts"), N_ ("TARGET") },
  { "connect", 'c', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, uri),
    N_ ("libvirt for --target this (default qemu:///system)"), N_ ("URI") },
  { "lift", 'l', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, lift), N_ ("reverse the adaptation of a domain") },
  { NULL },
};

const VsmmuCommand vsmmu_command_adapt = {
  .name = "adapt",
  .summary = N_ ("adapt a domain for an older libvirt"),
  .operands = N_ ("[XML]"),
  .explanation = N_ ("Writes a domain so that a libvirt older than 12.7 passes its SMMUv3s, and what\n"
                     "they need, to QEMU; or reverses that. Prints the domain on standard output, and\n"
                     "notes about what could not be kept on standard error. XML is a file, or '-' or\n"
                     "nothing for standard input."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = print_adapted,
};
