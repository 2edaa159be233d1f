/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/connection.h"

#include <glib/gi18n-lib.h>
#include <gmodule.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include "libvirt/client.h"
#include "libvirt/qemu-log.h"

#define LIBVIRT_QEMU_LIBRARY "libvirt-qemu.so.0"
#define DEFAULT_URI "qemu:///system"

static void
ignore_error (void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

VsmmuConnection *
vsmmu_connection_open (const char *uri, gboolean is_read_only, GError **error)
{
  g_autoptr (VsmmuConnection) connection = g_new0 (VsmmuConnection, 1);
  VsmmuClient *client = &connection->client;

  if (!vsmmu_client_load (client, error))
    return NULL;
  connection->uri = g_strdup (uri != NULL ? uri : DEFAULT_URI);
  client->set_error_func (NULL, ignore_error);
  connection->connection = (is_read_only ? client->open_read_only : client->open) (connection->uri);
  if (connection->connection != NULL)
    return g_steal_pointer (&connection);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot connect to libvirt at '%s': %s"), connection->uri,
               client->get_last_error_message ());
  return NULL;
}

void
vsmmu_connection_close (VsmmuConnection *connection)
{
  if (connection == NULL)
    return;
  if (connection->connection != NULL) {
    vsmmu_connection_unsubscribe (connection);
    connection->client.close (connection->connection);
  }
  if (connection->client.module != NULL)
    g_module_close (connection->client.module);
  g_clear_pointer (&connection->budget, vsmmu_budget_unref);
  g_free (connection->uri);
  g_free (connection);
}

void
vsmmu_connection_set_budget (VsmmuConnection *connection, VsmmuBudget *budget, gboolean is_urgent)
{
  g_clear_pointer (&connection->budget, vsmmu_budget_unref);
  connection->budget = budget != NULL ? vsmmu_budget_ref (budget) : NULL;
  connection->is_urgent = is_urgent;
}

const char *
vsmmu_connection_get_uri (const VsmmuConnection *connection)
{
  return connection->uri;
}

gboolean
vsmmu_connection_get_target (VsmmuConnection *connection, VsmmuTarget *target, GError **error)
{
  const VsmmuClient *client = &connection->client;
  unsigned long libvirt = 0;
  unsigned long qemu = 0;

  if (client->get_lib_version (connection->connection, &libvirt) != 0 ||
      client->get_version (connection->connection, &qemu) != 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot get the version of libvirt at '%s': %s"),
                 connection->uri, client->get_last_error_message ());
    return FALSE;
  }
  *target = (VsmmuTarget){ .libvirt = (guint) libvirt, .qemu = (guint) qemu };
  return TRUE;
}

gboolean
vsmmu_target_ask (const char *uri, VsmmuTarget *target, char **capabilities, GError **error)
{
  gboolean is_local = uri == NULL || vsmmu_uri_is_local (uri);
  g_autoptr (VsmmuConnection) connection =
      geteuid () == 0 || !is_local ? vsmmu_connection_open (uri, FALSE, NULL) : NULL;

  *capabilities = NULL;
  if (connection != NULL)
    *capabilities =
        connection->client.get_domain_capabilities (connection->connection, NULL, "aarch64", "virt", NULL, 0);
  else
    connection = vsmmu_connection_open (uri, TRUE, error);
  return connection != NULL && vsmmu_connection_get_target (connection, target, error);
}

/* libvirt says "Domain not found" and "domain is not running" by these, whatever was asked. */
static VsmmuError
last_error_code (const VsmmuConnection *connection)
{
  int code = connection->client.get_last_error_code ();

  return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID ? VSMMU_ERROR_NO_DOMAIN : VSMMU_ERROR_PROBE;
}

static virDomainPtr
look_up (const VsmmuConnection *connection, const char *name)
{
  const VsmmuClient *client = &connection->client;
  virDomainPtr domain = NULL;
  guint64 id;

  if (g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &id, NULL))
    domain = client->lookup_by_id (connection->connection, (int) id);
  if (domain == NULL && g_uuid_string_is_valid (name))
    domain = client->lookup_by_uuid (connection->connection, name);
  return domain != NULL ? domain : client->lookup_by_name (connection->connection, name);
}

VsmmuConnectionDomain *
vsmmu_connection_domain_new (VsmmuConnection *connection, const char *name, GError **error)
{
  VsmmuConnectionDomain *domain;
  virDomainPtr found = look_up (connection, name);

  if (found == NULL) {
    g_set_error (error, VSMMU_ERROR, last_error_code (connection),
                 _ ("libvirt at '%s' cannot find the domain '%s': %s"), connection->uri, name,
                 connection->client.get_last_error_message ());
    return NULL;
  }
  domain = g_new0 (VsmmuConnectionDomain, 1);
  *domain = (VsmmuConnectionDomain){ .connection = connection, .name = g_strdup (name), .handle = found };
  return domain;
}

void
vsmmu_connection_domain_free (VsmmuConnectionDomain *domain)
{
  vsmmu_connection_domain_give_budget (domain, 0);
  domain->connection->client.domain_free (domain->handle);
  g_free (domain->name);
  g_free (domain);
}

char *
vsmmu_connection_domain_get_name (VsmmuConnectionDomain *domain)
{
  return g_strdup (domain->connection->client.domain_get_name (domain->handle));
}

char *
vsmmu_connection_domain_get_uuid (VsmmuConnectionDomain *domain)
{
  char uuid[VIR_UUID_STRING_BUFLEN];

  return domain->connection->client.domain_get_uuid (domain->handle, uuid) == 0 ? g_strdup (uuid) : NULL;
}

char *
vsmmu_connection_domain_get_xml (VsmmuConnectionDomain *domain, VsmmuDomainXml which, GError **error)
{
  const VsmmuClient *client = &domain->connection->client;
  char *xml = client->domain_get_xml (domain->handle, which == VSMMU_DOMAIN_XML_INACTIVE ? VIR_DOMAIN_XML_INACTIVE : 0);

  if (xml == NULL)
    g_set_error (error, VSMMU_ERROR, last_error_code (domain->connection),
                 _ ("libvirt at '%s' cannot provide the XML of the domain '%s': %s"), domain->connection->uri,
                 domain->name, client->get_last_error_message ());
  /* libvirt has it from malloc(), as g_free() takes it since GLib 2.46: a copy may be megabytes. */
  return xml;
}

void
vsmmu_connection_domain_take_budget (VsmmuConnectionDomain *domain, gsize length)
{
  domain->taken += vsmmu_budget_take (domain->connection->budget, length, domain->connection->is_urgent);
}

void
vsmmu_connection_domain_give_budget (VsmmuConnectionDomain *domain, gsize kept)
{
  gsize given = domain->taken - MIN (kept, domain->taken);

  domain->taken -= given;
  vsmmu_budget_give (domain->connection->budget, given);
}

char *
vsmmu_connection_get_domain_xml (VsmmuConnection *connection, const char *name, VsmmuDomainXml which, GError **error)
{
  g_autoptr (VsmmuConnectionDomain) domain = vsmmu_connection_domain_new (connection, name, error);

  return domain != NULL ? vsmmu_connection_domain_get_xml (domain, which, error) : NULL;
}

gboolean
vsmmu_connection_domain_peek (VsmmuConnectionDomain *domain, guint64 address, gsize length, gpointer buffer,
                              GError **error)
{
  const VsmmuClient *client = &domain->connection->client;
  g_autofree char *at = NULL;

  if (client->domain_memory_peek (domain->handle, address, length, buffer, VIR_MEMORY_PHYSICAL) == 0)
    return TRUE;
  at = g_strdup_printf ("0x%" G_GINT64_MODIFIER "x", address);
  g_set_error (error, VSMMU_ERROR, last_error_code (domain->connection),
               _ ("cannot read the memory of the domain '%s' at %s: %s"), domain->name, at,
               client->get_last_error_message ());
  return FALSE;
}

/* The library of virDomainQemuMonitorCommand() is small and needs the other one. */
char *
vsmmu_connection_domain_monitor (VsmmuConnectionDomain *domain, const char *command, GError **error)
{
  __typeof__ (virDomainQemuMonitorCommand) *monitor_command = NULL;
  GModule *module = g_module_open (LIBVIRT_QEMU_LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  char *answer = NULL;
  char *copy;

  if (module == NULL || !g_module_symbol (module, "virDomainQemuMonitorCommand", (gpointer *) &monitor_command)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
                 _ ("cannot load the libvirt client library for QEMU (%s); install libvirt0"), g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return NULL;
  }
  if (monitor_command (domain->handle, command, &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT) != 0)
    g_set_error (error, VSMMU_ERROR, last_error_code (domain->connection),
                 _ ("cannot use the monitor of the domain '%s': %s"), domain->name,
                 domain->connection->client.get_last_error_message ());
  g_module_close (module);
  copy = g_strdup (answer);
  free (answer);
  return copy;
}
