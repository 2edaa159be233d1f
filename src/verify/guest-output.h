/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/*
 * vsmmu_guest_may_write_log:
 * @document: domain XML as libvirt answers it
 * @log: (nullable): path of the log of its QEMU
 *
 * Whether what the guest writes to a port of its own may get into that log: libvirt has QEMU's standard output and
 * standard error there. What is not known to lead elsewhere may.
 */
gboolean vsmmu_guest_may_write_log (const xmlDoc *document, const char *log);
