/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/budget.h"
#include "watch/event.h"

/*
 * VsmmuWatcher:
 *
 * Follows the domains of libvirt daemons by their events, and verifies their devices behind vSMMUs when a guest starts
 * or reboots and when a device comes; what is unknown yet is looked at again by vsmmu_verify_delay(). When nothing
 * happens it does nothing. A daemon that is lost is connected to again, and then all is verified again.
 *
 * Belongs to the thread that runs GLib's default main context, where libvirt's own event loop lives too
 * (virEventRegisterDefaultImpl()); what may block happens in other threads. One process has one at a time.
 */
typedef struct _VsmmuWatcher VsmmuWatcher;

/* VsmmuWatchFunc: called with each event in the main context; must not free the watcher */
typedef void (*VsmmuWatchFunc) (const VsmmuWatchEvent *event, gpointer data);

/*
 * VsmmuWatchOptions:
 * @uris: (nullable): NULL-terminated libvirt URIs; %NULL for qemu:///system
 * @flags: how to verify
 * @is_enforcing: whether to do about a mismatch what the configuration of the host says, which is read again each time
 *   (vsmmu_policy_get_on_mismatch()), or the domain's metadata where they are stricter (#VSMMU_POLICY_NAMESPACE); or to
 *   only report it
 * @budget: (nullable): (transfer none): what the documents of guests are read with, before others; %NULL for no limit
 * @report: called with each event
 * @trim: (nullable): called in the main context after what may have taken much memory
 * @data: for @report and @trim
 */
typedef struct {
  const char *const *uris;
  VsmmuVerifyFlags flags;
  gboolean is_enforcing;
  VsmmuBudget *budget;
  VsmmuWatchFunc report;
  void (*trim) (gpointer data);
  gpointer data;
} VsmmuWatchOptions;

/*
 * vsmmu_watcher_new:
 * @error: %VSMMU_ERROR_PROBE when there is no client library
 *
 * Begins to connect, and returns before that is done.
 *
 * Returns: (transfer full): a watcher, or %NULL with @error set
 */
VsmmuWatcher *vsmmu_watcher_new (const VsmmuWatchOptions *options, GError **error);

/*
 * vsmmu_watcher_free:
 *
 * Waits a few seconds for verifications that are under way; the threads of those that hang stay behind.
 */
void vsmmu_watcher_free (VsmmuWatcher *watcher);

/*
 * VsmmuWatchEntry:
 * @uri: of the libvirt daemon
 * @domain: name of the domain
 * @uuid: of the domain
 * @since: CLOCK_MONOTONIC in microseconds at which @device.outcome became what it is
 * @device: what is known of the device
 *
 * One device that a watcher knows; all of it is borrowed, until the main context runs again.
 */
typedef struct {
  const char *uri;
  const char *domain;
  const char *uuid;
  gint64 since;
  const VsmmuVerifiedDevice *device;
} VsmmuWatchEntry;

/*
 * vsmmu_watcher_list:
 *
 * Returns: (transfer full) (element-type VsmmuWatchEntry): all devices with a verdict, by URI, domain and alias
 */
GArray *vsmmu_watcher_list (const VsmmuWatcher *watcher);

/*
 * vsmmu_watcher_recheck:
 * @domain: (nullable): name or UUID; %NULL for all
 *
 * Verifies again, as after an event.
 *
 * Returns: how many domains are looked at
 */
guint vsmmu_watcher_recheck (VsmmuWatcher *watcher, const char *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuWatcher, vsmmu_watcher_free)
