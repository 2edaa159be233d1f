/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/client.h"

#include <glib/gi18n-lib.h>

#include "vsmmu/error.h"

#define LIBVIRT_LIBRARY "libvirt.so.0"

gboolean
vsmmu_client_load (VsmmuClient *client, GError **error)
{
  const struct {
    const char *name;
    gpointer *function;
  } symbols[] = {
    { "virConnectOpen", (gpointer *) &client->open },
    { "virConnectOpenReadOnly", (gpointer *) &client->open_read_only },
    { "virConnectClose", (gpointer *) &client->close },
    { "virConnectGetLibVersion", (gpointer *) &client->get_lib_version },
    { "virConnectGetVersion", (gpointer *) &client->get_version },
    { "virConnectGetDomainCapabilities", (gpointer *) &client->get_domain_capabilities },
    { "virDomainLookupByID", (gpointer *) &client->lookup_by_id },
    { "virDomainLookupByUUIDString", (gpointer *) &client->lookup_by_uuid },
    { "virDomainLookupByName", (gpointer *) &client->lookup_by_name },
    { "virDomainFree", (gpointer *) &client->domain_free },
    { "virDomainGetXMLDesc", (gpointer *) &client->domain_get_xml },
    { "virDomainMemoryPeek", (gpointer *) &client->domain_memory_peek },
    { "virGetLastErrorCode", (gpointer *) &client->get_last_error_code },
    { "virGetLastErrorMessage", (gpointer *) &client->get_last_error_message },
    { "virSetErrorFunc", (gpointer *) &client->set_error_func },
    { "virEventRegisterDefaultImpl", (gpointer *) &client->event_register_default },
    { "virConnectRegisterCloseCallback", (gpointer *) &client->register_close },
    { "virConnectUnregisterCloseCallback", (gpointer *) &client->unregister_close },
    { "virConnectSetKeepAlive", (gpointer *) &client->set_keep_alive },
    { "virConnectDomainEventRegisterAny", (gpointer *) &client->event_register },
    { "virConnectDomainEventDeregisterAny", (gpointer *) &client->event_deregister },
    { "virConnectListAllDomains", (gpointer *) &client->list_domains },
    { "virDomainGetName", (gpointer *) &client->domain_get_name },
    { "virDomainGetUUIDString", (gpointer *) &client->domain_get_uuid },
    { "virDomainDetachDeviceFlags", (gpointer *) &client->domain_detach },
  };

  client->module = g_module_open (LIBVIRT_LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  for (guint i = 0; client->module != NULL && i < G_N_ELEMENTS (symbols); i++)
    if (!g_module_symbol (client->module, symbols[i].name, symbols[i].function))
      g_clear_pointer (&client->module, g_module_close);
  if (client->module != NULL)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("cannot load the libvirt client library (%s); install libvirt0"), g_module_error ());
  return FALSE;
}
