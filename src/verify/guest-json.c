/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "msi/json.h"
#include "render/json.h"
#include "verify/guest.h"

static JsonObject *
smmu_to_json (const VsmmuGuestSmmu *smmu)
{
  JsonObject *object = json_object_new ();

  vsmmu_json_set_string (object, "alias", smmu->alias);
  json_object_set_boolean_member (object, "accelerated", smmu->is_accelerated);
  if (smmu->has_msi_gpa)
    vsmmu_json_set_address (object, "msi_gpa", smmu->msi_gpa);
  else
    json_object_set_null_member (object, "msi_gpa");
  return object;
}

static JsonObject *
vector_to_json (const VsmmuGuestVector *vector)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "index", vector->index);
  vsmmu_json_set_address (object, "address", vector->address);
  vsmmu_json_set_address (object, "data", vector->data);
  vsmmu_json_set_string (object, "fault", vector->fault);
  if (vector->fault != NULL)
    return object;
  vsmmu_json_set_address (object, "gpa", vsmmu_guest_vector_get_gpa (vector));
  json_object_set_int_member (object, "device_id", vector->route.device_id);
  return object;
}

static JsonArray *
vectors_to_json (const GArray *vectors)
{
  JsonArray *array = json_array_sized_new (vectors->len);

  for (guint i = 0; i < vectors->len; i++)
    json_array_add_object_element (array, vector_to_json (&g_array_index (vectors, VsmmuGuestVector, i)));
  return array;
}

static JsonObject *
device_to_json (const VsmmuGuestDevice *device)
{
  g_autofree char *address = vsmmu_guest_device_get_address (device);
  JsonObject *object = json_object_new ();

  vsmmu_json_set_string (object, "alias", device->alias);
  vsmmu_json_set_string (object, "name", device->name);
  vsmmu_json_set_string (object, "address", address);
  vsmmu_json_set_string (object, "host", device->host);
  vsmmu_json_set_string (object, "vsmmu", device->vsmmu);
  vsmmu_json_set_string (object, "path", device->has_path ? vsmmu_msi_path_to_string (device->path) : NULL);
  json_object_set_string_member (object, "interrupts", device->interrupts);
  json_object_set_int_member (object, "vectors", device->n_vectors);
  json_object_set_array_member (object, "enabled", vectors_to_json (device->vectors));
  json_object_set_string_member (object, "verdict", vsmmu_vector_state_to_string (device->state));
  vsmmu_json_set_string (object, "reason", device->reason);
  return object;
}

char *
vsmmu_guest_to_json (const VsmmuGuest *guest)
{
  JsonObject *object = json_object_new ();
  JsonArray *smmus = json_array_new ();
  JsonArray *devices = json_array_sized_new (guest->devices->len);
  JsonObject *reads = json_object_new ();

  for (guint i = 0; i < guest->smmus->len; i++)
    json_array_add_object_element (smmus, smmu_to_json (g_ptr_array_index (guest->smmus, i)));
  for (guint i = 0; i < guest->devices->len; i++)
    json_array_add_object_element (devices, device_to_json (g_ptr_array_index (guest->devices, i)));
  json_object_set_int_member (reads, "peeks", guest->n_peeks);
  json_object_set_int_member (reads, "bytes", (gint64) guest->n_bytes);
  vsmmu_json_set_string (object, "domain", guest->name);
  json_object_set_object_member (object, "machine", vsmmu_msi_machine_to_json (&guest->machine));
  json_object_set_array_member (object, "vsmmus", smmus);
  json_object_set_array_member (object, "devices", devices);
  json_object_set_array_member (object, "findings", vsmmu_findings_to_json (guest->findings));
  json_object_set_object_member (object, "reads", reads);
  return vsmmu_json_to_string (object);
}
