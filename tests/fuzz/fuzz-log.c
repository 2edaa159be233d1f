/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a verification reads in QEMU's log: any bytes at all. */
#include <stdint.h>
#include <string.h>

#include "libvirt/qemu-log.h"
#include "stop.h"
#include "vsmmu/vsmmu.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define CHARACTERS_MAX 160

static void
read_log (const char *text, gsize length)
{
  const char *found = vsmmu_qemu_log_find_start (text, length);
  const char *start = found != NULL ? found : text;
  VsmmuQemuWords all = { 0 };
  VsmmuQemuWords recent = { 0 };

  if (start < text || start > text + length)
    g_error ("the last start is not in the log");
  vsmmu_qemu_words_read (&all, text, length);
  vsmmu_qemu_words_read (&recent, start, length - (gsize) (start - text));
  if (recent.n_routes > all.n_routes)
    g_error ("a part says more than the whole");
  for (guint i = 0; i < VSMMU_QEMU_LINES; i++)
    if (i != VSMMU_QEMU_LINE_NONE && recent.n_lines[i] > all.n_lines[i])
      g_error ("a part says more than the whole");
  if ((all.line != NULL) != (all.worst != VSMMU_QEMU_LINE_NONE) ||
      (all.worst != VSMMU_QEMU_LINE_NONE && all.n_lines[all.worst] == 0))
    g_error ("a complaint without a line, or a line without a complaint");
  if (all.line != NULL && (!g_utf8_validate (all.line, -1, NULL) || g_utf8_strlen (all.line, -1) > CHARACTERS_MAX))
    g_error ("a line that cannot be shown");
  if (all.text != NULL && all.text->line != all.worst)
    g_error ("a line with the meaning of another");
  if ((all.routes_and & ~all.routes_or) != 0)
    g_error ("bits that all routes have, and none");
  vsmmu_qemu_words_clear (&all);
  vsmmu_qemu_words_clear (&recent);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* Not NULL, and with nothing of the fuzzer's behind it. */
  g_autofree char *text = g_memdup2 (size > 0 ? (const char *) data : "", MAX (size, 1));

  read_log (text, size);
  return 0;
}
