/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints what libvsmmu reads in each domain: its errors and its model. */
#include <locale.h>
#include <stdlib.h>

#include "check/finding.h"
#include "check/run.h"
#include "describe-model.h"

/* There is no KVM where these documents come from. */
static gboolean
is_error (const VsmmuFinding *finding)
{
  return finding->severity == VSMMU_SEVERITY_ERROR && strcmp (finding->rule->id, "needs-kvm") != 0;
}

static void
print_domain (const VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) findings = vsmmu_check_domain (domain, NULL);
  g_autofree char *text = describe_model (domain);

  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (is_error (finding))
      g_print ("REFUSED %s: %s\n", finding->rule->id, finding->message);
  }
  g_print ("accelerated %d\n%s", vsmmu_domain_is_accelerated (domain), text);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_file (argv[i], &error);

    g_print ("FILE %s\n", argv[i]);
    if (domain != NULL)
      print_domain (domain);
    else if (g_error_matches (error, VSMMU_ERROR, VSMMU_ERROR_XML))
      g_print ("MALFORMED %s\n", error->message);
    else
      g_print ("REFUSED %s\n", error->message);
  }
  return EXIT_SUCCESS;
}
