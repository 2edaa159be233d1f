/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "fake-libvirt.h"

/* What QEMU 11.1 says. */
static const struct {
  const char *command;
  const char *answer;
} answers[] = {
  [FAKE_ANSWER_TRACE_STATE] = { "trace-event-get-state", "{\"return\":[{\"name\":\"kvm_arm_fixup_msi_route\",\"state\":"
                                                         "\"disabled\"}],\"id\":\"libvirt-15\"}" },
  [FAKE_ANSWER_TRACE_SWITCH] = { "trace-event-set-state", "{\"return\":{},\"id\":\"libvirt-16\"}" },
  [FAKE_ANSWER_DOORBELL] = { "qom-get", "{\"return\":134807616,\"id\":\"libvirt-17\"}" },
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
      const char *answer = fake->answers[i] != NULL ? fake->answers[i] : answers[i].answer;

      *result = *answer != '\0' ? strdup (answer) : NULL;
      return *result != NULL ? 0 : -1;
    }
  return -1;
}
