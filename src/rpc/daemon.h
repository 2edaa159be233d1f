/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_daemon_connect:
 * @path: (nullable): of a socket; %NULL for the socket that libvirt's own client would use
 *   for qemu:///system or qemu:///session (remoteGetUNIXSocket())
 * @is_session: whether to look for the daemon of this user; it is started when it
 *   does not run
 * @error: %VSMMU_ERROR_PROBE, with what was tried and what to do
 *
 * Returns: a descriptor for the caller to close, or -1 with @error set
 */
int vsmmu_daemon_connect (const char *path, gboolean is_session, GError **error);
