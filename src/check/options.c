/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/run.h"

VsmmuCheckOptions *
vsmmu_check_options_new (void)
{
  return g_atomic_rc_box_new0 (VsmmuCheckOptions);
}

static void
options_clear (gpointer data)
{
  VsmmuCheckOptions *options = data;

  vsmmu_target_free ((VsmmuTarget *) options->target);
  vsmmu_host_unref ((VsmmuHost *) options->host);
  vsmmu_schema_free ((VsmmuSchema *) options->schema);
  vsmmu_hotplug_free ((VsmmuHotplug *) options->hotplug);
}

void
vsmmu_check_options_unref (VsmmuCheckOptions *options)
{
  if (options != NULL)
    g_atomic_rc_box_release_full (options, options_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuCheckOptions, vsmmu_check_options, g_atomic_rc_box_acquire, vsmmu_check_options_unref)

void
vsmmu_check_options_set_target (VsmmuCheckOptions *options, const VsmmuTarget *target)
{
  VsmmuTarget *copy = g_memdup2 (target, target != NULL ? sizeof (*target) : 0);

  vsmmu_target_free ((VsmmuTarget *) options->target);
  options->target = copy;
}

void
vsmmu_check_options_set_host (VsmmuCheckOptions *options, VsmmuHost *host)
{
  VsmmuHost *reference = host != NULL ? vsmmu_host_ref (host) : NULL;

  vsmmu_host_unref ((VsmmuHost *) options->host);
  options->host = reference;
}

gboolean
vsmmu_check_options_set_schema (VsmmuCheckOptions *options, const char *libvirt_schema, GError **error)
{
  VsmmuSchema *schema = vsmmu_schema_new (libvirt_schema, error);

  if (schema == NULL)
    return FALSE;
  vsmmu_schema_free ((VsmmuSchema *) options->schema);
  options->schema = schema;
  return TRUE;
}

gboolean
vsmmu_check_options_set_device (VsmmuCheckOptions *options, VsmmuHotplugAction action, const char *data, gsize length,
                                const char *name, GError **error)
{
  VsmmuHotplug *hotplug = vsmmu_hotplug_new_from_data (action, data, length, name, error);

  if (hotplug == NULL)
    return FALSE;
  vsmmu_hotplug_free ((VsmmuHotplug *) options->hotplug);
  options->hotplug = hotplug;
  return TRUE;
}
