/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/verify-json.h"

#include "base/json.h"
#include "render/json.h"

static JsonObject *
evidence_to_json (const VsmmuEvidence *evidence)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "check", evidence->check);
  json_object_set_string_member (object, "outcome", vsmmu_outcome_to_string (evidence->outcome));
  vsmmu_json_set_string (object, "text", evidence->text);
  return object;
}

JsonObject *
vsmmu_verified_device_to_json (const VsmmuVerifiedDevice *device)
{
  JsonObject *object = json_object_new ();
  JsonArray *evidence = json_array_sized_new (device->evidence->len);

  for (guint i = 0; i < device->evidence->len; i++)
    json_array_add_object_element (evidence, evidence_to_json (g_ptr_array_index (device->evidence, i)));
  vsmmu_json_set_string (object, "alias", device->alias);
  vsmmu_json_set_string (object, "name", device->name);
  vsmmu_json_set_string (object, "address", device->address);
  vsmmu_json_set_string (object, "vsmmu", device->vsmmu);
  json_object_set_boolean_member (object, "accelerated", device->is_accelerated);
  vsmmu_json_set_string (object, "host", device->host);
  vsmmu_json_set_string (object, "smmu", device->smmu);
  if (device->doorbell != 0)
    vsmmu_json_set_address (object, "doorbell", device->doorbell);
  else
    json_object_set_null_member (object, "doorbell");
  json_object_set_string_member (object, "verdict", vsmmu_outcome_to_string (device->outcome));
  vsmmu_json_set_string (object, "reason", device->reason);
  json_object_set_array_member (object, "evidence", evidence);
  json_object_set_array_member (object, "findings", vsmmu_findings_to_json (device->findings));
  return object;
}

JsonObject *
vsmmu_verification_reads_to_json (const VsmmuVerification *verification)
{
  JsonObject *reads = json_object_new ();

  json_object_set_int_member (reads, "peeks", verification->n_peeks);
  json_object_set_int_member (reads, "bytes", (gint64) verification->n_bytes);
  return reads;
}

JsonObject *
vsmmu_verification_parts_to_json (const VsmmuVerification *verification)
{
  static const char *const names[] = {
    [VSMMU_VERIFY_PART_XML] = "xml",
    [VSMMU_VERIFY_PART_GUEST] = "guest",
    [VSMMU_VERIFY_PART_HOST] = "host",
    [VSMMU_VERIFY_PART_JUDGE] = "judge",
  };
  JsonObject *parts = json_object_new ();

  for (guint i = 0; i < VSMMU_VERIFY_PARTS; i++)
    json_object_set_int_member (parts, names[i], verification->parts[i]);
  return parts;
}

char *
vsmmu_verification_to_json (const VsmmuVerification *verification)
{
  JsonObject *object = json_object_new ();
  JsonArray *devices = json_array_sized_new (verification->devices->len);

  for (guint i = 0; i < verification->devices->len; i++)
    json_array_add_object_element (devices,
                                   vsmmu_verified_device_to_json (g_ptr_array_index (verification->devices, i)));
  vsmmu_json_set_string (object, "domain", verification->domain);
  json_object_set_array_member (object, "devices", devices);
  json_object_set_object_member (object, "reads", vsmmu_verification_reads_to_json (verification));
  json_object_set_object_member (object, "parts_us", vsmmu_verification_parts_to_json (verification));
  return vsmmu_json_to_string (object);
}
