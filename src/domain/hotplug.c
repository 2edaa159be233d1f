/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/hotplug.h"

#include <glib/gi18n-lib.h>

#include "base/input.h"
#include "base/text.h"
#include "domain/device-read.h"
#include "domain/plug.h"
#include "domain/read.h"

struct _VsmmuHotplug {
  VsmmuHotplugAction action;
  char *file;
  xmlDocPtr document;
};

void
vsmmu_hotplug_free (VsmmuHotplug *hotplug)
{
  if (hotplug == NULL)
    return;
  g_free (hotplug->file);
  xmlFreeDoc (hotplug->document);
  g_free (hotplug);
}

VsmmuHotplug *
vsmmu_hotplug_new_from_data (VsmmuHotplugAction action, const char *data, gsize length, const char *name,
                             GError **error)
{
  guint line = 0;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (data, length, name, &line, error);
  const xmlNode *root;
  VsmmuHotplug *hotplug;

  if (document == NULL)
    return NULL;
  root = xmlDocGetRootElement (document);
  if (!vsmmu_device_is_known ((const char *) root->name)) {
    g_autofree char *shown = vsmmu_text_shorten ((const char *) root->name);

    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_NOT_DEVICE,
                 _ ("%s:%u: the root element is <%s>, not a device such as <hostdev>"), name, vsmmu_xml_line (root),
                 shown);
    return NULL;
  }
  hotplug = g_new0 (VsmmuHotplug, 1);
  hotplug->action = action;
  hotplug->file = g_strdup (name);
  hotplug->document = g_steal_pointer (&document);
  return hotplug;
}

VsmmuHotplug *
vsmmu_hotplug_new_from_file (VsmmuHotplugAction action, const char *path, GError **error)
{
  g_autofree char *name = vsmmu_read_name (path);
  g_autofree char *data = NULL;
  gsize length = 0;

  if (!vsmmu_read_document (path, &data, &length, error))
    return NULL;
  return vsmmu_hotplug_new_from_data (action, data, length, name, error);
}

xmlDocPtr
vsmmu_hotplug_get_document (const VsmmuHotplug *hotplug)
{
  return hotplug->document;
}

static const char *
mdev_uuid (const VsmmuDevice *device)
{
  const xmlNode *source = vsmmu_xml_child (device->node, "source");
  const xmlNode *address = source != NULL ? vsmmu_xml_child (source, "address") : NULL;

  return address != NULL ? vsmmu_xml_attribute (address, "uuid") : NULL;
}

/* virDomainHostdevMatch(): what counts is the device of the host. */
static gboolean
is_same_source (const VsmmuDevice *a, const VsmmuDevice *b)
{
  const VsmmuPciAddress *left = &a->hostdev.host;
  const VsmmuPciAddress *right = &b->hostdev.host;

  if (a->hostdev.is_pci != b->hostdev.is_pci)
    return FALSE;
  if (a->hostdev.is_mdev) {
    const char *uuid = mdev_uuid (a);

    return uuid != NULL && mdev_uuid (b) != NULL && g_ascii_strcasecmp (uuid, mdev_uuid (b)) == 0;
  }
  return left->domain == right->domain && left->bus == right->bus && left->slot == right->slot &&
         left->function == right->function;
}

static const VsmmuDevice *
find_target (const VsmmuDomain *guest, const VsmmuDevice *device)
{
  for (guint i = 0; vsmmu_device_is_hostdev (device) && i < guest->hostdevs->len; i++)
    if (is_same_source (g_ptr_array_index (guest->hostdevs, i), device))
      return g_ptr_array_index (guest->hostdevs, i);
  return NULL;
}

VsmmuDomain *
vsmmu_hotplug_apply (const VsmmuHotplug *hotplug, const VsmmuDomain *guest)
{
  VsmmuDomain *domain = vsmmu_domain_copy (guest);
  VsmmuPlug *plug = g_new0 (VsmmuPlug, 1);
  const xmlNode *root = xmlDocGetRootElement (hotplug->document);
  const VsmmuReader reader = { .domain = domain };
  VsmmuDevice *device = vsmmu_read_device (domain, root, 0);

  vsmmu_read_namespaces (&reader, root);
  plug->action = hotplug->action;
  plug->file = hotplug->file;
  plug->device = device;
  domain->plug = plug;
  if (plug->action == VSMMU_HOTPLUG_DETACH) {
    plug->target = find_target (guest, device);
    return domain;
  }
  if (!vsmmu_device_is_pluggable (device)) {
    plug->outcome = VSMMU_PLUG_UNSUPPORTED;
    return domain;
  }
  plug->outcome = vsmmu_plug_place (guest, device, &plug->reason);
  g_ptr_array_add (domain->devices, device);
  if (vsmmu_device_is_hostdev (device))
    g_ptr_array_add (domain->hostdevs, device);
  return domain;
}

gboolean
vsmmu_hotplug_is_vfio (const xmlNode *device)
{
  const char *type = vsmmu_xml_attribute (device, "type");

  if (vsmmu_xml_is_called (device, "interface"))
    return g_strcmp0 (type, "hostdev") == 0;
  return vsmmu_xml_is_called (device, "hostdev") && (g_strcmp0 (type, "pci") == 0 || g_strcmp0 (type, "mdev") == 0);
}
