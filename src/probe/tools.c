/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tools.h"

#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "domain/releases.h"
#include "libvirt/connection.h"

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

guint
vsmmu_tools_read_version (const char *text)
{
  static const char before[] = "version ";
  const char *start = strstr (text, before);
  g_autofree char *number = NULL;
  guint version = 0;

  if (start == NULL)
    return 0;
  start += strlen (before);
  number = g_strndup (start, strspn (start, "0123456789."));
  return vsmmu_version_parse (number, &version) ? version : 0;
}

void
vsmmu_tools_read_properties (VsmmuHost *host, const char *help)
{
  gboolean has_accel = help != NULL && strstr (help, " accel=") != NULL;

  host->qemu_accel = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_accel);
  host->qemu_auto =
      VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, has_accel && vsmmu_target_has (&host->tools, VSMMU_FEATURE_QEMU_AUTO));
  host->qemu_cmdqv = VSMMU_FACT (VSMMU_FACT_SOURCE_QEMU, help != NULL && strstr (help, " cmdqv=") != NULL);
}

static void
ask_qemu (VsmmuHost *host)
{
  static const char *const version[] = { "--version", NULL };
  static const char *const properties[] = { "-M", "none", "-device", "arm-smmuv3,help", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (emulators) && host->emulator == NULL; i++)
    host->emulator = g_find_program_in_path (emulators[i]);
  if (host->emulator != NULL) {
    g_autofree char *text = run (host->emulator, version);
    g_autofree char *help = text != NULL ? run (host->emulator, properties) : NULL;

    if (text == NULL)
      return;
    host->tools.qemu = vsmmu_tools_read_version (text);
    vsmmu_tools_read_properties (host, help);
  }
}

void
vsmmu_tools_probe (VsmmuHost *host)
{
  g_autoptr (GError) error = NULL;

  if (!vsmmu_target_probe (NULL, &host->tools, &error)) {
    host->tools = (VsmmuTarget){ 0 };
    vsmmu_host_add_unread (host, "libvirt", error->message);
  }
  ask_qemu (host);
}
