/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

#include "vsmmu/render.h"

/* (transfer container) (element-type VsmmuFinding): the errors among @findings */
static GPtrArray *
find_errors (const GPtrArray *findings)
{
  GPtrArray *errors = g_ptr_array_new ();

  for (guint i = 0; i < findings->len; i++) {
    VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (finding->severity == VSMMU_SEVERITY_ERROR)
      g_ptr_array_add (errors, finding);
  }
  return errors;
}

/* (transfer full): the rules of @errors but for the first, each once: "needs-acpi, needs-uefi" */
static char *
name_others (const GPtrArray *errors)
{
  GString *names = g_string_new (NULL);
  g_autoptr (GHashTable) named = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 1; i < errors->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (errors, i);

    if (g_hash_table_add (named, (gpointer) finding->rule->id))
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", finding->rule->id);
  }
  return g_string_free (names, FALSE);
}

char *
vsmmu_render_refusal (const GPtrArray *findings)
{
  g_autoptr (GPtrArray) errors = find_errors (findings);
  const VsmmuFinding *first = errors->len > 0 ? g_ptr_array_index (errors, 0) : NULL;
  g_autofree char *others = name_others (errors);
  g_autofree char *text = NULL;
  g_autofree char *more = NULL;

  if (first == NULL)
    return NULL;
  text = g_strdup_printf (_ ("%s:%u: %s [%s]; %s"), first->file, first->line, first->message, first->rule->id,
                          first->hint);
  if (errors->len > 1)
    more =
        g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%s; and %u more error (%s), which 'virt-vsmmu check' shows",
                                      "%s; and %u more errors (%s), which 'virt-vsmmu check' shows", errors->len - 1),
                         text, errors->len - 1, others);
  return vsmmu_render_printable (more != NULL ? more : text);
}
