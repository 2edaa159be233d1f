/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gmodule.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "libvirt/connection.h"

/* How many kinds of libvirt's events are subscribed to. */
#define VSMMU_EVENT_IDS 5

/*
 * libvirt's client library brings some forty others, which would cost more than
 * a whole check; it is loaded only by those who ask a daemon.
 */
typedef struct {
  GModule *module;
  __typeof__ (virConnectOpen) *open;
  __typeof__ (virConnectOpenReadOnly) *open_read_only;
  __typeof__ (virConnectClose) *close;
  __typeof__ (virConnectGetLibVersion) *get_lib_version;
  __typeof__ (virConnectGetVersion) *get_version;
  __typeof__ (virConnectGetDomainCapabilities) *get_domain_capabilities;
  __typeof__ (virDomainLookupByID) *lookup_by_id;
  __typeof__ (virDomainLookupByUUIDString) *lookup_by_uuid;
  __typeof__ (virDomainLookupByName) *lookup_by_name;
  __typeof__ (virDomainFree) *domain_free;
  __typeof__ (virDomainGetXMLDesc) *domain_get_xml;
  __typeof__ (virDomainMemoryPeek) *domain_memory_peek;
  __typeof__ (virGetLastErrorCode) *get_last_error_code;
  __typeof__ (virGetLastErrorMessage) *get_last_error_message;
  __typeof__ (virSetErrorFunc) *set_error_func;
  __typeof__ (virEventRegisterDefaultImpl) *event_register_default;
  __typeof__ (virConnectRegisterCloseCallback) *register_close;
  __typeof__ (virConnectUnregisterCloseCallback) *unregister_close;
  __typeof__ (virConnectSetKeepAlive) *set_keep_alive;
  __typeof__ (virConnectDomainEventRegisterAny) *event_register;
  __typeof__ (virConnectDomainEventDeregisterAny) *event_deregister;
  __typeof__ (virConnectListAllDomains) *list_domains;
  __typeof__ (virDomainGetName) *domain_get_name;
  __typeof__ (virDomainGetUUIDString) *domain_get_uuid;
  __typeof__ (virDomainDetachDeviceFlags) *domain_detach;
} VsmmuClient;

struct _VsmmuConnection {
  VsmmuClient client;
  char *uri;
  virConnectPtr connection;
  VsmmuBudget *budget; /* (nullable): for documents of domains */
  gboolean is_urgent;  /* how they are read with it */
  gboolean is_subscribed;
  int events[VSMMU_EVENT_IDS]; /* callback ids of libvirt, -1 for none */
};

struct _VsmmuConnectionDomain {
  VsmmuConnection *connection;
  char *name; /* as the user gave it */
  virDomainPtr handle;
  gsize taken; /* of the budget of the connection */
};

gboolean vsmmu_client_load (VsmmuClient *client, GError **error);

/* Ends a subscription, if there is one. */
void vsmmu_connection_unsubscribe (VsmmuConnection *connection);
