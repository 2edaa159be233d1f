/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/reach.h"

#include "domain/arguments.h"

/* QEMU drivers whose names contain or start with this; other builds of QEMU have more of them. */
#define SMMU_DRIVERS "smmu"
#define VFIO_DRIVERS "vfio-"

/* The device that is accelerated only when its properties say so; and what -machine calls it. */
#define SMMU_DRIVER "arm-smmuv3"
#define SMMU_OF_MACHINE "smmuv3"

/* Classes and interfaces of an arm-smmuv3 and a vfio-pci, as qom-list-types of QEMU 11.1.3 reports them. */
static const char *const smmu_classes[] = { "arm-smmuv3", "arm-smmu",   "sys-bus-device", "device",
                                            "object",     "resettable", "vmstate-if",     NULL };
static const char *const vfio_classes[] = {
  "vfio-pci",   "vfio-pci-nohotplug", "vfio-pci-device",         "pci-device",         "device", "object",
  "resettable", "vmstate-if",         "conventional-pci-device", "pci-express-device", NULL
};

/* Properties that only an accelerated SMMUv3 has. */
static const char *const smmu_properties[] = { "accel", "ril", "ssidsize", "oas", "cmdqv", NULL };

/* Which device it is, where it is, and by what it gets to it. */
static const char *const vfio_properties[] = { "iommufd", "fd", "host", "sysfsdev", "bus", "addr", NULL };

/* Capabilities that decide how libvirt writes the devices of a vSMMU. */
static const char *const capability_words[] = { "device.json", "smmu", "iommufd", "vfio" };

typedef struct {
  VsmmuDomain *domain;
  GHashTable *smmus;  /* ids of SMMUv3s, elements or not */
  GHashTable *placed; /* ids of VFIO devices and of the controllers that they may be behind */
} Search;

static void
search_clear (Search *search)
{
  g_clear_pointer (&search->smmus, g_hash_table_unref);
  g_clear_pointer (&search->placed, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Search, search_clear)

static gboolean
is_smmu (const char *driver)
{
  return driver != NULL && strstr (driver, SMMU_DRIVERS) != NULL;
}

static gboolean
is_vfio (const char *driver)
{
  return driver != NULL && g_str_has_prefix (driver, VFIO_DRIVERS);
}

/* QEMU's qapi_bool_parse(). QEMU exits on anything else. */
static gboolean
is_off (const char *value)
{
  static const char *const words[] = { "off", "no", "false", "n", NULL };

  return value != NULL && g_strv_contains (words, value);
}

/* Of an SMMUv3, the property called @name gets @value. */
static VsmmuReachKind
judge_property (const char *name, const char *value)
{
  if (!g_strv_contains (smmu_properties, name) && strcmp (name, "ats") != 0)
    return VSMMU_REACH_SMMU;
  if (strcmp (name, "accel") == 0)
    return is_off (value) ? VSMMU_REACH_SMMU : VSMMU_REACH_ACCELERATED;
  return g_strcmp0 (value, "auto") == 0 ? VSMMU_REACH_SMMU : VSMMU_REACH_ACCELERATED;
}

/* @values: name → value of a device */
static VsmmuReachKind
judge_device (GHashTable *values)
{
  const char *driver = g_hash_table_lookup (values, "driver");
  VsmmuReachKind kind = is_vfio (driver) ? VSMMU_REACH_VFIO : VSMMU_REACH_NONE;
  GHashTableIter iter;
  gpointer name;
  gpointer value;

  if (!is_smmu (driver))
    return kind;
  if (strcmp (driver, SMMU_DRIVER) != 0)
    return VSMMU_REACH_ACCELERATED;
  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    kind = MAX (kind, judge_property (name, value));
  return kind;
}

static VsmmuReachKind
judge_global (const char *driver, const char *property, const char *value)
{
  gboolean is_of_smmu = g_strv_contains (smmu_properties, property) || strcmp (property, "ats") == 0;

  if (g_strv_contains (smmu_classes, driver) && (is_of_smmu || is_smmu (driver)))
    return judge_property (property, value);
  if (g_strv_contains (vfio_classes, driver) && g_strv_contains (vfio_properties, property))
    return VSMMU_REACH_VFIO;
  return VSMMU_REACH_NONE;
}

/* The property @name of the device @id, which need not be an SMMUv3 or a VFIO device. */
static VsmmuReachKind
judge_change (const Search *search, const char *id, const char *name, const char *value)
{
  if (strcmp (name, "driver") == 0 && is_smmu (value))
    return strcmp (value, SMMU_DRIVER) == 0 ? VSMMU_REACH_SMMU : VSMMU_REACH_ACCELERATED;
  if (g_strv_contains (smmu_properties, name))
    return judge_property (name, value);
  if (g_hash_table_contains (search->smmus, id))
    return judge_property (name, value);
  if (strcmp (name, "driver") == 0 && is_vfio (value))
    return VSMMU_REACH_VFIO;
  if (strcmp (name, "iommufd") == 0 || strcmp (name, "sysfsdev") == 0)
    return VSMMU_REACH_VFIO;
  if (g_hash_table_contains (search->placed, id) &&
      (g_strv_contains (vfio_properties, name) || strcmp (name, "driver") == 0))
    return VSMMU_REACH_VFIO;
  return VSMMU_REACH_NONE;
}

/* -set changes what -device and -global say in name=value. */
static VsmmuReachKind
judge_set (const Search *search, const char *text)
{
  enum { GROUP, ID, PROPERTY, VALUE, N_PARTS };
  char *parts[N_PARTS] = { NULL };
  VsmmuReachKind kind = VSMMU_REACH_NONE;

  if (vsmmu_arguments_split_set (text, parts)) {
    if (strcmp (parts[GROUP], "global") == 0)
      kind = VSMMU_REACH_ACCELERATED;
    else if (strcmp (parts[GROUP], "device") == 0)
      kind = judge_change (search, parts[ID], parts[PROPERTY], parts[VALUE]);
    /* The other properties of the device were not those of an SMMUv3 until now. */
    if (kind == VSMMU_REACH_SMMU && strcmp (parts[PROPERTY], "driver") == 0 && is_smmu (parts[VALUE]))
      kind = VSMMU_REACH_ACCELERATED;
  }
  for (guint i = 0; i < N_PARTS; i++)
    g_free (parts[i]);
  return kind;
}

static VsmmuReachKind
judge_object (const VsmmuOption *option)
{
  const char *type = option->members != NULL ? g_hash_table_lookup (option->members, "qom-type")
                                             : vsmmu_option_get (option, "qom-type");

  return (option->is_json && option->members == NULL) || g_strcmp0 (type, "iommufd") == 0 ? VSMMU_REACH_VFIO
                                                                                          : VSMMU_REACH_NONE;
}

/* Other rules report an emulated one for the whole machine. */
static VsmmuReachKind
judge_machine (const VsmmuOption *option)
{
  const char *iommu = vsmmu_option_get (option, "iommu");

  return is_smmu (iommu) && strcmp (iommu, SMMU_OF_MACHINE) != 0 ? VSMMU_REACH_ACCELERATED : VSMMU_REACH_NONE;
}

static VsmmuReachKind
judge_option (const Search *search, const VsmmuOption *option, VsmmuReachWay *way)
{
  g_autofree char *driver = NULL;
  g_autofree char *property = NULL;
  g_autofree char *value = NULL;

  switch (option->kind) {
  case VSMMU_OPTION_DEVICE:
    *way = option->is_json && option->members == NULL ? VSMMU_REACH_BY_JSON : VSMMU_REACH_BY_DEVICE;
    return *way == VSMMU_REACH_BY_JSON ? VSMMU_REACH_ACCELERATED
                                       : judge_device (option->is_json ? option->members : option->values);
  case VSMMU_OPTION_OBJECT:
    *way = VSMMU_REACH_BY_OBJECT;
    return judge_object (option);
  case VSMMU_OPTION_GLOBAL:
    *way = VSMMU_REACH_BY_GLOBAL;
    return vsmmu_arguments_split_global (option->value->value, &driver, &property, &value)
               ? judge_global (driver, property, value)
               : VSMMU_REACH_NONE;
  case VSMMU_OPTION_SET:
    *way = VSMMU_REACH_BY_SET;
    return judge_set (search, option->value->value);
  case VSMMU_OPTION_MACHINE:
    *way = VSMMU_REACH_BY_MACHINE;
    return judge_machine (option);
  case VSMMU_OPTION_CONFIG:
    *way = VSMMU_REACH_BY_CONFIG;
    return VSMMU_REACH_ACCELERATED;
  default:
    return VSMMU_REACH_NONE;
  }
}

static void
add (Search *search, const VsmmuPassthrough *from, const VsmmuPassthrough *option, VsmmuReachKind kind,
     VsmmuReachWay way)
{
  const VsmmuReach reach = { from, option, kind, way };

  if (kind != VSMMU_REACH_NONE)
    g_array_append_val (search->domain->reaches, reach);
}

static void
add_options (Search *search, const GPtrArray *options)
{
  for (guint i = 0; i < options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);
    VsmmuReachWay way = VSMMU_REACH_BY_DEVICE;
    VsmmuReachKind kind = option->value != NULL ? judge_option (search, option, &way) : VSMMU_REACH_NONE;

    add (search, option->value, option->name, kind, way);
  }
}

static void
add_overrides (Search *search)
{
  for (guint i = 0; i < search->domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (search->domain->overrides, VsmmuPassthrough, i);
    gboolean is_removed = g_strcmp0 (vsmmu_xml_attribute (override->node, "type"), "remove") == 0;
    VsmmuReachKind kind = judge_change (search, override->alias, override->property, override->value);

    /* What is not given is off. */
    add (search, override, NULL, is_removed ? MIN (kind, VSMMU_REACH_SMMU) : kind, VSMMU_REACH_BY_OVERRIDE);
  }
}

static void
add_capabilities (Search *search)
{
  for (guint i = 0; i < search->domain->capabilities->len; i++) {
    const VsmmuPassthrough *capability = &g_array_index (search->domain->capabilities, VsmmuPassthrough, i);
    gboolean is_ours = FALSE;

    for (guint w = 0; w < G_N_ELEMENTS (capability_words); w++)
      is_ours = is_ours || strstr (capability->value, capability_words[w]) != NULL;
    add (search, capability, NULL, is_ours ? VSMMU_REACH_SMMU : VSMMU_REACH_NONE, VSMMU_REACH_BY_CAPABILITY);
  }
}

static void
collect_ids (Search *search, const GPtrArray *options)
{
  const VsmmuDomain *domain = search->domain;

  for (guint i = 0; i < domain->iommus->len; i++)
    g_hash_table_add (search->smmus, ((VsmmuDevice *) g_ptr_array_index (domain->iommus, i))->id);
  for (guint i = 0; i < options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);
    GHashTable *values = option->is_json ? option->members : option->values;
    gpointer id = values != NULL ? g_hash_table_lookup (values, "id") : NULL;

    if (option->kind == VSMMU_OPTION_DEVICE && id != NULL && is_smmu (g_hash_table_lookup (values, "driver")))
      g_hash_table_add (search->smmus, id);
  }
  for (guint i = 0; i < domain->overrides->len; i++) {
    const VsmmuPassthrough *override = &g_array_index (domain->overrides, VsmmuPassthrough, i);

    if (strcmp (override->property, "driver") == 0 && is_smmu (override->value))
      g_hash_table_add (search->smmus, (gpointer) override->alias);
  }
  for (guint i = 0; i < domain->controllers->len; i++)
    g_hash_table_add (search->placed, ((VsmmuDevice *) g_ptr_array_index (domain->controllers, i))->id);
  for (guint i = 0; i < domain->hostdevs->len; i++)
    g_hash_table_add (search->placed, ((VsmmuDevice *) g_ptr_array_index (domain->hostdevs, i))->id);
}

void
vsmmu_reach_find (VsmmuDomain *domain)
{
  g_autoptr (GPtrArray) options = NULL;
  g_auto (Search) search = { 0 };

  g_array_set_size (domain->reaches, 0);
  if (domain->arguments->len == 0 && domain->overrides->len == 0 && domain->capabilities->len == 0)
    return;
  search = (Search){ domain, g_hash_table_new (g_str_hash, g_str_equal), g_hash_table_new (g_str_hash, g_str_equal) };
  options = vsmmu_arguments_parse (domain->arguments);
  collect_ids (&search, options);
  add_options (&search, options);
  add_overrides (&search);
  add_capabilities (&search);
}

gboolean
vsmmu_reach_may_accelerate (const VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->reaches->len; i++)
    if (g_array_index (domain->reaches, VsmmuReach, i).kind == VSMMU_REACH_ACCELERATED)
      return TRUE;
  return FALSE;
}
