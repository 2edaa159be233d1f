/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/number.h"
#include "plan/layout.h"

#define NAME_DEFAULT "vsmmu-guest"
#define MEMORY_GIB 16

/* A pool of huge pages that has the memory of the guest, or %NULL. */
static const VsmmuHostPages *
find_pool (const VsmmuHost *host)
{
  for (guint i = 0; i < host->pages->len; i++) {
    const VsmmuHostPages *pool = &g_array_index (host->pages, VsmmuHostPages, i);

    if (pool->size > 0 && pool->free >= (gint64) (MEMORY_GIB * VSMMU_KIB_PER_GIB / pool->size))
      return pool;
  }
  return NULL;
}

/* Huge pages are worth their reservation where they make the command queue of the hardware usable. */
static char *
write_pages (const VsmmuHost *host)
{
  const VsmmuHostPages *pool = vsmmu_host_has_cmdqv (host) ? find_pool (host) : NULL;

  if (pool == NULL)
    return g_strdup ("");
  return g_strdup_printf ("  <memoryBacking>\n"
                          "    <hugepages>\n"
                          "      <page size='%" PRIu64 "' unit='KiB'/>\n"
                          "    </hugepages>\n"
                          "  </memoryBacking>\n",
                          pool->size);
}

char *
vsmmu_plan_template (const VsmmuHost *host, const char *name)
{
  static const char format[] =
      "<!--\n"
      "  Written by 'virt-vsmmu plan'. Change what is marked PLACEHOLDER, then check and define it.\n"
      "-->\n"
      "<domain type='kvm'>\n"
      "  <name>%s</name>\n"
      "  <!-- PLACEHOLDER: all of the memory is pinned on the host while the guest runs -->\n"
      "  <memory unit='GiB'>%d</memory>\n"
      "%s"
      "  <!-- PLACEHOLDER -->\n"
      "  <vcpu>8</vcpu>\n"
      "  <os firmware='efi'>\n"
      "    <type arch='aarch64' machine='virt'>hvm</type>\n"
      "  </os>\n"
      "  <features>\n"
      "    <acpi/>\n"
      "    <gic version='3'/>\n"
      "  </features>\n"
      "  <cpu mode='host-passthrough'/>\n"
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
  g_autofree char *escaped = g_markup_escape_text (name != NULL ? name : NAME_DEFAULT, -1);
  g_autofree char *pages = write_pages (host);
  g_autofree char *emulator = host->emulator != NULL
                                  ? g_markup_printf_escaped ("    <emulator>%s</emulator>\n", host->emulator)
                                  : g_strdup ("");

  return g_strdup_printf (format, escaped, MEMORY_GIB, pages, emulator, escaped);
}
