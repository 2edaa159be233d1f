/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the texts of QEMU that libvsmmu knows, for comparison with those that a QEMU has: the releases, and the text.
 */
#include "libvirt/qemu-texts.h"

int
main (void)
{
  for (const VsmmuQemuText *text = vsmmu_qemu_texts; text->format != NULL; text++)
    g_print ("%s\t%s\n", text->is_old ? "old" : "now", text->format);
  return 0;
}
