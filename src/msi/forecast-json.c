/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "msi/forecast.h"
#include "msi/json.h"

JsonObject *
vsmmu_msi_machine_to_json (const VsmmuMsiMachine *machine)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "controller", vsmmu_msi_controller_to_string (machine->controller));
  if (machine->doorbell != 0)
    vsmmu_json_set_address (object, "doorbell", machine->doorbell);
  else
    json_object_set_null_member (object, "doorbell");
  return object;
}

static JsonObject *
device_to_json (const VsmmuMsiDevice *device)
{
  JsonObject *object = json_object_new ();

  vsmmu_json_set_string (object, "alias", device->alias);
  vsmmu_json_set_string (object, "name", device->name);
  json_object_set_int_member (object, "line", device->line);
  vsmmu_json_set_string (object, "address", device->address);
  vsmmu_json_set_string (object, "host", device->host);
  vsmmu_json_set_string (object, "vsmmu", device->vsmmu);
  json_object_set_string_member (object, "path", vsmmu_msi_path_to_string (device->path));
  json_object_set_string_member (object, "forecast", vsmmu_msi_forecast_to_string (device->forecast));
  vsmmu_json_set_string (object, "reason", device->reason);
  return object;
}

char *
vsmmu_msi_devices_to_json (const VsmmuDomain *domain, const GPtrArray *devices)
{
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_sized_new (devices->len);
  VsmmuMsiMachine machine;

  vsmmu_msi_machine_of (domain, &machine);
  for (guint i = 0; i < devices->len; i++)
    json_array_add_object_element (array, device_to_json (g_ptr_array_index (devices, i)));
  vsmmu_json_set_string (object, "domain", vsmmu_domain_get_name (domain));
  json_object_set_object_member (object, "machine", vsmmu_msi_machine_to_json (&machine));
  json_object_set_array_member (object, "devices", array);
  return vsmmu_json_to_string (object);
}

char *
vsmmu_msi_forecast_to_json (const VsmmuDomain *domain, GError **error)
{
  g_autoptr (GPtrArray) devices = vsmmu_msi_forecast (domain, error);

  return devices != NULL ? vsmmu_msi_devices_to_json (domain, devices) : NULL;
}
