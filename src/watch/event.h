/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/policy.h"
#include "verify/verify.h"

/*
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

/*
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

/*
 * vsmmu_watch_kind_to_string:
 *
 * Returns: `connected`, `disconnected`, `verdict`, `removed`, `detaching`, `detach-failed` or `failed`; not translated
 */
const char *vsmmu_watch_kind_to_string (VsmmuWatchKind kind);

/*
 * vsmmu_watch_event_to_json:
 *
 * Returns: (transfer full): @event as a JSON object on one line, ending in a newline; with `time`, ISO 8601 in UTC
 */
char *vsmmu_watch_event_to_json (const VsmmuWatchEvent *event);
