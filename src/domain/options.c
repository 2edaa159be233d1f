/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/options.h"

#include <glib/gi18n-lib.h>

#include "base/number.h"
#include "base/suggest.h"
#include "domain/read.h"

const VsmmuDriverOption vsmmu_driver_options[] = {
  { "accel", VSMMU_DRIVER_BOOL, offsetof (VsmmuIommu, accel), FALSE, 0, 0, 0 },
  { "ats", VSMMU_DRIVER_SWITCH, offsetof (VsmmuIommu, ats), TRUE, 0, 0, 0 },
  { "ril", VSMMU_DRIVER_SWITCH, offsetof (VsmmuIommu, ril), TRUE, 0, 0, 0 },
  { "ssidsize", VSMMU_DRIVER_NUMBER, offsetof (VsmmuIommu, ssidsize), TRUE, 0, 20, 1 },
  { "oas", VSMMU_DRIVER_NUMBER, offsetof (VsmmuIommu, oas), TRUE, 44, 48, 4 },
  { "cmdqv", VSMMU_DRIVER_SWITCH, offsetof (VsmmuIommu, cmdqv), FALSE, 0, 0, 0 },
  { NULL, 0, 0, FALSE, 0, 0, 0 },
};

/* Of the table, without its end. */
#define N_OPTIONS (G_N_ELEMENTS (vsmmu_driver_options) - 1)

static VsmmuSwitch *
switch_at (const VsmmuIommu *iommu, const VsmmuDriverOption *option)
{
  return (VsmmuSwitch *) (gpointer) ((char *) iommu + option->offset);
}

static int *
number_at (const VsmmuIommu *iommu, const VsmmuDriverOption *option)
{
  return (int *) (gpointer) ((char *) iommu + option->offset);
}

/* The row of the option @name, or %NULL. */
static const VsmmuDriverOption *
find (const char *name)
{
  const VsmmuDriverOption *option = vsmmu_driver_options;

  while (option->name != NULL && strcmp (option->name, name) != 0)
    option++;
  return option->name != NULL ? option : NULL;
}

static void
unset (VsmmuIommu *iommu, const VsmmuDriverOption *option)
{
  if (option->kind == VSMMU_DRIVER_NUMBER)
    *number_at (iommu, option) = -1;
  else
    *switch_at (iommu, option) = VSMMU_SWITCH_ABSENT;
}

static gboolean
is_given (const VsmmuIommu *iommu, const VsmmuDriverOption *option)
{
  VsmmuSwitch value;

  if (option->kind == VSMMU_DRIVER_NUMBER)
    return *number_at (iommu, option) >= 0;
  value = *switch_at (iommu, option);
  return value == VSMMU_SWITCH_ON || value == VSMMU_SWITCH_OFF;
}

void
vsmmu_options_init (VsmmuIommu *iommu)
{
  *iommu = (VsmmuIommu){ .model = "smmuv3", .is_smmuv3 = TRUE };
  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++)
    unset (iommu, option);
}

static gboolean
set_switch (VsmmuSwitch *value, const char *text)
{
  if (g_strcmp0 (text, "on") == 0 || g_strcmp0 (text, "true") == 0 || g_strcmp0 (text, "yes") == 0)
    *value = VSMMU_SWITCH_ON;
  else if (g_strcmp0 (text, "off") == 0 || g_strcmp0 (text, "false") == 0 || g_strcmp0 (text, "no") == 0)
    *value = VSMMU_SWITCH_OFF;
  else
    return FALSE;
  return TRUE;
}

static gboolean
set_number (VsmmuIommu *iommu, const VsmmuDriverOption *option, const char *text)
{
  guint64 number;

  if (!vsmmu_number_parse (text, 10, &number) || number < option->min || number > option->max ||
      (number - option->min) % option->step != 0)
    return FALSE;
  *number_at (iommu, option) = (int) number;
  return TRUE;
}

gboolean
vsmmu_options_set (VsmmuIommu *iommu, const char *name, const char *value)
{
  const VsmmuDriverOption *option = value != NULL ? find (name) : NULL;

  if (option == NULL)
    return FALSE;
  /* What is left out is auto. */
  if (option->kind != VSMMU_DRIVER_BOOL && strcmp (value, "auto") == 0) {
    unset (iommu, option);
    return TRUE;
  }
  return option->kind == VSMMU_DRIVER_NUMBER ? set_number (iommu, option, value)
                                             : set_switch (switch_at (iommu, option), value);
}

gboolean
vsmmu_options_unset (VsmmuIommu *iommu, const char *name)
{
  const VsmmuDriverOption *option = find (name);

  if (option != NULL)
    unset (iommu, option);
  return option != NULL;
}

char *
vsmmu_options_describe_values (const char *name)
{
  const VsmmuDriverOption *option = find (name);

  if (option == NULL)
    return g_strdup_printf (_ ("a whole number from %d to %d"), 0, VSMMU_PCI_BUSES_MAX - 1);
  if (option->kind != VSMMU_DRIVER_NUMBER)
    return g_strdup (_ ("'on' or 'off'"));
  if (option->step == 1)
    return g_strdup_printf (_ ("a whole number from %d to %d"), (int) option->min, (int) option->max);
  return g_strdup_printf (_ ("%d or %d"), (int) option->min, (int) option->max);
}

gboolean
vsmmu_options_accepts (const char *name, const char *value)
{
  const VsmmuDriverOption *option = find (name);
  VsmmuIommu scratch;
  guint64 bus;

  if (option == NULL)
    return vsmmu_number_parse (value, 10, &bus) && bus < VSMMU_PCI_BUSES_MAX;
  if (option->kind == VSMMU_DRIVER_NUMBER)
    return set_number (&scratch, option, value);
  return strcmp (value, "on") == 0 || strcmp (value, "off") == 0;
}

static void
read_number (const VsmmuReader *reader, VsmmuIommu *iommu, const VsmmuDriverOption *option)
{
  const char *text = vsmmu_xml_attribute (iommu->driver, option->name);
  g_autofree char *expected = NULL;

  if (text == NULL || set_number (iommu, option, text))
    return;
  expected = vsmmu_options_describe_values (option->name);
  vsmmu_read_problem (reader, iommu->driver, "/driver", option->name, text, expected);
}

void
vsmmu_options_read (const VsmmuReader *reader, VsmmuIommu *iommu)
{
  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++) {
    if (option->kind == VSMMU_DRIVER_NUMBER)
      read_number (reader, iommu, option);
    else
      *switch_at (iommu, option) =
          vsmmu_read_switch (reader, iommu->driver, "/driver", option->name, VSMMU_READ_ON_OFF);
  }
}

gboolean
vsmmu_options_is_attribute (const char *name)
{
  return find (name) != NULL || strcmp (name, "pciBus") == 0;
}

gboolean
vsmmu_options_is_of_other_models (const char *name)
{
  static const char *const names[] = { "intremap",        "caching_mode", "eim",   "iotlb", "aw_bits",
                                       "dma_translation", "passthrough",  "xtsup", NULL };

  return g_strv_contains (names, name);
}

gboolean
vsmmu_options_is_auto (const char *name)
{
  const VsmmuDriverOption *option = find (name);

  return option != NULL && option->is_auto;
}

/* With pciBus, and %NULL at the end. */
static void
fill_names (const char *names[N_OPTIONS + 2])
{
  names[0] = "pciBus";
  for (guint i = 0; i <= N_OPTIONS; i++)
    names[i + 1] = vsmmu_driver_options[i].name;
}

char *
vsmmu_options_list (void)
{
  const char *names[N_OPTIONS + 2];

  fill_names (names);
  return g_strjoinv (", ", (char **) names);
}

const char *
vsmmu_options_suggest (const char *name)
{
  const char *names[N_OPTIONS + 2];

  fill_names (names);
  return vsmmu_suggest (name, names);
}

gboolean
vsmmu_options_any (const VsmmuIommu *iommu)
{
  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++)
    if (is_given (iommu, option))
      return TRUE;
  return FALSE;
}

void
vsmmu_options_write_attributes (const VsmmuIommu *iommu, GString *xml)
{
  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++) {
    if (!is_given (iommu, option))
      continue;
    if (option->kind == VSMMU_DRIVER_NUMBER)
      g_string_append_printf (xml, " %s='%d'", option->name, *number_at (iommu, option));
    else
      g_string_append_printf (xml, " %s='%s'", option->name,
                              *switch_at (iommu, option) == VSMMU_SWITCH_ON ? "on" : "off");
  }
}

gboolean
vsmmu_options_next (const VsmmuIommu *iommu, guint *at, const char **name, const char **type,
                    char value[VSMMU_OPTION_VALUE_SIZE])
{
  static const char *const words[][2] = {
    [VSMMU_DRIVER_BOOL] = { "false", "true" }, [VSMMU_DRIVER_SWITCH] = { "off", "on" }
  };

  while (*at < N_OPTIONS) {
    const VsmmuDriverOption *option = &vsmmu_driver_options[(*at)++];

    if (!is_given (iommu, option))
      continue;
    *name = option->name;
    *type = option->kind == VSMMU_DRIVER_BOOL ? "bool" : "string";
    if (option->kind == VSMMU_DRIVER_NUMBER)
      g_snprintf (value, VSMMU_OPTION_VALUE_SIZE, "%d", *number_at (iommu, option));
    else
      g_strlcpy (value, words[option->kind][*switch_at (iommu, option) == VSMMU_SWITCH_ON], VSMMU_OPTION_VALUE_SIZE);
    return TRUE;
  }
  return FALSE;
}

char *
vsmmu_iommu_auto_options (const VsmmuDevice *iommu)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++)
    if (option->is_auto && vsmmu_xml_attribute (iommu->iommu.driver, option->name) == NULL)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", option->name);
  return names->len > 0 ? g_string_free (g_steal_pointer (&names), FALSE) : NULL;
}

char *
vsmmu_options_describe (const VsmmuIommu *iommu, VsmmuDriverOptionKind kind)
{
  static const char *const words[] = { "auto", "off", "on", "?" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (const VsmmuDriverOption *option = vsmmu_driver_options; option->name != NULL; option++) {
    if (option->kind != kind)
      continue;
    g_string_append_printf (text, "%s%s ", text->len > 0 ? ", " : "", option->name);
    if (kind == VSMMU_DRIVER_NUMBER && *number_at (iommu, option) >= 0)
      g_string_append_printf (text, "%d", *number_at (iommu, option));
    else
      g_string_append (text, kind == VSMMU_DRIVER_NUMBER ? words[0] : words[*switch_at (iommu, option)]);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
