/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"

static gboolean
is_answer (VsmmuFact fact)
{
  return fact.source == VSMMU_FACT_SOURCE_IOMMUFD || fact.source == VSMMU_FACT_SOURCE_LIBVIRT ||
         fact.source == VSMMU_FACT_SOURCE_QEMU;
}

/* Copies the facts that are answers to a structure of the same type; whether there were any. */
static gboolean
copy (gpointer structure, gconstpointer from, const VsmmuField *fields)
{
  gboolean has_any = FALSE;

  for (; fields->name != NULL; fields++) {
    const VsmmuFact *fact = (const VsmmuFact *) ((const char *) from + fields->offset);

    if (vsmmu_field_is_fact (fields->kind) && is_answer (*fact)) {
      *(VsmmuFact *) ((char *) structure + fields->offset) = *fact;
      has_any = TRUE;
    }
  }
  return has_any;
}

/* What follows from registers is left to vsmmu_host_finish(). */
static gboolean
copy_smmu (VsmmuHostSmmu *smmu, const VsmmuHostSmmu *from, const char *release)
{
  VsmmuFact decoded[VSMMU_SMMU_CAPABILITIES];
  gboolean has_any = copy (smmu, from, vsmmu_host_register_fields) | copy (smmu, from, vsmmu_host_smmu_fields);

  vsmmu_smmu_decode (from->registers, release, decoded);
  for (guint i = 0; i < VSMMU_SMMU_CAPABILITIES; i++)
    if (is_answer (from->capabilities[i]) && !vsmmu_fact_is_known (decoded[i])) {
      smmu->capabilities[i] = from->capabilities[i];
      has_any = TRUE;
    }
  if (from->probed != NULL) {
    g_free (smmu->probed);
    smmu->probed = g_strdup (from->probed);
  }
  return has_any;
}

static gboolean
copy_tools (VsmmuHost *host, const VsmmuHost *from)
{
  gboolean has_any = copy (host, from, vsmmu_host_tool_fields);

  host->tools = from->tools;
  g_free (host->emulator);
  host->emulator = g_strdup (from->emulator);
  return has_any || from->tools.libvirt != 0 || from->tools.qemu != 0;
}

static void
copy_unread (VsmmuHost *host, const VsmmuHost *from)
{
  for (guint i = 0; i < from->unread->len; i++) {
    const VsmmuHostUnread *unread = g_ptr_array_index (from->unread, i);

    vsmmu_host_add_unread (host, unread->path, unread->reason);
  }
}

static gboolean
extract_smmus (VsmmuHost *answers, const VsmmuHost *host)
{
  gboolean has_any = FALSE;

  for (guint i = 0; i < host->smmus->len; i++) {
    const VsmmuHostSmmu *from = g_ptr_array_index (host->smmus, i);
    VsmmuHostSmmu *smmu = vsmmu_host_smmu_new (from->name);

    smmu->base = from->base;
    g_ptr_array_add (answers->smmus, smmu);
    if (copy_smmu (smmu, from, host->kernel))
      has_any = TRUE;
    else
      g_ptr_array_set_size (answers->smmus, (int) answers->smmus->len - 1);
  }
  answers->has_smmus = has_any;
  return has_any;
}

static gboolean
extract_devices (VsmmuHost *answers, const VsmmuHost *host)
{
  gboolean has_any = FALSE;

  for (guint i = 0; i < host->devices->len; i++) {
    const VsmmuHostDevice *from = g_ptr_array_index (host->devices, i);
    VsmmuHostDevice *device = vsmmu_host_device_new (from->name);

    device->vendor = from->vendor;
    device->device = from->device;
    g_ptr_array_add (answers->devices, device);
    if (copy (device, from, vsmmu_host_device_fields))
      has_any = TRUE;
    else
      g_ptr_array_set_size (answers->devices, (int) answers->devices->len - 1);
  }
  answers->has_devices = has_any;
  return has_any;
}

VsmmuHost *
vsmmu_host_extract_answers (const VsmmuHost *host)
{
  g_autoptr (VsmmuHost) answers = vsmmu_host_new ();
  gboolean has_smmus = extract_smmus (answers, host);
  gboolean has_devices = extract_devices (answers, host);
  gboolean has_tools = copy_tools (answers, host);

  answers->kernel = g_strdup (host->kernel);
  copy_unread (answers, host);
  return has_smmus || has_devices || has_tools || answers->unread->len > 0 ? g_steal_pointer (&answers) : NULL;
}

void
vsmmu_host_take_answers (VsmmuHost *host, const VsmmuHost *answers)
{
  for (guint i = 0; i < answers->smmus->len; i++) {
    const VsmmuHostSmmu *from = g_ptr_array_index (answers->smmus, i);
    VsmmuHostSmmu *smmu = vsmmu_host_smmu_named (host, from->name);

    if (smmu != NULL)
      copy_smmu (smmu, from, answers->kernel);
  }
  for (guint i = 0; i < answers->devices->len; i++) {
    const VsmmuHostDevice *from = g_ptr_array_index (answers->devices, i);
    VsmmuHostDevice *device = vsmmu_host_device_named (host, from->name);

    if (device != NULL)
      copy (device, from, vsmmu_host_device_fields);
  }
  copy_tools (host, answers);
  copy_unread (host, answers);
}
