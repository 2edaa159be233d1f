/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/budget.h>
#include <vsmmu/policy.h>
#include <vsmmu/verify.h>

G_BEGIN_DECLS

/**
 * VsmmuWatcher:
 *
 * Follows the domains of libvirt daemons by their events, and verifies their devices behind vSMMUs when a guest starts
 * or reboots and when a device comes; what is unknown yet is looked at again by vsmmu_verify_delay(). When nothing
 * happens it does nothing. A daemon that is lost is connected to again, and then all is verified anew.
 *
 * Belongs to the thread that runs GLib's default main context, where libvirt's own event loop lives too
 * (virEventRegisterDefaultImpl()); what may block happens in other threads. One process has one at a time.
 */
typedef struct _VsmmuWatcher VsmmuWatcher;

/**
 * VsmmuWatchKind:
 * @VSMMU_WATCH_CONNECTED: the daemon at @uri answers
 * @VSMMU_WATCH_DISCONNECTED: it does not, or not any more; @reason says why
 * @VSMMU_WATCH_VERDICT: the verdict on a device is new or another one
 * @VSMMU_WATCH_REMOVED: the device left the guest, or the guest ended
 * @VSMMU_WATCH_DETACHING: libvirt is asked to detach the device, as the policy says; @reason is why
 * @VSMMU_WATCH_DETACH_FAILED: libvirt or the guest did not let it go; @reason is what libvirt said
 * @VSMMU_WATCH_FAILED: the domain could not be verified, or its QEMU has not answered for 10 seconds; @reason says why
 */
typedef enum {
  VSMMU_WATCH_CONNECTED,
  VSMMU_WATCH_DISCONNECTED,
  VSMMU_WATCH_VERDICT,
  VSMMU_WATCH_REMOVED,
  VSMMU_WATCH_DETACHING,
  VSMMU_WATCH_DETACH_FAILED,
  VSMMU_WATCH_FAILED,
} VsmmuWatchKind;

/**
 * VsmmuWatchEvent:
 * @kind: what happened
 * @uri: of the libvirt daemon
 * @domain: (nullable): name of the domain
 * @uuid: (nullable): of the domain
 * @alias: (nullable): of the device
 * @device: (nullable): (for a verdict, and for the device that is detached) what is known of it
 * @action: (for a mismatch) what is done about it
 * @is_overruled: (for a mismatch) whether the domain's metadata are more lenient, which the host does not allow
 * @verification: (nullable): (for a verdict) what it is from; without its devices
 * @elapsed: (for a verdict) microseconds since the event that made the watcher look
 * @reason: (nullable): (translated)
 *
 * Something that a watcher reports; all of it is borrowed.
 */
typedef struct {
  VsmmuWatchKind kind;
  const char *uri;
  const char *domain;
  const char *uuid;
  const char *alias;
  const VsmmuVerifiedDevice *device;
  VsmmuPolicyMismatch action;
  gboolean is_overruled;
  const VsmmuVerification *verification;
  gint64 elapsed;
  const char *reason;
} VsmmuWatchEvent;

/**
 * vsmmu_watch_kind_to_string:
 *
 * Returns: `connected`, `disconnected`, `verdict`, `removed`, `detaching`, `detach-failed` or `failed`; not translated
 */
VSMMU_PUBLIC const char *vsmmu_watch_kind_to_string (VsmmuWatchKind kind);

/**
 * vsmmu_watch_event_to_json:
 *
 * Returns: (transfer full): @event as a JSON object on one line, ending in a newline; with `time`, ISO 8601 in UTC
 */
VSMMU_PUBLIC char *vsmmu_watch_event_to_json (const VsmmuWatchEvent *event);

/** VsmmuWatchFunc: called with each event in the main context; must not free the watcher */
typedef void (*VsmmuWatchFunc) (const VsmmuWatchEvent *event, gpointer data);

/**
 * VsmmuWatchOptions:
 * @uris: (nullable): NULL-terminated libvirt URIs; %NULL for qemu:///system
 * @flags: how to verify
 * @is_enforcing: whether to do about a mismatch what the configuration of the host says, which is read anew each time
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

/**
 * vsmmu_watcher_new:
 * @error: %VSMMU_ERROR_PROBE when there is no client library
 *
 * Begins to connect, and returns before that is done.
 *
 * Returns: (transfer full): a watcher, or %NULL with @error set
 */
VSMMU_PUBLIC VsmmuWatcher *vsmmu_watcher_new (const VsmmuWatchOptions *options, GError **error);

/**
 * vsmmu_watcher_free:
 *
 * Waits a few seconds for verifications that are under way; the threads of those that hang stay behind.
 */
VSMMU_PUBLIC void vsmmu_watcher_free (VsmmuWatcher *watcher);

/**
 * VsmmuWatchEntry:
 * @uri: of the libvirt daemon
 * @domain: name of the domain
 * @uuid: of the domain
 * @since: CLOCK_MONOTONIC in microseconds at which @device.verdict became what it is
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

/**
 * vsmmu_watcher_list:
 *
 * Returns: (transfer full) (element-type VsmmuWatchEntry): all devices with a verdict, by URI, domain and alias
 */
VSMMU_PUBLIC GArray *vsmmu_watcher_list (const VsmmuWatcher *watcher);

/**
 * vsmmu_watcher_recheck:
 * @domain: (nullable): name or UUID; %NULL for all
 *
 * Verifies again, as after an event.
 *
 * Returns: how many domains are looked at
 */
VSMMU_PUBLIC guint vsmmu_watcher_recheck (VsmmuWatcher *watcher, const char *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuWatcher, vsmmu_watcher_free)

G_END_DECLS
