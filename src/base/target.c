/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/target.h"

#include <glib/gi18n-lib.h>
#include <string.h>

gboolean
vsmmu_target_parse (const char *text, VsmmuTarget *target, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  *target = (VsmmuTarget){ 0 };
  for (guint i = 0; parts[i] != NULL; i++) {
    char *equals = strchr (parts[i], '=');
    guint *version = NULL;
    char *build = NULL;

    if (g_str_has_prefix (parts[i], "libvirt=")) {
      version = &target->libvirt;
      build = target->libvirt_build;
    } else if (g_str_has_prefix (parts[i], "qemu=")) {
      version = &target->qemu;
      build = target->qemu_build;
    }
    if (version == NULL || *version != 0 || !vsmmu_version_parse_package (equals + 1, version, build)) {
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                   _ ("invalid target '%s'; write it as in libvirt=12.8,qemu=11.1, or use 'this'"), text);
      return FALSE;
    }
  }
  if (target->libvirt == 0 && target->qemu == 0) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                 _ ("the target is empty; write it as in libvirt=12.8,qemu=11.1, or use 'this'"));
    return FALSE;
  }
  return TRUE;
}

static char *
to_string (guint version, const char *build)
{
  g_autofree char *number = vsmmu_version_to_string (version);

  return g_strconcat (number, build, NULL);
}

char *
vsmmu_target_libvirt_to_string (const VsmmuTarget *target)
{
  return to_string (target->libvirt, target->libvirt_build);
}

char *
vsmmu_target_qemu_to_string (const VsmmuTarget *target)
{
  return to_string (target->qemu, target->qemu_build);
}

VsmmuTarget *
vsmmu_target_new (const char *text, GError **error)
{
  VsmmuTarget target;

  return vsmmu_target_parse (text, &target, error) ? g_memdup2 (&target, sizeof (target)) : NULL;
}

void
vsmmu_target_free (VsmmuTarget *target)
{
  g_free (target);
}

static VsmmuTarget *
copy (VsmmuTarget *target)
{
  return g_memdup2 (target, sizeof (*target));
}

G_DEFINE_BOXED_TYPE (VsmmuTarget, vsmmu_target, copy, vsmmu_target_free)
