/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The arguments of <qemu:commandline>, one on each line. */
#include <stdint.h>
#include <string.h>

#include "domain/arguments.h"
#include "domain/reach.h"
#include "stop.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Its SMMUv3 is iommu0. */
#define DOMAIN                                                                                                         \
  "<domain><os><type arch='aarch64' machine='virt'>hvm</type></os><devices><iommu model='smmuv3'><driver pciBus='0'/>" \
  "</iommu></devices></domain>"

static VsmmuDomain *domain;
static VsmmuDomain *other;

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  domain = vsmmu_domain_new_from_data (DOMAIN, strlen (DOMAIN), "fuzz", NULL);
  other = vsmmu_domain_new_from_data (DOMAIN, strlen (DOMAIN), "fuzz", NULL);
  if (domain == NULL || other == NULL)
    g_error ("the domain is none");
  return 0;
}

/* @lines must outlive what is found. */
static void
set_arguments (VsmmuDomain *domain, char **lines)
{
  g_array_set_size (domain->arguments, 0);
  for (guint i = 0; lines[i] != NULL; i++) {
    const VsmmuPassthrough argument = { .line = i + 1, .value = lines[i] };

    g_array_append_val (domain->arguments, argument);
  }
  vsmmu_reach_find (domain);
}

/* Every argument is an option, the value of the one before, or neither; none is both where that is certain. */
static void
check_options (void)
{
  g_autoptr (GPtrArray) options = vsmmu_arguments_parse (domain->arguments);
  guint last = 0;

  for (guint i = 0; i < options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);

    if (option->name->value[0] != '-' || option->name->line <= last)
      g_error ("argument %u is no option", option->name->line);
    if (option->value != NULL && option->value->line != option->name->line + 1)
      g_error ("argument %u has a value that is elsewhere", option->name->line);
    if (option->is_json ? option->values != NULL : option->members != NULL)
      g_error ("argument %u is JSON, or is not", option->name->line);
    last = option->value != NULL && !option->is_guess ? option->value->line : option->name->line;
  }
}

/* What reaches an SMMUv3 does so whatever comes after it. */
static void
check_longer (char **lines, const char *more)
{
  guint length = g_strv_length (lines);
  g_autofree char **longer = g_new0 (char *, length + 2);

  memcpy (longer, lines, length * sizeof (char *));
  longer[length] = (char *) more;
  set_arguments (other, longer);
  for (guint i = 0; i < domain->reaches->len; i++) {
    const VsmmuReach *reach = &g_array_index (domain->reaches, VsmmuReach, i);
    const VsmmuReach *same = &g_array_index (other->reaches, VsmmuReach, i);

    if (i >= other->reaches->len || same->from->line != reach->from->line || same->kind < reach->kind)
      g_error ("one more argument makes less of argument %u", reach->from->line);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  set_arguments (domain, lines);
  check_options ();
  for (guint i = 0; i < domain->reaches->len; i++)
    if (g_array_index (domain->reaches, VsmmuReach, i).option == NULL)
      g_error ("a value without an option");
  check_longer (lines, "-device");
  check_longer (lines, "arm-smmuv3,id=x,accel=on");
  return 0;
}
