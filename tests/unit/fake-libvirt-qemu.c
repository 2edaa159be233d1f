/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "fake-libvirt.h"

/* What QEMU 11.1 says. */
static const struct {
  const char *command;
  const char *answer;
} answers[] = {
  { "trace-event-get-state",
    "{\"return\":[{\"name\":\"kvm_arm_fixup_msi_route\",\"state\":\"disabled\"}],\"id\":\"libvirt-15\"}" },
  { "trace-event-set-state", "{\"return\":{},\"id\":\"libvirt-16\"}" },
  { "qom-get", "{\"return\":134807616,\"id\":\"libvirt-17\"}" },
};

int
virDomainQemuMonitorCommand (virDomainPtr domain G_GNUC_UNUSED, const char *command, char **result,
                             unsigned int flags G_GNUC_UNUSED)
{
  FakeLibvirt *fake = fake_libvirt_get ();
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake->mutex);

  g_ptr_array_add (fake->commands, g_strdup (command));
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    if (strstr (command, answers[i].command) != NULL) {
      *result = strdup (answers[i].answer);
      return 0;
    }
  return -1;
}
