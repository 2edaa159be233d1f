/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/events.h"

#include <glib/gi18n-lib.h>

#include "libvirt/client.h"
#include "libvirt/qemu-log.h"

/* Keepalive for a daemon on another host, which may vanish silently: seconds, and how many answers may be missing. */
#define KEEP_ALIVE_INTERVAL 10
#define KEEP_ALIVE_COUNT 3

/* What each callback of libvirt is given. */
typedef struct {
  const VsmmuClient *client; /* of a connection that outlives it */
  VsmmuEventFunc func;
  gpointer data;
} Subscriber;

static void
free_subscriber (void *opaque)
{
  Subscriber *subscriber = opaque;

  g_atomic_rc_box_release (subscriber->data);
  g_free (subscriber);
}

static void
emit (const Subscriber *subscriber, VsmmuEventKind kind, virDomainPtr domain, const char *alias)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  VsmmuEvent event = { .kind = kind, .alias = alias };

  if (domain != NULL && subscriber->client->domain_get_uuid (domain, uuid) == 0) {
    event.uuid = uuid;
    event.name = subscriber->client->domain_get_name (domain);
  }
  subscriber->func (&event, subscriber->data);
}

static int
on_lifecycle (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, int what, int detail, void *opaque)
{
  if (what == VIR_DOMAIN_EVENT_STARTED ||
      (what == VIR_DOMAIN_EVENT_RESUMED && detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED))
    emit (opaque, VSMMU_EVENT_STARTED, domain, NULL);
  else if (what == VIR_DOMAIN_EVENT_STOPPED || what == VIR_DOMAIN_EVENT_CRASHED)
    emit (opaque, VSMMU_EVENT_STOPPED, domain, NULL);
  return 0;
}

static void
on_reboot (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, void *opaque)
{
  emit (opaque, VSMMU_EVENT_REBOOTED, domain, NULL);
}

static void
on_added (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, const char *alias, void *opaque)
{
  emit (opaque, VSMMU_EVENT_ADDED, domain, alias);
}

static void
on_removed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, const char *alias, void *opaque)
{
  emit (opaque, VSMMU_EVENT_REMOVED, domain, alias);
}

static void
on_removal_failed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, const char *alias, void *opaque)
{
  emit (opaque, VSMMU_EVENT_REMOVAL_FAILED, domain, alias);
}

static void
on_close (virConnectPtr connection G_GNUC_UNUSED, int reason G_GNUC_UNUSED, void *opaque)
{
  emit (opaque, VSMMU_EVENT_CLOSED, NULL, NULL);
}

static const struct {
  int id;
  virConnectDomainEventGenericCallback callback;
} events[VSMMU_EVENT_IDS] = {
  { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle) },
  { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK (on_reboot) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK (on_added) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK (on_removed) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, VIR_DOMAIN_EVENT_CALLBACK (on_removal_failed) },
};

gboolean
vsmmu_events_prepare (GError **error)
{
  VsmmuClient client = { 0 };

  if (!vsmmu_client_load (&client, error))
    return FALSE;
  /* Its sources stay in the main context. */
  g_module_make_resident (client.module);
  if (client.event_register_default () == 0)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot set up the libvirt event loop: %s"),
               client.get_last_error_message ());
  return FALSE;
}

static Subscriber *
subscriber_new (VsmmuConnection *connection, VsmmuEventFunc func, gpointer data)
{
  Subscriber *subscriber = g_new (Subscriber, 1);

  *subscriber = (Subscriber){ &connection->client, func, g_atomic_rc_box_acquire (data) };
  return subscriber;
}

gboolean
vsmmu_connection_subscribe (VsmmuConnection *connection, VsmmuEventFunc func, gpointer data, GError **error)
{
  const VsmmuClient *client = &connection->client;
  Subscriber *subscriber = subscriber_new (connection, func, data);
  gboolean is_good;

  connection->is_subscribed =
      client->register_close (connection->connection, on_close, subscriber, free_subscriber) == 0;
  if (!connection->is_subscribed)
    free_subscriber (subscriber);
  is_good = connection->is_subscribed;
  if (is_good && !vsmmu_uri_is_local (connection->uri))
    client->set_keep_alive (connection->connection, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_COUNT);
  for (guint i = 0; i < VSMMU_EVENT_IDS; i++) {
    connection->events[i] = -1;
    if (!is_good)
      continue;
    subscriber = subscriber_new (connection, func, data);
    connection->events[i] = client->event_register (connection->connection, NULL, events[i].id, events[i].callback,
                                                    subscriber, free_subscriber);
    is_good = connection->events[i] >= 0;
    if (!is_good)
      free_subscriber (subscriber);
  }
  if (is_good)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot get events from libvirt at '%s': %s"), connection->uri,
               client->get_last_error_message ());
  return FALSE;
}

void
vsmmu_connection_unsubscribe (VsmmuConnection *connection)
{
  const VsmmuClient *client = &connection->client;

  if (!connection->is_subscribed)
    return;
  for (guint i = 0; i < VSMMU_EVENT_IDS; i++)
    if (connection->events[i] >= 0)
      client->event_deregister (connection->connection, connection->events[i]);
  client->unregister_close (connection->connection, on_close);
  connection->is_subscribed = FALSE;
}

GPtrArray *
vsmmu_connection_list_running (VsmmuConnection *connection, GError **error)
{
  const VsmmuClient *client = &connection->client;
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  virDomainPtr *domains = NULL;
  int count = client->list_domains (connection->connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

  if (count < 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot list the domains of libvirt at '%s': %s"),
                 connection->uri, client->get_last_error_message ());
    return NULL;
  }
  for (int i = 0; i < count; i++) {
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    if (client->domain_get_uuid (domains[i], uuid) == 0) {
      g_ptr_array_add (found, g_strdup (uuid));
      g_ptr_array_add (found, g_strdup (client->domain_get_name (domains[i])));
    }
    client->domain_free (domains[i]);
  }
  free (domains);
  return g_steal_pointer (&found);
}

gboolean
vsmmu_connection_domain_detach (VsmmuConnectionDomain *domain, const char *xml, GError **error)
{
  const VsmmuClient *client = &domain->connection->client;
  /* Before: every call clears the last error, this one too. */
  const char *name = client->domain_get_name (domain->handle);

  if (client->domain_detach (domain->handle, xml, VIR_DOMAIN_AFFECT_LIVE) == 0)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE,
               _ ("libvirt at '%s' cannot detach the device from the domain '%s': %s"), domain->connection->uri, name,
               client->get_last_error_message ());
  return FALSE;
}
