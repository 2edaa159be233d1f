/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "base/number.h"
#include "plan/layout.h"

#define NAME_DEFAULT "vsmmu-guest"
#define MEMORY_DEFAULT 16 /* GiB */
#define VCPUS_DEFAULT 8

/* The NUMA nodes of the host that the devices are on: the guest has one for each, with its share of memory and CPUs. */
typedef struct {
  guint nodes[VSMMU_NODES_MAX]; /* ascending */
  guint n_nodes;
  guint memory; /* GiB */
  guint vcpus;
} Size;

static int
compare_nodes (gconstpointer a, gconstpointer b)
{
  const guint *left = a;
  const guint *right = b;

  return (*left > *right) - (*left < *right);
}

static void
add_node (Size *size, guint node)
{
  for (guint i = 0; i < size->n_nodes; i++)
    if (size->nodes[i] == node)
      return;
  if (size->n_nodes < VSMMU_NODES_MAX)
    size->nodes[size->n_nodes++] = node;
}

/* A device that cannot be had is for vsmmu_layout_choose_devices() to report. */
static void
find_nodes (Size *size, const VsmmuHost *host, const char *const *names)
{
  for (guint i = 0; names[i] != NULL; i++) {
    const VsmmuHostDevice *device = vsmmu_layout_find_device (host, names[i], NULL);
    gint64 node = device != NULL && device->smmu != NULL ? vsmmu_layout_host_node (device) : -1;

    if (node >= 0 && node < VSMMU_HOST_NODES_MAX)
      add_node (size, (guint) node);
  }
  qsort (size->nodes, size->n_nodes, sizeof (size->nodes[0]), compare_nodes);
}

/* Node @i of @n gets its share of @total; the first ones get what is left over. */
static guint
share_of (guint total, guint i, guint n)
{
  return total / n + (i < total % n ? 1 : 0);
}

static gboolean
is_multiple (const Size *size, guint64 page)
{
  for (guint i = 0; i < MAX (size->n_nodes, 1); i++)
    if (share_of (size->memory, i, MAX (size->n_nodes, 1)) * VSMMU_KIB_PER_GIB % page != 0)
      return FALSE;
  return TRUE;
}

/* The pool with the largest pages that can hold all the memory of the guest, or %NULL. */
static const VsmmuHostPages *
find_pool (const VsmmuHost *host, const Size *size)
{
  const VsmmuHostPages *found = NULL;

  for (guint i = 0; i < host->pages->len; i++) {
    const VsmmuHostPages *pool = &g_array_index (host->pages, VsmmuHostPages, i);

    if (pool->size > 0 && (found == NULL || pool->size > found->size) && is_multiple (size, pool->size) &&
        pool->free >= (gint64) (size->memory * VSMMU_KIB_PER_GIB / pool->size))
      found = pool;
  }
  return found;
}

/* Huge pages are worth their reservation where they make the command queue of the hardware usable. */
static char *
write_pages (const VsmmuHost *host, const Size *size)
{
  const VsmmuHostPages *pool = vsmmu_host_has_cmdqv (host) ? find_pool (host, size) : NULL;

  if (pool == NULL)
    return g_strdup ("");
  return g_strdup_printf ("  <memoryBacking>\n"
                          "    <hugepages>\n"
                          "      <page size='%" PRIu64 "' unit='KiB'/>\n"
                          "    </hugepages>\n"
                          "  </memoryBacking>\n",
                          pool->size);
}

/* The memory of each cell is on one node, so that the bus of a device can be on the node of its SMMU. */
static char *
write_numatune (const Size *size)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < size->n_nodes; i++)
    g_string_append_printf (text, "    <memnode cellid='%u' mode='strict' nodeset='%u'/>\n", i, size->nodes[i]);
  if (text->len == 0)
    return g_strdup ("");
  return g_strdup_printf ("  <numatune>\n%s  </numatune>\n", text->str);
}

static char *
write_cpu (const Size *size)
{
  g_autoptr (GString) text = g_string_new ("  <cpu mode='host-passthrough'");

  if (size->n_nodes == 0)
    return g_strconcat (text->str, "/>\n", NULL);
  g_string_append (text, ">\n");
  if (size->n_nodes > 1 && size->vcpus % size->n_nodes == 0)
    g_string_append_printf (text, "    <topology sockets='%u' cores='%u' threads='1'/>\n", size->n_nodes,
                            size->vcpus / size->n_nodes);
  g_string_append (text, "    <numa>\n");
  for (guint i = 0, first = 0; i < size->n_nodes; i++) {
    guint count = share_of (size->vcpus, i, size->n_nodes);

    g_string_append_printf (text, "      <cell id='%u' cpus='%u-%u' memory='%u' unit='GiB'/>\n", i, first,
                            first + count - 1, share_of (size->memory, i, size->n_nodes));
    first += count;
  }
  g_string_append (text, "    </numa>\n  </cpu>\n");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* By whether the number is to be changed, and whether there are cells. */
static const char *const memory_comments[2][2] = {
  { "All of the memory is pinned on the host while the guest runs",
    "All of the memory is pinned on the host while the guest runs" },
  { "PLACEHOLDER: all of the memory is pinned on the host while the guest runs",
    "PLACEHOLDER, in <numa> below too: all of the memory is pinned on the host while the guest runs" },
};
static const char *const vcpu_comments[2][2] = {
  { "", "" },
  { "  <!-- PLACEHOLDER -->\n", "  <!-- PLACEHOLDER, in <cpu> below too -->\n" },
};

static char *
write_guest (const VsmmuHost *host, const Size *size, const VsmmuPlanOptions *options)
{
  static const char format[] =
      "<!--\n"
      "  Written by 'virt-vsmmu plan'. Change what is marked PLACEHOLDER, then check and define it.\n"
      "-->\n"
      "<domain type='kvm'>\n"
      "  <name>%s</name>\n"
      "  <!-- %s -->\n"
      "  <memory unit='GiB'>%u</memory>\n"
      "%s"
      "%s"
      "  <vcpu>%u</vcpu>\n"
      "%s"
      "  <os firmware='efi'>\n"
      "    <type arch='aarch64' machine='virt'>hvm</type>\n"
      "  </os>\n"
      "  <features>\n"
      "    <acpi/>\n"
      "    <gic version='3'/>\n"
      "  </features>\n"
      "%s"
      "  <devices>\n"
      "%s"
      "    <controller type='pci' index='0' model='pcie-root'/>\n"
      "    <controller type='pci' index='1' model='pcie-root-port'>\n"
      "      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'/>\n"
      "    </controller>\n"
      "    <controller type='pci' index='2' model='pcie-root-port'>\n"
      "      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>\n"
      "    </controller>\n"
      "    <!-- PLACEHOLDER: the image -->\n"
      "    <disk type='file' device='disk'>\n"
      "      <driver name='qemu' type='qcow2'/>\n"
      "      <source file='/var/lib/libvirt/images/%s.qcow2'/>\n"
      "      <target dev='vda' bus='virtio'/>\n"
      "      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\n"
      "    </disk>\n"
      "    <!-- PLACEHOLDER: the network -->\n"
      "    <interface type='network'>\n"
      "      <source network='default'/>\n"
      "      <model type='virtio'/>\n"
      "      <address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>\n"
      "    </interface>\n"
      "    <console type='pty'/>\n"
      "  </devices>\n"
      "</domain>\n";
  g_autofree char *name = g_markup_escape_text (options->name != NULL ? options->name : NAME_DEFAULT, -1);
  g_autofree char *pages = write_pages (host, size);
  g_autofree char *numatune = write_numatune (size);
  g_autofree char *cpu = write_cpu (size);
  g_autofree char *emulator = host->emulator != NULL
                                  ? g_markup_printf_escaped ("    <emulator>%s</emulator>\n", host->emulator)
                                  : g_strdup ("");

  return g_strdup_printf (format, name, memory_comments[options->memory == 0][size->n_nodes > 0], size->memory, pages,
                          vcpu_comments[options->vcpus == 0][size->n_nodes > 0], size->vcpus, numatune, cpu, emulator,
                          name);
}

char *
vsmmu_plan_template (const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options, GError **error)
{
  Size size = { 0 };

  find_nodes (&size, host, devices);
  size.memory = options->memory > 0 ? options->memory : MAX (MEMORY_DEFAULT, size.n_nodes);
  size.vcpus = options->vcpus > 0 ? options->vcpus : MAX (VCPUS_DEFAULT, size.n_nodes);
  if (size.memory < size.n_nodes || size.vcpus < size.n_nodes) {
    vsmmu_layout_refuse (error,
                         _ ("the devices are on %u NUMA nodes of the host; the guest needs at least 1 GiB and 1 vCPU "
                            "for each"),
                         size.n_nodes);
    return NULL;
  }
  return write_guest (host, &size, options);
}
