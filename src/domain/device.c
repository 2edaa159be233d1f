/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "xml/xml.h"

/*
 * The root elements of virDomainDeviceDefParse(), and which of them libvirt 12.8
 * attaches to a running guest.
 */
static const struct {
  const char *element;
  gboolean is_pluggable;
} known[] = {
  { "audio", TRUE },    { "channel", TRUE },    { "console", TRUE },   { "controller", TRUE }, { "crypto", FALSE },
  { "disk", TRUE },     { "filesystem", TRUE }, { "graphics", FALSE }, { "hostdev", TRUE },    { "hub", TRUE },
  { "input", TRUE },    { "interface", TRUE },  { "iommu", FALSE },    { "lease", TRUE },      { "memballoon", FALSE },
  { "memory", TRUE },   { "nvram", TRUE },      { "panic", FALSE },    { "parallel", TRUE },   { "pstore", FALSE },
  { "redirdev", TRUE }, { "rng", TRUE },        { "serial", TRUE },    { "shmem", TRUE },      { "smartcard", TRUE },
  { "sound", FALSE },   { "tpm", FALSE },       { "video", FALSE },    { "vsock", TRUE },      { "watchdog", TRUE },
};

gboolean
vsmmu_device_is_known (const char *element)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (element, known[i].element) == 0)
      return TRUE;
  return FALSE;
}

gboolean
vsmmu_device_is_pluggable (const VsmmuDevice *device)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (device->element, known[i].element) == 0)
      return known[i].is_pluggable && !vsmmu_device_is_pci_controller (device);
  return FALSE;
}

char *
vsmmu_device_path (const VsmmuDevice *device, const char *suffix)
{
  if (device->is_plug)
    return g_strdup_printf ("/%s%s", device->element, suffix);
  if (device->ordinal == 0)
    return g_strdup ("/domain/devices");
  return g_strdup_printf ("/domain/devices/%s[%u]%s", device->element, device->ordinal, suffix);
}

/* (nullable): of a mediated device */
static const char *
uuid_of (const VsmmuDevice *device)
{
  const xmlNode *source = device->node != NULL ? vsmmu_xml_child (device->node, "source") : NULL;
  const xmlNode *address = source != NULL ? vsmmu_xml_child (source, "address") : NULL;

  return address != NULL ? vsmmu_xml_attribute (address, "uuid") : NULL;
}

char *
vsmmu_device_describe (const VsmmuDevice *device)
{
  const xmlNode *target = device->node != NULL ? vsmmu_xml_child (device->node, "target") : NULL;
  const char *name = target != NULL ? vsmmu_xml_attribute (target, "dev") : NULL;
  g_autofree char *shown = NULL;

  if (vsmmu_device_is_hostdev (device) && device->hostdev.is_pci) {
    g_autofree char *host = vsmmu_pci_address_to_string (&device->hostdev.host);

    return g_strdup_printf ("%s %s", device->element, host);
  }
  if (vsmmu_device_is_pci_controller (device)) {
    shown = vsmmu_text_shorten (device->controller.model != NULL ? device->controller.model : "pci");
    /* libvirt assigns one when it is attached, as to other controllers. */
    if (device->controller.index < 0)
      return g_steal_pointer (&shown);
    return g_strdup_printf (_ ("%s with index %d"), shown, device->controller.index);
  }
  if (strcmp (device->element, "controller") == 0) {
    shown = vsmmu_text_shorten (device->controller.type);
    if (device->controller.index < 0)
      return g_strdup_printf (_ ("%s controller"), shown);
    return g_strdup_printf (_ ("%s controller %d"), shown, device->controller.index);
  }
  if (vsmmu_device_is_hostdev (device) && name == NULL)
    name = uuid_of (device);
  shown = vsmmu_text_shorten (name != NULL ? name : device->alias);
  return *shown != '\0' ? g_strdup_printf ("%s '%s'", device->element, shown) : g_strdup (device->element);
}
