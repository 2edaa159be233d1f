/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <glib/gi18n.h>
#include <string.h>

#include "base/input.h"
#include "host/host.h"
#include "probe/host.h"
#include "probe/listing.h"
#include "probe/target.h"

VsmmuHost *
vsmmu_facts_load (const char *path, VsmmuHostProbeFlags flags, GError **error)
{
  g_autofree char *name = path != NULL ? vsmmu_read_name (path) : NULL;
  g_autofree char *data = NULL;
  gsize length = 0;

  if (path == NULL)
    return vsmmu_host_probe (NULL, flags, error);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return vsmmu_host_probe (path, VSMMU_HOST_PROBE_NONE, error);
  if (!vsmmu_read_document (path, &data, &length, error))
    return NULL;
  if (vsmmu_listing_is_one (data, length))
    return vsmmu_host_new_from_listing (data, length, name, error);
  return vsmmu_host_new_from_data (data, length, name, error);
}

VsmmuHost *
vsmmu_facts_load_chosen (const VsmmuFactsOptions *options, GError **error)
{
  if (options->path == NULL && !options->is_this_host)
    return NULL;
  return vsmmu_facts_load (options->path, options->is_passive ? VSMMU_HOST_PROBE_NONE : VSMMU_HOST_PROBE_DEVICES,
                           error);
}

const char *
vsmmu_facts_find_fault (const VsmmuFactsOptions *options)
{
  if (options->path != NULL && options->is_this_host)
    return _ ("--host and --this-host cannot be used together");
  if (options->is_passive && !options->is_this_host)
    return _ ("--passive requires --this-host");
  return NULL;
}

/* What the tools have on the host that the facts are of. */
static gboolean
read_target (const char *path, VsmmuTarget *target, GError **error)
{
  g_autoptr (VsmmuHost) host = vsmmu_facts_load (path, VSMMU_HOST_PROBE_NONE, error);

  if (host == NULL)
    return FALSE;
  vsmmu_host_get_target (host, target);
  if (target->libvirt != 0 || target->qemu != 0)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
               _ ("'%s' does not contain the versions of libvirt and QEMU; collect the facts on the host with "
                  "'virt-vsmmu host --json'"),
               path);
  return FALSE;
}

gboolean
vsmmu_facts_choose_target (const char *text, const char *uri, VsmmuTarget *target, GError **error)
{
  if (strcmp (text, "this") == 0)
    return vsmmu_target_probe (uri, target, error);
  if (strchr (text, '=') == NULL && g_file_test (text, G_FILE_TEST_EXISTS))
    return read_target (text, target, error);
  return vsmmu_target_parse (text, target, error);
}
