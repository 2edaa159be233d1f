/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

VsmmuPlanOptions *
vsmmu_plan_options_new (void)
{
  return g_atomic_rc_box_new0 (VsmmuPlanOptions);
}

static void
options_clear (gpointer data)
{
  VsmmuPlanOptions *options = data;

  g_free ((char *) options->name);
  g_free ((char *) options->guest);
  g_free ((char *) options->guest_name);
}

void
vsmmu_plan_options_unref (VsmmuPlanOptions *options)
{
  if (options != NULL)
    g_atomic_rc_box_release_full (options, options_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuPlanOptions, vsmmu_plan_options, g_atomic_rc_box_acquire, vsmmu_plan_options_unref)

void
vsmmu_plan_options_set_spare_ports (VsmmuPlanOptions *options, guint spare_ports)
{
  options->spare_ports = spare_ports;
}

void
vsmmu_plan_options_set_per_device (VsmmuPlanOptions *options, gboolean is_per_device)
{
  options->is_per_device = is_per_device;
}

void
vsmmu_plan_options_set_managed (VsmmuPlanOptions *options, VsmmuPlanManaged managed)
{
  options->managed = managed;
}

void
vsmmu_plan_options_set_name (VsmmuPlanOptions *options, const char *name)
{
  g_free ((char *) options->name);
  options->name = g_strdup (name);
}

void
vsmmu_plan_options_set_size (VsmmuPlanOptions *options, guint memory, guint vcpus)
{
  options->memory = memory;
  options->vcpus = vcpus;
}

void
vsmmu_plan_options_set_guest (VsmmuPlanOptions *options, const char *data, gsize length, const char *name)
{
  g_free ((char *) options->guest);
  g_free ((char *) options->guest_name);
  options->guest = g_memdup2 (data, length);
  options->guest_length = length;
  options->guest_name = g_strdup (name);
}
