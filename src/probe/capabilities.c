/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/capabilities.h"

#include <string.h>

#include "xml/xml.h"

/* Whether <enum name=@name> in @node has a <value> of this text. */
static gboolean
lists (const xmlNode *node, const char *name, const char *value)
{
  for (xmlNode *list = vsmmu_xml_element (node->children); list != NULL; list = vsmmu_xml_element (list->next)) {
    if (!vsmmu_xml_is (list, "enum") || g_strcmp0 (vsmmu_xml_attribute (list, "name"), name) != 0)
      continue;
    for (xmlNode *one = vsmmu_xml_element (list->children); one != NULL; one = vsmmu_xml_element (one->next))
      if (vsmmu_xml_is (one, "value") && g_strcmp0 (vsmmu_xml_text (one), value) == 0)
        return TRUE;
  }
  return FALSE;
}

void
vsmmu_capabilities_read (const char *xml, VsmmuHost *host)
{
  guint line = 0;
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (xml, strlen (xml), "domcapabilities", &line, NULL);
  const xmlNode *root = document != NULL ? xmlDocGetRootElement (document) : NULL;
  const xmlNode *path;
  const xmlNode *devices;
  const xmlNode *hostdev;

  if (root == NULL || !vsmmu_xml_is (root, "domainCapabilities"))
    return;
  path = vsmmu_xml_child (root, "path");
  if (path != NULL && vsmmu_xml_text (path) != NULL && g_path_is_absolute (vsmmu_xml_text (path))) {
    g_free (host->emulator);
    host->emulator = g_strdup (vsmmu_xml_text (path));
  }
  devices = vsmmu_xml_child (root, "devices");
  hostdev = devices != NULL ? vsmmu_xml_child (devices, "hostdev") : NULL;
  if (hostdev != NULL && lists (hostdev, "iommufd", "yes"))
    host->libvirt_iommufd = VSMMU_FACT (VSMMU_FACT_SOURCE_LIBVIRT, TRUE);
}
