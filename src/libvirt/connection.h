/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/budget.h"
#include "base/target.h"

/*
 * VsmmuConnection:
 *
 * A connection to a libvirt daemon. libvirt's client library is loaded when the first one is opened. Several threads
 * may use one connection; it outlives what was asked of it.
 */
typedef struct _VsmmuConnection VsmmuConnection;

/*
 * VsmmuDomainXml:
 * @VSMMU_DOMAIN_XML_LIVE: the domain as it runs; that of the next start when it is shut off
 * @VSMMU_DOMAIN_XML_INACTIVE: the domain of the next start
 */
typedef enum {
  VSMMU_DOMAIN_XML_LIVE,
  VSMMU_DOMAIN_XML_INACTIVE,
} VsmmuDomainXml;

/*
 * vsmmu_connection_open:
 * @uri: (nullable): libvirt connection URI; %NULL for qemu:///system
 * @is_read_only: whether virConnectOpenReadOnly() will do; guest memory is only for connections that may write
 *   (virDomainMemoryPeek())
 * @error: %VSMMU_ERROR_PROBE
 *
 * Returns: (transfer full): a connection, or %NULL with @error set when there is no library or no daemon, or it lets
 * nobody in
 */
VsmmuConnection *vsmmu_connection_open (const char *uri, gboolean is_read_only, GError **error);

/*
 * vsmmu_connection_close:
 * @connection: (nullable):
 */
void vsmmu_connection_close (VsmmuConnection *connection);

/*
 * vsmmu_connection_set_budget:
 * @budget: (nullable): (transfer none): %NULL for no limit, which is the default; the connection keeps a reference
 * @is_urgent: as vsmmu_budget_take() has it
 *
 * Of what the documents of guests are read with; to be called before anything is read.
 */
void vsmmu_connection_set_budget (VsmmuConnection *connection, VsmmuBudget *budget, gboolean is_urgent);

/*
 * vsmmu_connection_get_target:
 * @target: (out): the daemon's version (virConnectGetLibVersion()) and that of its QEMU (virConnectGetVersion())
 * @error: %VSMMU_ERROR_PROBE
 *
 * Returns: %FALSE with @error set when the daemon does not answer
 */
gboolean vsmmu_connection_get_target (VsmmuConnection *connection, VsmmuTarget *target, GError **error);

/*
 * vsmmu_target_ask:
 * @target: (out): as for vsmmu_connection_get_target()
 * @capabilities: (out) (transfer full) (nullable): what libvirt reports for arm64 guests
 * (virConnectGetDomainCapabilities())
 *
 * Asks the daemon at @uri. libvirt keeps the capabilities from who may only read, which is what everybody but root asks
 * of a daemon on this host: a password for more than the versions would be too much.
 */
gboolean vsmmu_target_ask (const char *uri, VsmmuTarget *target, char **capabilities, GError **error);

/*
 * vsmmu_connection_get_domain_xml:
 * @name: id, UUID or name, tried in this order as virsh does
 * @error: %VSMMU_ERROR_NO_DOMAIN or %VSMMU_ERROR_PROBE
 *
 * Returns: (transfer full): domain XML as `virsh dumpxml` prints it, or %NULL with @error set
 */
char *vsmmu_connection_get_domain_xml (VsmmuConnection *connection, const char *name, VsmmuDomainXml which,
                                       GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuConnection, vsmmu_connection_close)

/* The URI it was opened with; owned by @connection. */
const char *vsmmu_connection_get_uri (const VsmmuConnection *connection);

/* One domain of a connection, which must outlive it. */
typedef struct _VsmmuConnectionDomain VsmmuConnectionDomain;

/*
 * vsmmu_connection_domain_new:
 * @name: id, UUID or name, tried in this order as virsh does
 * @error: VSMMU_ERROR_NO_DOMAIN or VSMMU_ERROR_PROBE
 */
VsmmuConnectionDomain *vsmmu_connection_domain_new (VsmmuConnection *connection, const char *name, GError **error);

void vsmmu_connection_domain_free (VsmmuConnectionDomain *domain);

/* (transfer full) (nullable): its name, as libvirt has it and whatever its XML says */
char *vsmmu_connection_domain_get_name (VsmmuConnectionDomain *domain);

/* (transfer full) (nullable): its UUID */
char *vsmmu_connection_domain_get_uuid (VsmmuConnectionDomain *domain);

/* (transfer full): domain XML, or %NULL with @error set: VSMMU_ERROR_NO_DOMAIN or VSMMU_ERROR_PROBE */
char *vsmmu_connection_domain_get_xml (VsmmuConnectionDomain *domain, VsmmuDomainXml which, GError **error);

/* Takes from the budget of the connection, and waits for it, what a document of so many bytes costs to parse. */
void vsmmu_connection_domain_take_budget (VsmmuConnectionDomain *domain, gsize length);

/* Gives all back but @kept bytes, which are given back when @domain is freed. */
void vsmmu_connection_domain_give_budget (VsmmuConnectionDomain *domain, gsize kept);

/* The largest peek that the protocol carries: REMOTE_DOMAIN_MEMORY_PEEK_BUFFER_MAX is 4 MiB, and was 1 MiB once. */
#define VSMMU_PEEK_MAX (1024u * 1024)

/*
 * vsmmu_connection_domain_peek:
 * @address: guest physical address
 * @length: 1 to %VSMMU_PEEK_MAX bytes
 * @error: VSMMU_ERROR_NO_DOMAIN when it does not run any more, or VSMMU_ERROR_PROBE
 *
 * virDomainMemoryPeek() with VIR_MEMORY_PHYSICAL, which is a real access where there is a device: QEMU takes it apart
 * into accesses of up to 8 bytes. Where nothing is, or nothing that QEMU emulates, it reads zeros without an error.
 */
gboolean vsmmu_connection_domain_peek (VsmmuConnectionDomain *domain, guint64 address, gsize length, gpointer buffer,
                                       GError **error);

/*
 * vsmmu_connection_domain_monitor:
 * @command: QMP
 * @error: VSMMU_ERROR_NO_DOMAIN or VSMMU_ERROR_PROBE
 *
 * virDomainQemuMonitorCommand(), after which libvirt calls the domain tainted.
 *
 * Returns: (transfer full): what QEMU answers, or %NULL with @error set
 */
char *vsmmu_connection_domain_monitor (VsmmuConnectionDomain *domain, const char *command, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuConnectionDomain, vsmmu_connection_domain_free)
