/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify/guest-output.h"

#include <string.h>
#include <sys/stat.h>

#include "domain/domain.h"
#include "xml/xml.h"

/* Elements that describe a character device, or what is behind one. */
static const char *const character_devices[] = { "serial",   "parallel",  "console", "channel",
                                                 "redirdev", "smartcard", "backend", NULL };
/* Where QEMU takes a path from libvirt for one. */
static const char *const path_elements[] = { "source", "log", "protocol", NULL };
/* Paths that are a descriptor of QEMU's. */
static const char *const descriptor_paths[] = { "/dev/", "/proc/", "/sys/", ".." };
/* Options of QEMU that open no character device, whatever their values. Of all others, that is not known. */
static const char *const quiet_options[] = { "device", "object", "machine", "M",     "global", "cpu",  "smp",
                                             "m",      "numa",   "accel",   "trace", "name",   "uuid", NULL };

/* Whether what is written to @path may be in the log. */
static gboolean
may_be_log (const char *path, const char *log)
{
  struct stat ours;
  struct stat theirs;

  if (path == NULL || !g_path_is_absolute (path))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (descriptor_paths); i++)
    if (strstr (path, descriptor_paths[i]) != NULL)
      return TRUE;
  if (g_strcmp0 (path, log) == 0)
    return TRUE;
  return log != NULL && stat (path, &ours) == 0 && stat (log, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
         ours.st_ino == theirs.st_ino;
}

/* Whether a character device, which is of @type, leads into the log. */
static gboolean
leads_to_log (const xmlNode *device, const char *type, const char *log)
{
  static const char *const types_with_path[] = { "file", "dev", "pipe", NULL };
  gboolean has_path = g_strv_contains (types_with_path, type);

  if (strcmp (type, "stdio") == 0)
    return TRUE;
  for (const xmlNode *node = vsmmu_xml_element (device->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    const char *path = vsmmu_xml_attribute (node, vsmmu_xml_is (node, "log") ? "file" : "path");

    if (!g_strv_contains (path_elements, (const char *) node->name))
      continue;
    if ((vsmmu_xml_is (node, "log") || has_path) && may_be_log (path, log))
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_talking_device (const xmlNode *parent, const char *log)
{
  for (const xmlNode *node = vsmmu_xml_element (parent->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    const char *type = vsmmu_xml_attribute (node, "type");

    if (type != NULL && g_strv_contains (character_devices, (const char *) node->name) &&
        leads_to_log (node, type, log))
      return TRUE;
    /* <rng> and others have it inside. */
    if (vsmmu_xml_is (parent, "devices") && has_talking_device (node, log))
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_talking_option (const xmlNode *commandline)
{
  for (const xmlNode *node = vsmmu_xml_element (commandline->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    const char *value =
        vsmmu_xml_is_ns (node, "arg", VSMMU_QEMU_NAMESPACE) ? vsmmu_xml_attribute (node, "value") : NULL;

    if (value == NULL || *value != '-')
      continue;
    value += g_str_has_prefix (value, "--") ? 2 : 1;
    if (!g_strv_contains (quiet_options, value))
      return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_guest_may_write_log (const xmlDoc *document, const char *log)
{
  const xmlNode *root = xmlDocGetRootElement (document);

  for (const xmlNode *node = vsmmu_xml_element (root->children); node != NULL; node = vsmmu_xml_element (node->next))
    if ((vsmmu_xml_is (node, "devices") && has_talking_device (node, log)) ||
        (vsmmu_xml_is_ns (node, "commandline", VSMMU_QEMU_NAMESPACE) && has_talking_option (node)))
      return TRUE;
  return FALSE;
}
