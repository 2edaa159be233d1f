/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything that libvsmmu does with domain XML from strangers: read, place,
 * check with all rules, generate QEMU arguments, render. Any input must be
 * answered with findings, arguments or a GError; a warning of GLib counts as a
 * crash.
 */
#include <stdint.h>

#include "vsmmu/vsmmu.h"

#define NAME "domain.xml"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* One per branch of the target rules. */
static const VsmmuTarget targets[] = {
  { 0, 0 },
  { VSMMU_VERSION_ENCODE (11, 3, 0), VSMMU_VERSION_ENCODE (10, 2, 0) },
  { VSMMU_VERSION_ENCODE (12, 0, 0), VSMMU_VERSION_ENCODE (11, 0, 0) },
  { VSMMU_VERSION_ENCODE (12, 8, 0), VSMMU_VERSION_ENCODE (11, 1, 0) },
};

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  g_log_set_always_fatal (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  return 0;
}

static void
render (const GPtrArray *findings)
{
  g_autofree char *text = vsmmu_render_text (findings, TRUE);
  g_autofree char *json = vsmmu_render_json (findings, 1);
  g_autofree char *sarif = vsmmu_render_sarif (findings);

  if (!g_utf8_validate (text, -1, NULL) || !g_utf8_validate (json, -1, NULL) || !g_utf8_validate (sarif, -1, NULL))
    g_error ("a renderer printed what is not UTF-8");
}

static void
check (const char *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  const VsmmuCheckOptions options = { .target = &targets[size % G_N_ELEMENTS (targets)] };
  g_autoptr (GPtrArray) findings = vsmmu_check_data (data, size, NAME, &options, &error);

  if ((findings == NULL) != (error != NULL))
    g_error ("neither or both of findings and an error");
  if (findings != NULL)
    render (findings);
}

static void
generate (const VsmmuDomain *domain, VsmmuArgumentSyntax syntax)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = vsmmu_arguments_new (domain, syntax, &error);

  if ((arguments == NULL) != (error != NULL))
    g_error ("neither or both of arguments and an error");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (VsmmuDomain) domain = NULL;

  check ((const char *) data, size);
  domain = vsmmu_domain_new_from_data ((const char *) data, size, NAME, NULL);
  if (domain != NULL) {
    generate (domain, VSMMU_ARGUMENT_SYNTAX_JSON);
    generate (domain, VSMMU_ARGUMENT_SYNTAX_LEGACY);
  }
  return 0;
}
