/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/event.h"
#include "base/json.h"
#include "verify/verify-json.h"

const char *
vsmmu_watch_kind_to_string (VsmmuWatchKind kind)
{
  static const char *const names[] = {
    [VSMMU_WATCH_CONNECTED] = "connected", [VSMMU_WATCH_DISCONNECTED] = "disconnected",
    [VSMMU_WATCH_VERDICT] = "verdict",     [VSMMU_WATCH_REMOVED] = "removed",
    [VSMMU_WATCH_DETACHING] = "detaching", [VSMMU_WATCH_DETACH_FAILED] = "detach-failed",
    [VSMMU_WATCH_FAILED] = "failed",
  };

  return names[kind];
}

static void
add_verdict (JsonObject *object, const VsmmuWatchEvent *event)
{
  json_object_set_object_member (object, "reads", vsmmu_verification_reads_to_json (event->verification));
  json_object_set_object_member (object, "parts_us", vsmmu_verification_parts_to_json (event->verification));
  if (event->device->outcome == VSMMU_OUTCOME_MISMATCH)
    json_object_set_string_member (object, "on_mismatch", vsmmu_policy_mismatch_to_string (event->action));
  if (event->is_overruled)
    json_object_set_string_member (object, "overruled", vsmmu_policy_mismatch_to_string (event->verification->action));
  json_object_set_int_member (object, "elapsed_us", event->elapsed);
}

char *
vsmmu_watch_event_to_json (const VsmmuWatchEvent *event)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%FT%T.%fZ");
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "time", time);
  json_object_set_string_member (object, "event", vsmmu_watch_kind_to_string (event->kind));
  vsmmu_json_set_string (object, "uri", event->uri);
  vsmmu_json_set_string (object, "domain", event->domain);
  vsmmu_json_set_string (object, "uuid", event->uuid);
  vsmmu_json_set_string (object, "alias", event->alias);
  vsmmu_json_set_string (object, "reason", event->reason);
  if (event->device != NULL)
    json_object_set_object_member (object, "device", vsmmu_verified_device_to_json (event->device));
  if (event->kind == VSMMU_WATCH_VERDICT)
    add_verdict (object, event);
  return vsmmu_json_to_line (object);
}
