/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tools.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/version.h"
#include "domain/releases.h"
#include "libvirt/connection.h"
#include "probe/capabilities.h"

/* Long enough for a slow machine to start QEMU; past that it is stuck. */
#define SECONDS_MAX 10

static const char *const emulators[] = { "qemu-system-aarch64", "/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm" };

/* The alarm outlives exec(), so a QEMU that does not end is ended by it. */
static void
set_alarm (gpointer data G_GNUC_UNUSED)
{
  alarm (SECONDS_MAX);
}

/* (transfer full) (nullable): what the program prints */
static char *
run (const char *program, const char *const *arguments)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) command = NULL;
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;
  int status = 0;

  g_strv_builder_add (builder, program);
  g_strv_builder_addv (builder, (const char **) arguments);
  command = g_strv_builder_end (builder);
  if (!g_spawn_sync ("/", command, NULL, G_SPAWN_DEFAULT, set_alarm, NULL, &out, &err, &status, NULL) || status != 0)
    return NULL;
  return g_steal_pointer (&out);
}

/* (transfer full) (nullable): the number behind "version" in @text, and what follows it in @rest */
static char *
find_number (const char *text, const char **rest)
{
  static const char before[] = "version ";
  const char *start = strstr (text, before);
  gsize length;

  if (start == NULL)
    return NULL;
  start += strlen (before);
  length = strspn (start, "0123456789.");
  *rest = start + length;
  return g_strndup (start, length);
}

guint
vsmmu_tools_read_version (const char *text)
{
  const char *rest;
  g_autofree char *number = find_number (text, &rest);
  guint version = 0;

  return number != NULL && vsmmu_version_parse (number, &version) ? version : 0;
}

void
vsmmu_tools_read_build (const char *text, char build[VSMMU_BUILD_SIZE])
{
  const char *rest = NULL;
  g_autofree char *number = find_number (text, &rest);
  const char *end = rest != NULL ? strpbrk (rest, ")\n") : NULL;
  const char *package = end != NULL ? g_strstr_len (rest, end - rest, number) : NULL;
  g_autofree char *whole = package != NULL ? g_strndup (package, (gsize) (end - package)) : NULL;
  guint version;

  build[0] = '\0';
  if (whole != NULL && !vsmmu_version_parse_package (whole, &version, build))
    build[0] = '\0';
}

/* Whether @help lists the property @name of a device: "  name=<type>", at the start of a line. */
static gboolean
has_property (const char *help, const char *name)
{
  g_autofree char *entry = g_strdup_printf ("\n  %s=", name);

  return help != NULL && strstr (help, entry) != NULL;
}

void
vsmmu_tools_read_properties (VsmmuHost *host, const char *smmu, const char *vfio)
{
  gboolean has_accel = has_property (smmu, "accel");

  host->qemu_accel = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_accel);
  host->qemu_auto =
      VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_accel && vsmmu_target_has (&host->tools, VSMMU_FEATURE_QEMU_AUTO));
  host->qemu_cmdqv = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_property (smmu, "cmdqv"));
  host->qemu_iommufd = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_property (vfio, "iommufd"));
  host->qemu_pasid = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_property (vfio, "x-vpasid-cap-offset"));
}

gboolean
vsmmu_tools_may_run_qemu (const VsmmuHost *host)
{
  struct stat file;

  if (host->emulator == NULL || stat (host->emulator, &file) != 0 || !S_ISREG (file.st_mode) ||
      access (host->emulator, X_OK) != 0)
    return FALSE;
  return geteuid () != 0 || (file.st_uid == 0 && (file.st_mode & (S_IWGRP | S_IWOTH)) == 0);
}

void
vsmmu_tools_find_qemu (VsmmuHost *host)
{
  if (!vsmmu_tools_may_run_qemu (host))
    g_clear_pointer (&host->emulator, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (emulators) && host->emulator == NULL; i++)
    host->emulator = g_find_program_in_path (emulators[i]);
}

gboolean
vsmmu_tools_ask_qemu_version (VsmmuHost *host)
{
  static const char *const version[] = { "--version", NULL };
  g_autofree char *text = host->emulator != NULL ? run (host->emulator, version) : NULL;

  if (text == NULL)
    return FALSE;
  host->tools.qemu = vsmmu_tools_read_version (text);
  vsmmu_tools_read_build (text, host->tools.qemu_build);
  return TRUE;
}

void
vsmmu_tools_ask_qemu_properties (VsmmuHost *host)
{
  static const char *const of_smmu[] = { "-M", "none", "-device", "arm-smmuv3,help", NULL };
  static const char *const of_vfio[] = { "-M", "none", "-device", "vfio-pci,help", NULL };
  g_autofree char *smmu = run (host->emulator, of_smmu);
  g_autofree char *vfio = run (host->emulator, of_vfio);

  vsmmu_tools_read_properties (host, smmu, vfio);
}

gboolean
vsmmu_tools_ask_libvirt (const char *uri, VsmmuHost *host, GError **error)
{
  g_autofree char *capabilities = NULL;

  if (!vsmmu_target_ask (uri, &host->tools, &capabilities, error)) {
    host->tools = (VsmmuTarget){ 0 };
    return FALSE;
  }
  if (capabilities != NULL)
    vsmmu_capabilities_read (capabilities, host);
  return TRUE;
}

/* Where Debian, Fedora and others have libvirt.so.0, a link to libvirt.so.0.12008.0 of libvirt 12.8.0. */
static const char *const library_directories[] = { "usr/lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib64",
                                                   "usr/lib" };
#define LIBRARY "libvirt.so.0"
#define SCHEMAS "usr/share/libvirt/schemas"

/* libvirt's larger schema has 250 KiB. */
#define SCHEMA_MAX ((gsize) 4 * 1024 * 1024)

/* In VSMMU_VERSION_ENCODE() form; 0 for none */
static guint
read_library_version (const char *root)
{
  for (guint i = 0; i < G_N_ELEMENTS (library_directories); i++) {
    g_autofree char *path = g_build_filename (root, library_directories[i], LIBRARY, NULL);
    g_autofree char *target = g_file_read_link (path, NULL);
    const char *number = target != NULL ? strstr (target, LIBRARY ".") : NULL;
    char *end = NULL;
    guint64 release = number != NULL ? g_ascii_strtoull (number + strlen (LIBRARY "."), &end, 10) : 0;

    if (release > 0 && release < 1000000 && end[0] == '.' && g_ascii_isdigit (end[1]))
      return (guint) (release * 1000 + MIN (g_ascii_strtoull (end + 1, NULL, 10), 999));
  }
  return 0;
}

/* Whether a schema has an attribute; @fact stays what it is when it cannot be read. */
static void
find_attribute (const char *root, const char *schema, const char *attribute, VsmmuFact *fact)
{
  g_autofree char *path = g_build_filename (root, SCHEMAS, schema, NULL);
  g_autofree char *element = g_strdup_printf ("<attribute name=\"%s\"", attribute);
  g_autofree char *text = NULL;
  gsize length = 0;

  if (g_file_get_contents (path, &text, &length, NULL) && length <= SCHEMA_MAX)
    *fact = VSMMU_FACT (VSMMU_FACT_SOURCE_LIBVIRT, strstr (text, element) != NULL);
}

void
vsmmu_tools_read_libvirt (const char *root, VsmmuHost *host)
{
  if (host->tools.libvirt == 0 || read_library_version (root) != host->tools.libvirt)
    return;
  find_attribute (root, "domaincommon.rng", "accel", &host->libvirt_accel);
  find_attribute (root, "basictypes.rng", "iommufd", &host->libvirt_iommufd);
}

void
vsmmu_tools_probe (VsmmuHost *host)
{
  g_autoptr (GError) error = NULL;

  if (!vsmmu_tools_ask_libvirt (NULL, host, &error))
    vsmmu_host_add_unread (host, "libvirt", error->message);
  vsmmu_tools_read_libvirt ("/", host);
  vsmmu_tools_find_qemu (host);
  if (vsmmu_tools_ask_qemu_version (host))
    vsmmu_tools_ask_qemu_properties (host);
}
