/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/options.h"

#include "base/number.h"

typedef enum {
  KIND_BOOL,   /* of QEMU */
  KIND_SWITCH, /* OnOffAuto of QEMU, a string to libvirt */
  KIND_NUMBER, /* or "auto", a string to libvirt */
} Kind;

static const struct {
  const char *name;
  Kind kind;
  gsize offset;     /* of a VsmmuSwitch or an int in VsmmuIommu */
  gboolean is_auto; /* left out, it is what the physical SMMU of the first device has */
  guint64 min;      /* of a number, as are the next two */
  guint64 max;
  guint64 step;
} options[] = {
  { "accel", KIND_BOOL, offsetof (VsmmuIommu, accel), FALSE, 0, 0, 0 },
  { "ats", KIND_SWITCH, offsetof (VsmmuIommu, ats), TRUE, 0, 0, 0 },
  { "ril", KIND_SWITCH, offsetof (VsmmuIommu, ril), TRUE, 0, 0, 0 },
  { "ssidsize", KIND_NUMBER, offsetof (VsmmuIommu, ssidsize), TRUE, 0, 20, 1 },
  { "oas", KIND_NUMBER, offsetof (VsmmuIommu, oas), TRUE, 44, 48, 4 },
  { "cmdqv", KIND_SWITCH, offsetof (VsmmuIommu, cmdqv), FALSE, 0, 0, 0 },
};

static VsmmuSwitch *
switch_at (const VsmmuIommu *iommu, guint i)
{
  return (VsmmuSwitch *) (gpointer) ((char *) iommu + options[i].offset);
}

static int *
number_at (const VsmmuIommu *iommu, guint i)
{
  return (int *) (gpointer) ((char *) iommu + options[i].offset);
}

static gboolean
is_given (const VsmmuIommu *iommu, guint i)
{
  VsmmuSwitch value;

  if (options[i].kind == KIND_NUMBER)
    return *number_at (iommu, i) >= 0;
  value = *switch_at (iommu, i);
  return value == VSMMU_SWITCH_ON || value == VSMMU_SWITCH_OFF;
}

void
vsmmu_options_init (VsmmuIommu *iommu)
{
  *iommu = (VsmmuIommu){ .model = "smmuv3", .is_smmuv3 = TRUE, .ssidsize = -1, .oas = -1 };
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

  if (!vsmmu_number_parse (text, 10, &number) || number < options[i].min || number > options[i].max ||
      (number - options[i].min) % options[i].step != 0)
    return FALSE;
  *value = (int) number;
  return TRUE;
}

gboolean
vsmmu_options_set (VsmmuIommu *iommu, const char *name, const char *value)
{
  for (guint i = 0; value != NULL && i < G_N_ELEMENTS (options); i++) {
    if (strcmp (options[i].name, name) != 0)
      continue;
    /* What is left out is auto. */
    if (options[i].kind != KIND_BOOL && strcmp (value, "auto") == 0)
      return vsmmu_options_unset (iommu, name);
    return options[i].kind == KIND_NUMBER ? set_number (number_at (iommu, i), value, i)
                                          : set_switch (switch_at (iommu, i), value);
  }
  return FALSE;
}

gboolean
vsmmu_options_unset (VsmmuIommu *iommu, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++) {
    if (strcmp (options[i].name, name) != 0)
      continue;
    if (options[i].kind == KIND_NUMBER)
      *number_at (iommu, i) = -1;
    else
      *switch_at (iommu, i) = VSMMU_SWITCH_ABSENT;
    return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_options_any (const VsmmuIommu *iommu)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (is_given (iommu, i))
      return TRUE;
  return FALSE;
}

void
vsmmu_options_write_attributes (const VsmmuIommu *iommu, GString *xml)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++) {
    if (!is_given (iommu, i))
      continue;
    if (options[i].kind == KIND_NUMBER)
      g_string_append_printf (xml, " %s='%d'", options[i].name, *number_at (iommu, i));
    else
      g_string_append_printf (xml, " %s='%s'", options[i].name,
                              *switch_at (iommu, i) == VSMMU_SWITCH_ON ? "on" : "off");
  }
}

gboolean
vsmmu_options_next (const VsmmuIommu *iommu, guint *at, const char **name, const char **type,
                    char value[VSMMU_OPTION_VALUE_SIZE])
{
  static const char *const words[][2] = { [KIND_BOOL] = { "false", "true" }, [KIND_SWITCH] = { "off", "on" } };

  while (*at < G_N_ELEMENTS (options)) {
    guint i = (*at)++;

    if (!is_given (iommu, i))
      continue;
    *name = options[i].name;
    *type = options[i].kind == KIND_BOOL ? "bool" : "string";
    if (options[i].kind == KIND_NUMBER)
      g_snprintf (value, VSMMU_OPTION_VALUE_SIZE, "%d", *number_at (iommu, i));
    else
      g_strlcpy (value, words[options[i].kind][*switch_at (iommu, i) == VSMMU_SWITCH_ON], VSMMU_OPTION_VALUE_SIZE);
    return TRUE;
  }
  return FALSE;
}

char *
vsmmu_iommu_auto_options (const VsmmuDevice *iommu)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (options[i].is_auto && vsmmu_xml_attribute (iommu->iommu.driver, options[i].name) == NULL)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", options[i].name);
  return names->len > 0 ? g_string_free (g_steal_pointer (&names), FALSE) : NULL;
}
