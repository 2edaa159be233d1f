/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "domain/domain.h"
#include "host/host-fields.h"
#include "probe/apparmor.h"
#include "probe/directory.h"
#include "probe/gzip.h"
#include "probe/host.h"
#include "probe/iommufd.h"
#include "probe/iort.h"
#include "probe/kernel-log.h"
#include "probe/listing.h"
#include "probe/pci.h"
#include "probe/tools.h"

#define IOMMU_CLASS "sys/class/iommu"
#define HUGEPAGES "sys/kernel/mm/hugepages"
#define IORT "sys/firmware/acpi/tables/IORT"
#define ARCHITECTURE "proc/sys/kernel/arch"
#define ANSWERS "virt-vsmmu/answers.json"

/* /sys/class/iommu/NAME leads to …/platform/arm-smmu-v3.1.auto/iommu/NAME. */
static char *
read_platform (const VsmmuTree *tree, int top, const char *name)
{
  char path[4096];
  char *end;
  char *start;

  if (!vsmmu_tree_read_link (tree, top, name, path, sizeof (path)))
    return NULL;
  end = g_strrstr (path, "/iommu/");
  if (end == NULL)
    return NULL;
  *end = '\0';
  start = strrchr (path, '/');
  return start != NULL ? g_strdup (start + 1) : NULL;
}

static void
read_smmu (const VsmmuTree *tree, int top, const char *name)
{
  VsmmuHostSmmu *smmu = vsmmu_host_smmu_new (name);
  g_autofree char *devices = g_strconcat (name, "/devices", NULL);
  g_autofree char *node = g_strconcat (name, "/device/numa_node", NULL);
  g_autoptr (GPtrArray) names = vsmmu_tree_list (tree, top, devices);

  vsmmu_host_parse_smmu (name, &smmu->base);
  smmu->platform = read_platform (tree, top, name);
  smmu->numa_node = vsmmu_tree_read_number (tree, top, node);
  for (guint i = 0; names != NULL && i < names->len; i++) {
    VsmmuHostDevice *device = vsmmu_host_device_named (tree->host, g_ptr_array_index (names, i));

    if (device != NULL)
      device->smmu = smmu;
  }
  g_ptr_array_add (tree->host->smmus, smmu);
}

static void
read_smmus (const VsmmuTree *tree)
{
  g_autoptr (GPtrArray) names = vsmmu_tree_list (tree, tree->source->root, IOMMU_CLASS);
  int top = names != NULL && names->len > 0 ? vsmmu_tree_enter (tree, tree->source->root, IOMMU_CLASS) : -1;
  guint64 base;

  tree->host->has_smmus = names != NULL;
  for (guint i = 0; top >= 0 && i < names->len && tree->host->smmus->len < VSMMU_HOST_SMMUS_MAX; i++) {
    if (vsmmu_host_parse_smmu (g_ptr_array_index (names, i), &base))
      read_smmu (tree, top, g_ptr_array_index (names, i));
    else if (tree->host->other_iommu == NULL)
      tree->host->other_iommu = g_strdup (g_ptr_array_index (names, i));
  }
  if (top >= 0)
    vsmmu_tree_close (tree, top);
  vsmmu_host_sort (tree->host);
}

static void
read_log (const VsmmuTree *tree)
{
  gsize length = 0;
  g_autofree char *text = tree->host->smmus->len > 0 ? vsmmu_tree_read_file (tree, "dev/kmsg", &length) : NULL;

  if (text != NULL)
    vsmmu_kernel_log_read (tree->host, text);
}

/* The kernel takes CANWBS from the IORT only, which a machine that is described by a device tree does not have. */
static gboolean
has_no_iort (const VsmmuTree *tree)
{
  return vsmmu_fact_is_true (vsmmu_tree_exists (tree, "sys/firmware/devicetree", VSMMU_FACT_SOURCE_SYSFS)) &&
         vsmmu_fact_is_false (vsmmu_tree_exists (tree, IORT, VSMMU_FACT_SOURCE_SYSFS));
}

/* The kernel takes the root complex of a device from its segment (iort_match_node_callback()). */
static void
read_root_complexes (VsmmuHost *host, const GArray *root_complexes)
{
  g_autoptr (GHashTable) by_segment = g_hash_table_new (NULL, NULL);

  for (guint i = 0; root_complexes != NULL && i < root_complexes->len; i++) {
    const VsmmuIortRootComplex *root_complex = &g_array_index (root_complexes, VsmmuIortRootComplex, i);

    /* Of two nodes for one segment, the kernel takes the first (iort_scan_node()). */
    if (!g_hash_table_contains (by_segment, GUINT_TO_POINTER (root_complex->segment)))
      g_hash_table_insert (by_segment, GUINT_TO_POINTER (root_complex->segment), (gpointer) root_complex);
  }
  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    const VsmmuIortRootComplex *root_complex = g_hash_table_lookup (by_segment, GUINT_TO_POINTER (device->domain));

    if (root_complex != NULL)
      device->root_ats = VSMMU_FACT (VSMMU_FACT_SOURCE_IORT, root_complex->has_ats);
  }
}

static void
read_iort (const VsmmuTree *tree)
{
  gsize length = 0;
  g_autofree char *data = tree->host->smmus->len > 0 ? vsmmu_tree_read_file (tree, IORT, &length) : NULL;
  g_autoptr (GArray) nodes = data != NULL ? vsmmu_iort_parse ((const guint8 *) data, length) : NULL;
  g_autoptr (GArray) root_complexes =
      data != NULL ? vsmmu_iort_list_root_complexes ((const guint8 *) data, length) : NULL;

  gboolean is_without = data == NULL && has_no_iort (tree);

  read_root_complexes (tree->host, root_complexes);
  for (guint i = 0; i < tree->host->smmus->len && is_without; i++)
    ((VsmmuHostSmmu *) g_ptr_array_index (tree->host->smmus, i))->capabilities[VSMMU_SMMU_CANWBS] =
        VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, FALSE);
  for (guint i = 0; nodes != NULL && i < nodes->len; i++) {
    const VsmmuIortSmmu *node = &g_array_index (nodes, VsmmuIortSmmu, i);
    g_autofree char *name = g_strdup_printf ("smmu3.0x%016" G_GINT64_MODIFIER "x", node->base);
    VsmmuHostSmmu *smmu = vsmmu_host_smmu_named (tree->host, name);

    /* The kernel asks the root complex of each device; where they differ, nothing is known about the SMMU. */
    if (smmu != NULL && node->n_root_complexes > 0 && (node->n_canwbs == 0 || node->n_canwbs == node->n_root_complexes))
      smmu->capabilities[VSMMU_SMMU_CANWBS] = VSMMU_FACT (VSMMU_FACT_SOURCE_IORT, node->n_canwbs > 0);
  }
}

/* CONFIG_X=y or CONFIG_X=m; an option that is not there, or only in a comment, is not set. */
static void
read_options (VsmmuHost *host, char *config)
{
  char *rest = NULL;

  for (guint i = 0; i < VSMMU_HOST_OPTIONS; i++)
    host->options[i] = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_CONFIG, 0);
  for (char *line = strtok_r (config, "\n", &rest); line != NULL; line = strtok_r (NULL, "\n", &rest)) {
    char *value = g_str_has_prefix (line, "CONFIG_") ? strchr (line, '=') : NULL;

    if (value == NULL || (value[1] != 'y' && value[1] != 'm'))
      continue;
    *value++ = '\0';
    for (guint i = 0; i < VSMMU_HOST_OPTIONS; i++)
      if (strcmp (line, vsmmu_host_option_fields[i].name) == 0)
        host->options[i].value = *value == 'y' ? VSMMU_OPTION_BUILT_IN : VSMMU_OPTION_MODULE;
  }
}

/* Where the configuration of a kernel is kept: distributions, merged /usr, image mode and ostree. */
static const char *const configs[] = { "boot/config-%s", "lib/modules/%s/config", "usr/lib/modules/%s/config" };

static void
read_config (const VsmmuTree *tree)
{
  const char *release = tree->host->kernel;
  gsize length = 0;
  g_autofree char *packed = vsmmu_tree_read_file (tree, "proc/config.gz", &length);
  g_autofree char *config = packed != NULL ? vsmmu_gzip_unpack (packed, length, &length) : NULL;

  for (guint i = 0; config == NULL && release != NULL && strchr (release, '/') == NULL && i < G_N_ELEMENTS (configs);
       i++) {
    g_auto (GStrv) parts = g_strsplit (configs[i], "%s", 2);
    g_autofree char *path = g_strconcat (parts[0], release, parts[1], NULL);

    config = vsmmu_tree_read_linked_file (tree, path, &length);
  }
  if (config != NULL)
    read_options (tree->host, config);
}

/* (transfer full) (nullable): the text of a small file */
static char *
read_name (const VsmmuTree *tree, const char *path)
{
  char text[256];

  return vsmmu_tree_read_small (tree, tree->source->root, path, text, sizeof (text)) && text[0] != '\0'
             ? g_strdup (text)
             : NULL;
}

static void
read_machine (const VsmmuTree *tree, gboolean is_this)
{
  VsmmuHost *host = tree->host;
  struct utsname names;

  host->name = read_name (tree, "proc/sys/kernel/hostname");
  host->kernel = read_name (tree, "proc/sys/kernel/osrelease");
  host->architecture = read_name (tree, ARCHITECTURE);
  if (host->architecture == NULL && is_this && uname (&names) == 0)
    host->architecture = g_strdup (names.machine);
  read_config (tree);
  host->dev_iommu = vsmmu_tree_exists (tree, "dev/iommu", VSMMU_FACT_SOURCE_DEVFS);
  host->dev_kvm = vsmmu_tree_exists (tree, "dev/kvm", VSMMU_FACT_SOURCE_DEVFS);
  host->dev_vfio = vsmmu_tree_exists (tree, "dev/vfio/vfio", VSMMU_FACT_SOURCE_DEVFS);
}

/* -1 for what is not a count */
static gint64
read_count (const VsmmuTree *tree, const char *path)
{
  VsmmuFact count = vsmmu_tree_read_number (tree, tree->source->root, path);

  return vsmmu_fact_is_known (count) ? MAX (count.value, -1) : -1;
}

static int
compare_pools (gconstpointer a, gconstpointer b)
{
  guint64 left = ((const VsmmuHostPages *) a)->size;
  guint64 right = ((const VsmmuHostPages *) b)->size;

  return (left > right) - (left < right);
}

static void
read_pages (const VsmmuTree *tree)
{
  g_autoptr (GPtrArray) names = vsmmu_tree_list (tree, tree->source->root, HUGEPAGES);

  tree->host->has_pages = names != NULL;
  for (guint i = 0; names != NULL && i < names->len && i < VSMMU_HOST_PAGES_MAX; i++) {
    const char *name = g_ptr_array_index (names, i);
    g_autofree char *total = g_strconcat (HUGEPAGES "/", name, "/nr_hugepages", NULL);
    g_autofree char *free_pages = g_strconcat (HUGEPAGES "/", name, "/free_hugepages", NULL);
    VsmmuHostPages pages = { 0 };

    if (!g_str_has_prefix (name, "hugepages-"))
      continue;
    pages.size = g_ascii_strtoull (name + strlen ("hugepages-"), NULL, 10);
    pages.total = read_count (tree, total);
    pages.free = read_count (tree, free_pages);
    if (pages.size > 0)
      g_array_append_val (tree->host->pages, pages);
  }
  g_array_sort (tree->host->pages, compare_pools);
}

/* What no file has: the answers of the host that a listing is of, beside its files. */
static void
read_answers (const VsmmuTree *tree)
{
  gsize length = 0;
  g_autofree char *text = vsmmu_tree_read_file (tree, ANSWERS, &length);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) answers = text != NULL ? vsmmu_host_new_from_data (text, length, ANSWERS, &error) : NULL;

  if (answers != NULL)
    vsmmu_host_take_answers (tree->host, answers);
  else if (error != NULL)
    vsmmu_host_add_unread (tree->host, ANSWERS, error->message);
}

/* (transfer full): what is in the files of a host; @wanted: (nullable): names of the functions that matter */
static VsmmuHost *
read_files (const VsmmuSource *source, gboolean is_this, const GPtrArray *wanted)
{
  VsmmuHost *host = vsmmu_host_new ();
  GMutex mutex;
  const VsmmuTree tree = { .source = source, .host = host, .mutex = &mutex };

  g_mutex_init (&mutex);
  read_machine (&tree, is_this);
  read_pages (&tree);
  vsmmu_pci_probe (&tree, wanted);
  read_smmus (&tree);
  read_log (&tree);
  read_iort (&tree);
  vsmmu_apparmor_probe (&tree);
  vsmmu_host_connect (host);
  if (!is_this)
    read_answers (&tree);
  g_mutex_clear (&mutex);
  return host;
}

/* Asks the kernel and the tools of this host what its files do not say, and completes @host. */
static void
ask (VsmmuHost *host, VsmmuHostProbeFlags flags)
{
  if ((flags & VSMMU_HOST_PROBE_DEVICES) != 0)
    vsmmu_iommufd_probe (host, &vsmmu_iommufd_kernel);
  vsmmu_host_finish (host);
  if ((flags & VSMMU_HOST_PROBE_TOOLS) != 0)
    vsmmu_tools_probe (host);
}

static gboolean
is_this_host (const char *root)
{
  return root == NULL || strcmp (root, "/") == 0;
}

/* @source: (out): reads below @root, for vsmmu_directory_close() */
static gboolean
open_root (const char *root, VsmmuSource *source, GError **error)
{
  const char *path = is_this_host (root) ? "/" : root;
  g_autofree char *shown = NULL;
  int saved;

  if (vsmmu_directory_open (path, source) && source->has (source, source->root, "sys"))
    return TRUE;
  saved = errno;
  shown = g_filename_display_name (path);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("'%s' is not the root of a host, because it has no directory 'sys': %s"), shown, g_strerror (saved));
  if (source->root >= 0)
    vsmmu_directory_close (source);
  return FALSE;
}

static VsmmuHost *
probe (const char *root, VsmmuHostProbeFlags flags, const GPtrArray *wanted, GError **error)
{
  gboolean is_this = is_this_host (root);
  VsmmuSource source;
  VsmmuHost *host;

  if (!open_root (root, &source, error))
    return NULL;
  host = read_files (&source, is_this, wanted);
  vsmmu_directory_close (&source);
  ask (host, is_this ? flags : VSMMU_HOST_PROBE_NONE);
  return host;
}

VsmmuHost *
vsmmu_host_new_from_listing (const char *data, gsize length, const char *name, GError **error)
{
  g_autoptr (VsmmuListing) listing = vsmmu_listing_parse (data, length, name, error);
  const VsmmuSource *source = listing != NULL ? vsmmu_listing_get_source (listing) : NULL;
  VsmmuHost *host;

  if (listing == NULL)
    return NULL;
  if (!source->has (source, source->root, "sys")) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS,
                 _ ("'%s' is not a listing of a host: it has no directory 'sys'"), name);
    return NULL;
  }
  host = read_files (source, FALSE, NULL);
  ask (host, VSMMU_HOST_PROBE_NONE);
  return host;
}

/* Adds to @recording what is read of this host but from no file, and what the host was asked. */
static void
record_answers (VsmmuRecording *recording, const VsmmuHost *host)
{
  g_autoptr (VsmmuHost) answers = vsmmu_host_extract_answers (host);
  g_autofree char *text = answers != NULL ? vsmmu_host_to_json (answers) : NULL;

  if (host->architecture != NULL)
    vsmmu_recording_add (recording, ARCHITECTURE, host->architecture);
  if (text != NULL)
    vsmmu_recording_add (recording, ANSWERS, text);
}

char *
vsmmu_host_collect (const char *root, VsmmuHostProbeFlags flags, VsmmuHost **host, VsmmuRecordingCount *count,
                    GError **error)
{
  gboolean is_this = is_this_host (root);
  g_autoptr (VsmmuRecording) recording = NULL;
  const VsmmuSource *recorded;
  VsmmuSource source;
  char *listing;

  if (!open_root (root, &source, error))
    return NULL;
  recording = vsmmu_recording_new (&source);
  recorded = vsmmu_recording_get_source (recording);
  /* A host whose /sys is empty is one all the same. */
  recorded->has (recorded, recorded->root, "sys");
  *host = read_files (recorded, is_this, NULL);
  ask (*host, is_this ? flags : VSMMU_HOST_PROBE_NONE);
  if (is_this)
    record_answers (recording, *host);
  listing = vsmmu_recording_write (recording, count);
  vsmmu_directory_close (&source);
  return listing;
}

VsmmuHost *
vsmmu_host_probe (const char *root, VsmmuHostProbeFlags flags, GError **error)
{
  return probe (root, flags, NULL, error);
}

VsmmuHost *
vsmmu_host_probe_for_domain (const char *root, const VsmmuDomain *domain, GError **error)
{
  g_autoptr (GPtrArray) wanted = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (domain, i);

    if (hostdev->hostdev.is_pci)
      g_ptr_array_add (wanted, vsmmu_pci_address_to_string (&hostdev->hostdev.host));
  }
  return probe (root, VSMMU_HOST_PROBE_NONE, wanted, error);
}
