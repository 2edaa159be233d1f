/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const source_names[] = {
  [VSMMU_FACT_SOURCE_NONE] = "unknown",
  [VSMMU_FACT_SOURCE_SYSFS] = "sysfs",
  [VSMMU_FACT_SOURCE_PROCFS] = "procfs",
  [VSMMU_FACT_SOURCE_DEVFS] = "devfs",
  [VSMMU_FACT_SOURCE_CONFIG_SPACE] = "config-space",
  [VSMMU_FACT_SOURCE_IOMMUFD] = "iommufd",
  [VSMMU_FACT_SOURCE_IORT] = "iort",
  [VSMMU_FACT_SOURCE_KERNEL_LOG] = "kernel-log",
  [VSMMU_FACT_SOURCE_KERNEL_CONFIG] = "kernel-config",
  [VSMMU_FACT_SOURCE_LIBVIRT] = "libvirt",
  [VSMMU_FACT_SOURCE_QEMU] = "qemu",
  [VSMMU_FACT_SOURCE_APPARMOR] = "apparmor",
  [VSMMU_FACT_SOURCE_GIVEN] = "given",
};

const char *
vsmmu_fact_source_to_string (VsmmuFactSource source)
{
  return source_names[source];
}

gboolean
vsmmu_fact_source_from_string (const char *name, VsmmuFactSource *source)
{
  /* "unknown" is not a source that a fact can have. */
  for (guint i = 1; i < G_N_ELEMENTS (source_names); i++) {
    if (strcmp (source_names[i], name) == 0) {
      *source = (VsmmuFactSource) i;
      return TRUE;
    }
  }
  return FALSE;
}

static void
smmu_free (gpointer data)
{
  VsmmuHostSmmu *smmu = data;

  g_free (smmu->name);
  g_free (smmu->platform);
  g_free (smmu->probed);
  g_ptr_array_unref (smmu->devices);
  g_free (smmu);
}

static void
region_free (gpointer data)
{
  VsmmuHostRegion *region = data;

  g_free (region->type);
  g_free (region);
}

static void
group_free (gpointer data)
{
  VsmmuHostGroup *group = data;

  g_free (group->type);
  g_ptr_array_unref (group->regions);
  g_ptr_array_unref (group->devices);
  g_free (group);
}

static void
device_free (gpointer data)
{
  VsmmuHostDevice *device = data;

  g_free (device->name);
  g_free (device->driver);
  g_free (device->vfio);
  g_free (device);
}

static void
unread_free (gpointer data)
{
  VsmmuHostUnread *unread = data;

  g_free (unread->path);
  g_free (unread->reason);
  g_free (unread);
}

VsmmuHost *
vsmmu_host_new (void)
{
  VsmmuHost *host = g_atomic_rc_box_new0 (VsmmuHost);

  host->pages = g_array_new (FALSE, TRUE, sizeof (VsmmuHostPages));
  host->smmus = g_ptr_array_new_with_free_func (smmu_free);
  host->groups = g_ptr_array_new_with_free_func (group_free);
  host->devices = g_ptr_array_new_with_free_func (device_free);
  host->unread = g_ptr_array_new_with_free_func (unread_free);
  return host;
}

VsmmuHost *
vsmmu_host_ref (VsmmuHost *host)
{
  return g_atomic_rc_box_acquire (host);
}

static void
host_clear (gpointer data)
{
  VsmmuHost *host = data;

  g_free (host->name);
  g_free (host->architecture);
  g_free (host->kernel);
  g_free (host->emulator);
  g_free (host->other_iommu);
  g_array_unref (host->pages);
  g_ptr_array_unref (host->smmus);
  g_ptr_array_unref (host->groups);
  g_ptr_array_unref (host->devices);
  g_ptr_array_unref (host->unread);
}

void
vsmmu_host_unref (VsmmuHost *host)
{
  if (host != NULL)
    g_atomic_rc_box_release_full (host, host_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuHost, vsmmu_host, vsmmu_host_ref, vsmmu_host_unref)

VsmmuHostSmmu *
vsmmu_host_smmu_new (const char *name)
{
  VsmmuHostSmmu *smmu = g_new0 (VsmmuHostSmmu, 1);

  smmu->name = g_strdup (name);
  smmu->devices = g_ptr_array_new ();
  return smmu;
}

VsmmuHostGroup *
vsmmu_host_group_new (guint number)
{
  VsmmuHostGroup *group = g_new0 (VsmmuHostGroup, 1);

  group->number = number;
  group->regions = g_ptr_array_new_with_free_func (region_free);
  group->devices = g_ptr_array_new ();
  return group;
}

VsmmuHostDevice *
vsmmu_host_device_new (const char *name)
{
  VsmmuHostDevice *device = g_new0 (VsmmuHostDevice, 1);

  device->name = g_strdup (name);
  return device;
}

VsmmuHostRegion *
vsmmu_host_region_new (guint64 start, guint64 end, const char *type)
{
  VsmmuHostRegion *region = g_new0 (VsmmuHostRegion, 1);

  region->start = start;
  region->end = end;
  region->type = g_strdup (type);
  return region;
}

void
vsmmu_host_add_unread (VsmmuHost *host, const char *path, const char *reason)
{
  VsmmuHostUnread *unread;

  if (host->unread->len >= VSMMU_HOST_UNREAD_MAX)
    return;
  /* The same file of every device fails for the same reason. */
  for (guint i = 0; path != NULL && i < host->unread->len; i++)
    if (g_strcmp0 (((const VsmmuHostUnread *) g_ptr_array_index (host->unread, i))->path, path) == 0)
      return;
  unread = g_new0 (VsmmuHostUnread, 1);
  unread->path = g_strdup (path);
  unread->reason = g_strdup (reason);
  g_ptr_array_add (host->unread, unread);
}

static int
compare_smmus (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(VsmmuHostSmmu *const *) a)->name, (*(VsmmuHostSmmu *const *) b)->name);
}

static int
compare_groups (gconstpointer a, gconstpointer b)
{
  guint left = (*(VsmmuHostGroup *const *) a)->number;
  guint right = (*(VsmmuHostGroup *const *) b)->number;

  return (left > right) - (left < right);
}

/* One number that sorts as addresses do. */
static guint64
device_key (guint32 domain, guint bus, guint slot, guint function)
{
  return (guint64) domain << 16 | bus << 8 | slot << 3 | function;
}

static int
compare_devices (gconstpointer a, gconstpointer b)
{
  const VsmmuHostDevice *left = *(VsmmuHostDevice *const *) a;
  const VsmmuHostDevice *right = *(VsmmuHostDevice *const *) b;
  guint64 left_key = device_key (left->domain, left->bus, left->slot, left->function);
  guint64 right_key = device_key (right->domain, right->bus, right->slot, right->function);

  return (left_key > right_key) - (left_key < right_key);
}

void
vsmmu_host_sort (VsmmuHost *host)
{
  g_ptr_array_sort (host->smmus, compare_smmus);
  g_ptr_array_sort (host->groups, compare_groups);
  g_ptr_array_sort (host->devices, compare_devices);
}

/* The element of @sorted that equals @wanted, or %NULL. */
static gpointer
find (const GPtrArray *sorted, gconstpointer wanted, GCompareFunc compare)
{
  gpointer *found = NULL;

  if (sorted->len > 0)
    found = bsearch (&wanted, sorted->pdata, sorted->len, sizeof (gpointer), compare);
  return found != NULL ? *found : NULL;
}

VsmmuHostSmmu *
vsmmu_host_smmu_named (const VsmmuHost *host, const char *name)
{
  const VsmmuHostSmmu wanted = { .name = (char *) name };

  return find (host->smmus, &wanted, compare_smmus);
}

VsmmuHostGroup *
vsmmu_host_group_numbered (const VsmmuHost *host, guint number)
{
  const VsmmuHostGroup wanted = { .number = number };

  return find (host->groups, &wanted, compare_groups);
}

VsmmuHostDevice *
vsmmu_host_device_at (const VsmmuHost *host, const VsmmuPciAddress *address)
{
  const VsmmuHostDevice wanted = {
    .domain = address->domain, .bus = address->bus, .slot = address->slot, .function = address->function
  };

  return find (host->devices, &wanted, compare_devices);
}

VsmmuHostDevice *
vsmmu_host_device_named (const VsmmuHost *host, const char *name)
{
  VsmmuPciAddress address;

  return vsmmu_host_parse_address (name, &address) ? vsmmu_host_device_at (host, &address) : NULL;
}

const VsmmuHostDevice *
vsmmu_host_find_device (const VsmmuHost *host, const char *name)
{
  return vsmmu_host_device_named (host, name);
}

gboolean
vsmmu_host_device_is_bridge (const VsmmuHostDevice *device)
{
  return device->class_code >> 16 == 0x06;
}

gboolean
vsmmu_host_device_loses_ats (const VsmmuHostDevice *device)
{
  VsmmuFact word = vsmmu_fact_is_known (device->kernel_ats) ? device->kernel_ats : device->root_ats;

  return vsmmu_fact_is_true (device->ats) && vsmmu_fact_is_false (word);
}

gboolean
vsmmu_host_device_is_gpu (const VsmmuHostDevice *device)
{
  /* PCI Code and ID Assignment Specification, base classes */
  return device->class_code >> 16 == 0x03 || device->class_code >> 16 == 0x12;
}

gboolean
vsmmu_host_device_has_vfio_driver (const VsmmuHostDevice *device)
{
  return device->driver != NULL && strstr (device->driver, "vfio") != NULL;
}

gboolean
vsmmu_host_device_is_for_vfio (const VsmmuHostDevice *device)
{
  return device->vfio != NULL || vsmmu_host_device_has_vfio_driver (device);
}

/* @digits characters at @text as a hexadecimal number, lower case only; -1 for anything else. */
static gint64
parse_hex (const char *text, gsize digits)
{
  gint64 value = 0;

  for (gsize i = 0; i < digits; i++) {
    if (!g_ascii_isdigit (text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
      return -1;
    value = value << 4 | g_ascii_xdigit_value (text[i]);
  }
  return value;
}

GStrv
vsmmu_host_list_devices (const VsmmuHost *host)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    if (device->smmu != NULL && !vsmmu_host_device_is_bridge (device))
      g_strv_builder_add (names, device->name);
  }
  return g_strv_builder_end (names);
}

gboolean
vsmmu_host_parse_address (const char *text, VsmmuPciAddress *address)
{
  gsize digits = strcspn (text, ":");
  gint64 domain = digits >= 4 && digits <= 8 ? parse_hex (text, digits) : -1;
  const char *rest = text + digits;
  gint64 bus;
  gint64 slot;
  gint64 function;

  /* :bb:ss.f */
  if (domain < 0 || strlen (rest) != 8 || rest[3] != ':' || rest[6] != '.')
    return FALSE;
  bus = parse_hex (rest + 1, 2);
  slot = parse_hex (rest + 4, 2);
  function = parse_hex (rest + 7, 1);
  if (bus < 0 || slot < 0 || slot >= VSMMU_PCI_SLOTS_MAX || function < 0 || function >= VSMMU_PCI_FUNCTIONS_MAX)
    return FALSE;
  *address = (VsmmuPciAddress){
    .domain = (guint32) domain, .bus = (guint8) bus, .slot = (guint8) slot, .function = (guint8) function
  };
  return TRUE;
}

gboolean
vsmmu_host_parse_smmu (const char *name, guint64 *base)
{
  static const char prefix[] = "smmu3.0x";
  const char *digits = name + strlen (prefix);
  gint64 high;
  gint64 low;

  if (!g_str_has_prefix (name, prefix) || strlen (digits) != 16)
    return FALSE;
  high = parse_hex (digits, 8);
  low = parse_hex (digits + 8, 8);
  *base = (guint64) high << 32 | (guint64) low;
  return high >= 0 && low >= 0;
}

/* Whether @fact may be replaced by what registers say, which the log only repeats in part. */
static gboolean
is_lesser (VsmmuFact fact)
{
  return !vsmmu_fact_is_known (fact) || fact.source == VSMMU_FACT_SOURCE_KERNEL_LOG;
}

/* What only the driver knows: it switches nesting off for errata, and later kernels for fewer SMMUs. */
static const VsmmuSmmuCapability words_of_driver[] = { VSMMU_SMMU_NESTING, VSMMU_SMMU_S2FWB };

/* What is given stands; what is not follows from the driver's word, the registers, and the driver's other bits. */
static void
finish_smmu (const VsmmuHost *host, VsmmuHostSmmu *smmu)
{
  VsmmuFact decoded[VSMMU_SMMU_CAPABILITIES];
  VsmmuFact logged[VSMMU_SMMU_CAPABILITIES];

  vsmmu_smmu_decode (smmu->registers, host->kernel, decoded);
  vsmmu_smmu_decode_features (smmu->features, host, logged);
  for (guint i = 0; i < G_N_ELEMENTS (words_of_driver); i++)
    if (vsmmu_fact_is_known (logged[words_of_driver[i]]))
      decoded[words_of_driver[i]] = logged[words_of_driver[i]];
  for (guint i = 0; i < VSMMU_SMMU_CAPABILITIES; i++) {
    if (is_lesser (smmu->capabilities[i]) && vsmmu_fact_is_known (decoded[i]))
      smmu->capabilities[i] = decoded[i];
    if (!vsmmu_fact_is_known (smmu->capabilities[i]))
      smmu->capabilities[i] = logged[i];
  }
}

const VsmmuHostDevice *
vsmmu_host_cut_circles (VsmmuHost *host)
{
  /* device → 1 + the walk that came by */
  g_autoptr (GHashTable) walks = g_hash_table_new (NULL, NULL);
  const VsmmuHostDevice *first = NULL;

  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *below = NULL;
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    gpointer walk = GUINT_TO_POINTER (i + 1);

    for (; device != NULL && !g_hash_table_contains (walks, device); device = device->parent) {
      g_hash_table_insert (walks, device, walk);
      below = device;
    }
    if (device == NULL || below == NULL || g_hash_table_lookup (walks, device) != walk)
      continue;
    below->parent = NULL;
    if (first == NULL)
      first = below;
  }
  return first;
}

void
vsmmu_host_connect (VsmmuHost *host)
{
  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    if (device->smmu != NULL)
      g_ptr_array_add (device->smmu->devices, device);
    if (device->group != NULL)
      g_ptr_array_add (device->group->devices, device);
  }
}

void
vsmmu_host_finish (VsmmuHost *host)
{
  for (guint i = 0; i < host->smmus->len; i++)
    finish_smmu (host, g_ptr_array_index (host->smmus, i));
}

gboolean
vsmmu_host_smmu_has_devices (const VsmmuHostSmmu *smmu)
{
  for (guint i = 0; i < smmu->devices->len; i++)
    if (!vsmmu_host_device_is_bridge (g_ptr_array_index (smmu->devices, i)))
      return TRUE;
  return FALSE;
}

const VsmmuHostRegion *
vsmmu_host_group_direct_region (const VsmmuHostGroup *group)
{
  for (guint i = 0; i < group->regions->len; i++) {
    const VsmmuHostRegion *region = g_ptr_array_index (group->regions, i);

    if (strcmp (region->type, "direct") == 0)
      return region;
  }
  return NULL;
}

gboolean
vsmmu_host_needs_iommufd_module (const VsmmuHost *host)
{
  return vsmmu_fact_is_false (host->dev_iommu) && host->options[VSMMU_HOST_OPTION_IOMMUFD].value == VSMMU_OPTION_MODULE;
}

char *
vsmmu_host_describe_denied (const VsmmuHost *host)
{
  gboolean lacks_iommu = vsmmu_fact_is_false (host->apparmor_iommu);
  gboolean lacks_vfio = vsmmu_fact_is_false (host->apparmor_vfio);

  if (!vsmmu_fact_is_true (host->apparmor) || (!lacks_iommu && !lacks_vfio))
    return NULL;
  return g_strconcat (lacks_iommu ? "/dev/iommu" : "", lacks_iommu && lacks_vfio ? ", " : "",
                      lacks_vfio ? "/dev/vfio/devices/*" : "", NULL);
}

gboolean
vsmmu_host_has_cmdqv (const VsmmuHost *host)
{
  for (guint i = 0; i < host->smmus->len; i++)
    if (vsmmu_fact_is_true (vsmmu_host_smmu_supports_cmdqv (g_ptr_array_index (host->smmus, i))))
      return TRUE;
  return FALSE;
}
