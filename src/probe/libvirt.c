/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <gmodule.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "vsmmu/target.h"

#define LIBVIRT_LIBRARY "libvirt.so.0"

/*
 * libvirt's client library brings some forty others, which would cost more than
 * a whole check; it is loaded only by those who ask a daemon.
 */
typedef struct {
  GModule *module;
  __typeof__ (virConnectOpenReadOnly) *open_read_only;
  __typeof__ (virConnectGetLibVersion) *get_lib_version;
  __typeof__ (virConnectGetVersion) *get_version;
  __typeof__ (virConnectClose) *close;
  __typeof__ (virGetLastErrorMessage) *get_last_error_message;
  __typeof__ (virSetErrorFunc) *set_error_func;
} Client;

static void
ignore_error (void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static gboolean
load_client (Client *client, GError **error)
{
  const struct {
    const char *name;
    gpointer *function;
  } symbols[] = {
    { "virConnectOpenReadOnly", (gpointer *) &client->open_read_only },
    { "virConnectGetLibVersion", (gpointer *) &client->get_lib_version },
    { "virConnectGetVersion", (gpointer *) &client->get_version },
    { "virConnectClose", (gpointer *) &client->close },
    { "virGetLastErrorMessage", (gpointer *) &client->get_last_error_message },
    { "virSetErrorFunc", (gpointer *) &client->set_error_func },
  };

  client->module = g_module_open (LIBVIRT_LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  for (guint i = 0; client->module != NULL && i < G_N_ELEMENTS (symbols); i++)
    if (!g_module_symbol (client->module, symbols[i].name, symbols[i].function))
      g_clear_pointer (&client->module, g_module_close);
  if (client->module != NULL)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("libvirt's client library cannot be loaded (%s); install libvirt0, or give the versions, as in "
                  "--target libvirt=12.8,qemu=11.1"),
               g_module_error ());
  return FALSE;
}

gboolean
vsmmu_target_probe (const char *uri, VsmmuTarget *target, GError **error)
{
  const char *asked = uri != NULL ? uri : "qemu:///system";
  Client client = { 0 };
  virConnectPtr connection;
  unsigned long libvirt = 0;
  unsigned long qemu = 0;
  gboolean is_done = FALSE;

  if (!load_client (&client, error))
    return FALSE;
  client.set_error_func (NULL, ignore_error);
  connection = client.open_read_only (asked);
  if (connection != NULL && client.get_lib_version (connection, &libvirt) == 0 &&
      client.get_version (connection, &qemu) == 0)
    is_done = TRUE;
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot ask libvirt at '%s' for its version: %s"), asked,
                 client.get_last_error_message ());
  target->libvirt = (guint) libvirt;
  target->qemu = (guint) qemu;
  if (connection != NULL)
    client.close (connection);
  g_module_close (client.module);
  return is_done;
}
