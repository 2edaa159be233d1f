/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/budget.h>
#include <vsmmu/target.h>

G_BEGIN_DECLS

/**
 * VsmmuConnection:
 *
 * A connection to a libvirt daemon. libvirt's client library is loaded when the first one is opened. Several threads
 * may use one connection; it outlives what was asked of it.
 */
typedef struct _VsmmuConnection VsmmuConnection;

/**
 * VsmmuDomainXml:
 * @VSMMU_DOMAIN_XML_LIVE: the domain as it runs; that of the next start when it is shut off
 * @VSMMU_DOMAIN_XML_INACTIVE: the domain of the next start
 */
typedef enum {
  VSMMU_DOMAIN_XML_LIVE,
  VSMMU_DOMAIN_XML_INACTIVE,
} VsmmuDomainXml;

/**
 * vsmmu_connection_open:
 * @uri: (nullable): libvirt connection URI; %NULL for qemu:///system
 * @is_read_only: whether virConnectOpenReadOnly() will do; guest memory is only for connections that may write
 *   (virDomainMemoryPeek())
 * @error: %VSMMU_ERROR_PROBE
 *
 * Returns: (transfer full): a connection, or %NULL with @error set when there is no library or no daemon, or it lets
 * nobody in
 */
VSMMU_PUBLIC VsmmuConnection *vsmmu_connection_open (const char *uri, gboolean is_read_only, GError **error);

/**
 * vsmmu_connection_close:
 * @connection: (nullable):
 */
VSMMU_PUBLIC void vsmmu_connection_close (VsmmuConnection *connection);

/**
 * vsmmu_connection_set_budget:
 * @budget: (nullable): (transfer none): %NULL for no limit, which is the default; the connection keeps a reference
 * @is_urgent: as vsmmu_budget_take() has it
 *
 * Of what the documents of guests are read with; to be called before anything is read.
 */
VSMMU_PUBLIC void vsmmu_connection_set_budget (VsmmuConnection *connection, VsmmuBudget *budget, gboolean is_urgent);

/**
 * vsmmu_connection_get_target:
 * @target: (out): the daemon's version (virConnectGetLibVersion()) and that of its QEMU (virConnectGetVersion())
 * @error: %VSMMU_ERROR_PROBE
 *
 * Returns: %FALSE with @error set when the daemon does not answer
 */
VSMMU_PUBLIC gboolean vsmmu_connection_get_target (VsmmuConnection *connection, VsmmuTarget *target, GError **error);

/**
 * vsmmu_connection_get_domain_xml:
 * @name: id, UUID or name, tried in this order as virsh does
 * @error: %VSMMU_ERROR_NO_DOMAIN or %VSMMU_ERROR_PROBE
 *
 * Returns: (transfer full): domain XML as `virsh dumpxml` prints it, or %NULL with @error set
 */
VSMMU_PUBLIC char *vsmmu_connection_get_domain_xml (VsmmuConnection *connection, const char *name, VsmmuDomainXml which,
                                                    GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuConnection, vsmmu_connection_close)

G_END_DECLS
