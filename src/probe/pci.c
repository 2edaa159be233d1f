/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/pci.h"

#include <errno.h>
#include <string.h>

#define PCI_DEVICES "sys/bus/pci/devices"
#define IOMMU_GROUPS "sys/kernel/iommu_groups"

/* PCI Express Base Specification, 7.6.3: extended capabilities start here, with a header of 4 bytes each. */
#define EXTENDED_START 0x100
#define EXTENDED_END 0x1000
#define CAPABILITY_ATS 0x0f
#define CAPABILITY_PRI 0x13
#define CAPABILITY_PASID 0x1b

/* Without CAP_SYS_ADMIN the kernel shows this much of the configuration space (pci_read_config()). */
#define CONFIG_UNPRIVILEGED 64

/* Linux include/linux/ioport.h */
#define RESOURCE_IO 0x00000100
#define RESOURCE_MEMORY 0x00000200
#define RESOURCE_PREFETCH 0x00002000
#define RESOURCE_MEMORY_64 0x00100000

void
vsmmu_pci_read_resource (char *text, VsmmuHostBar *bars)
{
  char *line;

  for (guint i = 0; i < VSMMU_HOST_BARS_MAX && (line = strsep (&text, "\n")) != NULL; i++) {
    char *rest = NULL;
    guint64 start = g_ascii_strtoull (line, &rest, 16);
    guint64 end = g_ascii_strtoull (rest, &rest, 16);
    guint64 flags = g_ascii_strtoull (rest, &rest, 16);

    if ((flags & (RESOURCE_IO | RESOURCE_MEMORY)) != 0 && end > start && end - start < G_MAXINT64)
      bars[i] = (VsmmuHostBar){
        .start = start,
        .size = end - start + 1,
        .is_io = (flags & RESOURCE_IO) != 0,
        .is_64bit = (flags & RESOURCE_MEMORY_64) != 0,
        .is_prefetchable = (flags & RESOURCE_PREFETCH) != 0,
      };
  }
}

static gboolean
read32 (const VsmmuTree *tree, int file, guint offset, guint32 *value)
{
  if (vsmmu_tree_read (tree, file, value, sizeof (*value), offset) != (gssize) sizeof (*value))
    return FALSE;
  *value = GUINT32_FROM_LE (*value);
  return TRUE;
}

/* Reads the headers only: on hardware every four bytes are an access to the device. Takes the first, read already. */
static void
walk_extended (const VsmmuTree *tree, int file, VsmmuHostDevice *device, guint32 header)
{
  guint offset = EXTENDED_START;

  /* At most as many as there is room for, in case they go round in a circle. */
  for (guint i = 0; i < (EXTENDED_END - EXTENDED_START) / 8; i++) {
    guint32 value = 0;

    if (header == 0 || header == G_MAXUINT32)
      return;
    if ((header & 0xffff) == CAPABILITY_ATS)
      device->ats.value = TRUE;
    else if ((header & 0xffff) == CAPABILITY_PRI)
      device->pri.value = TRUE;
    else if ((header & 0xffff) == CAPABILITY_PASID && read32 (tree, file, offset + 4, &value))
      device->pasid.value = MIN (value >> 8 & 0x1f, 20);
    offset = header >> 20 & ~3u;
    if (offset < EXTENDED_START || !read32 (tree, file, offset, &header))
      return;
  }
}

static void
read_config (const VsmmuTree *tree, int directory, VsmmuHostDevice *device)
{
  int file = vsmmu_tree_open (tree, directory, "config");
  gboolean is_extended;
  guint32 header = 0;

  if (file < 0)
    return;
  is_extended = read32 (tree, file, EXTENDED_START, &header);
  /* Conventional PCI has 256 bytes, and a user sees 64 of either. */
  if (is_extended || read32 (tree, file, CONFIG_UNPRIVILEGED, &header)) {
    device->ats = VSMMU_FACT (VSMMU_FACT_SOURCE_CONFIG_SPACE, FALSE);
    device->pri = device->ats;
    device->pasid = device->ats;
  } else {
    vsmmu_tree_note_unread (tree, PCI_DEVICES "/*/config", EACCES);
  }
  if (is_extended)
    walk_extended (tree, file, device, header);
  vsmmu_tree_close (tree, file);
}

/* KEY=VALUE, line by line: driver, class and ids at once, and those of virtual functions too. */
static void
read_uevent (char *text, VsmmuHostDevice *device)
{
  char *rest = NULL;

  for (char *line = strtok_r (text, "\n", &rest); line != NULL; line = strtok_r (NULL, "\n", &rest)) {
    char *value = strchr (line, '=');

    if (value == NULL)
      continue;
    *value++ = '\0';
    if (strcmp (line, "DRIVER") == 0) {
      g_free (device->driver);
      device->driver = g_strdup (value);
    } else if (strcmp (line, "PCI_CLASS") == 0) {
      device->class_code = (guint32) g_ascii_strtoull (value, NULL, 16) & 0xffffff;
    } else if (strcmp (line, "PCI_ID") == 0) {
      char *colon = NULL;

      device->vendor = (guint16) g_ascii_strtoull (value, &colon, 16);
      if (*colon == ':')
        device->device = (guint16) g_ascii_strtoull (colon + 1, NULL, 16);
    }
  }
}

/* The last component of where a link leads to, or %NULL. */
static const char *
link_base (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size)
{
  const char *slash;

  if (!vsmmu_tree_read_link (tree, directory, name, buffer, size))
    return NULL;
  slash = strrchr (buffer, '/');
  return slash != NULL ? slash + 1 : buffer;
}

/*
 * Its character device. The directory is there for each device that some driver gives to VFIO, whatever the driver is
 * called; without CONFIG_VFIO_DEVICE_CDEV it has no number.
 */
static void
read_vfio (const VsmmuTree *tree, int directory, VsmmuHostDevice *device)
{
  g_autoptr (GPtrArray) names = device->driver != NULL ? vsmmu_tree_list (tree, directory, "vfio-dev") : NULL;

  for (guint i = 0; names != NULL && i < names->len && device->vfio == NULL; i++) {
    const char *name = g_ptr_array_index (names, i);
    g_autofree char *number = g_strconcat ("vfio-dev/", name, "/dev", NULL);
    g_autofree char *node = g_strconcat ("dev/vfio/devices/", name, NULL);

    if (vsmmu_tree_has (tree, directory, number) || vsmmu_tree_has (tree, tree->source->root, node))
      device->vfio = g_strdup (name);
  }
}

/* Only physical functions with SR-IOV have these files. */
static void
read_sriov (const VsmmuTree *tree, int directory, VsmmuHostDevice *device)
{
  VsmmuFact none = VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, 0);

  device->total_vfs = device->vfs = none;
  if (device->physical_function == NULL)
    device->total_vfs = vsmmu_tree_read_number (tree, directory, "sriov_totalvfs");
  if (!vsmmu_fact_is_known (device->total_vfs))
    device->total_vfs = none;
  else if (device->physical_function == NULL)
    device->vfs = vsmmu_tree_read_number (tree, directory, "sriov_numvfs");
}

/* Returns the number of its IOMMU group, -1 for none. */
static gint64
read_files (const VsmmuTree *tree, int directory, VsmmuHostDevice *device)
{
  gint64 group = -1;
  char buffer[4096];
  const char *base;

  if (vsmmu_tree_read_small (tree, directory, "uevent", buffer, sizeof (buffer)))
    read_uevent (buffer, device);
  if (vsmmu_tree_read_small (tree, directory, "resource", buffer, sizeof (buffer)))
    vsmmu_pci_read_resource (buffer, device->bars);
  device->numa_node = vsmmu_tree_read_number (tree, directory, "numa_node");
  base = link_base (tree, directory, "iommu_group", buffer, sizeof (buffer));
  if (base != NULL)
    group = (gint64) (g_ascii_strtoull (base, NULL, 10) & G_MAXINT32);
  read_vfio (tree, directory, device);
  if (!vsmmu_host_device_is_bridge (device))
    read_config (tree, directory, device);
  base = link_base (tree, directory, "physfn", buffer, sizeof (buffer));
  if (base != NULL)
    device->physical_function = vsmmu_host_device_named (tree->host, base);
  read_sriov (tree, directory, device);
  return group;
}

/* The function whose name comes before the last in @path, which is ../../../devices/pci0000:20/0000:20:00.0/… */
static VsmmuHostDevice *
parent_in (const VsmmuHost *host, char *path)
{
  char *last = strrchr (path, '/');
  const char *before;

  if (last == NULL)
    return NULL;
  *last = '\0';
  before = strrchr (path, '/');
  return before != NULL ? vsmmu_host_device_named (host, before + 1) : NULL;
}

/* PASID and PRI of virtual functions are those of their physical function (pci_pasid_features()). */
static void
inherit (VsmmuHostDevice *device)
{
  if (device->physical_function == NULL)
    return;
  device->pasid = device->physical_function->pasid;
  device->pri = device->physical_function->pri;
}

static void
read_regions (char *text, VsmmuHostGroup *group)
{
  char *rest = NULL;

  for (char *line = strtok_r (text, "\n", &rest); line != NULL && group->regions->len < VSMMU_HOST_REGIONS_MAX;
       line = strtok_r (NULL, "\n", &rest)) {
    char *after = NULL;
    guint64 start = g_ascii_strtoull (line, &after, 16);
    guint64 end = g_ascii_strtoull (after, &after, 16);

    if (*after == ' ' && end >= start)
      g_ptr_array_add (group->regions, vsmmu_host_region_new (start, end, g_strstrip (after)));
  }
}

/* The work of several threads: devices by their index, then groups. */
typedef struct {
  const VsmmuTree *tree;
  int top;
  gint64 *groups; /* of each device */
} Reading;

static void
read_device (gpointer data, guint i)
{
  const Reading *reading = data;
  VsmmuHost *host = reading->tree->host;
  VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
  int directory = vsmmu_tree_enter (reading->tree, reading->top, device->name);
  char path[4096];

  reading->groups[i] = -1;
  if (directory < 0)
    return;
  if (vsmmu_tree_read_link (reading->tree, reading->top, device->name, path, sizeof (path)))
    device->parent = parent_in (host, path);
  reading->groups[i] = read_files (reading->tree, directory, device);
  vsmmu_tree_close (reading->tree, directory);
}

static void
read_group (gpointer data, guint i)
{
  const Reading *reading = data;
  VsmmuHostGroup *group = g_ptr_array_index (reading->tree->host->groups, i);
  char name[64];
  char buffer[4096];

  g_snprintf (name, sizeof (name), "%u/type", group->number);
  if (vsmmu_tree_read_small (reading->tree, reading->top, name, buffer, sizeof (buffer)))
    group->type = g_strdup (buffer);
  g_snprintf (name, sizeof (name), "%u/reserved_regions", group->number);
  group->has_regions = vsmmu_tree_read_small (reading->tree, reading->top, name, buffer, sizeof (buffer));
  if (group->has_regions)
    read_regions (buffer, group);
}

/* Makes the groups that the devices are in. */
static void
add_groups (VsmmuHost *host, const gint64 *numbers)
{
  g_autoptr (GHashTable) groups = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    gpointer key = GUINT_TO_POINTER ((guint) numbers[i]);

    if (numbers[i] < 0)
      continue;
    device->group = g_hash_table_lookup (groups, key);
    if (device->group != NULL)
      continue;
    device->group = vsmmu_host_group_new ((guint) numbers[i]);
    g_ptr_array_add (host->groups, device->group);
    g_hash_table_insert (groups, key, device->group);
  }
}

static void
add_devices (VsmmuHost *host, const GPtrArray *names)
{
  for (guint i = 0; i < names->len && host->devices->len < VSMMU_HOST_DEVICES_MAX; i++) {
    VsmmuPciAddress address;
    VsmmuHostDevice *device;

    if (!vsmmu_host_parse_address (g_ptr_array_index (names, i), &address))
      continue;
    device = vsmmu_host_device_new (g_ptr_array_index (names, i));
    device->domain = address.domain;
    device->bus = address.bus;
    device->slot = address.slot;
    device->function = address.function;
    g_ptr_array_add (host->devices, device);
  }
  vsmmu_host_sort (host);
}

/* (transfer full): those of @wanted that are there, and the others in their groups */
static GPtrArray *
list_wanted (const VsmmuTree *tree, const GPtrArray *wanted)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) listed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < wanted->len; i++) {
    const char *name = g_ptr_array_index (wanted, i);
    g_autofree char *path = g_strconcat (PCI_DEVICES "/", name, NULL);
    g_autofree char *others = g_strconcat (path, "/iommu_group/devices", NULL);
    g_autoptr (GPtrArray) group = vsmmu_tree_list (tree, tree->source->root, others);

    if (group == NULL || !vsmmu_tree_has (tree, tree->source->root, path))
      continue;
    g_ptr_array_add (group, g_strdup (name));
    for (guint k = 0; k < group->len; k++) {
      char *member = g_strdup (g_ptr_array_index (group, k));

      if (g_hash_table_add (listed, member))
        g_ptr_array_add (names, g_strdup (member));
    }
  }
  return names;
}

void
vsmmu_pci_probe (const VsmmuTree *tree, const GPtrArray *wanted)
{
  VsmmuHost *host = tree->host;
  g_autoptr (GPtrArray) names =
      wanted != NULL ? list_wanted (tree, wanted) : vsmmu_tree_list (tree, tree->source->root, PCI_DEVICES);
  g_autofree gint64 *groups = NULL;
  Reading reading = { .tree = tree };

  host->has_devices = names != NULL;
  reading.top = names != NULL && names->len > 0 ? vsmmu_tree_enter (tree, tree->source->root, PCI_DEVICES) : -1;
  if (reading.top < 0)
    return;
  add_devices (host, names);
  reading.groups = groups = g_new0 (gint64, host->devices->len);
  vsmmu_tree_for_each (host->devices->len, read_device, &reading);
  vsmmu_tree_close (tree, reading.top);
  vsmmu_host_cut_circles (host);
  for (guint i = 0; i < host->devices->len; i++)
    inherit (g_ptr_array_index (host->devices, i));
  add_groups (host, groups);
  vsmmu_host_sort (host);
  reading.top = host->groups->len > 0 ? vsmmu_tree_enter (tree, tree->source->root, IOMMU_GROUPS) : -1;
  if (reading.top < 0)
    return;
  vsmmu_tree_for_each (host->groups->len, read_group, &reading);
  vsmmu_tree_close (tree, reading.top);
}
