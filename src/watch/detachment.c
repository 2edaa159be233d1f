/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/detachment.h"

#include <glib/gi18n-lib.h>

#include "domain/domain.h"

/* (nullable): the one PCI device of the host that has @alias; aliases are unique, and a document that says otherwise is
 * not trusted */
static const VsmmuDevice *
find_device (const VsmmuDomain *domain, const char *alias)
{
  const VsmmuDevice *found = NULL;

  for (guint i = 0; i < domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (g_strcmp0 (device->alias, alias) != 0)
      continue;
    if (found != NULL)
      return NULL;
    found = device;
  }
  return found != NULL && vsmmu_device_is_hostdev (found) && found->hostdev.is_pci ? found : NULL;
}

char *
vsmmu_detachment_describe (const char *xml, gsize length, const char *alias, const char *host, GError **error)
{
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, length, "", error);
  const VsmmuDevice *device = domain != NULL ? find_device (domain, alias) : NULL;
  const VsmmuPciAddress *source = device != NULL ? &device->hostdev.host : NULL;
  g_autofree char *address = source != NULL ? vsmmu_pci_address_to_string (source) : NULL;

  if (domain == NULL)
    return NULL;
  if (address == NULL || g_strcmp0 (address, host) != 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, _ ("'%s' is no longer the host device %s"), alias, host);
    return NULL;
  }
  return g_strdup_printf ("<hostdev mode='subsystem' type='pci'><source><address domain='0x%04x' bus='0x%02x' "
                          "slot='0x%02x' function='0x%x'/></source></hostdev>",
                          source->domain, source->bus, source->slot, source->function);
}
