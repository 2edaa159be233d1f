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
switch_at (const VsmmuIommu *iommu, guint i)
{
  return (VsmmuSwitch *) (gpointer) ((char *) iommu + vsmmu_driver_options[i].offset);
}

static int *
number_at (const VsmmuIommu *iommu, guint i)
{
  return (int *) (gpointer) ((char *) iommu + vsmmu_driver_options[i].offset);
}

static gboolean
is_given (const VsmmuIommu *iommu, guint i)
{
  VsmmuSwitch value;

  if (vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER)
    return *number_at (iommu, i) >= 0;
  value = *switch_at (iommu, i);
  return value == VSMMU_SWITCH_ON || value == VSMMU_SWITCH_OFF;
}

void
vsmmu_options_init (VsmmuIommu *iommu)
{
  *iommu = (VsmmuIommu){ .model = "smmuv3", .is_smmuv3 = TRUE };
  for (guint i = 0; i < N_OPTIONS; i++)
    vsmmu_options_unset (iommu, vsmmu_driver_options[i].name);
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
set_number (int *value, const char *text, guint i)
{
  guint64 number;

  if (!vsmmu_number_parse (text, 10, &number) || number < vsmmu_driver_options[i].min ||
      number > vsmmu_driver_options[i].max ||
      (number - vsmmu_driver_options[i].min) % vsmmu_driver_options[i].step != 0)
    return FALSE;
  *value = (int) number;
  return TRUE;
}

gboolean
vsmmu_options_set (VsmmuIommu *iommu, const char *name, const char *value)
{
  for (guint i = 0; value != NULL && i < N_OPTIONS; i++) {
    if (strcmp (vsmmu_driver_options[i].name, name) != 0)
      continue;
    /* What is left out is auto. */
    if (vsmmu_driver_options[i].kind != VSMMU_DRIVER_BOOL && strcmp (value, "auto") == 0)
      return vsmmu_options_unset (iommu, name);
    return vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER ? set_number (number_at (iommu, i), value, i)
                                                               : set_switch (switch_at (iommu, i), value);
  }
  return FALSE;
}

gboolean
vsmmu_options_unset (VsmmuIommu *iommu, const char *name)
{
  for (guint i = 0; i < N_OPTIONS; i++) {
    if (strcmp (vsmmu_driver_options[i].name, name) != 0)
      continue;
    if (vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER)
      *number_at (iommu, i) = -1;
    else
      *switch_at (iommu, i) = VSMMU_SWITCH_ABSENT;
    return TRUE;
  }
  return FALSE;
}

static void
read_number (const VsmmuReader *reader, const VsmmuIommu *iommu, guint i)
{
  const VsmmuDriverOption *option = &vsmmu_driver_options[i];
  const char *text = vsmmu_xml_attribute (iommu->driver, option->name);
  g_autofree char *expected = NULL;

  if (text == NULL || set_number (number_at (iommu, i), text, i))
    return;
  expected = option->step == 1
                 ? g_strdup_printf (_ ("a whole number from %d to %d"), (int) option->min, (int) option->max)
                 : g_strdup_printf (_ ("%d or %d"), (int) option->min, (int) option->max);
  vsmmu_read_problem (reader, iommu->driver, "/driver", option->name, text, expected);
}

void
vsmmu_options_read (const VsmmuReader *reader, VsmmuIommu *iommu)
{
  for (guint i = 0; i < N_OPTIONS; i++) {
    if (vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER)
      read_number (reader, iommu, i);
    else
      *switch_at (iommu, i) =
          vsmmu_read_switch (reader, iommu->driver, "/driver", vsmmu_driver_options[i].name, VSMMU_READ_ON_OFF);
  }
}

gboolean
vsmmu_options_is_attribute (const char *name)
{
  for (guint i = 0; i < N_OPTIONS; i++)
    if (strcmp (vsmmu_driver_options[i].name, name) == 0)
      return TRUE;
  return strcmp (name, "pciBus") == 0;
}

const char *
vsmmu_options_suggest (const char *name)
{
  const char *names[N_OPTIONS + 2] = { "pciBus" };

  for (guint i = 0; i < N_OPTIONS; i++)
    names[i + 1] = vsmmu_driver_options[i].name;
  return vsmmu_suggest (name, names);
}

gboolean
vsmmu_options_any (const VsmmuIommu *iommu)
{
  for (guint i = 0; i < N_OPTIONS; i++)
    if (is_given (iommu, i))
      return TRUE;
  return FALSE;
}

void
vsmmu_options_write_attributes (const VsmmuIommu *iommu, GString *xml)
{
  for (guint i = 0; i < N_OPTIONS; i++) {
    if (!is_given (iommu, i))
      continue;
    if (vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER)
      g_string_append_printf (xml, " %s='%d'", vsmmu_driver_options[i].name, *number_at (iommu, i));
    else
      g_string_append_printf (xml, " %s='%s'", vsmmu_driver_options[i].name,
                              *switch_at (iommu, i) == VSMMU_SWITCH_ON ? "on" : "off");
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
    guint i = (*at)++;

    if (!is_given (iommu, i))
      continue;
    *name = vsmmu_driver_options[i].name;
    *type = vsmmu_driver_options[i].kind == VSMMU_DRIVER_BOOL ? "bool" : "string";
    if (vsmmu_driver_options[i].kind == VSMMU_DRIVER_NUMBER)
      g_snprintf (value, VSMMU_OPTION_VALUE_SIZE, "%d", *number_at (iommu, i));
    else
      g_strlcpy (value, words[vsmmu_driver_options[i].kind][*switch_at (iommu, i) == VSMMU_SWITCH_ON],
                 VSMMU_OPTION_VALUE_SIZE);
    return TRUE;
  }
  return FALSE;
}

char *
vsmmu_iommu_auto_options (const VsmmuDevice *iommu)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < N_OPTIONS; i++)
    if (vsmmu_driver_options[i].is_auto &&
        vsmmu_xml_attribute (iommu->iommu.driver, vsmmu_driver_options[i].name) == NULL)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", vsmmu_driver_options[i].name);
  return names->len > 0 ? g_string_free (g_steal_pointer (&names), FALSE) : NULL;
}

char *
vsmmu_options_describe (const VsmmuIommu *iommu, VsmmuDriverOptionKind kind)
{
  static const char *const words[] = { "auto", "off", "on", "?" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < N_OPTIONS; i++) {
    if (vsmmu_driver_options[i].kind != kind)
      continue;
    g_string_append_printf (text, "%s%s ", text->len > 0 ? ", " : "", vsmmu_driver_options[i].name);
    if (kind == VSMMU_DRIVER_NUMBER && *number_at (iommu, i) >= 0)
      g_string_append_printf (text, "%d", *number_at (iommu, i));
    else
      g_string_append (text, kind == VSMMU_DRIVER_NUMBER ? words[0] : words[*switch_at (iommu, i)]);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
