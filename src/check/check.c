/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/check.h"

#include <glib/gi18n-lib.h>

#include "check/finding.h"

/* A longer list does not help anybody. */
#define FINDINGS_MAX 1000

/* The root of an XPath says which document it is of. */
static const char *
file_of (const VsmmuDomain *domain, const char *element)
{
  return domain->plug == NULL || g_str_has_prefix (element, "/domain") ? domain->file : domain->plug->file;
}

static void
report (VsmmuCheck *check, VsmmuSeverity severity, guint line, char *element, char *hint, char *message)
{
  VsmmuFinding *finding =
      vsmmu_finding_new (check->rule, severity, file_of (check->domain, element), line, element, message, hint);

  if (check->findings->len < FINDINGS_MAX) {
    g_ptr_array_add (check->findings, finding);
    return;
  }
  check->n_left_out++;
  check->worst_left_out = MAX (check->worst_left_out, severity);
  vsmmu_finding_unref (finding);
}

void
vsmmu_check_report (VsmmuCheck *check, guint line, char *element, char *hint, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  report (check, check->rule->severity, line, element, hint, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

void
vsmmu_check_report_as (VsmmuCheck *check, VsmmuSeverity severity, guint line, char *element, char *hint,
                       const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  report (check, severity, line, element, hint, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

char *
vsmmu_check_place (const VsmmuCheck *check, gboolean is_plug, const VsmmuDevice *device)
{
  if (is_plug == device->is_plug)
    return g_strdup_printf (_ ("line %u"), device->line);
  return g_strdup_printf (_ ("line %u of %s"), device->line,
                          device->is_plug ? check->domain->plug->file : check->domain->file);
}
