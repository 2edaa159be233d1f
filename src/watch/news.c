/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "verify/verify-json.h"
#include "vsmmu/watch.h"

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
add_verdict (JsonObject *object, const VsmmuWatchNews *news)
{
  json_object_set_object_member (object, "reads", vsmmu_verification_reads_to_json (news->verification));
  json_object_set_object_member (object, "parts_us", vsmmu_verification_parts_to_json (news->verification));
  if (news->device->verdict == VSMMU_VERIFY_MISMATCH)
    json_object_set_string_member (object, "on_mismatch", vsmmu_policy_mismatch_to_string (news->action));
  if (news->is_overruled)
    json_object_set_string_member (object, "overruled", vsmmu_policy_mismatch_to_string (news->verification->action));
  json_object_set_int_member (object, "elapsed_us", news->elapsed);
}

char *
vsmmu_watch_news_to_json (const VsmmuWatchNews *news)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%FT%T.%fZ");
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "time", time);
  json_object_set_string_member (object, "event", vsmmu_watch_kind_to_string (news->kind));
  vsmmu_json_set_string (object, "uri", news->uri);
  vsmmu_json_set_string (object, "domain", news->domain);
  vsmmu_json_set_string (object, "uuid", news->uuid);
  vsmmu_json_set_string (object, "alias", news->alias);
  vsmmu_json_set_string (object, "reason", news->reason);
  if (news->device != NULL)
    json_object_set_object_member (object, "device", vsmmu_verified_device_to_json (news->device));
  if (news->kind == VSMMU_WATCH_VERDICT)
    add_verdict (object, news);
  return vsmmu_json_to_line (object);
}
