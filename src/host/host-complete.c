/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"

/* Copies facts of one structure that are unknown in another of the same type. */
static void
complete (gpointer structure, gconstpointer saved, const VsmmuField *fields)
{
  for (; fields->name != NULL; fields++) {
    VsmmuFact *fact = (VsmmuFact *) ((char *) structure + fields->offset);

    if (vsmmu_field_is_fact (fields->kind) && !vsmmu_fact_is_known (*fact))
      *fact = *(const VsmmuFact *) ((const char *) saved + fields->offset);
  }
}

static void
complete_smmus (VsmmuHost *host, const VsmmuHost *saved)
{
  static const VsmmuField *const tables[] = { vsmmu_host_smmu_fields, vsmmu_host_register_fields,
                                              vsmmu_host_capability_fields };

  for (guint i = 0; i < host->smmus->len; i++) {
    VsmmuHostSmmu *smmu = g_ptr_array_index (host->smmus, i);
    const VsmmuHostSmmu *other = vsmmu_host_smmu_named (saved, smmu->name);

    for (guint table = 0; other != NULL && table < G_N_ELEMENTS (tables); table++)
      complete (smmu, other, tables[table]);
  }
}

static void
complete_devices (VsmmuHost *host, const VsmmuHost *saved)
{
  for (guint i = 0; i < host->devices->len; i++) {
    VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    const VsmmuHostDevice *other = vsmmu_host_find_device (saved, device->name);

    if (other != NULL && other->vendor == device->vendor && other->device == device->device)
      complete (device, other, vsmmu_host_device_fields);
  }
}

static gboolean
is_unread (const VsmmuHost *host, const char *path)
{
  for (guint i = 0; i < host->unread->len; i++)
    if (strcmp (((const VsmmuHostUnread *) g_ptr_array_index (host->unread, i))->path, path) == 0)
      return TRUE;
  return FALSE;
}

void
vsmmu_host_complete (VsmmuHost *host, const VsmmuHost *saved)
{
  if (g_strcmp0 (host->kernel, saved->kernel) == 0)
    complete (host, saved, vsmmu_host_option_fields);
  complete_smmus (host, saved);
  complete_devices (host, saved);
  for (guint i = host->unread->len; i-- > 0;)
    if (!is_unread (saved, ((const VsmmuHostUnread *) g_ptr_array_index (host->unread, i))->path))
      g_ptr_array_remove_index (host->unread, i);
}
